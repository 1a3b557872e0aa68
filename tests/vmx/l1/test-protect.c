/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PROTECT with blocks that are not as they should be: its errno, an event, and the guest goes on. */
#include "protected.h"

static struct vm1 vm;

/* The guest calls PROTECT with that block; then it is still an ordinary guest that works. */
static void refused(const char *what, const struct cvm_protect *p, s32 err)
{
	u64 mark = event_mark();

	about(what, 0);
	EXPECT_EQ(vm1_protect(&vm, p), err);
	const struct cvm_event *e = event_find(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT);

	EXPECT(e != NULL);
	if (e) {
		EXPECT_EQ(e->arg[0], CVM_CALL(CVM_GUEST_PROTECT));
		EXPECT_EQ((u32)e->arg[1], (u32)-err);
	}
}

static void still_works(void)
{
	static struct cvm_vm_list l;

	about("afterwards", 0);
	REQUIRE_EQ(host_call(CVM_HOST_VM_LIST, 0, &l, sizeof(l)), 0);
	EXPECT_EQ(l.count, 0);				/* nothing is left of the attempts */
	vmwrite(VMCS_GUEST_RIP, CVM_FW_ENTRY);
	EXPECT_EQ(vm1_run(&vm), AT_COMMAND);
	EXPECT_EQ(CMD(&vm, FW_WRITE, 0x3000, 0x77), 0);
	EXPECT_EQ(*(u32 *)vm1_frame(&vm, 3), 0x77);
}

TEST(blocks, "protect-bad-blocks")
{
	struct cvm_protect p;

	destroy_all();
	vmx_start();
	vm1_create(&vm);
#define BLOCK(what, err, ...) do { vm1_block(&p); __VA_ARGS__; refused(what, &p, err); } while (0)
	BLOCK("version", -EINVAL, p.version = 2);
	BLOCK("version 0", -EINVAL, p.version = 0);
	BLOCK("too many further vCPUs", -EINVAL, p.more_vcpus = CVM_MAX_CPUS);
	BLOCK("no RAM", -EINVAL, p.nr_ram = 0);
	BLOCK("too many RAM ranges", -EINVAL, p.nr_ram = CVM_MAX_RAM_RANGES + 1);
	BLOCK("very many RAM ranges", -EINVAL, p.nr_ram = 0xffffffff);
	BLOCK("no component", -EINVAL, p.nr_components = 0);
	BLOCK("too many components", -EINVAL, p.nr_components = CVM_MAX_COMPONENTS + 1);
	BLOCK("RAM not aligned", -EINVAL, p.ram[0].gpa = 8);
	BLOCK("RAM size not whole pages", -EINVAL, p.ram[0].size = VM_BYTES - 1);
	BLOCK("RAM size 0", -EINVAL, p.ram[0].size = 0);
	BLOCK("RAM wraps", -EINVAL, p.ram[0].gpa = 0x1000, p.ram[0].size = ~0xfffull);
	BLOCK("RAM beyond", -EINVAL, p.ram[0].gpa = 1ull << 46);
	BLOCK("RAM overlap", -EINVAL, p.nr_ram = 2, p.ram[1].gpa = VM_BYTES - 4096, p.ram[1].size = 0x10000);
	BLOCK("RAM descending", -EINVAL, p.nr_ram = 2, p.ram[1] = p.ram[0], p.ram[0].gpa = 1 << 20, p.ram[0].size = 0x10000);
	BLOCK("component outside RAM", -EINVAL, p.ram[0].size = CVM_FW_GPA);
	BLOCK("component over the edge", -EINVAL, p.comp[0].size = CVM_FW_MAX, p.ram[0].size = CVM_FW_GPA + 0x1000);
	BLOCK("component size 0", -EINVAL, p.comp[0].size = 0);
	BLOCK("component size wraps", -EINVAL, p.comp[0].size = ~0ull);
	BLOCK("component reserved", -EINVAL, p.comp[0].reserved = 1);
	BLOCK("firmware too large", -EINVAL, p.comp[0].size = CVM_FW_MAX + 1);
	BLOCK("firmware elsewhere", -EINVAL, p.comp[0].gpa = 0x30000);
	BLOCK("kind 0", -EINVAL, p.comp[0].kind = 0);
	BLOCK("kind unknown", -EINVAL, p.comp[0].kind = 5);
	BLOCK("kind huge", -EINVAL, p.comp[0].kind = 0xffffffff);
	BLOCK("no firmware", -EINVAL, p.comp[0].kind = CVM_COMP_KERNEL);
	BLOCK("firmware twice", -EINVAL, p.nr_components = 2, p.comp[1] = p.comp[0], p.comp[1].gpa = 0x40000);
	BLOCK("kinds descending", -EINVAL, p.nr_components = 3, p.comp[1] = p.comp[2] = p.comp[0],
	      p.comp[1].kind = CVM_COMP_INITRD, p.comp[1].gpa = 0x40000, p.comp[2].kind = CVM_COMP_KERNEL, p.comp[2].gpa = 0x50000);
	BLOCK("components overlap", -EINVAL, p.nr_components = 2, p.comp[1] = p.comp[0], p.comp[1].kind = CVM_COMP_KERNEL);
	BLOCK("components share a page", -EINVAL, p.comp[0].size = 0x1001, p.nr_components = 2,
	      p.comp[1] = (struct cvm_component){ CVM_COMP_KERNEL, 0, CVM_FW_GPA + 0x1000, 0x1000 });
	BLOCK("component not aligned", -EINVAL, p.nr_components = 2,
	      p.comp[1] = (struct cvm_component){ CVM_COMP_KERNEL, 0, 0x40004, 0x1000 });
	still_works();
}

TEST(pointers, "protect-bad-pointers")
{
	static const struct { const char *what; u32 gpa, size; s32 err; } bad[] = {
		{ "size 0", BLOCK_GPA, 0, -EINVAL }, { "size + 1", BLOCK_GPA, sizeof(struct cvm_protect) + 1, -EINVAL },
		{ "size - 1", BLOCK_GPA, sizeof(struct cvm_protect) - 1, -EINVAL }, { "size huge", BLOCK_GPA, 0xffffffff, -EINVAL },
		{ "not aligned", BLOCK_GPA + 4, sizeof(struct cvm_protect), -EFAULT },
		{ "across a page", BLOCK_GPA + 0xff8, sizeof(struct cvm_protect), -EFAULT },
		{ "not mapped", 0x80000000, sizeof(struct cvm_protect), -EFAULT },
		{ "at the top", 0xfffffff8, sizeof(struct cvm_protect), -EFAULT },
		{ "garbage", 0x5000, sizeof(struct cvm_protect), -EINVAL } };
	struct cvm_protect p;
	u64 mark;

	destroy_all();
	vmx_start();
	vm1_create(&vm);
	vm1_block(&p);
	copy(vm.ram + BLOCK_GPA, &p, sizeof(p));
	copy(vm.ram + BLOCK_GPA + 4, &p, sizeof(p));
	copy(vm.ram + BLOCK_GPA + 0xff8, &p, sizeof(p));
	for (u32 i = 0; i < 0x1000; i++)
		vm.ram[0x5000 + i] = (u8)(i * 7 + 1);
	copy(vm.ram + BLOCK_GPA, &p, sizeof(p));
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		about(bad[i].what, bad[i].gpa);
		mark = event_mark();
		EXPECT_EQ(vm1_protect_at(&vm, bad[i].gpa, bad[i].size), bad[i].err);
		EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT), 1);
	}
	/* the block in RootVisor's memory, by EPT12 */
	if (machine.nr_rootvisor) {
		about("in RootVisor", 0);
		vm1_map(&vm, 0x60, machine.rootvisor[0].start);
		EXPECT_EQ(vm1_protect_at(&vm, 0x60000, sizeof(p)), -EFAULT);
	}
	still_works();
}

/* Only unpaged, flat, ring 0: KVM's own notion of the mode is what its emulator uses later. */
TEST(modes, "protect-wrong-mode")
{
	extern const u8 g_host_call[];
	struct cvm_protect *p;
	struct l2 g;
	u64 mark;

	destroy_all();
	vmx_start();
	l2_init(&g, g_host_call);			/* 64-bit, paged */
	p = page_alloc();
	vm1_block(p);
	g.regs[RAX] = CVM_CALL(CVM_GUEST_PROTECT);
	g.regs[RBX] = (u64)p;
	g.regs[RCX] = sizeof(*p);
	mark = event_mark();
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ((s32)g.regs[RAX], -EACCES);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT), 1);
	/* real mode */
	u8 *low = page_alloc();
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xf4 };

	copy(low, code, sizeof(code));
	g.ept = page_alloc();
	ept_map(g.ept, 0x1000, (u64)low, EPT_LEAF);
	vmwrite(VMCS_EPTP, (u64)g.ept | EPTP_BITS);
	l2_real(&g, 0x1000);
	g.regs[RAX] = CVM_CALL(CVM_GUEST_PROTECT);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ((s32)g.regs[RAX], -EACCES);
	/* flat, but ring 3: not a call of ours at all, L1 gets the exit */
	l2_flat(&g, 0x1000);
	vmwrite(VMCS_GUEST_CS_SEL, 0xb);
	vmwrite(VMCS_GUEST_CS_AR, 0xc0fb);
	for (u32 i = 0; i < 6; i++)
		if (i != 1) {
			vmwrite(VMCS_GUEST_ES_SEL + 2 * i, 0x13);
			vmwrite(VMCS_GUEST_ES_AR + 2 * i, 0xc0f3);
		}
	g.regs[RAX] = CVM_CALL(CVM_GUEST_PROTECT);
	EXPECT_EQ(l2_run(&g), EXIT_VMCALL);
}

/* A guest with more RAM than RootVisor has room to keep records of. */
TEST(huge, "protect-huge-ram")
{
	static struct cvm_host_info before, after;
	struct cvm_protect p;

	destroy_all();
	vmx_start();
	vm1_create(&vm);
	vm1_block(&p);
	p.ram[0].size = 1ull << 36;
	EXPECT_EQ(vm1_protect(&vm, &p), -ENOSPC);
	host_call(CVM_HOST_INFO, 0, &before, sizeof(before));
	EXPECT_EQ(vm1_protect(&vm, &p), -ENOSPC);
	host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
	EXPECT_EQ(after.pool_frames_free, before.pool_frames_free);	/* nothing lost on the way back */
	EXPECT_EQ(after.vms, 0);
	still_works();
}

/* A guest that calls without end: it must not push out of the log what others did. */
TEST(flood, "protect-refused-flood")
{
	static struct cvm_host_info info;
	u64 mark, made = 0, logged = 0, told = 0, end;
	const struct cvm_event *e;

	destroy_all();
	vmx_start();
	vm1_create(&vm);
	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &info, sizeof(info)), 0);
	mark = event_mark();
	for (; made < 400; made++)
		EXPECT_EQ(vm1_protect_at(&vm, BLOCK_GPA, 0), -EINVAL);
	/* then the rate is whole again, for this call and for other tests */
	for (end = tsc() + info.tsc_khz * 4000; tsc() < end;)
		;
	EXPECT_EQ(vm1_protect_at(&vm, BLOCK_GPA, 0), -EINVAL);
	for (; (e = event_find(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT)); mark = e->seq + 1) {
		logged++;
		told += e->arg[1] >> 32;
	}
	EXPECT(logged < made / 2);
	EXPECT(logged + told > made);
	still_works();
}
