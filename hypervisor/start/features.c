/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/features.h"

#include "rv/vmcs.h"

#define IN(field)	offsetof(struct cpu_raw, field)
#define ALLOWED1(bits)	((u64)(bits) << 32)

#define FEATURE_CONTROL_LOCKED	BIT(0)
#define FEATURE_CONTROL_VMX	BIT(2)

/* SDM vol. 2A, CPUID; vol. 3, appendix A. */
static const struct cpu_requirement requirements[] = {
	{ "VMX", IN(leaf1_ecx), BIT(5) },
	{ "SSSE3", IN(leaf1_ecx), BIT(9) },
	{ "PCLMULQDQ", IN(leaf1_ecx), BIT(1) },
	{ "AES-NI", IN(leaf1_ecx), BIT(25) },
	{ "XSAVE", IN(leaf1_ecx), BIT(26) },
	{ "RDRAND", IN(leaf1_ecx), BIT(30) },
	{ "MTRR", IN(leaf1_edx), BIT(12) },
	{ "PAT", IN(leaf1_edx), BIT(16) },
	{ "INVPCID", IN(leaf7_ebx), BIT(10) },
	{ "RDSEED", IN(leaf7_ebx), BIT(18) },
	{ "NX", IN(ext1_edx), BIT(20) },
	{ "1 GiB pages", IN(ext1_edx), BIT(26) },
	{ "RDTSCP", IN(ext1_edx), BIT(27) },
	{ "VMX true controls", IN(vmx_basic), BIT(55) },
	{ "VMX write-back VMCS", IN(vmx_basic), 6ull << 50 },
	{ "NMI exiting", IN(vmx_pin), ALLOWED1(PIN_NMI) },
	{ "virtual NMIs", IN(vmx_pin), ALLOWED1(PIN_VIRTUAL_NMI) },
	{ "I/O bitmaps", IN(vmx_proc), ALLOWED1(PROC_IO_BITMAPS) },
	{ "MSR bitmaps", IN(vmx_proc), ALLOWED1(PROC_MSR_BITMAPS) },
	{ "secondary controls", IN(vmx_proc), ALLOWED1(PROC_SECONDARY) },
	{ "EPT", IN(vmx_proc2), ALLOWED1(PROC2_EPT) },
	{ "VPID", IN(vmx_proc2), ALLOWED1(PROC2_VPID) },
	{ "unrestricted guest", IN(vmx_proc2), ALLOWED1(PROC2_UNRESTRICTED) },
	{ "RDTSCP in VMX", IN(vmx_proc2), ALLOWED1(PROC2_RDTSCP) },
	{ "INVPCID in VMX", IN(vmx_proc2), ALLOWED1(PROC2_INVPCID) },
	{ "VMCS shadowing", IN(vmx_proc2), ALLOWED1(PROC2_SHADOW) },
	{ "64-bit host", IN(vmx_exit), ALLOWED1(EXIT_HOST64) },
	{ "save/load PAT on exit", IN(vmx_exit), ALLOWED1(EXIT_SAVE_PAT | EXIT_LOAD_PAT) },
	{ "save/load EFER on exit", IN(vmx_exit), ALLOWED1(EXIT_SAVE_EFER | EXIT_LOAD_EFER) },
	{ "load PAT on entry", IN(vmx_entry), ALLOWED1(ENTRY_LOAD_PAT) },
	{ "load EFER on entry", IN(vmx_entry), ALLOWED1(ENTRY_LOAD_EFER) },
	{ "EPT, 4 levels", IN(ept_vpid), BIT(6) },
	{ "EPT, write-back", IN(ept_vpid), BIT(14) },
	{ "EPT, 2 MiB pages", IN(ept_vpid), BIT(16) },
	{ "EPT, 1 GiB pages", IN(ept_vpid), BIT(17) },
	{ "INVEPT, single context", IN(ept_vpid), BIT(20) | BIT(25) },
	{ "INVEPT, all contexts", IN(ept_vpid), BIT(26) },
	{ "INVVPID, all contexts", IN(ept_vpid), BIT(32) | BIT(42) },
	{ "VMWRITE to any field", IN(vmx_misc), BIT(29) },
};

u32 features_missing(const struct cpu_raw *raw, const char **names, u32 max)
{
	u64 fc = raw->feature_control;
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_SIZE(requirements); i++) {
		const struct cpu_requirement *r = &requirements[i];
		u64 value = *(const u64 *)((const u8 *)raw + r->offset);

		if (r->offset >= IN(vmx_basic) && !(raw->leaf1_ecx & BIT(5)))
			break;		/* without VMX its parts need no names */
		if ((value & r->mask) != r->mask) {
			if (n < max)
				names[n] = r->name;
			n++;
		}
	}
	/* Unlocked is fine: cpu_vmxon() sets and locks it. */
	if ((fc & FEATURE_CONTROL_LOCKED) && !(fc & FEATURE_CONTROL_VMX)) {
		if (n < max)
			names[n] = "VMX enabled by the firmware (IA32_FEATURE_CONTROL)";
		n++;
	}
	return n;
}
