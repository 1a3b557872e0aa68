/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MSRs that RootVisor answers, refuses or ignores. */
#include "test.h"

#define MTRR_DEF_TYPE	0x2ff

void test_main(const u8 *boot_params)
{
	static const u32 refused[] = { 0x9b, 0x150, 0x3f1, 0x492, 0x560, 0x570, 0x580, 0x600, 0x17d0, 0x40000000, 0xc0010015, 0xffffffff };
	u64 v, w;

	(void)boot_params;
	CHECK_EQ(try_rdmsr(MSR_FEATURE_CONTROL, &v), NO_TRAP);
	CHECK_EQ(v, 5);
	CHECK_EQ(try_wrmsr(MSR_FEATURE_CONTROL, 5), VECTOR_GP);
	for (u32 msr = MSR_VMX_BASIC; msr <= MSR_VMX_TRUE_ENTRY; msr++) {
		CHECK_EQ(try_rdmsr(msr, &v), NO_TRAP);
		CHECK_EQ(try_wrmsr(msr, v), VECTOR_GP);
	}
	for (u32 i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_EQ(try_wrmsr(refused[i], 0), VECTOR_GP);

	/* the APIC stays where it is */
	v = rdmsr(MSR_APIC_BASE);
	CHECK_EQ(try_wrmsr(MSR_APIC_BASE, v), NO_TRAP);
	CHECK_EQ(try_wrmsr(MSR_APIC_BASE, (v & 0xfff) | 0x4000000), VECTOR_GP);
	CHECK_EQ(rdmsr(MSR_APIC_BASE), v);

	/* MTRRs: no effect, no fault */
	v = rdmsr(MTRR_DEF_TYPE);
	CHECK_EQ(try_wrmsr(MTRR_DEF_TYPE, v ^ BIT(11)), NO_TRAP);
	CHECK_EQ(rdmsr(MTRR_DEF_TYPE), v);

	/* the TSC neither jumps back nor forward */
	v = rdtsc();
	CHECK_EQ(try_wrmsr(MSR_TSC, 0), NO_TRAP);
	CHECK_EQ(try_wrmsr(MSR_TSC_ADJUST, BIT(40)), NO_TRAP);
	w = rdtsc();
	CHECK(w > v && w - v < BIT(32));

	/* microcode update: no effect, no fault */
	CHECK_EQ(try_wrmsr(0x79, 0x1000), NO_TRAP);

	/* what the host owns passes through */
	v = rdmsr(MSR_KERNEL_GS_BASE);
	wrmsr(MSR_KERNEL_GS_BASE, 0x123456789000);
	w = rdmsr(MSR_KERNEL_GS_BASE);
	wrmsr(MSR_KERNEL_GS_BASE, v);
	CHECK_EQ(w, 0x123456789000);
}
