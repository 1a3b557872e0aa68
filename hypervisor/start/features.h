/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which CPU features RootVisor cannot do without. The decision is pure. */
#pragma once

#include "rv/types.h"

/* Raw values as CPUID and RDMSR give them; 0 for an MSR that does not exist. */
struct cpu_raw {
	u64 leaf1_ecx, leaf1_edx;
	u64 leaf7_ebx;
	u64 ext1_edx;			/* 80000001H */
	u64 feature_control;
	u64 vmx_basic;
	u64 vmx_pin, vmx_proc, vmx_proc2, vmx_exit, vmx_entry;	/* TRUE variants: allowed-1 in 63:32 */
	u64 ept_vpid;
	u64 vmx_misc;
};

struct cpu_requirement {
	const char *name;
	u16 offset;			/* in struct cpu_raw */
	u64 mask;			/* all bits must be set */
};

/* Fills names[] with what is missing, at most max of them; returns how many there are. */
u32 features_missing(const struct cpu_raw *raw, const char **names, u32 max);
