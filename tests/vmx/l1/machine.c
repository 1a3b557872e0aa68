/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the boot protocol says, page tables, the page arena, calls to RootVisor. */
#include "l1.h"

struct machine machine;

/* ---- paging ---- */
static u64 pml4[512] __attribute__((aligned(4096)));
static u64 pdpt[2][512] __attribute__((aligned(4096)));
static u64 pd[5][512] __attribute__((aligned(4096)));
static u64 window[512] __attribute__((aligned(4096)));

void paging_init(void)
{
	pml4[0] = (u64)pdpt[0] | PTE_P | PTE_W;
	for (u64 i = 0; i < 4; i++)
		pdpt[0][i] = (u64)pd[i] | PTE_P | PTE_W;
	for (u64 i = 0; i < 2048; i++)
		pd[i / 512][i % 512] = i << 21 | 0x80 | PTE_P | PTE_W;
	pml4[1] = (u64)pdpt[1] | PTE_P | PTE_W | PTE_U;
	pdpt[1][0] = (u64)pd[4] | PTE_P | PTE_W | PTE_U;
	pd[4][0] = (u64)window | PTE_P | PTE_W | PTE_U;
	paging_use();
}

void paging_use(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
	/* read-only pages bind ring 0 too, as they do under any kernel */
	__asm__ volatile("mov %0, %%cr0" : : "r"(read_cr0() | CR0_WP) : "memory");
}

u64 win_map(u32 slot, u64 pa, u64 flags)
{
	u64 la = WIN + 4096ull * slot;

	window[slot] = flags ? (pa & 0x000ffffffffff000ull) | flags : 0;
	__asm__ volatile("invlpg (%0)" : : "r"(la) : "memory");
	return la;
}

/* ---- arena ---- */
#define ARENA_PAGES 4096u
static u8 arena[ARENA_PAGES][4096] __attribute__((aligned(0x200000)));
static u64 arena_next;

void arena_reset(void)
{
	arena_next = 0;
}

u64 arena_mark(void)
{
	return arena_next;
}

void arena_release(u64 mark)
{
	arena_next = mark;
}

void *page_alloc_contig(u64 pages, u64 align)
{
	u64 at = (arena_next + align - 1) / align * align;

	if (at + pages > ARENA_PAGES)
		BROKEN("the page arena is too small");
	arena_next = at + pages;
	zero(arena[at], pages * 4096);
	return arena[at];
}

void *page_alloc(void)
{
	return page_alloc_contig(1, 1);
}

/* ---- boot_params (Documentation/x86/zero-page.rst) and ACPI ---- */
static u64 get64(const u8 *p)
{
	u64 v;

	copy(&v, p, 8);
	return v;
}

static u32 get32(const u8 *p)
{
	u32 v;

	copy(&v, p, 4);
	return v;
}

#define NR_E820		0x1e8
#define E820		0x2d0
#define ACPI_RSDP	0x070
#define CMD_LINE_PTR	0x228
#define MIB		0x100000ull

static void find_rootvisor(const u8 *bp)
{
	for (u32 i = 0; i < bp[NR_E820]; i++) {
		u64 start = get64(bp + E820 + 20 * i), size = get64(bp + E820 + 20 * i + 8);

		if (get32(bp + E820 + 20 * i + 16) == 1 && start + size > machine.ram_top)
			machine.ram_top = start + size;
	}
	/* Reserved ranges above 1 MiB with RAM behind them: the firmware has none here. */
	for (u32 i = 0; i < bp[NR_E820]; i++) {
		u64 start = get64(bp + E820 + 20 * i), size = get64(bp + E820 + 20 * i + 8);

		if (get32(bp + E820 + 20 * i + 16) != 2 || start < MIB || start >= machine.ram_top + 64 * MIB)
			continue;
		if (start + size > 0xe0000000ull || machine.nr_rootvisor == RANGES_MAX)
			continue;
		machine.rootvisor[machine.nr_rootvisor].start = start;
		machine.rootvisor[machine.nr_rootvisor++].end = start + size;
		say("RootVisor memory: %lx-%lx\n", start, start + size);
	}
}

static void found_cpu(u32 apic_id)
{
	if (apic_id != machine.apic_ids[0] && machine.nr_cpus < CPUS_MAX)
		machine.apic_ids[machine.nr_cpus++] = apic_id;
}

static void find_secret(u64 rsdp)
{
	const u8 *r = (const u8 *)rsdp;
	const u8 *root;
	u32 width, n;

	if (!rsdp)
		return;
	width = r[15] >= 2 && get64(r + 24) ? 8 : 4;
	root = (const u8 *)(width == 8 ? get64(r + 24) : get32(r + 16));
	n = (get32(root + 4) - 36) / width;
	for (u32 i = 0; i < n; i++) {
		const u8 *t = (const u8 *)(width == 8 ? get64(root + 36 + 8 * i) : get32(root + 36 + 4 * i));

		for (u32 at = 44; !compare(t, "APIC", 4) && at + 16 <= get32(t + 4); at += t[at + 1])
			if (t[at] == 16)			/* multiprocessor wakeup */
				machine.mailbox = (volatile u8 *)get64(t + at + 8);
			else if (t[at] == 0 && (t[at + 4] & 1))	/* a CPU, enabled */
				found_cpu(t[at + 3]);
		if (!compare(t, CVM_ACPI_SIGNATURE, 4)) {
			const struct cvm_acpi_table *c = (const void *)t;

			machine.secret[0] = c->secret[0];
			machine.secret[1] = c->secret[1];
		}
	}
}

void machine_init(const u8 *bp)
{
	u32 r[4];

	machine.cmdline = (const char *)(u64)get32(bp + CMD_LINE_PTR);
	cpuid(1, 0, r);
	machine.apic_ids[0] = r[1] >> 24;
	machine.nr_cpus = 1;
	for (u64 i = number(machine_option("cpus=")); i > machine.nr_cpus;)
		found_cpu(machine.nr_cpus);
	find_rootvisor(bp);
	find_secret(get64(bp + ACPI_RSDP));
}

const char *machine_option(const char *name)
{
	for (const char *s = machine.cmdline; *s; s++) {
		u32 i = 0;

		while (name[i] && s[i] == name[i])
			i++;
		if (!name[i])
			return s + i;
	}
	return NULL;
}

void machine_off(void)
{
	for (const char *s = "Shutdown"; *s; s++)
		out8(0x8900, (u8)*s);		/* the emulator's power switch */
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- calls ---- */
u32 vmcall(struct call *c)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: vmcall\n2:\n" EX(1b, 2b)
			 : "+a"(c->rax), "+b"(c->rbx), "+c"(c->rcx), "+d"(c->rdx), "+S"(c->rsi), "+D"(c->rdi)
			 : : "memory", "cc");
	return last_trap.code;
}

s64 host_call(u32 nr, u64 arg, void *buf, u64 size)
{
	struct call c = { .rax = CVM_CALL(nr), .rbx = machine.secret[0], .rcx = machine.secret[1],
			  .rdx = arg, .rsi = (u64)buf, .rdi = size };

	if (vmcall(&c) != NO_TRAP)
		return -1000;
	return (s64)c.rax;
}

static struct cvm_event_page events __attribute__((aligned(4096)));

u64 event_mark(void)
{
	if (host_call(CVM_HOST_EVENTS, ~0ull, &events, sizeof(events)) < 0)
		BROKEN("RootVisor gives no events");
	return events.next_seq;
}

const struct cvm_event *event_find(u64 mark, u32 type, u32 reason)
{
	for (;;) {
		if (host_call(CVM_HOST_EVENTS, mark, &events, sizeof(events)) <= 0)
			return NULL;
		for (u32 i = 0; i < events.count; i++)
			if (events.ev[i].type == type && events.ev[i].reason == reason)
				return &events.ev[i];
		mark = events.ev[events.count - 1].seq + 1;
	}
}

u64 events_counted(u64 mark, u32 type, u32 reason)
{
	u64 n = 0;
	const struct cvm_event *e;

	while ((e = event_find(mark, type, reason))) {
		n++;
		mark = e->seq + 1;
	}
	return n;
}
