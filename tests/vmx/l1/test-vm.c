/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a protected VM: its calls, its devices, its end. */
#include "attacks.h"

static struct vm1 a, b, plain;

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
		{ CVM_GUEST_KEY_GET, DATA, 8, -EINVAL },
		{ CVM_GUEST_KEY_GET, VM_BYTES, sizeof(struct cvm_key), -EFAULT },
		{ CVM_GUEST_KEY_GET, DATA, sizeof(struct cvm_key), -ENOENT },
		{ CVM_GUEST_ENROL, 1, 0, -EPERM }, { 0x88, 0, 0, -ENOSYS }, { 0xffff, 0, 0, -ENOSYS } };

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

/* Single steps over instructions that RootVisor completes: the trap comes behind each. */
TEST(single_step, "protected-single-step")
{
	extern const u8 fw_start[], fw_trap_eip[];
	static const struct { u32 words[4], behind; } code[] = {
		/* pushf; or dword [esp], 100h; popf; then one instruction, then NOPs */
		{ { 0x00240c81, 0x90000001, 0x90a20f9d, 0x90909090 }, 11 },	/* cpuid */
		{ { 0x00240c81, 0x90000001, 0x9090909d, 0x90909090 }, 10 },	/* nop: the CPU's own trap */
		{ { 0x00240c81, 0x90000001, 0x90038b9d, 0x90909090 }, 11 },	/* mov eax, [ebx]: a device */
		{ { 0x00240c81, 0x90000001, 0x90d2e59d, 0x90909090 }, 11 },	/* in eax, PORT_HOLD */
	};

	begin();
	vm1_start_protected(&a);
	for (u32 i = 0; i < ARRAY_SIZE(code); i++) {
		about("instruction", i);
		EXPECT_EQ(CMD(&a, FW_WRITE, FW_CODE, 0x9c909090), 0);	/* pushf */
		for (u32 w = 0; w < 4; w++)
			EXPECT_EQ(CMD(&a, FW_WRITE, FW_CODE + 4 + 4 * w, code[i].words[w]), 0);
		EXPECT_EQ(CMD(&a, FW_EXEC), 0);
		EXPECT_EQ(a.answer[0], 0xfa17);
		EXPECT_EQ(CMD(&a, FW_COUNT, 1), 0);
		EXPECT_EQ(a.answer[0], i + 1);
		EXPECT_EQ(CMD(&a, FW_READ, (u32)(FW_GPA + (fw_trap_eip - fw_start))), 0);
		EXPECT_EQ(a.answer[0], FW_CODE + 4 + code[i].behind);
	}
}

/* `mutants` boots this with Guardians that do in place of sealing what a Guardian must not do. */
TEST(guardian, "attack-P7-guardian-misbehaves")
{
	if (!machine_option("guardian=misbehaves"))
		SKIP_TEST("needs a Guardian that misbehaves, see tests/vmx/l1/mutants");
	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	if (machine_option("storm="))
		nmi_storm(true);
	EXPECT_EQ(try_wrmsr(MSR_KERNEL_GS_BASE, 0x123456789000ull), NO_TRAP);
	EXPECT(!frame_has(vm1_frame(&a, DATA >> 12), WORD));		/* still no plaintext for the host */
	EXPECT_EQ(rdmsr(MSR_KERNEL_GS_BASE), 0x123456789000ull);
	if (machine_option("storm="))
		nmi_storm(false);
	expect_stopped(&a, CMD(&a, FW_READ, OTHER), CVM_R_GUARDIAN_FAULT);
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(plain.answer[0], 0);
	vm1_destroy(&a);
	vm1_start_protected(&a);					/* the next VM has a Guardian of its own */
	EXPECT_EQ(CMD(&a, FW_WRITE, DATA, 1), 0);
	expect_running(&a);
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

/* Each call about a VM that runs, with buffers that are not the host's to give: nothing comes, nothing is written. */
TEST(vm_buffers, "call-vm-bad-buffer")
{
	static const struct { u32 nr; u64 size; } calls[] = {
		{ CVM_HOST_VM_INFO, sizeof(struct cvm_vm_info) }, { CVM_HOST_VM_STATS, sizeof(struct cvm_stats) },
		{ CVM_HOST_VM_REPORT, sizeof(struct cvm_report_call) }, { CVM_HOST_KEY_PUT, sizeof(struct cvm_key_blob) } };
	u64 ro, across, bad[8];

	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	EXPECT_EQ(CMD(&b, FW_FILL, DATA, WORDS, WORD), 0);
	ro = win_map(51, (u64)page_alloc(), PTE_P);
	across = win_map(52, (u64)page_alloc(), PTE_P | PTE_W) + 4096 - 8;
	win_map(53, b.hpa[DATA >> 12], PTE_P | PTE_W);
	bad[0] = ~0ull;
	bad[1] = 0x800000000000ull;
	bad[2] = win_map(54, 0, 0);
	bad[3] = ro;
	bad[4] = machine.rootvisor[0].start;
	bad[5] = b.hpa[DATA >> 12];					/* of another VM */
	bad[6] = across;						/* its rest there */
	bad[7] = 0xfee00000;
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		for (u32 j = 0; j < ARRAY_SIZE(bad); j++) {
			s64 err = host_call(calls[i].nr, a.id, (void *)bad[j], calls[i].size);

			about("call, buffer", (u64)calls[i].nr << 32 | j);
			EXPECT_EQ(err, -EFAULT);			/* before it is looked whether a key in a read-only page is a good one */
		}
	about(NULL, 0);
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(b.answer[0], 0);
	expect_running(&a);
	expect_running(&b);
}

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
	u64 left = 0, all[2] = { 0 };
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
		EXPECT_EQ(invept(2, all), 0);		/* what shadows of the first stages are left */
		vmx_stop();
		host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
		EXPECT_EQ(after.vms, 0);
		EXPECT_EQ(after.private_frames, 0);
		if (round == 0)
			left = after.pool_frames_free;
	}
	EXPECT_EQ(after.pool_frames_free, left);			/* a round costs nothing for ever */
}

/* What the host may send as a key: nothing of its own making passes, each refusal is an event. The control, a
 * key that the tenant sealed, is in tests/unit/test-guardian-key.c and in the story. */
TEST(keys, "attack-P9-forged-key-blobs")
{
	/* The generator of P-256 (SP 800-186, 3.2.1.3): a point like any sender's. */
	static const u8 point[65] = {
		0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
		0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
		0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
		0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5 };
	static struct cvm_report_call call __attribute__((aligned(4096)));
	static struct cvm_key_blob blob __attribute__((aligned(4096)));
	u64 mark;

	begin();
	vm1_start_protected(&a);
	vm1_start_protected(&b);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), 0);
	mark = event_mark();
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, a.id, &blob, sizeof(blob)), -EINVAL);
	blob = (struct cvm_key_blob) { .magic = CVM_KEY_MAGIC, .version = CVM_KEY_VERSION, .size = sizeof(blob) };
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, a.id, &blob, sizeof(blob)), -ESTALE);
	blob.counter = call.report.counter;
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, b.id, &blob, sizeof(blob)), -ESTALE);	/* that report was not b's */
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, a.id, &blob, sizeof(blob)), -EBADMSG);	/* no point */
	copy(blob.enc, point, sizeof(point));
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, a.id, &blob, sizeof(blob)), -EBADMSG);
	EXPECT_EQ(blob.counter, call.report.counter);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_KEY), 5);
	EXPECT_EQ(events_counted(mark, CVM_EV_KEY, CVM_R_NONE), 0);
	EXPECT_EQ(CMD(&a, FW_CALL, CVM_CALL(CVM_GUEST_KEY_GET), DATA, sizeof(struct cvm_key)), 0);
	EXPECT_EQ((s32)a.answer[0], -ENOENT);
	expect_running(&a);
	expect_running(&b);
	expect_stopped(&a, CMD(&a, FW_DIE), CVM_R_TRIPLE_FAULT);
	EXPECT_EQ(host_call(CVM_HOST_KEY_PUT, a.id, &blob, sizeof(blob)), -EBUSY);
}
