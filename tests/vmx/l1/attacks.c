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
