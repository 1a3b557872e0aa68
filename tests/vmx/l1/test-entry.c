/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What VM entry refuses: error 7 (controls), error 8 (host state), exits 33 (guest state). SDM vol. 3, 27. */
#include "l1.h"

extern const u8 g_hlt[];

static struct l2 g;

/* One field wrong, the same error, the field right again, the guest runs. */
static void refused(u32 field, u64 bad, u32 error)
{
	u64 good = vmread(field);

	about("field", field);
	vmwrite(field, bad);
	u32 how = l2_run(&g);

	EXPECT_EQ(how, VM_FAILED);
	if (how == VM_FAILED) {
		EXPECT_EQ(g.how, FAIL_VALID);
		EXPECT_EQ(instruction_error(), error);
	}
	vmwrite(field, good);
	about(NULL, 0);
}

static void runs(void)
{
	vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

TEST(controls, "entry-error-7-controls")
{
	static const struct { u32 field, msr; } ctl[] = {
		{ VMCS_PIN_CTLS, MSR_VMX_TRUE_PIN }, { VMCS_PROC_CTLS, MSR_VMX_TRUE_PROC }, { VMCS_PROC2_CTLS, MSR_VMX_PROC2 },
		{ VMCS_EXIT_CTLS, MSR_VMX_TRUE_EXIT }, { VMCS_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY } };

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < ARRAY_SIZE(ctl); i++)
		for (u32 bit = 0; bit < 32; bit++) {
			u64 cap = rdmsr(ctl[i].msr), v = vmread(ctl[i].field);

			if (!(cap >> 32 & BIT(bit)))
				refused(ctl[i].field, v | BIT(bit), 7);		/* may not be one */
			else if (cap & BIT(bit))
				refused(ctl[i].field, v & ~BIT(bit), 7);	/* must be one */
		}
	runs();
}

TEST(controls_more, "entry-error-7-combinations")
{
	vmx_start();
	l2_init(&g, g_hlt);
	refused(VMCS_PROC2_CTLS, vmread(VMCS_PROC2_CTLS) & ~(PROC2_EPT | PROC2_UNRESTRICTED), 7);
	refused(VMCS_PROC2_CTLS, vmread(VMCS_PROC2_CTLS) & ~PROC2_EPT, 7);
	refused(VMCS_EPTP, 0, 7);
	refused(VMCS_EPTP, (u64)g.ept | 0x18, 7);		/* UC */
	refused(VMCS_EPTP, (u64)g.ept | 0x26, 7);		/* 5 levels */
	refused(VMCS_EPTP, (u64)g.ept | 0x5e, 7);		/* A/D */
	refused(VMCS_EPTP, (u64)g.ept | 0x9e, 7);		/* reserved bit */
	refused(VMCS_EPTP, 1ull << 52 | EPTP_BITS, 7);
	refused(VMCS_EXIT_MSR_STORE_COUNT, 1, 7);		/* not offered: KVM uses none */
	refused(VMCS_EXIT_MSR_LOAD_COUNT, 1, 7);
	refused(VMCS_ENTRY_MSR_LOAD_COUNT, 0xffffffff, 7);
	refused(VMCS_CR3_TARGET_COUNT, 1, 7);
	u64 proc = vmread(VMCS_PROC_CTLS), proc2 = vmread(VMCS_PROC2_CTLS), pin = vmread(VMCS_PIN_CTLS);

	vmwrite(VMCS_PROC_CTLS, proc | PROC_MSR_BITMAPS);
	refused(VMCS_MSR_BITMAP, (u64)g.ept | 1, 7);
	refused(VMCS_MSR_BITMAP, 1ull << 52, 7);
	vmwrite(VMCS_PROC_CTLS, proc);
	if (rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_VPID) {
		vmwrite(VMCS_PROC2_CTLS, proc2 | PROC2_VPID);
		refused(VMCS_VPID, 0, 7);
		vmwrite(VMCS_PROC2_CTLS, proc2);
	}
	vmwrite(VMCS_PIN_CTLS, pin & ~PIN_VIRTUAL_NMI);
	refused(VMCS_PROC_CTLS, proc | PROC_NMI_WINDOW, 7);
	refused(VMCS_PIN_CTLS, pin & ~PIN_NMI, 7);		/* virtual NMIs need NMI exiting */
	vmwrite(VMCS_PIN_CTLS, pin);
	runs();
}

TEST(injection_info, "entry-error-7-event-injection")
{
	vmx_start();
	l2_init(&g, g_hlt);
	refused(VMCS_ENTRY_INTR_INFO, INTR_VALID | 1 << 8 | 0x41, 7);			/* reserved type */
	refused(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HW_EXC << 8 | 40, 7);	/* exception above 31 */
	refused(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI << 8 | 3, 7);
	refused(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 6, 7);
	refused(VMCS_ENTRY_INTR_INFO, INTR_VALID | BIT(20) | 0x41, 7);			/* reserved bit */
	runs();
}

TEST(host_state, "entry-error-8-host-state")
{
	static const u16 sel[] = { VMCS_HOST_ES_SEL, VMCS_HOST_CS_SEL, VMCS_HOST_SS_SEL, VMCS_HOST_DS_SEL, VMCS_HOST_FS_SEL,
				   VMCS_HOST_GS_SEL, VMCS_HOST_TR_SEL };
	static const u16 address[] = { VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_TR_BASE, VMCS_HOST_GDTR_BASE,
				       VMCS_HOST_IDTR_BASE, VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP, VMCS_HOST_RIP };
	u32 r[4];

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < ARRAY_SIZE(sel); i++) {
		refused(sel[i], vmread(sel[i]) | 4, 8);		/* TI */
		refused(sel[i], vmread(sel[i]) | 3, 8);		/* RPL */
	}
	refused(VMCS_HOST_CS_SEL, 0, 8);
	refused(VMCS_HOST_TR_SEL, 0, 8);
	for (u32 i = 0; i < ARRAY_SIZE(address); i++)
		refused(address[i], 0x800000000000ull, 8);
	for (u32 bit = 0; bit < 64; bit++) {
		u64 c0 = vmread(VMCS_HOST_CR0), c4 = vmread(VMCS_HOST_CR4);

		if (rdmsr(MSR_VMX_CR0_FIXED0) & BIT(bit))
			refused(VMCS_HOST_CR0, c0 & ~BIT(bit), 8);
		if (!(rdmsr(MSR_VMX_CR0_FIXED1) & BIT(bit)))
			refused(VMCS_HOST_CR0, c0 | BIT(bit), 8);
		if (rdmsr(MSR_VMX_CR4_FIXED0) & BIT(bit))
			refused(VMCS_HOST_CR4, c4 & ~BIT(bit), 8);
		if (!(rdmsr(MSR_VMX_CR4_FIXED1) & BIT(bit)))
			refused(VMCS_HOST_CR4, c4 | BIT(bit), 8);
	}
	refused(VMCS_HOST_CR4, vmread(VMCS_HOST_CR4) & ~CR4_PAE, 8);
	cpuid(0x80000008, 0, r);
	for (u32 bit = r[0] & 0xff; bit < 64; bit++)
		refused(VMCS_HOST_CR3, BIT(bit), 8);
	refused(VMCS_HOST_EFER, vmread(VMCS_HOST_EFER) & ~EFER_LMA, 8);
	refused(VMCS_HOST_EFER, vmread(VMCS_HOST_EFER) & ~EFER_LME, 8);
	refused(VMCS_HOST_EFER, vmread(VMCS_HOST_EFER) | BIT(12), 8);	/* SVME */
	refused(VMCS_HOST_PAT, 2, 8);
	refused(VMCS_HOST_PAT, 0x0800000000000000ull, 8);
	refused(VMCS_EXIT_CTLS, vmread(VMCS_EXIT_CTLS) & ~EXIT_HOST64, 7);
	runs();
}

/* Host state that no exit loads may be anything; once a control says that it is loaded, it is looked at, though no host field changed. */
TEST(host_state_later, "entry-error-8-after-controls")
{
	static const struct { u32 control, field; u64 bad; } late[] = {
		{ EXIT_LOAD_EFER, VMCS_HOST_EFER, BIT(12) }, { EXIT_LOAD_PAT, VMCS_HOST_PAT, 2 } };

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < ARRAY_SIZE(late); i++) {
		u64 good = vmread(late[i].field), exit = vmread(VMCS_EXIT_CTLS);

		vmwrite(VMCS_EXIT_CTLS, exit & ~(u64)late[i].control);
		vmwrite(late[i].field, late[i].bad);
		runs();
		refused(VMCS_EXIT_CTLS, exit | late[i].control, 8);
		vmwrite(late[i].field, good);
		vmwrite(VMCS_EXIT_CTLS, exit);
		runs();
	}
}

/* Exit 33 with bit 31; the launch state stays clear, so that VMLAUNCH works afterwards. */
static void bad_guest(const char *what, u32 field, u64 bad)
{
	u64 good;
	u32 reason;

	l2_init(&g, g_hlt);
	good = vmread(field);
	about(what, bad);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0x1234);
	g.regs[RBX] = 0xb0b;
	vmwrite(field, bad);
	reason = l2_run(&g);
	EXPECT_EQ(reason, EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE);
	if (reason == (EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE)) {
		EXPECT_EQ(g.regs[RBX], 0xb0b);
		EXPECT_EQ(vmread(field), bad);
		vmwrite(field, good);
		EXPECT_EQ(l2_run(&g), EXIT_HLT);		/* VMLAUNCH: an entry that failed launched nothing */
		if (g.how == FAIL_VALID)
			EXPECT_EQ(instruction_error(), 0);
		EXPECT_EQ(vmread(VMCS_GUEST_SYSENTER_EIP), 0x1234);
	}
	vmclear(g.vmcs);
}

TEST(guest_state, "entry-exit-33-guest-state")
{
	vmx_start();
	bad_guest("RFLAGS bit 1", VMCS_GUEST_RFLAGS, 0);
	bad_guest("RFLAGS.VM in IA-32e", VMCS_GUEST_RFLAGS, 2 | RFLAGS_VM);
	bad_guest("RFLAGS reserved", VMCS_GUEST_RFLAGS, 2 | BIT(63));
	bad_guest("CR0 NE", VMCS_GUEST_CR0, read_cr0() & ~CR0_NE);
	bad_guest("CR0 PG without PE", VMCS_GUEST_CR0, read_cr0() & ~CR0_PE);
	bad_guest("CR4 reserved", VMCS_GUEST_CR4, read_cr4() | BIT(40));
	bad_guest("CR4 PAE", VMCS_GUEST_CR4, read_cr4() & ~CR4_PAE);
	bad_guest("CR3 width", VMCS_GUEST_CR3, 1ull << 56);
	bad_guest("EFER LMA", VMCS_GUEST_EFER, 0);
	bad_guest("EFER reserved", VMCS_GUEST_EFER, rdmsr(MSR_EFER) | BIT(20));
	bad_guest("PAT", VMCS_GUEST_PAT, 0x0202020202020202ull);
	bad_guest("CS type", VMCS_GUEST_CS_AR, 0xa092);
	bad_guest("CS L and D", VMCS_GUEST_CS_AR, 0xe09b);
	bad_guest("TR unusable", VMCS_GUEST_TR_AR, 0x10000);
	bad_guest("GDTR limit", VMCS_GUEST_GDTR_LIMIT, 0x10000);
	bad_guest("GS base", VMCS_GUEST_GS_BASE, 0x800000000000ull);
	bad_guest("interruptibility", VMCS_GUEST_INTERRUPTIBILITY, 3);
	bad_guest("activity reserved", VMCS_GUEST_ACTIVITY, 5);
	bad_guest("pending debug", VMCS_GUEST_PENDING_DBG, BIT(20));
}

/* States that would stop the CPU dead: not offered in VMX_MISC, so not accepted. */
TEST(activity, "entry-exit-33-activity-not-offered")
{
	vmx_start();
	bad_guest("activity shutdown", VMCS_GUEST_ACTIVITY, 2);
	bad_guest("activity wait-for-SIPI", VMCS_GUEST_ACTIVITY, 3);
}

/* And not accepted later, when the guest has run. */
TEST(later, "entry-exit-33-after-a-run")
{
	vmx_start();
	l2_init(&g, g_hlt);

	const struct { u32 field; u64 bad; } late[] = {
		{ VMCS_GUEST_ACTIVITY, 2 }, { VMCS_GUEST_ACTIVITY, 3 }, { VMCS_LINK_POINTER, (u64)page_alloc() } };

	for (u32 i = 0; i < ARRAY_SIZE(late); i++) {
		runs();
		u64 good = vmread(late[i].field);

		about("field", late[i].field);
		vmwrite(late[i].field, late[i].bad);
		vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
		EXPECT_EQ(l2_run(&g), EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE);
		EXPECT_EQ(vmread(late[i].field), late[i].bad);
		vmwrite(late[i].field, good);
	}
	runs();
}

/* The link pointer makes the CPU read the page it names. */
TEST(link_pointer, "entry-exit-33-link-pointer")
{
	vmx_start();
	u32 *page = page_alloc();

	bad_guest("link pointer to nothing", VMCS_LINK_POINTER, (u64)page);
	if (machine.nr_rootvisor)
		bad_guest("link pointer into RootVisor", VMCS_LINK_POINTER, machine.rootvisor[0].start);
	/* the CPU would take a page with its own revision id, which is a small number */
	l2_init(&g, g_hlt);
	vmwrite(VMCS_LINK_POINTER, (u64)page);
	for (*page = 0; *page < 256; ++*page) {
		about("revision id", *page);
		EXPECT_EQ(l2_run(&g), EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE);
	}
}

/* An L1 that writes garbage into its VMCS page gets errors, nothing worse. */
TEST(garbage_page, "entry-garbage-vmcs-page")
{
	vmx_start();
	for (u32 seed = 1; seed <= 16; seed++) {
		u64 x = seed * 0x9e3779b97f4a7c15ull;
		u64 *page = (u64 *)vmx_region();

		about("seed", seed);
		for (u32 i = 1; i < 512; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			page[i] = seed & 1 ? x : x & 0xffff;
		}
		EXPECT_EQ(vmptrld((u64)page), 0);
		u32 r = vmlaunch();

		EXPECT_EQ(r, FAIL_VALID);
		EXPECT_EQ(instruction_error() == 7 || instruction_error() == 8, true);
		EXPECT_EQ(vmclear((u64)page), 0);
	}
}

/*
 * Two VMCSs of one guest run turn about on one CPU, however many others were loaded and cleared between their first loads: each has its own translations.
 * That they have is RootVisor's to see to (VPIDs), and to be seen in the RootVisor that traces: ../trace/trace.h.
 */
#define VPIDS	0xfff0u

TEST(vpids, "entry-vpid-of-one-vmcs")
{
	static struct l2 other;
	u64 scratch;

	if (!machine_option("vpids=all"))
		SKIP_TEST("takes a thousand million instructions: --words vpids=all");
	vmx_start();
	l2_init(&g, g_hlt);
	runs();
	scratch = vmx_region();
	for (u32 i = 0; i < VPIDS - 1; i++) {
		REQUIRE_EQ(vmptrld(scratch), 0);
		REQUIRE_EQ(vmclear(scratch), 0);
	}
	l2_init(&other, g_hlt);
	vmwrite(VMCS_EPTP, (u64)g.ept | EPTP_BITS);
	EXPECT_EQ(l2_run(&other), EXIT_HLT);
	REQUIRE_EQ(vmptrld(g.vmcs), 0);
	runs();
	REQUIRE_EQ(vmptrld(other.vmcs), 0);
	vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
	EXPECT_EQ(l2_run(&other), EXIT_HLT);
}
