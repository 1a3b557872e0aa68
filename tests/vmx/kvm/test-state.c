/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must outlive exits and other programs on the host: FPU, SSE and AVX registers, XCR0; and the TSC. */
#include "l1.h"

#define CR4_OSFXSR	BIT(9)
#define CR4_OSXSAVE	BIT(18)
#define MSR_TSC_AUX	0xc0000103u

static u8 area[4096] __attribute__((aligned(64)));
static u8 pattern[32] __attribute__((aligned(32))), back[32] __attribute__((aligned(32)));

static void fpu_on(void)
{
	REQUIRE_EQ(try_write_cr4(read_cr4() | CR4_OSFXSR | BIT(10)), NO_TRAP);
	__asm__ volatile("clts; fninit");
}

/* Exits of several kinds; the host's programs use the registers meanwhile. */
static void exits(void)
{
	u32 r[4];

	for (u32 i = 0; i < 20; i++) {
		out8(0x5000, (u8)i);
		cpuid(0, 0, r);
		(void)*(volatile u32 *)0xd0000000;
	}
}

TEST(sse, "guest-sse-registers")
{
	u32 mxcsr = 0x1fc0, got = 0;
	u16 fcw = 0x27f, got_fcw = 0;

	fpu_on();
	for (u32 i = 0; i < 32; i++)
		pattern[i] = (u8)(0xa0 + i);
	__asm__ volatile("movdqa (%0), %%xmm0; movdqa (%0), %%xmm15; ldmxcsr (%1); fldcw (%2); fldpi"
			 : : "r"(pattern), "r"(&mxcsr), "r"(&fcw) : "memory");
	exits();
	__asm__ volatile("movdqa %%xmm15, (%0); stmxcsr (%1); fnstcw (%2)" : : "r"(back), "r"(&got), "r"(&got_fcw) : "memory");
	EXPECT_EQ(compare(back, pattern, 16), 0);
	EXPECT_EQ(got, mxcsr);
	EXPECT_EQ(got_fcw, fcw);
	__asm__ volatile("fstpl (%0)" : : "r"(back) : "memory");
	EXPECT_EQ(*(u64 *)back, 0x400921fb54442d18ull);
	__asm__ volatile("fxsave (%0); fninit; pxor %%xmm0, %%xmm0; fxrstor (%0); movdqa %%xmm0, (%1)"
			 : : "r"(area), "r"(back) : "memory");
	EXPECT_EQ(compare(back, pattern, 16), 0);
	*(u32 *)(area + 24) = 0xffff0000;			/* reserved bits of MXCSR */
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: fxrstor (%0)\n2:\n" EX(1b, 2b) : : "r"(area) : "memory");
	EXPECT_EQ(last_trap.code, GP);
}

TEST(avx, "guest-avx-xsave")
{
	u32 r[4], lo, hi;

	cpuid(1, 0, r);
	if (!(r[2] & BIT(28)))
		SKIP_TEST("needs AVX");
	fpu_on();
	REQUIRE_EQ(try_write_cr4(read_cr4() | CR4_OSXSAVE), NO_TRAP);
	REQUIRE_EQ(try_xsetbv(0, 3), NO_TRAP);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: vmovdqa (%0), %%ymm3\n2:\n" EX(1b, 2b) : : "r"(pattern) : "memory");
	EXPECT_EQ(last_trap.code, UD);				/* not in XCR0 */
	EXPECT_EQ(try_xsetbv(0, 7), NO_TRAP);
	EXPECT_EQ(try_xsetbv(0, 5), GP);			/* AVX without SSE */
	EXPECT_EQ(try_xsetbv(0, 6), GP);			/* without x87 */
	EXPECT_EQ(try_xsetbv(1, 7), GP);
	EXPECT_EQ(try_xsetbv(0, 7 | BIT(62)), GP);
	for (u32 i = 0; i < 32; i++)
		pattern[i] = (u8)(0x50 + i);
	__asm__ volatile("vmovdqa (%0), %%ymm3; vmovdqa (%0), %%ymm14" : : "r"(pattern) : "memory");
	exits();
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	EXPECT_EQ(lo, 7);
	__asm__ volatile("vmovdqa %%ymm14, (%0)" : : "r"(back) : "memory");
	EXPECT_EQ(compare(back, pattern, 32), 0);
	zero(area, sizeof(area));
	__asm__ volatile("xsave (%0)" : : "r"(area), "a"(7), "d"(0) : "memory");
	EXPECT_EQ(area[512] & 6, 6);				/* XSTATE_BV; x87 is as after FNINIT */
	__asm__ volatile("vzeroall; xrstor (%0); vmovdqa %%ymm3, (%1)" : : "r"(area), "r"(back), "a"(7), "d"(0) : "memory");
	EXPECT_EQ(compare(back, pattern, 32), 0);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: xrstor (%0)\n2:\n" EX(1b, 2b) : : "r"(area + 8), "a"(7), "d"(0) : "memory");
	EXPECT_EQ(last_trap.code, GP);				/* not aligned */
	EXPECT_EQ(try_xsetbv(0, 3), NO_TRAP);
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_OSXSAVE), NO_TRAP);
}

TEST(general, "guest-general-registers")
{
	u64 sum = 0;

	for (u32 i = 0; i < 20; i++)
		__asm__ volatile("movl $0x11, %%ebx; movl $0x22, %%esi; movl $0x33, %%edi; movl $0x44, %%r8d; movl $0x55, %%r15d\n"
				 "pushq %%rbp; movl $0x66, %%ebp; movb $1, %%al; movw $0x5000, %%dx; outb %%al, %%dx\n"
				 "movl (%1), %%eax; addq %%rbp, %0; popq %%rbp\n"
				 "addq %%rbx, %0; addq %%rsi, %0; addq %%rdi, %0; addq %%r8, %0; addq %%r15, %0"
				 : "+r"(sum) : "r"(0xd0000000ull) : "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r15", "memory");
	EXPECT_EQ(sum, 20 * (0x11 + 0x22 + 0x33 + 0x44 + 0x55 + 0x66));
}

TEST(clock, "guest-tsc")
{
	u64 last = tsc(), now, lo, hi, aux;
	u32 r[4];

	for (u32 i = 0; i < 200; i++) {
		cpuid(0, 0, r);
		now = tsc();
		EXPECT(now > last);
		last = now;
	}
	EXPECT_EQ(try_wrmsr(MSR_TSC, last + 1000000000000ull), NO_TRAP);
	now = tsc();
	EXPECT(now >= last + 1000000000000ull);
	EXPECT(now - last < 2000000000000ull);
	cpuid(7, 0, r);
	if (r[1] & BIT(1)) {				/* TSC_ADJUST */
		EXPECT_EQ(try_rdmsr(0x3b, &lo), NO_TRAP);
		last = tsc();
		EXPECT_EQ(try_wrmsr(0x3b, lo + 5000000000000ull), NO_TRAP);
		EXPECT(tsc() - last >= 5000000000000ull);
	}
	EXPECT_EQ(try_wrmsr(MSR_TSC_AUX, 0x1234), NO_TRAP);
	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	EXPECT_EQ((u32)aux, 0x1234);
	for (u32 i = 0; i < 1000; i++)
		__asm__ volatile("pause");
	EXPECT(tsc() > (hi << 32 | (u32)lo));
}
