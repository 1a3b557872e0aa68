/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attacks.h"

void begin(void)
{
	destroy_all();
	vmx_start();
}

bool frame_has(const u8 *frame, u32 word)
{
	for (u32 i = 0; i < 4096; i += 4)
		if (*(const u32 *)(frame + i) == word)
			return true;
	return false;
}

void expect_stopped(struct vm1 *vm, u32 how, u32 reason)
{
	struct cvm_vm_info i = vm1_info(vm);

	EXPECT_EQ(how, EXIT_TRIPLE_FAULT);
	EXPECT_EQ(i.state, CVM_VM_STOPPED);
	EXPECT_EQ(i.reason, reason);
	/* and it stays so */
	vm1_select(vm);
	EXPECT_EQ(l2_run(&vm->g), EXIT_TRIPLE_FAULT);
}

void expect_running(struct vm1 *vm)
{
	EXPECT_EQ(vm1_info(vm).state, CVM_VM_RUNNING);
}

/* mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr */
const u8 eoi_code[EOI_CODE] = { 0xb9, 0x0b, 0x08, 0, 0, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30 };

volatile u32 *start_with_eoi(struct vm1 *vm, u32 more)
{
	struct cvm_protect p;

	vm1_create(vm);
	vm1_block(&p);
	p.more_vcpus = more;
	p.ram[0].size = CVM_EOI_GPA;
	REQUIRE_EQ(vm1_protect(vm, &p), 0);
	vm1_find_id(vm);
	return (volatile u32 *)vm->hpa[EOI_GFN];
}
