/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P3: registers are invisible to and unalterable by the host. */
#include "attacks.h"

static struct vm1 a, plain;

static u64 leaks, exits_seen;

static void look_for_secrets(struct vm1 *vm, u32 reason)
{
	bool hold = reason == EXIT_IO && (vmread(VMCS_EXIT_QUALIFICATION) >> 16 & 0xffff) == PORT_HOLD;
	u64 v, dr;

	if (!hold && reason != EXIT_HLT)
		return;
	exits_seen++;
	for (u32 i = 0; i < 16; i++)
		leaks += IS_SECRET(vm->g.regs[i]);
	for (u32 f = 0; f < 0x8000; f += 2)
		if (!(f & 0x1000) && vmread_to(f, &v) == 0)
			leaks += IS_SECRET(v);
	static u8 x[512] __attribute__((aligned(16)));

	__asm__ volatile("fxsave64 %0" : "=m"(x));
	for (u32 i = 0; i < 512; i += 4)
		leaks += IS_SECRET((u64)*(u32 *)(x + i));
	__asm__ volatile("movq %%dr0, %0" : "=r"(dr));
	leaks += IS_SECRET(dr);
	__asm__ volatile("movq %%dr3, %0" : "=r"(dr));
	leaks += IS_SECRET(dr);
	__asm__ volatile("movq %%cr2, %0" : "=r"(dr));
	leaks += IS_SECRET(dr);
	leaks += IS_SECRET(rdmsr(MSR_LSTAR));
	leaks += IS_SECRET(rdmsr(MSR_KERNEL_GS_BASE));
}

static void fxsr_on(void)
{
	try_write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
	try_xsetbv(0, 7);
}

TEST(p3_read, "attack-P3-host-reads-registers")
{
	begin();
	fxsr_on();
	vm1_start_ordinary(&plain);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_MSR_BITMAPS);	/* let the MSRs through, as KVM does */
	vmwrite(VMCS_MSR_BITMAP, (u64)page_alloc());
	plain.at_exit = look_for_secrets;
	leaks = exits_seen = 0;
	EXPECT_EQ(CMD(&plain, FW_HOLD), 0);
	EXPECT_EQ(exits_seen, 4);
	EXPECT(leaks > 30);						/* the control sees them all */
	/* what the ordinary guest left in the CPU */
	__asm__ volatile("movq %0, %%dr0; movq %0, %%dr3; movq %0, %%cr2" : : "r"(0ull));
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7" : : : "memory");
	try_wrmsr(MSR_LSTAR, 0);
	try_wrmsr(MSR_KERNEL_GS_BASE, 0);
	vm1_start_protected(&a);
	a.at_exit = look_for_secrets;
	leaks = exits_seen = 0;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(exits_seen, 4);
	EXPECT_EQ(leaks, 0);
	EXPECT_EQ(a.answer[0], 0);					/* and the guest has them all */
	expect_running(&a);
}

static u64 ymm_leaks, xcr0_changes;

static void look_at_ymm(struct vm1 *vm, u32 reason)
{
	static u8 x[1024] __attribute__((aligned(64)));
	u32 lo, hi;

	if (reason != EXIT_HLT)
		return;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	xcr0_changes += lo != 7;
	__asm__ volatile("xsave64 %0" : "+m"(x) : "a"(7), "d"(0));
	for (u32 i = 0; i < 832; i += 4)
		ymm_leaks += IS_SECRET((u64)*(u32 *)(x + i));
	__asm__ volatile("vzeroall" : : : "memory");		/* the guest must get its own back */
}

TEST(p3_avx, "attack-P3-host-reads-avx")
{
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & BIT(28)))
		SKIP_TEST("this CPU has no AVX");
	begin();
	fxsr_on();
	vm1_start_ordinary(&plain);
	plain.at_exit = look_at_ymm;
	ymm_leaks = xcr0_changes = 0;
	CMD(&plain, FW_AVX);					/* XSETBV exits to L1, which serves it not */
	vm1_start_protected(&a);
	a.at_exit = look_at_ymm;
	__asm__ volatile("vzeroall" : : : "memory");
	ymm_leaks = xcr0_changes = 0;
	EXPECT_EQ(CMD(&a, FW_AVX), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(a.hlts, 1);
	EXPECT_EQ(ymm_leaks, 0);
	EXPECT_EQ(xcr0_changes, 0);
	expect_running(&a);
}

static u64 operands_wrong;

static void look_at_operands(struct vm1 *vm, u32 reason)
{
	u64 q;

	if (reason != EXIT_IO)
		return;
	q = vmread(VMCS_EXIT_QUALIFICATION);
	if ((q >> 16 & 0xffff) != PORT_HOLD)
		return;
	if (!(q & BIT(3)))						/* OUT: just the bytes that go out */
		operands_wrong += vm->g.regs[RAX] != (q & 7 ? SECRET_EAX & 0xff00 : SECRET_EAX & 0xff);
	else
		operands_wrong += vm->g.regs[RAX] != 0;
	operands_wrong += vmread(VMCS_GUEST_RIP) < CVM_ROM_GPA;		/* where the guest is does not show */
}

TEST(p3_operands, "attack-P3-only-operands-show")
{
	begin();
	vm1_start_protected(&a);
	a.at_exit = look_at_operands;
	operands_wrong = 0;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.holds, 3);
	EXPECT_EQ(operands_wrong, 0);
	EXPECT_EQ(a.answer[0], 0);
}

/* Everything that the host can write, it writes; the guest must not notice. */
static void scribble(struct vm1 *vm, u32 reason)
{
	static const u16 keep[] = { VMCS_GUEST_RIP, VMCS_GUEST_CS_SEL };

	if (reason != EXIT_IO && reason != EXIT_HLT)
		return;
	for (u32 i = 0; i < 16; i++)
		if (i != RAX)
			vm->g.regs[i] = 0x4141414141414141ull;
	vm->g.regs[RAX] |= 0x4141414100000000ull;
	for (u32 f = 0x800; f < 0x7000; f += 2) {
		bool guest = (f >> 10 & 3) == 2;

		if (!guest || (f & 0x1000) || f == keep[0] || f == keep[1] || f == VMCS_LINK_POINTER)
			continue;
		vmwrite_to(f, 0x4141);
	}
	__asm__ volatile("movq %0, %%dr0; movq %0, %%dr3; movq %0, %%cr2" : : "r"(0x4141ull));
	try_wrmsr(MSR_LSTAR, 0x4141);
	try_wrmsr(MSR_KERNEL_GS_BASE, 0x4141);
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7" : : : "memory");
}

TEST(p3_write, "attack-P3-host-writes-registers")
{
	begin();
	fxsr_on();
	vm1_start_protected(&a);
	a.at_exit = scribble;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
	a.at_exit = NULL;
	vm1_start_ordinary(&plain);
	plain.at_exit = scribble;
	u32 r = CMD(&plain, FW_HOLD);					/* the control is ruined somehow */

	EXPECT(r != 0 || plain.answer[0] != 0);
}

/* VMRESUME with another RIP than the one shown, or than the one behind it. */
TEST(p3_rip, "attack-P3-host-changes-rip")
{
	static const u64 offset[] = { 1, 2, 16, 0x100000, 0 };

	for (u32 i = 0; i < ARRAY_SIZE(offset); i++) {
		begin();
		about("RIP offset", offset[i]);
		vm1_start_protected(&a);
		vm1_select(&a);
		u64 rip = vmread(VMCS_GUEST_RIP);

		vmwrite(VMCS_GUEST_RIP, offset[i] ? rip + offset[i] + 1 : CVM_FW_GPA);
		expect_stopped(&a, l2_run(&a.g), CVM_R_BAD_RESUME);
		vm1_destroy(&a);
		vmx_stop();
	}
}

TEST(p3_reset, "attack-P3-host-resets-vcpu")
{
	begin();
	vm1_start_protected(&a);
	vm1_select(&a);
	vmwrite(VMCS_GUEST_RIP, 0xfff0);
	vmwrite(VMCS_GUEST_CS_SEL, 0xf000);
	vmwrite(VMCS_GUEST_CS_BASE, 0xffff0000);
	expect_stopped(&a, l2_run(&a.g), CVM_R_RESET);
}

/* The VMCS page of a protected vCPU made anew: a fresh ordinary guest, and the VM is over. */
TEST(p3_new_vmcs, "attack-P3-host-remakes-vmcs")
{
	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	u64 page = a.g.vmcs;

	EXPECT_EQ(vmclear(page), 0);
	zero((void *)page, 4096);
	*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC);
	EXPECT_EQ(vmptrld(page), 0);
	EXPECT_EQ(vm1_info(&a).state, CVM_VM_STOPPED);
	EXPECT_EQ(vm1_info(&a).reason, CVM_R_RESET);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0);
	EXPECT_EQ(vmlaunch(), FAIL_VALID);
	EXPECT(!frame_has((u8 *)a.hpa[DATA >> 12], WORD));		/* and its memory is not readable */
}

/* What L1 writes to the VMCS of a protected guest it reads again, whichever way the CPU takes; what it wrote before stays. */
TEST(p3_written, "protected-fields-written-then-read")
{
	static const u16 fields[] = {
		VMCS_GUEST_CS_AR, VMCS_GUEST_SS_AR, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_SEL, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CR0,
		VMCS_GUEST_CR3, VMCS_GUEST_CR4, VMCS_GUEST_DS_SEL, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR, VMCS_GUEST_DS_BASE,
		VMCS_GUEST_ES_SEL, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR, VMCS_GUEST_ES_BASE, VMCS_GUEST_RSP };

	begin();
	vm1_start_protected(&a);
	vm1_select(&a);
	u64 rip = vmread(VMCS_GUEST_RIP);

	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 old = vmread(fields[i]);

		about("field", fields[i]);
		vmwrite(VMCS_GUEST_RIP, rip + i);
		vmwrite(fields[i], old ^ BIT(4));
		EXPECT_EQ(vmread(fields[i]), old ^ BIT(4));
		EXPECT_EQ(vmread(VMCS_GUEST_RIP), rip + i);
		vmwrite(fields[i], old);
		EXPECT_EQ(vmread(fields[i]), old);
	}
	about(NULL, 0);
	vmwrite(VMCS_GUEST_RIP, rip);
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	expect_running(&a);
}

/* The VMCS page as VMCLEAR leaves it shows nothing; edited, it changes nothing. */
TEST(p3_vmcs_page, "attack-P3-vmcs-page-edited")
{
	begin();
	vm1_start_protected(&a);
	a.at_exit = look_for_secrets;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(vmclear(a.g.vmcs), 0);
	u64 *page = (u64 *)a.g.vmcs;

	for (u32 i = 0; i < 512; i++)
		EXPECT(!IS_SECRET(page[i]));
	for (u32 i = 2; i < 512; i++)
		page[i] ^= 0x1010;
	a.g.launched = false;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

static void touch_pages(struct vm1 *vm, u32 reason)
{
	if (reason != EXIT_IO && reason != EXIT_HLT)
		return;
	(void)frame_has(vm1_frame(vm, FW_GPA >> 12), 1);	/* the code that runs: sealed, and back at the next entry */
	(void)frame_has(vm1_frame(vm, 0x28), 1);
}

/* The Guardian works between two instructions of the guest, and of the host: neither notices. */
TEST(p3_sealing, "attack-P3-guardian-leaves-nothing-behind")
{
	static u8 before[1024] __attribute__((aligned(64))), after[1024] __attribute__((aligned(64)));
	static const u64 pattern[4] = { 0x1111, 0x2222, 0x3333, 0x4444 };
	static struct cvm_report_call call;
	u32 r[4];

	begin();
	fxsr_on();
	vm1_start_protected(&a);
	a.at_exit = touch_pages;
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_AVX), 0);
	EXPECT(a.answer[0] == 0 || a.answer[0] == 2);
	a.at_exit = NULL;
	cpuid(1, 0, r);
	if (!(r[2] & BIT(28)))
		return;
	__asm__ volatile("vmovups %0, %%ymm0; vmovups %0, %%ymm7; vmovups %0, %%ymm15; vpxor %%xmm3, %%xmm3, %%xmm3" : : "m"(pattern));
	__asm__ volatile("xsave64 %0" : "+m"(before) : "a"(7), "d"(0));
	(void)frame_has(vm1_frame(&a, FW_GPA >> 12), 1);
	__asm__ volatile("xsave64 %0" : "+m"(after) : "a"(7), "d"(0));
	EXPECT_EQ(compare(before, after, 832), 0);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), 0);
	__asm__ volatile("xsave64 %0" : "+m"(after) : "a"(7), "d"(0));
	EXPECT_EQ(compare(before, after, 832), 0);
}
