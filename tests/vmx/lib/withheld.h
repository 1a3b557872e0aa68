/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What CPUs have in their VMX capability MSRs and a host on RootVisor is not offered, by design (docs/caveats.md). l1/test-caps.c sees that each is not
 * offered and refused to a VMCS that asks for it; fallback-native that the bare machine has it, but for what the emulators may lack. SDM vol. 3, appendix A.
 */
#ifndef VMX_TEST_WITHHELD_H
#define VMX_TEST_WITHHELD_H

#include "rv/types.h"
#include "rv/vmcs.h"

static const struct withheld {
	const char *what;
	u32 msr, bit;			/* that says so: for controls in the upper half */
	u32 field;			/* of the VMCS, 0: none */
	u64 flip;			/* what in it asks for that */
	bool rare;			/* Bochs 2.7 or 3.0 has none */
} withheld[] = {
	{ "pin-based: VMX-preemption timer", MSR_VMX_TRUE_PIN, 38, VMCS_PIN_CTLS, BIT(6), false },
	{ "pin-based: posted interrupts", MSR_VMX_TRUE_PIN, 39, VMCS_PIN_CTLS, BIT(7), true },
	{ "primary: TPR shadow", MSR_VMX_TRUE_PROC, 53, VMCS_PROC_CTLS, BIT(21), false },
	{ "primary: I/O bitmaps", MSR_VMX_TRUE_PROC, 57, VMCS_PROC_CTLS, BIT(25), false },
	{ "primary: monitor trap flag", MSR_VMX_TRUE_PROC, 59, VMCS_PROC_CTLS, BIT(27), true },
	{ "secondary: APIC accesses", MSR_VMX_PROC2, 32, VMCS_PROC2_CTLS, BIT(0), false },
	{ "secondary: descriptor-table exiting", MSR_VMX_PROC2, 34, VMCS_PROC2_CTLS, BIT(2), false },
	{ "secondary: x2APIC mode", MSR_VMX_PROC2, 36, VMCS_PROC2_CTLS, BIT(4), false },
	{ "secondary: APIC registers", MSR_VMX_PROC2, 40, VMCS_PROC2_CTLS, BIT(8), false },
	{ "secondary: virtual-interrupt delivery", MSR_VMX_PROC2, 41, VMCS_PROC2_CTLS, BIT(9), false },
	{ "secondary: pause-loop exiting", MSR_VMX_PROC2, 42, VMCS_PROC2_CTLS, BIT(10), false },
	{ "secondary: VM functions", MSR_VMX_PROC2, 45, VMCS_PROC2_CTLS, BIT(13), false },
	{ "secondary: VMCS shadowing", MSR_VMX_PROC2, 46, VMCS_PROC2_CTLS, BIT(14), false },
	{ "secondary: page-modification logging", MSR_VMX_PROC2, 49, VMCS_PROC2_CTLS, BIT(17), true },
	{ "secondary: #VE", MSR_VMX_PROC2, 50, VMCS_PROC2_CTLS, BIT(18), false },
	{ "secondary: TSC scaling", MSR_VMX_PROC2, 57, VMCS_PROC2_CTLS, BIT(25), true },
	{ "exit: load IA32_PERF_GLOBAL_CTRL", MSR_VMX_TRUE_EXIT, 44, VMCS_EXIT_CTLS, BIT(12), false },
	{ "exit: save the preemption timer", MSR_VMX_TRUE_EXIT, 54, VMCS_EXIT_CTLS, BIT(22), false },
	{ "entry: load IA32_PERF_GLOBAL_CTRL", MSR_VMX_TRUE_ENTRY, 45, VMCS_ENTRY_CTLS, BIT(13), false },
	{ "EPT: execute-only pages", MSR_VMX_EPT_VPID, 0, 0, 0, false },		/* asked for by an entry: exit-ept-misconfiguration */
	{ "EPT: 5 levels", MSR_VMX_EPT_VPID, 7, VMCS_EPTP, 3 << 3 ^ 4 << 3, true },
	{ "EPT: 1 GiB pages", MSR_VMX_EPT_VPID, 17, 0, 0, false },			/* also */
	{ "EPT: accessed and dirty bits", MSR_VMX_EPT_VPID, 21, VMCS_EPTP, BIT(6), false },
};

#endif
