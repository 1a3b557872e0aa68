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
