/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P1: the host never reads plaintext, and the guest still works. */
#include "attacks.h"

static struct vm1 a, plain;

TEST(p1_read, "attack-P1-host-reads-frame")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	u64 sealed = vm1_info(&a).frames;

	EXPECT(frame_has(vm1_frame(&plain, DATA >> 12), WORD));		/* the control */
	EXPECT(!frame_has(vm1_frame(&a, DATA >> 12), WORD));
	/* not zeroes either, and no two words alike as in the plaintext */
	const u32 *c = (const u32 *)vm1_frame(&a, DATA >> 12);
	u32 equal = 0;

	for (u32 i = 1; i < WORDS; i++)
		equal += c[i] == c[0];
	EXPECT(equal < 4);
	EXPECT_EQ(vm1_info(&a).frames, sealed - 1);			/* it is the host's now */
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);					/* all words as they were */
	EXPECT_EQ(vm1_info(&a).frames, sealed);
	/* sealed anew, the ciphertext differs: the nonce does not repeat */
	u8 *first = page_alloc();

	copy(first, vm1_frame(&a, DATA >> 12), 4096);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT(compare(first, vm1_frame(&a, DATA >> 12), 4096) != 0);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* All of the guest's memory, its code and its stack with it, like a dump. */
TEST(p1_dump, "attack-P1-host-dumps-all")
{
	extern const u8 fw_start[];

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, 2 * WORDS, WORD), 0);
	for (u32 round = 0; round < 2; round++) {
		for (u32 gfn = 0; gfn < VM_PAGES; gfn++) {
			about("gfn", gfn);
			EXPECT(!frame_has(vm1_frame(&a, gfn), WORD));
		}
		EXPECT(compare(vm1_frame(&a, CVM_FW_GPA >> 12), fw_start, 64) != 0);
		about(NULL, 0);
		EXPECT_EQ(CMD(&a, FW_CHECK, DATA, 2 * WORDS, WORD), 0);
		EXPECT_EQ(a.answer[0], 0);
	}
	expect_running(&a);
}

/* By another guest of the same host: its EPT12 names the private frame. */
TEST(p1_guest, "attack-P1-other-guest-reads-frame")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	vm1_select(&plain);
	vm1_map(&plain, 0x50, a.hpa[DATA >> 12]);
	EXPECT_EQ(CMD(&plain, FW_CHECK, 0x50000, WORDS, WORD), 0);
	EXPECT(plain.answer[0] > WORDS - 4);				/* it does not see the words */
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	/* now the frame is the guest's again: the other one, which had it mapped, must have lost it */
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD + 1), 0);
	EXPECT_EQ(CMD(&plain, FW_CHECK, 0x50000, WORDS, WORD + 1), 0);
	EXPECT(plain.answer[0] > WORDS - 4);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD + 1), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* By RootVisor itself, as the operand of a VMX instruction or the buffer of a call. */
TEST(p1_operand, "attack-P1-rootvisor-as-deputy")
{
	u64 la, v;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	la = win_map(40, a.hpa[DATA >> 12], PTE_P | PTE_W);
	vm1_select(&plain);
	EXPECT_EQ(vmwrite_mem(VMCS_GUEST_SYSENTER_EIP, la), 0);		/* the frame was sealed for it */
	v = vmread(VMCS_GUEST_SYSENTER_EIP);
	EXPECT((u32)v != WORD && v >> 32 != WORD);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(host_call(CVM_HOST_INFO, 0, (void *)la, sizeof(struct cvm_host_info)), -EFAULT);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	/* a private frame as VMCS or VMXON region, or as MSR bitmap: refused or sealed, never plain */
	EXPECT_EQ(vmptrld(a.hpa[DATA >> 12]), FAIL_VALID);
	EXPECT_EQ(vmclear(a.hpa[DATA >> 12]), FAIL_VALID);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* A 2 MiB leaf of another guest's EPT12, in use before a frame under it becomes private. */
TEST(p1_large, "attack-P1-large-leaf-over-private-frame")
{
	u8 *big = page_alloc_contig(512, 512);
	u64 *pdpt, *pd = page_alloc();

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	pdpt = (u64 *)(plain.g.ept[0] & EPT_ADDR);
	pdpt[1] = (u64)pd | EPT_RWX;
	pd[0] = (u64)big | EPT_LEAF | EPT_LARGE;
	*(u32 *)(big + 5 * 4096) = 0x5;
	EXPECT_EQ(CMD(&plain, FW_READ, 0x40005000), 0);
	EXPECT_EQ(plain.answer[0], 5);
	vm1_select(&a);
	vm1_map(&a, OTHER >> 12, (u64)big + 5 * 4096);
	EXPECT_EQ(CMD(&a, FW_FILL, OTHER, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_WRITE, 0x40006000, 0x6), 0);		/* the neighbour is still its own */
	EXPECT_EQ(*(u32 *)(big + 6 * 4096), 6);
	EXPECT_EQ(CMD(&a, FW_CHECK, OTHER, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&plain, FW_CHECK, 0x40005000, WORDS, WORD), 0);
	EXPECT(plain.answer[0] > WORDS - 4);
	EXPECT_EQ(CMD(&a, FW_CHECK, OTHER, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* The same leaf over two guests: the private one is backed by 2 MiB leaves itself, as with huge pages. */
TEST(p1_huge, "attack-P1-guest-on-large-leaf")
{
	u8 *big = page_alloc_contig(512, 512);
	struct cvm_protect p;
	u64 *pd;

	begin();
	vm1_create(&a);
	copy(big, a.ram, VM_BYTES);
	pd = (u64 *)(*(u64 *)(a.g.ept[0] & EPT_ADDR) & EPT_ADDR);
	pd[0] = (u64)big | EPT_LEAF | EPT_LARGE;
	for (u32 i = 0; i < VM_PAGES; i++)
		a.hpa[i] = (u64)big + 4096 * i;
	vm1_block(&p);
	copy(big + BLOCK_GPA, &p, sizeof(p));
	EXPECT_EQ(vm1_protect_at(&a, BLOCK_GPA, sizeof(p)), 0);
	vm1_find_id(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT(!frame_has(big + DATA, WORD));
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	big[VM_BYTES] = 1;						/* what the guest has not: still the host's */
	big[DATA + 5] ^= 1;
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* The host's own stack lies in a private frame when an event is delivered: sealed, and the event is delivered once more. */
TEST(p1_stack, "attack-P1-host-stack-in-private-frame")
{
	static const struct { u8 code[8]; u32 trap; u64 error; } events[] = {
		{ { 0xcd, 0x80 }, TRAP(0x80), 0 },				/* int 80h */
		{ { 0x0f, 0x0b }, UD, 0 },
		{ { 0x48, 0x8b, 0x06 }, PF, 4 },				/* mov rax, [rsi] */
		{ { 0xf4 }, GP, 0 } };						/* hlt */
	u8 *text = page_alloc(), *stack = page_alloc();

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, 4 * WORDS, WORD), 0);
	for (u32 i = 0; i < ARRAY_SIZE(events); i++) {
		u64 regs[16] = { [RSI] = win_map(42, 0, 0) };

		about("event", i);
		copy(text, events[i].code, 8);
		set_ring0_stack(a.hpa[(DATA >> 12) + i] + 4096);
		user_trap.code = NO_TRAP;
		user_enter(regs, win_map(43, (u64)text, PTE_P | PTE_U), win_map(44, (u64)stack, PTE_P | PTE_W | PTE_U) + 4096);
		set_ring0_stack((u64)trap_stack_top);
		EXPECT_EQ(user_trap.code, events[i].trap);
		EXPECT_EQ(user_trap.error, events[i].error);
		if (events[i].trap == PF)
			EXPECT_EQ(user_trap.cr2, regs[RSI]);
		EXPECT(!frame_has((u8 *)a.hpa[(DATA >> 12) + i], WORD));
	}
	about(NULL, 0);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);	/* the host wrote there */
}
