/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* P2, P6: frames that the host maps otherwise than it should. */
#include "attacks.h"

static struct vm1 a, b, plain;

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

/* EPT12 of a protected guest by one 2 MiB leaf at `big`, in place of its table of 4 KiB leaves. */
static u64 *large_leaf(struct vm1 *vm, const u8 *big)
{
	u64 all[2] = { 0 }, *pd = (u64 *)(*(u64 *)(vm->g.ept[0] & EPT_ADDR) & EPT_ADDR), table = pd[0];

	pd[0] = (u64)big | EPT_LEAF | EPT_LARGE;
	for (u32 i = 0; i < VM_PAGES; i++)
		vm->hpa[i] = (u64)big + 4096 * i;
	invept(2, all);
	return (u64 *)(table & EPT_ADDR);
}

static void small_leaves(struct vm1 *vm, u64 *table, const u8 *frames)
{
	u64 all[2] = { 0 }, *pd = (u64 *)(*(u64 *)(vm->g.ept[0] & EPT_ADDR) & EPT_ADDR);

	for (u32 i = 0; i < VM_PAGES; i++) {
		vm->hpa[i] = (u64)frames + 4096 * i;
		table[i] = vm->hpa[i] | EPT_LEAF;
	}
	pd[0] = (u64)table | EPT_RWX;
	invept(2, all);
}

/* 4 KiB leaves, then 2 MiB ones over frames that are the host's, the guest's and sealed, then other frames. */
TEST(p2_flip, "attack-P2-leaf-sizes-flip")
{
	u8 *big = page_alloc_contig(512, 512), *other = page_alloc_contig(512, 512);
	u64 *table;

	begin();
	vm1_start_ordinary(&plain);					/* the control: it takes what is mapped */
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	copy(big, plain.ram, VM_BYTES);
	*(u32 *)(big + DATA) = 5;
	large_leaf(&plain, big);
	EXPECT_EQ(CMD(&plain, FW_READ, DATA), 0);
	EXPECT_EQ(plain.answer[0], 5);

	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, 2 * WORDS, WORD), 0);
	memset(big, 0x41, VM_BYTES);
	copy(big + DATA, vm1_frame(&a, DATA >> 12), 4096);		/* sealed, and moved as the host may */
	table = large_leaf(&a, big);
	EXPECT_EQ(CMD(&a, FW_READ, 0x50000), 0);			/* the first touch: all that is offered with it */
	EXPECT_EQ(a.answer[0], 0);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, 2 * WORDS, WORD), 0);		/* the sealed page was not taken for a new one */
	EXPECT_EQ(a.answer[0], 0);
	/* other frames under what is the guest's: they count for nothing */
	memset(other, 0x42, VM_BYTES);
	small_leaves(&a, table, other);
	EXPECT_EQ(CMD(&a, FW_CHECK, DATA, 2 * WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	/* a neighbour of private frames sealed, then the large leaf at the wrong place */
	EXPECT(!frame_has(big + DATA, WORD));
	large_leaf(&a, other);
	EXPECT_EQ(CMD(&a, FW_CHECK, OTHER, WORDS, WORD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_stopped(&a, CMD(&a, FW_READ, DATA), CVM_R_INTEGRITY);
}

/* A page table of the guest, read by the CPU itself: changed under it. */
TEST(p2_tables, "attack-P2-host-writes-page-table")
{
	const u32 dir = FW_DIRECTORY, table = dir + 0x1000, page = 0x400000;

	begin();
	vm1_start_protected(&a);
	vm1_start_ordinary(&plain);
	for (struct vm1 *vm = &plain; vm; vm = vm == &plain ? &a : NULL) {
		EXPECT_EQ(CMD(vm, FW_FILL, dir, 2 * WORDS, 0), 0);
		EXPECT_EQ(CMD(vm, FW_WRITE, dir, 0x83), 0);		/* 4 MiB, to itself */
		EXPECT_EQ(CMD(vm, FW_WRITE, dir + 4, table | 3), 0);
		EXPECT_EQ(CMD(vm, FW_WRITE, table, DATA | 3), 0);
		EXPECT_EQ(CMD(vm, FW_WRITE, DATA, WORD), 0);
		EXPECT_EQ(CMD(vm, FW_WRITE, OTHER, 7), 0);
		EXPECT_EQ(CMD(vm, FW_PAGED, page), 0);
		EXPECT_EQ(vm->answer[0], WORD);
		if (vm == &a)
			EXPECT(!frame_has(vm1_frame(vm, table >> 12), DATA | 0x23));	/* sealed: it is not to be read either */
		*(u32 *)vm1_frame(vm, table >> 12) = OTHER | 3;
	}
	EXPECT_EQ(CMD(&plain, FW_PAGED, page), 0);
	EXPECT_EQ(plain.answer[0], 7);					/* the control: it reads another page */
	expect_stopped(&a, CMD(&a, FW_PAGED, page), CVM_R_INTEGRITY);
}
