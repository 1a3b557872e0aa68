/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P2: what the host did to the content of private memory is found before the guest uses it. */
#include "attacks.h"

static struct vm1 a, b, plain;

TEST(p2_write, "attack-P2-host-writes-frame")
{
	u64 mark;

	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&b, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	mark = event_mark();
	vm1_frame(&a, DATA >> 12)[100] ^= 1;
	vm1_frame(&plain, DATA >> 12)[100] ^= 1;
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(plain.answer[0], 1);					/* the control: nobody noticed */
	expect_stopped(&a, CMD(&a, FW_CHECK, DATA, WORDS, WORD), CVM_R_INTEGRITY);
	EXPECT_EQ(a.answers, 0);
	const struct cvm_event *e = event_find(mark, CVM_EV_VM_STOPPED, CVM_R_INTEGRITY);

	EXPECT(e != NULL);
	if (e) {
		EXPECT_EQ(e->vm, a.id);
		EXPECT_EQ(e->arg[0], DATA >> 12);
		EXPECT_EQ(e->uuid[0], 0xc0);
	}
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);		/* the others do not notice */
	EXPECT_EQ(b.answer[0], 0);
	expect_running(&b);
}

/* Code of the guest: the same, before one instruction of it runs. */
TEST(p2_code, "attack-P2-host-writes-code")
{
	begin();
	vm1_start_protected(&a);
	vm1_frame(&a, CVM_FW_GPA >> 12)[0x40] ^= 0x80;
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

TEST(p2_zero, "attack-P2-host-zeroes-frame")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	zero(vm1_frame(&a, DATA >> 12), 4096);
	zero(vm1_frame(&plain, DATA >> 12), 4096);
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, 0), 0);
	EXPECT_EQ(plain.answer[0], 0);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* A fresh zero page in place of the sealed one, as MADV_DONTNEED makes it. */
TEST(p2_discard, "attack-P2-host-discards-page")
{
	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT(!frame_has(vm1_frame(&a, DATA >> 12), WORD));
	vm1_select(&a);
	vm1_map(&a, DATA >> 12, (u64)page_alloc());
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

TEST(p2_swap, "attack-P2-host-swaps-pages")
{
	u8 *tmp;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	for (struct vm1 *vm = &a; vm; vm = vm == &a ? &plain : NULL) {
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
		EXPECT_EQ(CMD(vm, FW_FILL, OTHER, WORDS, WORD + 1), 0);
		tmp = page_alloc();
		copy(tmp, vm1_frame(vm, DATA >> 12), 4096);
		copy(vm1_frame(vm, DATA >> 12), vm1_frame(vm, OTHER >> 12), 4096);
		copy(vm1_frame(vm, OTHER >> 12), tmp, 4096);
	}
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD + 1), 0);
	EXPECT_EQ(plain.answer[0], 0);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* The same by EPT12: the sealed frames change places. */
TEST(p2_remap, "attack-P2-host-remaps-frames")
{
	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&a, FW_FILL, OTHER, WORDS, WORD + 1), 0);
	u64 f = a.hpa[DATA >> 12], h = a.hpa[OTHER >> 12];

	EXPECT(!frame_has((u8 *)f, WORD));
	EXPECT(!frame_has((u8 *)h, WORD + 1));
	vm1_select(&a);
	vm1_map(&a, DATA >> 12, h);
	vm1_map(&a, OTHER >> 12, f);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* The control of remapping: the host moves a sealed page to another frame, as migration and swap do. */
TEST(p2_move, "attack-P2-control-honest-move")
{
	u8 *to;

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	to = page_alloc();
	copy(to, vm1_frame(&a, DATA >> 12), 4096);
	vm1_select(&a);
	vm1_map(&a, DATA >> 12, (u64)to);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

TEST(p2_replay, "attack-P2-host-replays-old-page")
{
	u8 *old;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	for (struct vm1 *vm = &a; vm; vm = vm == &a ? &plain : NULL) {
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
		old = page_alloc();
		copy(old, vm1_frame(vm, DATA >> 12), 4096);
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD + 1), 0);
		copy(vm1_frame(vm, DATA >> 12), old, 4096);
	}
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(plain.answer[0], 0);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* Another VM's sealed page at the same guest address. */
TEST(p2_cross, "attack-P2-page-of-other-vm")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&b, FW_FILL, DATA, WORDS, WORD), 0);
	copy(vm1_frame(&a, DATA >> 12), vm1_frame(&b, DATA >> 12), 4096);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(b.answer[0], 0);
}

/* By RootVisor's hand: the result of a VMX instruction goes into a private frame. */
TEST(p2_operand, "attack-P2-rootvisor-as-deputy")
{
	u64 la;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	la = win_map(41, a.hpa[DATA >> 12], PTE_P | PTE_W);
	vm1_select(&plain);
	EXPECT_EQ(vmread_mem(VMCS_GUEST_RIP, la), 0);
	EXPECT_EQ(*(u64 *)a.hpa[DATA >> 12], vmread(VMCS_GUEST_RIP));	/* it stands in what is the host's now */
	expect_stopped(&a, CMD(&a, FW_READ, DATA + 64), CVM_R_INTEGRITY);
}
