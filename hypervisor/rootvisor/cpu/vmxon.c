/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Into VMX root operation. SDM vol. 3, 24.7-24.8. */
#include "cpu/cpu.h"
#include "rv/rv.h"

static u8 vmxon_region[CVM_MAX_CPUS][PAGE_SIZE] __attribute__((aligned(4096)));

void cpu_vmxon(struct pcpu *c)
{
	u64 fc = rdmsr(MSR_FEATURE_CONTROL), region = (u64)vmxon_region[c->id];

	if (!(fc & BIT(0)))
		wrmsr(MSR_FEATURE_CONTROL, fc | BIT(2) | BIT(0));
	write_cr0((read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1));
	write_cr4(((read_cr4() | CR4_OSXSAVE | CR4_OSFXSR | CR4_OSXMMEXCPT | rdmsr(MSR_VMX_CR4_FIXED0)) &
		   rdmsr(MSR_VMX_CR4_FIXED1)) | CR4_VMXE);
	*(u32 *)region = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	if (!vmxon(&region))
		rv_panic("VMXON failed on CPU %u", c->id);
}
