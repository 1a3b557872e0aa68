/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* #DB: single steps, also behind instructions that exit; breakpoints. SDM vol. 3, chapter 18. */
#include "l1.h"

#define DB		1u
#define DR6_BS		BIT(14)
#define RF		BIT(16)

static struct { u64 rip, dr6; } seen[64];
static u32 nr_seen;
static bool stop_stepping;

static u64 read_dr6(void) { u64 v; __asm__ volatile("mov %%dr6, %0" : "=r"(v)); return v; }
static void write_dr6(u64 v) { __asm__ volatile("mov %0, %%dr6" : : "r"(v)); }
static void write_dr7(u64 v) { __asm__ volatile("mov %0, %%dr7" : : "r"(v)); }
static void write_dr0(u64 v) { __asm__ volatile("mov %0, %%dr0" : : "r"(v)); }

static bool record(struct trap_frame *f)
{
	if (f->vector != DB)
		return false;
	if (nr_seen < ARRAY_SIZE(seen)) {
		seen[nr_seen].rip = f->rip;
		seen[nr_seen++].dr6 = read_dr6();
	}
	write_dr6(0xffff0ff0);
	if (stop_stepping)
		f->rflags &= ~RFLAGS_TF;
	f->rflags |= RF;
	return true;
}

static void watch(void)
{
	nr_seen = 0;
	stop_stepping = false;
	trap_hook = record;
	write_dr6(0xffff0ff0);
}

/* One trap behind each instruction; three of them exit. */
TEST(steps, "guest-single-steps")
{
	extern const u8 step_first[], step_cpuid[], step_out[], step_msr[], step_last[];

	watch();
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n"
			 "step_first: nop\n xorl %%eax, %%eax\n xorl %%ecx, %%ecx\n cpuid\n"
			 "step_cpuid: movw $0x5000, %%dx\n outb %%al, %%dx\n"
			 "step_out: movl $0x277, %%ecx\n rdmsr\n"
			 "step_msr: pushfq; andq $~0x100, (%%rsp); popfq\n"
			 "step_last: nop\n"
			 : : : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	EXPECT_EQ(nr_seen, 11);
	static const u8 *const at[] = { NULL, NULL, NULL, step_cpuid, NULL, step_out, NULL, step_msr };

	for (u32 i = 0; i < nr_seen && i < ARRAY_SIZE(at); i++) {
		about("step", i);
		EXPECT_EQ(seen[i].dr6 & 0xf00f, DR6_BS);
		if (at[i])
			EXPECT_EQ(seen[i].rip, (u64)at[i]);
	}
	about(NULL, 0);
	EXPECT_EQ(seen[0].rip, (u64)step_first + 1);
	EXPECT_EQ(seen[nr_seen - 1].rip, (u64)step_last);
}

TEST(mov_ss, "guest-step-behind-mov-ss")
{
	extern const u8 ss_after[];

	watch();
	stop_stepping = true;
	__asm__ volatile("movl %%ss, %%eax; pushfq; orq $0x100, (%%rsp); popfq\n"
			 "movl %%eax, %%ss\n nop\nss_after: nop\n nop\n" : : : "rax", "memory", "cc");
	EXPECT_EQ(nr_seen, 1);
	EXPECT_EQ(seen[0].rip, (u64)ss_after);		/* one later */
}

TEST(execute, "guest-breakpoint-on-execution")
{
	extern const u8 break_here[];

	watch();
	write_dr0((u64)break_here);
	write_dr7(0x402);				/* G0, execute */
	__asm__ volatile("nop\nbreak_here: nop\n nop" : : : "memory");
	write_dr7(0x400);
	EXPECT_EQ(nr_seen, 1);
	EXPECT_EQ(seen[0].rip, (u64)break_here);	/* a fault: before it */
	EXPECT_EQ(seen[0].dr6 & 0xf00f, 1);
}

TEST(data, "guest-breakpoint-on-data")
{
	extern const u8 data_after[];
	static volatile u64 word;

	watch();
	write_dr0((u64)&word);
	write_dr7(0x402 | 1 << 16 | 2 << 18);		/* writes, 8 bytes */
	(void)word;
	EXPECT_EQ(nr_seen, 0);
	__asm__ volatile("movb $1, (%0)\ndata_after: nop" : : "r"((u8 *)&word + 5) : "memory");
	EXPECT_EQ(nr_seen, 1);
	EXPECT_EQ(seen[0].rip, (u64)data_after);
	EXPECT_EQ(seen[0].dr6 & 0xf00f, 1);
	write_dr7(0x400);
}

TEST(icebp, "guest-icebp-int3")
{
	extern const u8 ice_after[];

	watch();
	__asm__ volatile(".byte 0xf1\nice_after: nop" : : : "memory");
	EXPECT_EQ(nr_seen, 1);
	EXPECT_EQ(seen[0].rip, (u64)ice_after);
	trap_hook = NULL;
	last_trap.code = NO_TRAP;
	__asm__ volatile("int3\nint3_after: nop\n" EX(int3_after, int3_after) : : : "memory");
	EXPECT_EQ(last_trap.code, TRAP(3));
}

TEST(dr_values, "guest-debug-registers")
{
	u64 v;

	for (u32 round = 0; round < 3; round++) {
		write_dr0(0x1234000 + round);
		out8(0x5000, 0);			/* exits between */
		__asm__ volatile("mov %%dr0, %0" : "=r"(v));
		EXPECT_EQ(v, 0x1234000 + round);
	}
	write_dr6(0);
	EXPECT_EQ(read_dr6() & 0xffff1ff0, 0xffff0ff0);
	__asm__ volatile("mov %%dr7, %0" : "=r"(v));
	EXPECT_EQ(v, 0x400);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: mov %0, %%dr7\n2:\n" EX(1b, 2b) : : "r"(1ull << 32) : "memory");
	EXPECT_EQ(last_trap.code, GP);
}
