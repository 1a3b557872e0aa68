/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GDT, IDT, and instructions that may fault. */
#include "l1.h"

void trap_handler(struct trap_frame *f);
bool (*trap_hook)(struct trap_frame *f);
extern const u8 trap_stubs[];
extern const struct { u64 at, to; } ex_table_start[], ex_table_end[];

struct trap last_traps[CPUS_MAX];
volatile u64 interrupts[CPUS_MAX][256];
struct user_trap user_trap;
bool nmi_expected;
static u64 exec_at;

static u64 gdt[6 + 2 * CPUS_MAX] __attribute__((aligned(16)));
static u64 idt[512] __attribute__((aligned(16)));
static struct { u32 reserved; u64 rsp0; u64 more[11]; u32 tail; } __attribute__((packed)) tss[CPUS_MAX];
_Static_assert(sizeof(tss[0]) == 104, "tss");

void trap_handler(struct trap_frame *f)
{
	u64 cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	if (trap_hook && trap_hook(f))
		return;
	if (f->cs & 3) {
		user_trap.code = TRAP(f->vector);
		user_trap.error = f->error;
		user_trap.cr2 = cr2;
		copy(user_trap.regs, f->regs, sizeof(f->regs));
		return;
	}
	for (u64 i = 0; &ex_table_start[i] < ex_table_end; i++)
		if (ex_table_start[i].at == f->rip) {
			last_trap = (struct trap) { TRAP(f->vector), f->error, cr2 };
			f->rip = ex_table_start[i].to;
			return;
		}
	if (exec_at && f->rip == exec_at) {
		last_trap = (struct trap) { TRAP(f->vector), f->error, cr2 };
		f->rip = *(u64 *)f->rsp;	/* as if the callee had returned */
		f->rsp += 8;
		return;
	}
	if (f->vector >= 32 || (f->vector == 2 && nmi_expected)) {
		interrupts[cpu_id()][f->vector]++;
		if (f->vector >= 32)
			apic_eoi();
		return;
	}
	say("  unexpected trap %lu error %lx at %lx cr2 %lx\n", f->vector, f->error, f->rip, cr2);
	note(ERROR, __FILE__, __LINE__, "unexpected trap");
	abort_guarded();
}

u32 cpu_id(void)
{
	u16 tr;

	__asm__("str %0" : "=r"(tr));
	return (tr - FIRST_TR) / 16u;
}

u64 external_interrupts(void)
{
	u64 n = 0;

	for (u32 v = 32; v < 256; v++)
		n += interrupts[cpu_id()][v];
	return n;
}

/* The tables are everybody's; each CPU has a TSS, and its TR tells who it is. */
void traps_init(u32 cpu)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r;
	u64 t = (u64)&tss[cpu];

	gdt[1] = 0x00cf9b000000ffff;		/* 08h: 32-bit ring-0 code */
	gdt[2] = 0x00af9b000000ffff;		/* 10h: ring-0 code */
	gdt[3] = 0x00cf93000000ffff;		/* 18h: data */
	gdt[4] = 0x00cff3000000ffff;		/* 20h: ring-3 data */
	gdt[5] = 0x00affb000000ffff;		/* 28h: ring-3 code */
	gdt[6 + 2 * cpu] = 103 | (t & 0xffffff) << 16 | 0x89ull << 40 | (t >> 24 & 0xff) << 56;
	tss[0].rsp0 = (u64)trap_stack_top;
	tss[cpu].tail = 104 << 16;		/* no I/O bitmap */
	for (u32 i = 0; i < 256; i++) {
		u64 h = (u64)trap_stubs + 16 * i;

		idt[2 * i] = (h & 0xffff) | 0x10 << 16 | (i == 0x80 ? 0xeeull : 0x8eull) << 40 | (h >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = h >> 32;
	}
	r.limit = sizeof(gdt) - 1;
	r.base = (u64)gdt;
	__asm__ volatile("lgdt %0" : : "m"(r));
	__asm__ volatile("pushq $0x10; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : : "rax", "memory");
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %0, %%fs; mov %0, %%gs" : : "r"(0x18));
	__asm__ volatile("ltr %w0" : : "r"(FIRST_TR + 16 * cpu));
	r.limit = sizeof(idt) - 1;
	r.base = (u64)idt;
	__asm__ volatile("lidt %0" : : "m"(r));
}

void set_ring0_stack(u64 rsp)
{
	tss[0].rsp0 = rsp;
}

u32 try_read(u64 la, u64 *v)
{
	u64 x = 0;

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: movq (%1), %0\n2:\n" EX(1b, 2b) : "+r"(x) : "r"(la) : "memory");
	*v = x;
	return last_trap.code;
}

u32 try_write(u64 la, u64 v)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: movq %1, (%0)\n2:\n" EX(1b, 2b) : : "r"(la), "r"(v) : "memory");
	return last_trap.code;
}

u32 try_exec(u64 la)
{
	last_trap.code = NO_TRAP;
	exec_at = la;
	__asm__ volatile("call *%0" : : "r"(la) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
	exec_at = 0;
	return last_trap.code;
}

u32 try_rdmsr(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: rdmsr\n2:\n" EX(1b, 2b) : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	*v = (u64)hi << 32 | lo;
	return last_trap.code;
}

u32 try_wrmsr(u32 msr, u64 v)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: wrmsr\n2:\n" EX(1b, 2b) : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
	return last_trap.code;
}

u32 try_xsetbv(u32 index, u64 v)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: xsetbv\n2:\n" EX(1b, 2b) : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
	return last_trap.code;
}

u32 try_write_cr0(u64 v)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: mov %0, %%cr0\n2:\n" EX(1b, 2b) : : "r"(v) : "memory");
	return last_trap.code;
}

u32 try_write_cr4(u64 v)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: mov %0, %%cr4\n2:\n" EX(1b, 2b) : : "r"(v) : "memory");
	return last_trap.code;
}

u32 try_getsec(void)
{
	u32 a = 0;

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: getsec\n2:\n" EX(1b, 2b) : "+a"(a) : "b"(0), "c"(0) : "memory");
	return last_trap.code;
}

u32 try_invd(void)
{
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: invd\n2:\n" EX(1b, 2b) : : : "memory");
	return last_trap.code;
}
