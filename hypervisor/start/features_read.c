/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/read.h"
#include "rv/rv.h"

void features_read(struct cpu_raw *raw)
{
	u32 r[4], max;

	*raw = (struct cpu_raw) { 0 };
	cpuid(0, 0, r);
	max = r[0];
	cpuid(1, 0, r);
	raw->leaf1_ecx = r[2];
	raw->leaf1_edx = r[3];
	if (max >= 7) {
		cpuid(7, 0, r);
		raw->leaf7_ebx = r[1];
	}
	cpuid(0x80000001, 0, r);
	raw->ext1_edx = r[3];
	if (!(raw->leaf1_ecx & BIT(5)))
		return;
	raw->feature_control = rdmsr(MSR_FEATURE_CONTROL);
	raw->vmx_basic = rdmsr(MSR_VMX_BASIC);
	if (!(raw->vmx_basic & BIT(55)))
		return;
	raw->vmx_pin = rdmsr(MSR_VMX_TRUE_PIN);
	raw->vmx_proc = rdmsr(MSR_VMX_TRUE_PROC);
	raw->vmx_misc = rdmsr(MSR_VMX_MISC);
	raw->vmx_exit = rdmsr(MSR_VMX_TRUE_EXIT);
	raw->vmx_entry = rdmsr(MSR_VMX_TRUE_ENTRY);
	if (raw->vmx_proc >> 32 & PROC_SECONDARY)
		raw->vmx_proc2 = rdmsr(MSR_VMX_PROC2);
	if (raw->vmx_proc2 >> 32 & (PROC2_EPT | PROC2_VPID))
		raw->ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
}
