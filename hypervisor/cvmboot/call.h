/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMCALL by the convention of cvm/abi.h. */
#ifndef CVMBOOT_CALL_H
#define CVMBOOT_CALL_H

#include <stdint.h>

/* What a call gives where nobody answers VMCALL: KVM's -KVM_ENOSYS, and also what stage 1's
 * #UD handler leaves in EAX on a CPU without VMX. */
#define CVM_CALL_NO_HYPERVISOR	(-1000)

/*
 * @call: CVM_CALL(nr); @rbx: guest-physical address of the argument block; @rcx: its size
 * Returns EAX: a non-negative result or a negative errno.
 */
int32_t cvm_call(uint32_t call, uint32_t rbx, uint32_t rcx);

#endif
