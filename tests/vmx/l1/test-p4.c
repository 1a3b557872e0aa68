/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P4: external interrupts that the guest can take, and nothing else. */
#include "attacks.h"

static struct vm1 a, plain;

static u32 count_of(struct vm1 *vm, u32 vector)
{
	EXPECT_EQ(CMD(vm, FW_COUNT, vector), 0);
	return vm->answer[0];
}

/* Injects at the next entry, while the guest waits with interrupts masked or takes them. */
static void inject(struct vm1 *vm, u64 info)
{
	vm1_select(vm);
	vmwrite(VMCS_ENTRY_INTR_INFO, info);
	vmwrite(VMCS_ENTRY_ERROR_CODE, 0);
	vmwrite(VMCS_ENTRY_INSTR_LEN, 2);
}

TEST(p4_inject, "attack-P4-host-injects")
{
	static const struct { const char *what; u64 info; } bad[] = {
		{ "#UD", INTR_VALID | INTR_TYPE_HW_EXC << 8 | 6 },
		{ "#GP", INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 13 },
		{ "#PF", INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 14 },
		{ "NMI", INTR_VALID | INTR_TYPE_NMI << 8 | 2 },
		{ "external, vector 14", INTR_VALID | 14 },
		{ "external, vector 31", INTR_VALID | 31 },
		{ "software interrupt 33", INTR_VALID | INTR_TYPE_SW_INT << 8 | 33 },
		{ "software exception 3", INTR_VALID | INTR_TYPE_SW_EXC << 8 | 3 },
		{ "privileged #DB", INTR_VALID | INTR_TYPE_PRIV_EXC << 8 | 1 },
		{ "reserved type", INTR_VALID | 7 << 8 | 33 },
		{ "external, interrupts masked", INTR_VALID | 33 } };
	u32 sum = 0;
	u64 mark;

	begin();
	vm1_start_protected(&a);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		about(bad[i].what, bad[i].info);
		inject(&a, bad[i].info);
		mark = event_mark();
		EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);
		const struct cvm_event *e = event_find(mark, CVM_EV_DENIED, CVM_R_BAD_INJECTION);

		EXPECT(e != NULL);
		if (e) {
			EXPECT_EQ(e->vm, a.id);
			EXPECT_EQ(e->arg[0], bad[i].info);
		}
	}
	about(NULL, 0);
	for (u32 v = 0; v < 64; v++)
		sum += count_of(&a, v);
	EXPECT_EQ(sum, 0);						/* nothing arrived */
	expect_running(&a);
	/* the control: an ordinary guest takes the exception */
	vm1_start_ordinary(&plain);
	inject(&plain, INTR_VALID | INTR_TYPE_NMI << 8 | 2);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	u32 r = CMD(&plain, FW_SPIN, 10);

	EXPECT(r != 0 || count_of(&plain, 2) == 1);
}

static u64 inject_at_halt;

static void at_halt(struct vm1 *vm, u32 reason)
{
	if (reason == EXIT_HLT && inject_at_halt) {
		vmwrite(VMCS_ENTRY_INTR_INFO, inject_at_halt);
		inject_at_halt = 0;
	}
}

/* What the host may do: an external interrupt to a guest that takes it. */
TEST(p4_allowed, "attack-P4-control-external-interrupt")
{
	begin();
	vm1_start_protected(&a);
	a.at_exit = at_halt;
	inject_at_halt = INTR_VALID | 33;
	EXPECT_EQ(CMD(&a, FW_STI_HLT), 0);
	EXPECT_EQ(count_of(&a, 33), 1);
	EXPECT_EQ(count_of(&a, 34), 0);
	/* in a halt with interrupts on, other kinds are still refused */
	u64 mark = event_mark();

	inject_at_halt = INTR_VALID | INTR_TYPE_HW_EXC << 8 | 6;
	EXPECT_EQ(CMD(&a, FW_STI_HLT), 0);
	EXPECT_EQ(count_of(&a, 6), 0);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_INJECTION), 1);
	expect_running(&a);
}

/* While the guest takes interrupts: still nothing but external ones from 32 on. */
TEST(p4_halt, "attack-P4-host-injects-into-halt")
{
	static const u64 bad[] = { INTR_VALID | 0, INTR_VALID | 13, INTR_VALID | 31, INTR_VALID | INTR_TYPE_NMI << 8 | 2,
				   INTR_VALID | INTR_TYPE_SW_INT << 8 | 40, INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 14 };
	u32 sum = 0;

	begin();
	vm1_start_protected(&a);
	a.at_exit = at_halt;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 mark = event_mark();

		about("information", bad[i]);
		inject_at_halt = bad[i];
		EXPECT_EQ(CMD(&a, FW_STI_HLT), 0);
		EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_INJECTION), 1);
	}
	about(NULL, 0);
	for (u32 v = 0; v < 64; v++)
		sum += count_of(&a, v);
	EXPECT_EQ(sum, 0);
	expect_running(&a);
}

static u64 window_vector;

static void at_window(struct vm1 *vm, u32 reason)
{
	if (reason != EXIT_INTR_WINDOW)
		return;
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | window_vector);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) & ~PROC_INTR_WINDOW);
}

/* L1 waits for the window, as KVM does, and injects there. */
TEST(p4_window, "protected-interrupt-window")
{
	u32 r;

	begin();
	vm1_start_protected(&a);
	a.at_exit = at_window;
	window_vector = 35;
	vm1_select(&a);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_INTR_WINDOW);
	r = CMD(&a, FW_TAKE);
	if (r == EXIT_INTR_WINDOW)
		r = vm1_run(&a) == AT_COMMAND ? 0 : 1;
	EXPECT_EQ(r, 0);
	EXPECT_EQ(count_of(&a, 35), 1);
	expect_running(&a);
}

#define IDT_GFN		0x28u		/* of firmware.S */

/* An interrupt whose delivery needs pages that the host took meanwhile: it arrives, once. */
TEST(p4_sealed_idt, "attack-P4-host-seals-idt")
{
	u64 frame, mark;

	begin();
	vm1_start_protected(&a);
	a.at_exit = at_halt;
	EXPECT_EQ(CMD(&a, FW_STI_HLT), 0);				/* IDT and stack have been used */
	(void)frame_has(vm1_frame(&a, IDT_GFN), WORD);
	(void)frame_has(vm1_frame(&a, (FW_STACK >> 12) - 1), WORD);
	(void)frame_has(vm1_frame(&a, FW_GPA >> 12), WORD);
	inject_at_halt = INTR_VALID | 33;
	EXPECT_EQ(CMD(&a, FW_STI_HLT), 0);
	EXPECT_EQ(count_of(&a, 33), 1);
	/* the same, and EPT12 has a hole there: L1 sees a fault, nothing of the event, and cannot add one */
	(void)frame_has(vm1_frame(&a, IDT_GFN), WORD);
	frame = a.hpa[IDT_GFN];
	vm1_select(&a);
	vm1_map(&a, IDT_GFN, 0);
	inject_at_halt = INTR_VALID | 34;
	EXPECT_EQ(CMD(&a, FW_STI_HLT), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
	EXPECT_EQ(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF, 0);
	mark = event_mark();
	vm1_map(&a, IDT_GFN, frame);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 35);
	EXPECT_EQ(vm1_run(&a), AT_COMMAND);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_INJECTION), 1);
	EXPECT_EQ(count_of(&a, 34), 1);
	EXPECT_EQ(count_of(&a, 35), 0);
	EXPECT_EQ(count_of(&a, 33), 1);
	expect_running(&a);
}

/* EAX = ECX: no EOI. */
static const u8 eoi_not_0[] = { 0xb9, 0x0b, 0x08, 0, 0, 0x89, 0xc8, 0x31, 0xd2, 0x0f, 0x30 };
#define EOI_CLEAR	0xa5a5a5a4u	/* bit 0, and what stands around it */

static void expect_exits(const u8 *code, u64 exits)
{
	a.msr_exits = 0;
	EXPECT_EQ(vm1_exec(&a, code, EOI_CODE), 0);
	EXPECT_EQ(a.msr_exits, exits);
}

TEST(p4_eoi, "eoi-without-an-exit-to-the-host")
{
	volatile u32 *word;
	u64 page;

	begin();
	word = start_with_eoi(&a, 0);
	page = (u64)word;
	for (u32 i = 0; i < 4; i++) {
		word[0] = EOI_CLEAR | (i & 1);
		word[1] = ~0u;			/* another vCPU's */
		expect_exits(eoi_code, !(i & 1));
		EXPECT_EQ(word[0], EOI_CLEAR);
		EXPECT_EQ(word[1], ~0u);
	}
	word[0] = EOI_CLEAR | 1;		/* what is no EOI is KVM's to refuse */
	expect_exits(eoi_not_0, 1);
	EXPECT_EQ(word[0], EOI_CLEAR | 1);
	/* The page is not there: the host is asked for it, and the guest's instruction runs again. */
	vm1_place(&a, eoi_code, EOI_CODE);
	vm1_map(&a, EOI_GFN, 0);
	a.msr_exits = 0;
	EXPECT_EQ(CMD(&a, FW_EXEC), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), CVM_EOI_GPA);
	EXPECT(vmread(VMCS_EXIT_QUALIFICATION) & EPT_W);
	EXPECT_EQ(word[0], EOI_CLEAR | 1);
	vm1_map(&a, EOI_GFN, page);
	EXPECT_EQ(vm1_run(&a), AT_COMMAND);
	EXPECT_EQ(a.msr_exits, 0);
	EXPECT_EQ(word[0], EOI_CLEAR);
	/* It is there, but not to be written. */
	word[0] = EOI_CLEAR | 1;
	ept_map(a.g.ept, CVM_EOI_GPA, page, EPT_R | EPT_X | EPT_MT_WB);
	vm1_map(&a, EOI_GFN - 1, a.hpa[EOI_GFN - 1]);	/* INVEPT */
	a.faults = 0;
	EXPECT_EQ(CMD(&a, FW_EXEC), 0);
	EXPECT(a.faults >= 1);
	EXPECT_EQ(a.msr_exits, 0);
	EXPECT_EQ(word[0], EOI_CLEAR);
	expect_running(&a);
	vm1_destroy(&a);
	/* Where the guest has RAM there, its memory is no word of the host's. */
	vm1_start_protected(&a);
	REQUIRE_EQ(CMD(&a, FW_WRITE, CVM_EOI_GPA, ~0u), 0);
	expect_exits(eoi_code, 1);
	REQUIRE_EQ(CMD(&a, FW_READ, CVM_EOI_GPA), 0);
	EXPECT_EQ(a.answer[0], ~0u);
	expect_running(&a);
}

TEST(p4_eoi_frames, "attack-P2-eoi-page-in-private-memory")
{
	volatile u32 *word;
	u64 page;

	begin();
	word = start_with_eoi(&a, 0);
	page = (u64)word;
	vm1_place(&a, eoi_code, EOI_CODE);
	REQUIRE_EQ(CMD(&a, FW_WRITE, DATA, ~0u), 0);
	const u64 foreign[] = { a.hpa[DATA >> 12], machine.rootvisor[0].start };

	for (u32 i = 0; i < ARRAY_SIZE(foreign); i++) {
		word[0] = EOI_CLEAR | 1;
		vm1_map(&a, EOI_GFN, foreign[i]);
		a.hpa[EOI_GFN] = 0;		/* L1 will not mend it */
		a.msr_exits = 0;
		EXPECT_EQ(CMD(&a, FW_EXEC), EXIT_EPT_VIOLATION);
		EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), CVM_EOI_GPA);
		vm1_map(&a, EOI_GFN, page);
		EXPECT_EQ(vm1_run(&a), AT_COMMAND);
		EXPECT_EQ(a.msr_exits, 0);
		EXPECT_EQ(word[0], EOI_CLEAR);
	}
	REQUIRE_EQ(CMD(&a, FW_READ, DATA), 0);
	EXPECT_EQ(a.answer[0], ~0u);
	expect_running(&a);
}
