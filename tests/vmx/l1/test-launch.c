/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P5: what a protected VM starts from. The host may do what it likes while PROTECT is under way: then the
 * measurement shows it, or the launch fails. */
#include "attacks.h"

extern const u8 fw_start[], fw_entry[];

static struct vm1 a, plain;
#define LAST_PAGE	0x22u			/* of the firmware component, as these tests make it */

static void block(struct cvm_protect *p)
{
	vm1_block(p);
	p->comp[0].size = 0x3000;
}

/* A launch that stops half-way: the last page of the component is not there. */
static void start_half(void)
{
	struct cvm_protect p;
	u64 frame;

	begin();
	vm1_create(&a);
	block(&p);
	copy(a.ram + BLOCK_GPA, &p, sizeof(p));
	frame = a.hpa[LAST_PAGE];
	vm1_map(&a, LAST_PAGE, 0);
	REQUIRE_EQ(vm1_stage1(&a, BLOCK_GPA, sizeof(p)), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), LAST_PAGE << 12);
	EXPECT_EQ(vmread(VMCS_EXIT_QUALIFICATION) & 7, EPT_W);
	a.hpa[LAST_PAGE] = frame;
	vm1_find_id(&a);
	EXPECT_EQ(vm1_info(&a).state, CVM_VM_LAUNCHING);
	EXPECT_EQ(vm1_info(&a).frames, 2);
}

static u32 go_on(void)
{
	ept_map(a.g.ept, LAST_PAGE << 12, a.hpa[LAST_PAGE], EPT_LEAF);
	return vm1_run(&a);
}

static void launch_whole(struct cvm_vm_info *i, u32 flip)
{
	struct cvm_protect p;

	begin();
	vm1_create(&a);
	block(&p);
	if (flip)
		a.ram[flip] ^= 1;
	REQUIRE_EQ(vm1_protect(&a, &p), 0);
	vm1_find_id(&a);
	*i = vm1_info(&a);
	vm1_destroy(&a);
	vmx_stop();
}

TEST(entry_state, "attack-P5-entry-state")
{
	static const u32 want[] = { 0, 0, 0, 0, FW_STACK, 0, 0, 0, (u32)(CR0_PE | CR0_ET | CR0_NE), 0, 0, 0, 0, 0x400, 2 };
	struct cvm_protect p;
	u32 at = (u32)(FW_GPA + (fw_entry - fw_start));

	begin();
	try_write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	vm1_create(&a);
	vm1_block(&p);
	a.dirty_entry = true;
	static const u64 ones[2] = { ~0ull, ~0ull };

	__asm__ volatile("movups %0, %%xmm0" : : "m"(ones));
	__asm__ volatile("movq %0, %%dr0; movq %0, %%cr2" : : "r"(0x4141ull));
	REQUIRE_EQ(vm1_protect(&a, &p), 0);
	for (u32 i = 0; i < ARRAY_SIZE(want); i++) {
		about("register", i);
		EXPECT_EQ(CMD(&a, FW_READ, at + 4 * i), 0);
		EXPECT_EQ(a.answer[0], want[i]);
	}
	about("GDT and IDT", 0);
	EXPECT_EQ(CMD(&a, FW_READ, at + 60), 0);
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_READ, at + 68), 0);
	EXPECT_EQ(a.answer[0], 0);
	about("XMM0", 0);
	EXPECT_EQ(CMD(&a, FW_CHECK, at + 80, 4, 0), 0);
	EXPECT_EQ(a.answer[0], 0);
	/* the control: an ordinary guest starts with what the host put there */
	vm1_create(&plain);
	plain.g.regs[RSI] = 0x41414141;
	REQUIRE_EQ(vm1_run(&plain), AT_COMMAND);
	EXPECT_EQ(CMD(&plain, FW_READ, at + 24), 0);
	EXPECT_EQ(plain.answer[0], 0x41414141);
}

TEST(digest, "attack-P5-measurement-shows-each-byte")
{
	static const u32 flip[] = { FW_GPA, FW_GPA + 0x7ff, FW_GPA + 0x1000, FW_GPA + 0x2fff };
	struct cvm_vm_info clean, again, changed;
	u64 any = 0;

	launch_whole(&clean, 0);
	launch_whole(&again, 0);
	for (u32 i = 0; i < CVM_DIGEST_SIZE; i++)
		any |= clean.launch_digest[i];
	EXPECT(any);
	EXPECT_EQ(compare(clean.launch_digest, again.launch_digest, CVM_DIGEST_SIZE), 0);
	launch_whole(&changed, 0x3000);		/* not a part of any component: another page */
	EXPECT_EQ(compare(clean.launch_digest, changed.launch_digest, CVM_DIGEST_SIZE), 0);
	for (u32 i = 1; i < ARRAY_SIZE(flip); i++) {
		about("byte", flip[i]);
		launch_whole(&changed, flip[i]);
		EXPECT(compare(clean.launch_digest, changed.launch_digest, CVM_DIGEST_SIZE) != 0);
	}
}

/* The host reads what was taken already: it sees ciphertext, and the launch goes on, with the same measurement. */
TEST(read_during, "attack-P5-host-reads-during-launch")
{
	struct cvm_vm_info clean, i;

	launch_whole(&clean, 0);
	start_half();
	EXPECT(compare(vm1_frame(&a, FW_GPA >> 12), fw_start, 64) != 0);
	EXPECT_EQ(go_on(), AT_COMMAND);
	i = vm1_info(&a);
	EXPECT_EQ(i.state, CVM_VM_RUNNING);
	EXPECT_EQ(compare(clean.launch_digest, i.launch_digest, CVM_DIGEST_SIZE), 0);
	EXPECT_EQ(CMD(&a, FW_WRITE, 0x6000, 7), 0);
}

TEST(write_during, "attack-P5-host-writes-during-launch")
{
	u64 mark = event_mark();

	start_half();
	vm1_frame(&a, FW_GPA >> 12)[0x80] ^= 1;
	EXPECT_EQ(go_on(), STAGE1_DONE);
	EXPECT_EQ((s32)a.stage1, -EPERM);
	EXPECT_EQ(vm1_info(&a).state, CVM_VM_STOPPED);
	EXPECT_EQ(vm1_info(&a).reason, CVM_R_INTEGRITY);
	EXPECT(event_find(mark, CVM_EV_VM_STOPPED, CVM_R_INTEGRITY) != NULL);
	EXPECT(event_find(mark, CVM_EV_VM_PROTECTED, CVM_R_NONE) == NULL);
	/* and no second try by that vCPU */
	EXPECT_EQ(vm1_protect_at(&a, BLOCK_GPA, sizeof(struct cvm_protect)), -EPERM);
}

/* Two launches at once, each as far as the host lets it. */
TEST(interleaved, "launch-two-interleaved")
{
	static struct cvm_report_call call;

	start_half();
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), -EBUSY);
	vm1_start_protected(&plain);
	EXPECT_EQ(CMD(&plain, FW_WRITE, DATA, WORD), 0);
	vm1_select(&a);
	EXPECT_EQ(go_on(), AT_COMMAND);
	EXPECT_EQ(CMD(&a, FW_WRITE, DATA, 1), 0);
	EXPECT_EQ(CMD(&plain, FW_READ, DATA), 0);
	EXPECT_EQ(plain.answer[0], WORD);
	EXPECT_EQ(host_call(CVM_HOST_VM_REPORT, a.id, &call, sizeof(call)), 0);
	expect_running(&a);
	expect_running(&plain);
}

/* What the host writes before a page is taken is what is measured, and nothing else. */
TEST(write_before, "attack-P5-host-writes-before-take")
{
	struct cvm_vm_info clean, i;

	launch_whole(&clean, 0);
	start_half();
	vm1_frame(&a, LAST_PAGE)[0xfff] ^= 1;
	EXPECT_EQ(go_on(), AT_COMMAND);
	i = vm1_info(&a);
	EXPECT_EQ(i.state, CVM_VM_RUNNING);
	EXPECT(compare(clean.launch_digest, i.launch_digest, CVM_DIGEST_SIZE) != 0);
	EXPECT_EQ(CMD(&a, FW_READ, (LAST_PAGE << 12) + 0xffc), 0);
	EXPECT_EQ(a.answer[0], 0x01000000);
}

/* The block changes after the call: RootVisor has its copy. */
TEST(block_during, "attack-P5-host-changes-block-during-launch")
{
	struct cvm_protect *p;

	start_half();
	p = (struct cvm_protect *)vm1_frame(&a, BLOCK_GPA >> 12);
	p->nr_ram = 0xffffffff;
	p->nr_components = 0xffffffff;
	p->comp[0].size = ~0ull;
	EXPECT_EQ(go_on(), AT_COMMAND);
	EXPECT_EQ(vm1_info(&a).ram_bytes, VM_BYTES);
}

/* One frame for two pages of a component. */
TEST(alias_during, "attack-P5-one-frame-twice-in-component")
{
	start_half();
	a.hpa[LAST_PAGE] = a.hpa[FW_GPA >> 12];
	EXPECT_EQ(go_on(), STAGE1_DONE);
	EXPECT_EQ((s32)a.stage1, -EPERM);
	EXPECT_EQ(vm1_info(&a).reason, CVM_R_HOST_MAPS_FOREIGN);
}

/* A frame of a protected VM as a component of another. */
TEST(foreign_during, "attack-P5-frame-of-other-vm-as-component")
{
	struct cvm_protect p;

	begin();
	vm1_start_protected(&plain);
	EXPECT_EQ(CMD(&plain, FW_WRITE, DATA, WORD), 0);
	vm1_create(&a);
	block(&p);
	vm1_map(&a, LAST_PAGE, plain.hpa[DATA >> 12]);
	EXPECT_EQ(vm1_protect(&a, &p), -EPERM);
	vm1_find_id(&a);
	EXPECT_EQ(vm1_info(&a).reason, CVM_R_HOST_MAPS_FOREIGN);
	EXPECT_EQ(CMD(&plain, FW_READ, DATA), 0);
	EXPECT_EQ(plain.answer[0], WORD);
	expect_running(&plain);
}

TEST(abandon, "launch-abandoned-by-new-vmcs")
{
	static struct cvm_host_info info;
	u64 page;

	start_half();
	page = a.g.vmcs;
	EXPECT_EQ(vmclear(page), 0);
	zero((void *)page, 4096);
	*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC);
	EXPECT_EQ(vmptrld(page), 0);
	EXPECT_EQ(vm1_info(&a).state, CVM_VM_STOPPED);
	EXPECT_EQ(vm1_info(&a).reason, CVM_R_RESET);
	EXPECT_EQ(compare((u8 *)a.hpa[FW_GPA >> 12], fw_start, 16) == 0, 0);
	vm1_destroy(&a);
	host_call(CVM_HOST_INFO, 0, &info, sizeof(info));
	EXPECT_EQ(info.private_frames, 0);
}

/* L1 clears the VMCS of a launch that it gives up (QEMU was killed, say), then has the VM destroyed. Nothing is left: no memory, and
 * not that VMCS, in whose page L1 makes another one. */
TEST(give_up, "launch-given-up-leaves-nothing")
{
	static struct cvm_host_info before, after;
	u64 page, eptp = 1;

	for (u32 i = 0; i < 4; i++) {
		start_half();
		page = a.g.vmcs;
		EXPECT_EQ(vmclear(page), 0);
		vm1_destroy(&a);
		zero((void *)page, 4096);
		if (i < 3) {
			l2_forget();	/* no second VMCLEAR */
		} else {
			*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC);
			REQUIRE_EQ(vmptrld(page), 0);
			EXPECT_EQ(vmread_to(VMCS_EPTP, &eptp), 0);
			EXPECT_EQ(eptp, 0);
		}
		vmx_stop();
		host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
		if (!i)		/* now there is what stays for good */
			before = after;
	}
	/* each round is of another EPTP, whose table's root stays for the next one; a VMCS is three pages */
	EXPECT(before.pool_frames_free - after.pool_frames_free <= 3);
	EXPECT_EQ(after.private_frames, 0);
	EXPECT_EQ(after.vms, 0);
}

TEST(destroy_during, "launch-destroyed-half-way")
{
	static struct cvm_host_info info;

	start_half();
	vm1_destroy(&a);
	host_call(CVM_HOST_INFO, 0, &info, sizeof(info));
	EXPECT_EQ(info.private_frames, 0);
	EXPECT_EQ(info.vms, 0);
	EXPECT_EQ(vmptrld(a.g.vmcs), 0);
	u32 r = vmresume();

	EXPECT(r == FAIL_VALID || r == FAIL_INVALID || r == 0);
	vm1_start_protected(&plain);
	EXPECT_EQ(CMD(&plain, FW_READ, 0x6000), 0);
}

/* A guest that claims nearly all memory that RootVisor has for records: others must go on. */
TEST(greed, "attack-P12-guest-takes-the-pool")
{
	extern const u8 g_read[];
	static struct cvm_host_info info;
	struct cvm_protect p;
	struct l2 g;
	s32 err = -1;

	begin();
	vm1_create(&a);
	host_call(CVM_HOST_INFO, 0, &info, sizeof(info));
	/* 512 gfns take four pages of records and one of EPT02 */
	for (u64 spare = 8; spare < 2048 && err; spare += 8) {
		vm1_block(&p);
		p.ram[0].size = (info.pool_frames_free - spare) * 512 / 5 * 4096;
		err = vm1_protect(&a, &p);
	}
	EXPECT_EQ(err, 0);
	host_call(CVM_HOST_INFO, 0, &info, sizeof(info));
	EXPECT(info.pool_frames_free >= 900);
	/* an ordinary guest over a wide address space */
	l2_init(&g, g_read);
	u64 *page = page_alloc();

	page[0] = 0x900d;
	for (u64 i = 0; i < 300; i++) {
		u64 gpa = (i + 192) << 30;

		ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
		g.regs[RSI] = win_map(7, gpa, PTE_P);
		g.regs[RAX] = 0;
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		if (l2_run(&g) != EXIT_HLT || g.regs[RAX] != 0x900d) {
			FAIL("the ordinary guest does not get on");
			break;
		}
	}
	/* and the greedy one can use all that it was promised */
	for (u32 i = 0; i < 64; i++)
		EXPECT_EQ(CMD(&a, FW_WRITE, 0x1000 * (i + 0x30), i), 0);
}
