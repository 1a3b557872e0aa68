/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMX capability MSRs: consistent in themselves and with what is offered. SDM vol. 3, appendix A. */
#include "l1.h"
#include "withheld.h"

extern const u8 g_hlt[];

TEST(feature_control, "caps-feature-control")
{
	u64 v;

	EXPECT_EQ(try_rdmsr(MSR_FEATURE_CONTROL, &v), NO_TRAP);
	EXPECT_EQ(v, 5);			/* locked, VMX outside SMX */
	EXPECT_EQ(try_wrmsr(MSR_FEATURE_CONTROL, 0), GP);
	EXPECT_EQ(try_wrmsr(MSR_FEATURE_CONTROL, 5), GP);
}

TEST(basic, "caps-basic")
{
	u64 v = rdmsr(MSR_VMX_BASIC);
	u32 r[4];

	cpuid(1, 0, r);
	EXPECT(r[2] & BIT(5));			/* CPUID says VMX */
	EXPECT_EQ(v >> 31 & 1, 0);
	EXPECT((v >> 32 & 0x1fff) > 0 && (v >> 32 & 0x1fff) <= 4096);
	EXPECT_EQ(v >> 45 & 7, 0);
	EXPECT_EQ(v >> 48 & 1, 0);		/* full physical addresses */
	EXPECT_EQ(v >> 49 & 1, 0);		/* no dual monitor */
	EXPECT_EQ(v >> 50 & 15, 6);		/* write-back */
	EXPECT_EQ(v >> 55 & 1, 1);		/* TRUE controls exist */
	EXPECT_EQ(v >> 57, 0);
}

TEST(read_only, "caps-read-only")
{
	u64 v;

	for (u32 msr = MSR_VMX_BASIC; msr <= MSR_VMX_TRUE_ENTRY; msr++) {
		about("MSR", msr);
		EXPECT_EQ(try_rdmsr(msr, &v), NO_TRAP);
		EXPECT_EQ(try_wrmsr(msr, v), GP);
	}
	for (u32 msr = MSR_VMX_VMFUNC; msr <= 0x493; msr++) {
		about("MSR", msr);
		EXPECT_EQ(try_rdmsr(msr, &v), GP);	/* VMFUNC and later: not offered */
		EXPECT_EQ(try_wrmsr(msr, 0), GP);
	}
}

#define KVM_NEEDS (PROC_INTR_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_INVLPG | PROC_MWAIT | PROC_RDPMC | \
		   PROC_CR3_LOAD | PROC_CR3_STORE | PROC_CR8_LOAD | PROC_CR8_STORE | PROC_MOV_DR | PROC_UNCOND_IO | \
		   PROC_MSR_BITMAPS | PROC_MONITOR | PROC_SECONDARY)

TEST(controls, "caps-controls")
{
	static const struct { u32 msr, true_msr; u64 hidden; } m[] = {
		{ MSR_VMX_PIN, MSR_VMX_TRUE_PIN, PIN_PREEMPTION_TIMER | BIT(7) },
		{ MSR_VMX_PROC, MSR_VMX_TRUE_PROC, PROC_TPR_SHADOW | PROC_MTF | PROC_IO_BITMAPS | BIT(17) },
		{ MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, EXIT_LOAD_PERF_GLOBAL | BIT(22) | BIT(31) },
		{ MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, ENTRY_SMM | ENTRY_DUAL_MONITOR | ENTRY_LOAD_PERF_GLOBAL },
	};

	for (u32 i = 0; i < ARRAY_SIZE(m); i++) {
		u64 v = rdmsr(m[i].msr), t = rdmsr(m[i].true_msr);

		about("MSR", m[i].msr);
		EXPECT_EQ((u32)v & ~(v >> 32), 0);	/* must be one implies may be one */
		EXPECT_EQ((u32)t & ~(t >> 32), 0);
		EXPECT_EQ(v >> 32, t >> 32);
		EXPECT_EQ((u32)t & ~(u32)v, 0);		/* TRUE only relaxes */
		EXPECT_EQ(v >> 32 & m[i].hidden, 0);
	}
	about(NULL, 0);
	EXPECT_EQ(rdmsr(MSR_VMX_PIN) & 0x16, 0x16);	/* default1 class */
	EXPECT_EQ(rdmsr(MSR_VMX_PROC) & 0x0401e172, 0x0401e172);
	EXPECT_EQ(rdmsr(MSR_VMX_EXIT) & 0x36dff, 0x36dff);
	EXPECT_EQ(rdmsr(MSR_VMX_ENTRY) & 0x11ff, 0x11ff);
	EXPECT_EQ((u32)rdmsr(MSR_VMX_PROC2), 0);
	EXPECT_EQ(rdmsr(MSR_VMX_PROC2) >> 32 & (PROC2_VMFUNC | PROC2_EPT_VE | PROC2_DESC_TABLE | BIT(0) | BIT(4) |
						 BIT(8) | BIT(9) | BIT(14) | BIT(17) | BIT(25)), 0);
	/* what stock KVM cannot do without */
	EXPECT_EQ(rdmsr(MSR_VMX_PIN) >> 32 & (PIN_EXT_INTR | PIN_NMI), PIN_EXT_INTR | PIN_NMI);
	EXPECT_EQ(rdmsr(MSR_VMX_PROC) >> 32 & KVM_NEEDS, KVM_NEEDS);
	EXPECT(rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_EPT);
	EXPECT(rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_UNRESTRICTED);
}

TEST(misc, "caps-misc")
{
	u64 v = rdmsr(MSR_VMX_MISC);

	EXPECT_EQ(v & 0x1f, 0);			/* no preemption timer */
	EXPECT(v & BIT(5));			/* EFER.LMA at exit: unrestricted guests */
	EXPECT_EQ(v >> 7 & 3, 0);		/* no shutdown, no wait-for-SIPI state */
	EXPECT_EQ(v >> 16 & 0x1ff, 0);		/* no CR3 targets */
	EXPECT_EQ(v >> 29 & 1, 0);		/* VMWRITE not to read-only fields */
}

TEST(fixed, "caps-fixed-bits")
{
	u64 c0 = rdmsr(MSR_VMX_CR0_FIXED0), c1 = rdmsr(MSR_VMX_CR0_FIXED1);
	u64 d0 = rdmsr(MSR_VMX_CR4_FIXED0), d1 = rdmsr(MSR_VMX_CR4_FIXED1);

	EXPECT_EQ(c0, 0x80000021);
	EXPECT_EQ(c1, 0xffffffff);
	EXPECT_EQ(c0 & ~c1, 0);
	EXPECT_EQ(d0, CR4_VMXE);
	EXPECT_EQ(d0 & ~d1, 0);
	EXPECT_EQ(d1 & (BIT(14) | BIT(12)), 0);	/* SMXE, LA57: RootVisor refuses them in CR4 */
}

TEST(ept_vpid, "caps-ept-vpid")
{
	u64 v = rdmsr(MSR_VMX_EPT_VPID);

	EXPECT_EQ(v & (BIT(6) | BIT(14) | BIT(20) | BIT(25) | BIT(26)), BIT(6) | BIT(14) | BIT(20) | BIT(25) | BIT(26));
	EXPECT_EQ(v & (BIT(0) | BIT(7) | BIT(21)), 0);	/* execute-only, 5 levels, A/D: not offered */
	if (rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_VPID)
		EXPECT_EQ(v >> 32 & 0xf01, 0xf01);
}

/* Named one by one, with what the bare CPU says of each in fallback-native: the difference is meant, and whoever asks all the same is refused. */
TEST(not_offered, "caps-withheld")
{
	struct l2 g;

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < ARRAY_SIZE(withheld); i++) {
		const struct withheld *w = &withheld[i];
		u64 good;

		about(w->what, w->msr);
		EXPECT_EQ(rdmsr(w->msr) >> w->bit & 1, 0);
		if (!w->field)
			continue;
		good = vmread(w->field);
		vmwrite(w->field, good ^ w->flip);
		EXPECT_EQ(l2_run(&g), VM_FAILED);
		EXPECT_EQ(g.how, FAIL_VALID);
		EXPECT_EQ(instruction_error(), 7);
		vmwrite(w->field, good);
	}
	about("with none of them", 0);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

/* The highest index of a field that VMREAD knows is what VMCS_ENUM says. */
TEST(vmcs_enum, "caps-vmcs-enum")
{
	u64 max = 0, v;
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	for (u64 f = 0; f < 0x8000; f += 2)
		if (!(f & 0x1000) && vmread_to(f, &v) == 0 && (f >> 1 & 0x1ff) > max)
			max = f >> 1 & 0x1ff;
	EXPECT_EQ(rdmsr(MSR_VMX_VMCS_ENUM), max << 1);
}
