/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile host (this L1) against a protected guest, promise by promise (docs/security-tests.md), each with the
 * same done to an ordinary guest, where it succeeds: so the attack itself works.
 */
#include "protected.h"

static struct vm1 a, b, plain;

#define DATA	0x6000u			/* a page of the guest with its data */
#define OTHER	0x7000u
#define WORD	0x600dda7au
#define WORDS	1024u

static void begin(void)
{
	destroy_all();
	vmx_start();
}

static bool frame_has(const u8 *frame, u32 word)
{
	for (u32 i = 0; i < 4096; i += 4)
		if (*(const u32 *)(frame + i) == word)
			return true;
	return false;
}

/* The guest ended with a shut-down exit, in that state. */
static void expect_stopped(struct vm1 *vm, u32 how, u32 reason)
{
	struct cvm_vm_info i = vm1_info(vm);

	EXPECT_EQ(how, EXIT_TRIPLE_FAULT);
	EXPECT_EQ(i.state, CVM_VM_STOPPED);
	EXPECT_EQ(i.reason, reason);
	/* and it stays so */
	vm1_select(vm);
	EXPECT_EQ(l2_run(&vm->g), EXIT_TRIPLE_FAULT);
}

static void expect_running(struct vm1 *vm)
{
	EXPECT_EQ(vm1_info(vm).state, CVM_VM_RUNNING);
}

TEST(protect, "protect-works")
{
	u64 mark;

	begin();
	mark = event_mark();
	vm1_start_protected(&a);
	EXPECT(event_find(mark, CVM_EV_VM_PROTECTED, CVM_R_NONE) != NULL);
	struct cvm_vm_info i = vm1_info(&a);

	EXPECT_EQ(i.state, CVM_VM_RUNNING);
	EXPECT_EQ(i.vcpus, 1);
	EXPECT_EQ(i.ram_bytes, VM_BYTES);
	EXPECT(i.frames > 0);
	EXPECT_EQ(i.uuid[0], 0xc0);
	EXPECT_EQ(CMD(&a, FW_READ, 0x9000), 0);
	EXPECT_EQ(a.answer[0], 0);
	/* what stage 1 left in RAM is gone: unaccepted memory reads as zero */
	EXPECT_EQ(CMD(&a, FW_READ, BLOCK_GPA), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_VERSION), 0, 0), 0);
	EXPECT_EQ(a.answer[0], CVM_ABI_VERSION);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_PROTECT), BLOCK_GPA, sizeof(struct cvm_protect)), 0);
	EXPECT_EQ((s32)a.answer[0], -EPERM);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_HOST_INFO), 0, 0), 0);
	EXPECT_EQ((s32)a.answer[0], -ENOSYS);
	EXPECT_EQ(CMD(&a, FW_PRIVILEGED), 0);
	EXPECT_EQ(a.answer[0], 5);			/* VMX, VMFUNC, GETSEC: #UD in the guest */
	expect_running(&a);
}

TEST(guest_calls, "protected-guest-calls-bad-arguments")
{
	static const struct { u32 nr, gpa, size; s32 err; } bad[] = {
		{ CVM_GUEST_LAUNCH_INFO, DATA, sizeof(struct cvm_launch_table) - 8, -EINVAL },
		{ CVM_GUEST_LAUNCH_INFO, DATA, 0, -EINVAL },
		{ CVM_GUEST_LAUNCH_INFO, DATA + 4, sizeof(struct cvm_launch_table), -EFAULT },
		{ CVM_GUEST_LAUNCH_INFO, DATA + 0xff8, sizeof(struct cvm_launch_table), -EFAULT },
		{ CVM_GUEST_LAUNCH_INFO, VM_BYTES, sizeof(struct cvm_launch_table), -EFAULT },
		{ CVM_GUEST_LAUNCH_INFO, VM_MMIO, sizeof(struct cvm_launch_table), -EFAULT },
		{ CVM_GUEST_LAUNCH_INFO, 0xfffff000, sizeof(struct cvm_launch_table), -EFAULT },
		{ CVM_GUEST_REPORT, DATA, 8, -EINVAL },
		{ CVM_GUEST_REPORT, VM_BYTES, sizeof(struct cvm_report_call), -EFAULT },
		{ CVM_GUEST_RTMR_EXTEND, DATA, 8, -EINVAL },
		{ CVM_GUEST_RTMR_EXTEND, VM_BYTES, sizeof(struct cvm_rtmr_extend), -EFAULT },
		{ 0x86, 0, 0, -ENOSYS }, { 0xffff, 0, 0, -ENOSYS } };

	begin();
	vm1_start_protected(&a);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		about("call", (u64)bad[i].nr << 32 | bad[i].gpa);
		EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(bad[i].nr), bad[i].gpa, bad[i].size), 0);
		EXPECT_EQ((s32)a.answer[0], bad[i].err);
	}
	about("RTMR index out of range", 0);
	EXPECT_EQ(CMD(&a, FW_WRITE, DATA, CVM_RTMRS), 0);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_RTMR_EXTEND), DATA, sizeof(struct cvm_rtmr_extend)), 0);
	EXPECT_EQ((s32)a.answer[0], -EINVAL);
	about("a good one", 0);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_LAUNCH_INFO), DATA, sizeof(struct cvm_launch_table)), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_READ, DATA + (u32)offsetof(struct cvm_launch_table, nr_components)), 0);
	EXPECT_EQ(a.answer[0], 1);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_REPORT), DATA, sizeof(struct cvm_report_call)), 0);
	EXPECT_EQ((s32)a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_READ, DATA + (u32)offsetof(struct cvm_report_call, report)), 0);
	EXPECT_EQ(a.answer[0], CVM_REPORT_MAGIC);
	expect_running(&a);
}

/* ---- P1: the host never reads plaintext, and the guest still works ---- */

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

/* ---- P2: what the host did to private memory is found before the guest uses it ---- */

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

/* One frame at two guest addresses. */
TEST(p2_alias, "attack-P2-one-frame-two-gfns")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	for (struct vm1 *vm = &plain; vm; vm = vm == &plain ? &a : NULL) {
		vm1_select(vm);
		vm1_map(vm, OTHER >> 12, vm->hpa[DATA >> 12]);
		EXPECT_EQ(CMD(vm, FW_WRITE, DATA, WORD), 0);
	}
	EXPECT_EQ(CMD(&plain, FW_READ, OTHER), 0);
	EXPECT_EQ(plain.answer[0], WORD);
	expect_stopped(&a, CMD(&a, FW_READ, OTHER), CVM_R_HOST_MAPS_FOREIGN);
}

/* A frame of VM a into VM b. */
TEST(p2_foreign, "attack-P2-frame-of-other-vm")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	vm1_select(&b);
	vm1_map(&b, OTHER >> 12, a.hpa[DATA >> 12]);
	expect_stopped(&b, CMD(&b, FW_READ, OTHER), CVM_R_HOST_MAPS_FOREIGN);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* RootVisor's own memory as guest RAM, a device as guest RAM. */
TEST(p6_ram, "attack-P6-rootvisor-as-guest-ram")
{
	u64 bad[] = { machine.rootvisor[0].start, machine.rootvisor[1].start, 0xfee00000, 1ull << 45 };

	if (machine.nr_rootvisor < 2)
		BROKEN("the memory map shows no memory of RootVisor");
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		about("frame", bad[i]);
		vm1_start_protected(&a);
		vm1_map(&a, OTHER >> 12, bad[i]);
		expect_stopped(&a, CMD(&a, FW_WRITE, OTHER, 1), CVM_R_HOST_MAPS_FOREIGN);
		vm1_destroy(&a);
		vmx_stop();
	}
}

/* A hole in EPT12 is the host's to fill: shown as a write, whatever the guest did; a read-only leaf does not do. */
TEST(p2_fault, "attack-P2-fault-is-shown-as-write")
{
	u64 q, frame;

	begin();
	vm1_start_protected(&a);
	frame = a.hpa[OTHER >> 12];
	vm1_map(&a, OTHER >> 12, 0);
	EXPECT_EQ(CMD(&a, FW_READ, OTHER + 0x123), EXIT_EPT_VIOLATION);
	q = vmread(VMCS_EXIT_QUALIFICATION);
	EXPECT_EQ(q & 7, EPT_W);
	EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), OTHER);		/* the page, not the address */
	EXPECT_EQ(vmread(VMCS_GUEST_LINEAR_ADDRESS), 0);
	ept_map(a.g.ept, OTHER, frame, EPT_LEAF & ~EPT_W);		/* as the zero page would be mapped */
	a.faults = 0;
	a.hpa[OTHER >> 12] = 0;
	EXPECT_EQ(vm1_run(&a), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_EXIT_QUALIFICATION) & 0x3f, EPT_W | (EPT_R | EPT_X) << 3);
	vm1_map(&a, OTHER >> 12, frame);
	EXPECT_EQ(vm1_run(&a), AT_COMMAND);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* EPT12 taken away altogether, made to loop, put into RootVisor: pages that the guest has stay, new ones do not come. */
TEST(p2_ept_gone, "attack-P2-ept12-replaced")
{
	u64 *empty;

	begin();
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	empty = page_alloc();
	vmwrite(VMCS_EPTP, (u64)empty | EPTP_BITS);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);		/* EPT12 is a hint */
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_READ, 0x50000), EXIT_EPT_VIOLATION);
	vmwrite(VMCS_EPTP, machine.rootvisor[0].start | EPTP_BITS);
	expect_stopped(&a, l2_run(&a.g), CVM_R_BAD_EPT12);
}

/* Frames that L1 needs itself, given to the guest as RAM. */
TEST(p2_own, "attack-P2-host-structures-as-guest-ram")
{
	u64 root, region;

	/* the root of EPT12: gone as soon as it is the guest's */
	begin();
	vm1_start_protected(&a);
	root = (u64)a.g.ept;
	vm1_map(&a, OTHER >> 12, root);
	EXPECT_EQ(CMD(&a, FW_FILL, OTHER, WORDS, 7), 0);
	expect_stopped(&a, CMD(&a, FW_READ, 0x55000), CVM_R_BAD_EPT12);
	vm1_destroy(&a);
	vmx_stop();
	/* the VMCS page and the VMXON region: L1 can name them no longer, the guest lives */
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	vm1_select(&a);
	region = vmxon_region;
	vm1_map(&a, OTHER >> 12, a.g.vmcs);
	vm1_map(&a, (OTHER >> 12) + 1, region);
	EXPECT_EQ(CMD(&a, FW_FILL, OTHER, 2 * WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_WRITE, DATA, 1), 0);
	EXPECT_EQ(vmclear(a.g.vmcs), FAIL_VALID);
	EXPECT_EQ(vmptrld(a.g.vmcs), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 9);
	EXPECT(!frame_has((u8 *)a.g.vmcs, WORD));			/* sealed by this look: the host's again, */
	EXPECT_EQ(vmptrld(a.g.vmcs), FAIL_VALID);			/* but no VMCS any more */
	EXPECT_EQ(instruction_error(), 11);
	EXPECT_EQ(CMD(&plain, FW_READ, DATA), 0);
	EXPECT_EQ(plain.answer[0], 1);
}

/* ---- P3: registers ---- */

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

/* Two VMCSs in turn, without VMCLEAR between them, as KVM does with two guests on a CPU. */
TEST(two, "protected-two-guests-in-turn")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	vm1_start_ordinary(&plain);
	EXPECT(a.id != b.id);
	for (u32 i = 0; i < 5; i++)
		for (u32 j = 0; j < 3; j++) {
			struct vm1 *vm = j == 0 ? &a : j == 1 ? &b : &plain;

			EXPECT_EQ(CMD(vm, FW_WRITE, DATA, WORD + 16 * i + j), 0);
		}
	EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);
	EXPECT_EQ(a.answer[0], WORD + 64);
	EXPECT_EQ(CMD(&b, FW_READ, DATA), 0);
	EXPECT_EQ(b.answer[0], WORD + 65);
	/* and with VMCLEAR, as a move to another CPU does it */
	EXPECT_EQ(vmclear(a.g.vmcs), 0);
	a.g.launched = false;
	EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);
	EXPECT_EQ(a.answer[0], WORD + 64);
	expect_running(&a);
	expect_running(&b);
}

/* ---- P4: event injection ---- */

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

/* ---- exits of a protected guest: MMIO by decoy, MSRs ---- */

TEST(mmio, "protected-mmio-decoy")
{
	begin();
	vm1_start_protected(&a);
	a.mmio_value = 0xcafe1234;
	EXPECT_EQ(CMD(&a, FW_READ, VM_MMIO + 0x10), 0);
	EXPECT_EQ(a.answer[0], 0xcafe1234);
	EXPECT_EQ(a.mmio_gpa, VM_MMIO + 0x10);
	EXPECT_EQ(a.mmio_rip, CVM_DECOY_GPA + CVM_DECOY_LOAD32 * CVM_DECOY_SLOT);
	EXPECT_EQ(CMD(&a, FW_WRITE, VM_MMIO + 0x20, 0xbeef0001), 0);
	EXPECT_EQ(a.mmio_value, 0xbeef0001);
	EXPECT_EQ(a.mmio_gpa, VM_MMIO + 0x20);
	EXPECT_EQ(a.mmio_rip, CVM_DECOY_GPA + CVM_DECOY_STORE32 * CVM_DECOY_SLOT);
	expect_running(&a);
}

/* RAM where the guest expects a device: the host would answer the access with memory it chose; refused. */
TEST(mmio_ram, "attack-P2-ram-behind-device")
{
	begin();
	vm1_start_protected(&a);
	ept_map(a.g.ept, VM_MMIO, (u64)page_alloc(), EPT_LEAF);
	a.no_mmio = true;			/* L1 maps RAM and resumes, as KVM does for a memory slot */
	EXPECT_EQ(CMD(&a, FW_READ, VM_MMIO), EXIT_EPT_VIOLATION);
	expect_stopped(&a, l2_run(&a.g), CVM_R_HOST_MAPS_FOREIGN);
}

TEST(cpuid_lies, "attack-P5-host-lies-in-cpuid")
{
	u64 before;

	begin();
	vm1_start_protected(&a);
	before = a.g.regs[RAX];
	EXPECT_EQ(CMD(&a, FW_CPUID, 0x40000000), 0);
	EXPECT_EQ(a.answer[1], 0x4b4d564b);
	EXPECT_EQ(CMD(&a, FW_CPUID, 1), 0);
	EXPECT_EQ(a.answer[2] & BIT(5), 0);				/* no VMX */
	EXPECT(a.answer[2] & BIT(31));
	EXPECT_EQ(before >> 32, 0);
	EXPECT_EQ(CMD(&a, FW_RDMSR, MSR_VMX_BASIC), 0);
	EXPECT_EQ(a.answer[0], 0xfa17);					/* #GP */
	EXPECT_EQ(CMD(&a, FW_WRMSR, MSR_FEATURE_CONTROL, 5), 0);
	EXPECT_EQ(a.answer[0], 0xfa17);
	expect_running(&a);
}

/* ---- what the guest does to itself ---- */

TEST(ends, "protected-guest-stops-itself")
{
	begin();
	vm1_start_protected(&a);
	expect_stopped(&a, CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_STOP), 0, 0x1234), CVM_R_GUEST_STOP);
	EXPECT_EQ(vm1_info(&a).stop_arg, 0x1234);
	vm1_start_protected(&b);
	expect_stopped(&b, CMD(&b, FW_DIE), CVM_R_TRIPLE_FAULT);
	vm1_destroy(&b);
	vm1_start_protected(&b);
	expect_stopped(&b, CMD(&b, FW_JUMP, VM_MMIO), CVM_R_DECODE);	/* no code from a device */
}

TEST(report, "protected-host-report")
{
	static struct cvm_report_call call __attribute__((aligned(4096)));

	begin();
	vm1_start_protected(&a);
	for (u32 i = 0; i < 64; i++)
		call.user_data[i] = (u8)i;
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), 0);
	EXPECT_EQ(call.report.magic, CVM_REPORT_MAGIC);
	EXPECT_EQ(call.report.vm_id, a.id);
	EXPECT_EQ(call.report.requester, 0);
	EXPECT_EQ(compare(call.report.user_data, call.user_data, 64), 0);
	EXPECT_EQ(compare(call.report.launch_digest, vm1_info(&a).launch_digest, CVM_DIGEST_SIZE), 0);
	u64 first = call.report.counter;

	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), 0);
	EXPECT_EQ(call.report.counter, first + 1);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, (void *)win_map(50, 0, 0), sizeof(call)), -EFAULT);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, (void *)a.hpa[FW_GPA >> 12], sizeof(call)), -EFAULT);
	expect_running(&a);
	EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);
	expect_stopped(&a, CMD(&a, FW_DIE), CVM_R_TRIPLE_FAULT);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), -EBUSY);
}

/* ---- the end of a VM ---- */

TEST(destroy, "protected-destroy")
{
	static struct cvm_host_info before, after;
	u32 dirty = 0;
	u64 mark;

	begin();
	host_call(CVM_HOST_INFO, 0, &before, sizeof(before));
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, 4 * WORDS, WORD), 0);
	host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
	EXPECT_EQ(after.vms, 1);
	EXPECT(after.private_frames > 4);
	EXPECT_EQ(after.private_frames, vm1_info(&a).frames);
	EXPECT(before.pool_frames_free > after.pool_frames_free);
	mark = event_mark();
	u32 id = a.id;

	vm1_destroy(&a);
	EXPECT(event_find(mark, CVM_EV_VM_STOPPED, CVM_R_DESTROYED) != NULL);
	EXPECT(event_find(mark, CVM_EV_VM_RELEASED, CVM_R_DESTROYED) != NULL);
	for (u32 gfn = DATA >> 12; gfn < (DATA >> 12) + 4; gfn++)
		for (u32 i = 0; i < 4096; i++)
			dirty += a.ram[gfn * 4096 + i] != 0;
	EXPECT_EQ(dirty, 0);						/* scrubbed */
	host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
	EXPECT_EQ(after.vms, 0);
	EXPECT_EQ(after.private_frames, 0);
	/* the vCPU's own slot goes at VMCLEAR */
	vmclear(a.g.vmcs);
	host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
	EXPECT(before.pool_frames_free - after.pool_frames_free <= 8);	/* shadow EPT of the launch */
	EXPECT_EQ(host_call(CVM_HOST_VM_DESTROY, id, NULL, 0), -ENOENT);
	EXPECT_EQ(vmptrld(a.g.vmcs), 0);				/* the page is an ordinary VMCS again */
	EXPECT_EQ(vmlaunch() == FAIL_VALID || vmread(VMCS_EXIT_REASON) != 0, true);
}

/* Destroyed in the middle of an exit; and the host goes on as if nothing happened. */
TEST(destroy_mid, "protected-destroy-in-an-exit")
{
	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	EXPECT_EQ(CMD(&b, FW_FILL, DATA, WORDS, WORD), 0);
	vm1_map(&b, OTHER >> 12, b.hpa[OTHER >> 12]);
	vm1_select(&a);
	ept_map(a.g.ept, OTHER, 0, 0);
	a.hpa[OTHER >> 12] = 0;
	EXPECT_EQ(CMD(&a, FW_READ, OTHER), EXIT_EPT_VIOLATION);
	vm1_destroy(&a);
	u32 r = vmresume();

	EXPECT(r == FAIL_INVALID || r == FAIL_VALID);
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(b.answer[0], 0);
	expect_running(&b);
}

/* As many VMs as there is room for, then one more; all released; twice, so that nothing is lost. */
TEST(many, "protected-many-vms")
{
	static struct vm1 vm[CVM_MAX_VMS + 1];
	static struct cvm_host_info before, after;
	u32 n;

	for (u32 round = 0; round < 2; round++) {
		arena_reset();
		begin();
		host_call(CVM_HOST_INFO, 0, &before, sizeof(before));
		for (n = 0; n <= CVM_MAX_VMS; n++) {
			struct cvm_protect p;

			vm1_create(&vm[n]);
			vm1_block(&p);
			s32 err = vm1_protect(&vm[n], &p);

			if (err) {
				EXPECT_EQ(err, -ENOSPC);
				break;
			}
		}
		EXPECT(n >= 8 && n <= CVM_MAX_VMS);
		for (u32 i = 0; i < n; i++)
			EXPECT_EQ(CMD(&vm[i], FW_WRITE, DATA, i), 0);
		for (u32 i = 0; i < n; i++) {
			EXPECT_EQ(CMD(&vm[i], FW_READ, DATA), 0);
			EXPECT_EQ(vm[i].answer[0], i);
		}
		destroy_all();
		vmx_stop();
		host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
		EXPECT_EQ(after.vms, 0);
		EXPECT_EQ(after.private_frames, 0);
	}
}
