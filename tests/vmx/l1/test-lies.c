/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host that lies in CPUID, MSRs and the TSC, and edits controls and bitmaps: what it may decide is its own APIC and the clock's offset. */
#include "attacks.h"

static struct vm1 a, plain;

static u32 read_msr(struct vm1 *vm, u32 msr)
{
	EXPECT_EQ(CMD(vm, FW_RDMSR, msr), 0);
	return vm->answer[0];
}

TEST(cpuid_lies, "attack-P5-host-lies-in-cpuid")
{
	static struct cvm_host_info info;

	begin();
	vm1_start_ordinary(&plain);
	plain.lies = true;
	EXPECT_EQ(CMD(&plain, FW_CPUID, 1), 0);
	EXPECT_EQ(plain.answer[2], LIE);				/* the control */
	vm1_start_protected(&a);
	a.lies = true;
	EXPECT_EQ(CMD(&a, FW_CPUID, 0x40000000), 0);
	EXPECT_EQ(a.answer[0], 0x40000001);
	EXPECT_EQ(a.answer[1], 0x4b4d564b);
	EXPECT_EQ(CMD(&a, FW_CPUID, 1), 0);
	EXPECT_EQ(a.answer[2] & BIT(5), 0);				/* no VMX */
	EXPECT(a.answer[2] & BIT(31));
	for (u32 leaf = 0; leaf < 0x18; leaf++) {
		about("leaf", leaf);
		EXPECT_EQ(CMD(&a, FW_CPUID, leaf), 0);
		for (u32 i = 0; i < 4; i++)
			EXPECT(a.answer[i] != LIE);
	}
	about(NULL, 0);
	EXPECT_EQ(CMD(&a, FW_CPUID, 0x15), 0);				/* the clock's rate as RootVisor measured it */
	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &info, sizeof(info)), 0);
	EXPECT_EQ(a.answer[2], (u32)(info.tsc_khz * 1000));
	expect_running(&a);
}

/* MSRs of the guest's own and constants never ask the host; the APIC's are the host's, which shows that the lie is told. */
TEST(msr_lies, "attack-P3-host-lies-in-msr")
{
	static const u32 own[] = { 0x17, 0x8b, 0xce, MSR_MISC_ENABLE, 0x174, 0x175, 0x176, MSR_PAT, MSR_EFER, MSR_STAR,
				   MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
				   MSR_TSC_AUX, MSR_SPEC_CTRL, MSR_DEBUGCTL };
	static const u32 none[] = { MSR_VMX_BASIC, MSR_FEATURE_CONTROL, 0x9b, 0xfe, 0x200, 0x4b564d00, 0xc0010117 };

	begin();
	vm1_start_ordinary(&plain);
	plain.lies = true;
	EXPECT_EQ(read_msr(&plain, MSR_STAR), LIE);			/* the control */
	vm1_start_protected(&a);
	a.lies = true;
	for (u32 i = 0; i < ARRAY_SIZE(own); i++) {
		about("MSR", own[i]);
		EXPECT(read_msr(&a, own[i]) != LIE);
	}
	for (u32 i = 0; i < ARRAY_SIZE(none); i++) {
		about("MSR", none[i]);
		EXPECT_EQ(read_msr(&a, none[i]), 0xfa17);		/* #GP */
	}
	about(NULL, 0);
	EXPECT_EQ(CMD(&a, FW_WRMSR, MSR_FEATURE_CONTROL, 5), 0);
	EXPECT_EQ(a.answer[0], 0xfa17);
	EXPECT_EQ(a.msr_exits, 0);					/* of none the host heard */
	EXPECT_EQ(read_msr(&a, MSR_APIC_BASE), LIE);
	EXPECT_EQ(a.msr_exits, 1);
	expect_running(&a);
}

/* Controls that make more of the guest exit, set before and after PROTECT. */
static const struct { const char *what; u32 field; u64 bits; u8 n, code[11]; u32 exit; } more[] = {
	{ "exception bitmap", VMCS_EXCEPTION_BITMAP, BIT(6), 2, { 0x0f, 0x0b }, EXIT_EXCEPTION_NMI },
	{ "RDTSC exiting", VMCS_PROC_CTLS, PROC_RDTSC, 2, { 0x0f, 0x31 }, EXIT_RDTSC },
	{ "INVLPG exiting", VMCS_PROC_CTLS, PROC_INVLPG, 3, { 0x0f, 0x01, 0x3b }, EXIT_INVLPG },
	{ "CR3-store exiting", VMCS_PROC_CTLS, PROC_CR3_STORE, 3, { 0x0f, 0x20, 0xd8 }, EXIT_CR_ACCESS },
	{ "MOV-DR exiting", VMCS_PROC_CTLS, PROC_MOV_DR, 3, { 0x0f, 0x21, 0xc0 }, EXIT_MOV_DR },
	/* mov eax, cr4; or ah, 2; mov cr4, eax: OSFXSR, which is set and shadowed as 0 */
	{ "CR4 mask", VMCS_CR4_MASK, BIT(9), 9, { 0x0f, 0x20, 0xe0, 0x80, 0xcc, 0x02, 0x0f, 0x22, 0xe0 }, EXIT_CR_ACCESS },
};

static void set_controls(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(more); i++)
		vmwrite(more[i].field, vmread(more[i].field) | more[i].bits);
}

TEST(controls, "attack-P3-host-edits-controls")
{
	struct cvm_protect p;
	u32 r;

	begin();
	vm1_start_ordinary(&plain);
	for (u32 i = 0; i < ARRAY_SIZE(more); i++) {			/* the control: each makes an ordinary guest exit */
		u64 before;

		about(more[i].what, 0);
		vm1_place(&plain, more[i].code, more[i].n);
		before = vmread(more[i].field);
		vmwrite(more[i].field, before | more[i].bits);
		REQUIRE_EQ(CMD(&plain, FW_EXEC), more[i].exit);
		vmwrite(more[i].field, before);
		REQUIRE_EQ(vm1_run(&plain), AT_COMMAND);
	}
	vm1_create(&a);
	set_controls();
	vm1_block(&p);
	REQUIRE_EQ(vm1_protect(&a, &p), 0);
	vm1_find_id(&a);
	for (u32 i = 0; i < ARRAY_SIZE(more); i++) {
		about(more[i].what, 0);
		r = vm1_exec(&a, more[i].code, more[i].n);
		EXPECT_EQ(r, 0);
		EXPECT_EQ(r == 0 && a.answer[0] == 0xfa17, i == 0);	/* #UD is the guest's own */
		if (r)
			break;
		vm1_select(&a);
		set_controls();
	}
	expect_running(&a);
}

/* Nothing exits, everything exits: ports and MSRs of a protected guest are as they were. */
TEST(bitmaps, "attack-P3-host-edits-bitmaps")
{
	u8 *msr = page_alloc();
	u64 proc;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	for (struct vm1 *vm = &plain; vm; vm = vm == &plain ? &a : NULL) {
		vm1_select(vm);
		vmwrite(VMCS_MSR_BITMAP, (u64)msr);
		vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_MSR_BITMAPS);
		vm->lies = true;
	}
	for (u32 all = 0; all < 2; all++) {
		about("all bits", all);
		memset(msr, all ? 0xff : 0, 4096);
		EXPECT_EQ(read_msr(&plain, MSR_SYSENTER_EIP) == LIE, all);	/* the control */
		EXPECT_EQ(CMD(&a, FW_WRMSR, MSR_SYSENTER_EIP, WORD), 0);
		EXPECT_EQ(read_msr(&a, MSR_SYSENTER_EIP), WORD);
		EXPECT_EQ(read_msr(&a, MSR_VMX_BASIC), 0xfa17);
		EXPECT_EQ(CMD(&a, FW_WRMSR, MSR_FEATURE_CONTROL, 5), 0);
		EXPECT_EQ(a.answer[0], 0xfa17);
		EXPECT_EQ(a.msr_exits, 0);
	}
	/* without unconditional exits, for which there is no VMCS (entry-error-7-ports-must-exit) */
	about("ports need not exit", 0);
	vm1_place(&a, (const u8[]){ 0xe4, PORT_HOLD }, 2);		/* in al, PORT_HOLD */
	a.hold_in = 0x5a;
	proc = vmread(VMCS_PROC_CTLS);
	vmwrite(VMCS_PROC_CTLS, proc & ~(u64)PROC_UNCOND_IO);
	EXPECT_EQ(vmresume(), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 7);
	vmwrite(VMCS_PROC_CTLS, proc);
	EXPECT_EQ(CMD(&a, FW_EXEC), 0);
	EXPECT_EQ(a.answer[0] & 0xff, 0x5a);				/* of the host, not of the machine */
	expect_running(&a);
}

/* The offset is the host's (docs/caveats.md). It moves nothing else, and a guest that reads the clock does not exit. */
TEST(tsc_offset, "attack-P3-host-moves-tsc")
{
	static const u8 code[] = { 0x0f, 0x31, 0x89, 0xd0 };		/* rdtsc; mov eax, edx */

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	vm1_place(&a, code, sizeof(code));
	for (u32 i = 1; i < 4; i++) {
		about("offset", i);
		vm1_select(&a);
		vmwrite(VMCS_TSC_OFFSET, (u64)(i * 1000) << 32);
		EXPECT_EQ(CMD(&a, FW_EXEC), 0);
		EXPECT(a.answer[0] >= i * 1000 && a.answer[0] < i * 1000 + 500);
	}
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* A guest that never exits of itself, or all the time: the host has its CPU back all the same. */
TEST(hog, "attack-P12-guest-never-exits")
{
	static const struct { u8 n, code[8]; } loops[] = {
		/* each begins with STI: the emulator does not look for interrupts of the host while the guest masks its own */
		{ 3, { 0xfb, 0xeb, 0xfe } },				/* jmp . */
		{ 5, { 0xfb, 0x0f, 0xa2, 0xeb, 0xfc } },		/* cpuid; jmp to it: exits that RootVisor serves */
		{ 5, { 0xfb, 0x8b, 0x03, 0xeb, 0xfc } } };		/* mov eax, [ebx]; jmp to it: and the Guardian */

	*(volatile u32 *)0xfee000f0ull = 0x1ff;
	for (u32 i = 0; i < ARRAY_SIZE(loops); i++) {
		about("loop", i);
		begin();
		vm1_start_protected(&a);
		vm1_place(&a, loops[i].code, loops[i].n);
		a.end_at_interrupt = true;
		*(volatile u32 *)0xfee003e0ull = 0xb;
		*(volatile u32 *)0xfee00320ull = 0x60;
		*(volatile u32 *)0xfee00380ull = 400000;
		EXPECT_EQ(CMD(&a, FW_EXEC), EXIT_EXT_INTR);
		*(volatile u32 *)0xfee00380ull = 0;
		expect_running(&a);
		vm1_destroy(&a);
		vmx_stop();
	}
}
