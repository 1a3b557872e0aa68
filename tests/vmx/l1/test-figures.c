/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to take pages from the host, to shoot translations down, to swap: ticks of the TSC, NMIs to another CPU. tests/bench
 * prints it. What is taken is checked, and so is what comes back.
 */
#include "attacks.h"

#define SMALL		0x400000u	/* 2 MiB of guest RAM, 4 KiB leaves in EPT12 */
#define LARGE		0x600000u	/* 2 MiB, one leaf */
#define PAGES		64u		/* that are touched one by one */

static struct vm1 a;

static u64 taken(void)
{
	struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_VM_STATS, a.id, &s, sizeof(s)), 0);
	return s.taken;
}

/* NMI exits of all CPUs. */
static u64 kicks(void)
{
	struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_STATS, 0, &s, sizeof(s)), 0);
	return s.by_reason[EXIT_EXCEPTION_NMI];
}

/* Reads a word of each page. */
static u64 touch(u32 gpa, u32 pages)
{
	u64 start = tsc();

	for (u32 i = 0; i < pages; i++)
		EXPECT_EQ(CMD(&a, FW_READ, gpa + i * 4096), 0);
	return tsc() - start;
}

/* Ticks of the first touch on top of those of another one, for each of the pages; it takes that many pages in all. */
static void first_touch(const char *what, u32 gpa, u32 pages, u64 takes)
{
	u64 before = taken(), nmis = kicks(), first = touch(gpa, pages);

	nmis = kicks() - nmis;
	EXPECT_EQ(taken() - before, takes);
	before = taken();
	first -= touch(gpa, pages);
	EXPECT_EQ(taken(), before);
	say("FIGURE %s %lu\n", what, first / pages);
	say("FIGURE %s-nmis %lu\n", what, nmis / pages);
}

static volatile bool enough;

/* Instructions without end and without PAUSE, for which emulators let a CPU rest. */
static void busy(void *arg)
{
	(void)arg;
	while (!enough)
		__asm__ volatile("" : : : "memory");
}

TEST(figures_take, "figures-taking-pages")
{
	u8 *small = page_alloc_contig(512, 512), *large = page_alloc_contig(512, 512);
	struct cvm_protect p;
	u64 *pd;

	begin();
	vm1_create(&a);
	for (u32 i = 0; i < 512; i++)
		ept_map(a.g.ept, SMALL + i * 4096ull, (u64)small + i * 4096, EPT_LEAF);
	pd = (u64 *)(*(u64 *)(a.g.ept[0] & EPT_ADDR) & EPT_ADDR);
	pd[LARGE >> 21] = (u64)large | EPT_LEAF | EPT_LARGE;
	vm1_block(&p);
	p.nr_ram = 2;
	p.ram[1] = (struct cvm_ram_range){ .gpa = SMALL, .size = LARGE + 0x200000 - SMALL };
	copy(a.ram + BLOCK_GPA, &p, sizeof(p));
	REQUIRE_EQ(vm1_protect_at(&a, BLOCK_GPA, sizeof(p)), 0);
	vm1_find_id(&a);
	EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);		/* what any command takes is there */
	enough = false;
	if (machine.nr_cpus > 1) {
		smp_start();
		smp_give(1, busy, NULL);
	}
	first_touch("taking-a-page", SMALL, PAGES, PAGES);
	first_touch("taking-2-MiB", LARGE, 1, 512);
	enough = true;
	if (machine.nr_cpus > 1)
		smp_wait(1);
	expect_running(&a);
}

/* ---- a report: from the guest's VMCALL to the answer ---- */

static struct cvm_stats host_stats(void)
{
	struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_STATS, 0, &s, sizeof(s)), 0);
	return s;
}

/* Ticks of one call of the guest's and, in @spent, what RootVisor counted meanwhile. */
static u64 call_of(u32 call, u32 gpa, u32 size, u32 answer, struct cvm_stats *spent)
{
	struct cvm_stats before = host_stats();
	u64 ticks = tsc();

	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(call), gpa, size), 0);
	ticks = tsc() - ticks;
	EXPECT_EQ(a.answer[0], answer);
	*spent = host_stats();
	spent->exits -= before.exits;
	spent->upcalls -= before.upcalls;
	spent->reflected -= before.reflected;
	return ticks;
}

TEST(figures_report, "figures-report")
{
	struct cvm_stats report, version;
	u64 ticks;

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, 1024, 0x55555555), 0);
	/* Twice: the first brings what pages it takes. */
	for (u32 i = 0; i < 2; i++) {
		ticks = call_of(CVM_GUEST_REPORT, DATA, sizeof(struct cvm_report_call), 0, &report);
		ticks -= call_of(CVM_GUEST_VERSION, 0, 0, CVM_ABI_VERSION, &version);
	}
	say("FIGURE report %lu\n", ticks);		/* on top of a call that asks for a number */
	say("FIGURE report-exits %lu\n", report.exits - version.exits + 1);
	say("FIGURE report-upcalls %lu\n", report.upcalls - version.upcalls);
	say("FIGURE report-to-the-host %lu\n", report.reflected - version.reflected);
	expect_running(&a);
}

/*
 * ---- swap ----
 *
 * As the host's kernel does it with zram: it takes a page out of EPT12, copies it to where it keeps swapped pages, and has the frame for
 * other uses; when the guest touches the page, another frame gets the copy and comes into EPT12.
 */
#define SWAP		0x10000000u	/* of the guest's memory */
#define MIB		0x100000u

static struct { u8 *frames, *store; u32 pages; } swap;

/* Free memory of that size behind this payload. */
static u8 *free_memory(u64 size)
{
	extern u8 l1_end[];
	u64 at = ((u64)l1_end + 2 * MIB - 1) & ~(2 * MIB - 1ull);

	for (u32 i = 0; i < machine.nr_rootvisor; i++)
		if (machine.rootvisor[i].start < at + size && machine.rootvisor[i].end > at) {
			at = (machine.rootvisor[i].end + 2 * MIB - 1) & ~(2 * MIB - 1ull);
			i = ~0u;		/* look at all of them again */
		}
	REQUIRE_EQ(at + size <= machine.ram_top, 1);
	return (u8 *)at;
}

static void copy_page(void *to, const void *from)
{
	u64 n = 512;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void invept_of(struct vm1 *vm)
{
	struct { u64 eptp, zero; } d = { (u64)vm->g.ept | EPTP_BITS, 0 };

	REQUIRE_EQ(invept(1, &d), 0);
}

/* A sign of life, which counts for nothing. */
static u64 alive(u64 start)
{
	u64 ticks = tsc() - start;

	say(".\n");
	return ticks;
}

static u64 swap_out(struct vm1 *vm)
{
	u64 ticks = 0;

	for (u32 i = 0; i < swap.pages;) {
		u64 start = tsc();

		do {
			ept_map(vm->g.ept, SWAP + i * 4096ull, 0, 0);
			invept_of(vm);
			copy_page(swap.store + i * 4096ull, swap.frames + i * 4096ull);
		} while (++i % 1024 && i < swap.pages);
		ticks += alive(start);
	}
	return ticks;
}

/* The guest fills its memory, or looks at all of it; what it has not got is swapped in. */
static u64 all_pages(struct vm1 *vm, u32 command, u32 *swapped_in)
{
	u64 ticks = 0;

	*swapped_in = 0;
	for (u32 m = 0; m < swap.pages / 256; m++) {
		u64 start = tsc();
		u32 r = CMD(vm, command, SWAP + m * MIB, MIB / 4, 0xa0000000 + m);

		while (r == EXIT_EPT_VIOLATION) {
			u32 i = (u32)((vmread(VMCS_GUEST_PHYSICAL_ADDRESS) - SWAP) / 4096), to = (i + 1) % swap.pages;

			REQUIRE_EQ(i < swap.pages, 1);
			copy_page(swap.frames + to * 4096ull, swap.store + i * 4096ull);
			ept_map(vm->g.ept, SWAP + i * 4096ull, (u64)swap.frames + to * 4096ull, EPT_LEAF);
			(*swapped_in)++;
			r = vm1_run(vm);
		}
		REQUIRE_EQ(r, AT_COMMAND * (r != 0));
		EXPECT_EQ(vm->answer[0], 0);		/* words that are not what they were */
		ticks += alive(start);
	}
	return ticks;
}

static void swap_of(struct vm1 *vm, const char *what)
{
	struct cvm_stats before, after;
	u64 out, warm, in;
	u32 n;

	all_pages(vm, FW_FILL, &n);
	EXPECT_EQ(n, 0);
	warm = all_pages(vm, FW_CHECK, &n);
	EXPECT_EQ(n, 0);
	if (vm->id)
		REQUIRE_EQ(host_call(CVM_HOST_VM_STATS, vm->id, &before, sizeof(before)), 0);
	out = swap_out(vm);
	in = all_pages(vm, FW_CHECK, &n) - warm;
	EXPECT_EQ(n, swap.pages);
	if (vm->id) {
		REQUIRE_EQ(host_call(CVM_HOST_VM_STATS, vm->id, &after, sizeof(after)), 0);
		EXPECT_EQ(after.sealed - before.sealed, swap.pages);
		EXPECT_EQ(after.unsealed - before.unsealed, swap.pages);
		EXPECT(!frame_has(swap.store, 0xa0000000) && !frame_has(swap.store + (swap.pages - 1) * 4096ull, 0xa0000000 + swap.pages / 256 - 1));
	} else {
		EXPECT(frame_has(swap.store, 0xa0000000));	/* the control: so it would stand there */
	}
	say("FIGURE swap-out-%s %lu\nFIGURE swap-in-%s %lu\nFIGURE swap-pages-%s %u\n", what, out, what, in, what, swap.pages);
}

static void swap_map(struct vm1 *vm)
{
	for (u32 i = 0; i < swap.pages; i++)
		ept_map(vm->g.ept, SWAP + i * 4096ull, (u64)swap.frames + i * 4096ull, EPT_LEAF);
}

/* Word swap=N on the command line: MiB. */
TEST(figures_swap, "figures-swap")
{
	u64 size = (number(machine_option("swap=")) ?: 2) * MIB;
	static struct vm1 b;
	struct cvm_protect p;

	begin();
	swap.pages = (u32)(size / 4096);
	swap.frames = free_memory(2 * size);
	swap.store = swap.frames + size;
	vm1_create(&b);
	swap_map(&b);
	REQUIRE_EQ(vm1_run(&b), AT_COMMAND);
	swap_of(&b, "ordinary");

	vm1_create(&a);
	swap_map(&a);
	vm1_block(&p);
	p.nr_ram = 2;
	p.ram[1] = (struct cvm_ram_range){ .gpa = SWAP, .size = size };
	copy(a.ram + BLOCK_GPA, &p, sizeof(p));
	REQUIRE_EQ(vm1_protect_at(&a, BLOCK_GPA, sizeof(p)), 0);
	vm1_find_id(&a);
	swap_of(&a, "protected");
	expect_running(&a);
}
