// SPDX-License-Identifier: LGPL-2.1-or-later
/* The VMX capability MSRs: what the CPU has, and the smaller set that L1 is offered.
 * SDM vol. 3, appendix A. */
#include "nested/nested.h"

struct vmx_caps hw_caps, l1_caps;

#define PIN_OFFER	(PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI)
#define PROC_OFFER	(PROC_INTR_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_INVLPG | PROC_MWAIT | \
			 PROC_RDPMC | PROC_RDTSC | PROC_CR3_LOAD | PROC_CR3_STORE | PROC_CR8_LOAD | \
			 PROC_CR8_STORE | PROC_NMI_WINDOW | PROC_MOV_DR | PROC_UNCOND_IO | \
			 PROC_MSR_BITMAPS | PROC_MONITOR | PROC_PAUSE | PROC_SECONDARY)
#define PROC2_OFFER	(PROC2_EPT | PROC2_RDTSCP | PROC2_VPID | PROC2_WBINVD | PROC2_UNRESTRICTED | \
			 PROC2_INVPCID | PROC2_XSAVES | PROC2_RDRAND | PROC2_RDSEED)
#define EXIT_OFFER	(EXIT_SAVE_DEBUG | EXIT_HOST64 | EXIT_ACK_INTR | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
			 EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define ENTRY_OFFER	(ENTRY_LOAD_DEBUG | ENTRY_IA32E | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

static u32 caps_adjust(u32 want, u64 cap)
{
	return (want | (u32)cap) & (u32)(cap >> 32);
}

void caps_write_controls(u64 pin, u64 proc, u64 proc2, u64 exit, u64 entry)
{
	/* Always: an NMI may be RootVisor's own (rv/smp.h). */
	vmwrite(VMCS_PIN_CTLS, caps_adjust((u32)pin | PIN_NMI | PIN_VIRTUAL_NMI, hw_caps.true_pin));
	vmwrite(VMCS_PROC_CTLS, caps_adjust((u32)proc, hw_caps.true_proc));
	vmwrite(VMCS_PROC2_CTLS, caps_adjust((u32)proc2, hw_caps.proc2));
	vmwrite(VMCS_EXIT_CTLS, caps_adjust((u32)exit, hw_caps.true_exit));
	vmwrite(VMCS_ENTRY_CTLS, caps_adjust((u32)entry, hw_caps.true_entry));
}

/* Must-be-one bits as the CPU says (default1), may-be-one bits restricted to the offer. */
static u64 offer(u64 hw, u64 bits)
{
	u32 must = (u32)hw;

	return must | ((hw >> 32) & (must | bits)) << 32;
}

void nested_init(void)
{
	u64 *hw = (u64 *)&hw_caps;

	fields_init();
	for (u32 i = 0; i < NR_VMX_CAPS; i++)
		hw[i] = rdmsr(MSR_VMX_BASIC + i);
	hw_caps.phys_bits = cpu_phys_bits();
	l1_caps = hw_caps;		/* the CR0 and CR4 bits, by and large */
	l1_caps.basic = VMCS12_REVISION | PAGE_SIZE << 32 | 6ull << 50 | (hw_caps.basic & BIT(54)) | BIT(55);
	l1_caps.pin = offer(hw_caps.pin, PIN_OFFER);
	/* Port I/O of guests exits, always: a reset must go by vmx/l1_io.c, or nothing is wiped. */
	l1_caps.proc = offer(hw_caps.proc, PROC_OFFER) | PROC_UNCOND_IO;
	l1_caps.exit = offer(hw_caps.exit, EXIT_OFFER);
	l1_caps.entry = offer(hw_caps.entry, ENTRY_OFFER);
	l1_caps.true_pin = offer(hw_caps.true_pin, PIN_OFFER);
	l1_caps.true_proc = offer(hw_caps.true_proc, PROC_OFFER) | PROC_UNCOND_IO;
	l1_caps.true_exit = offer(hw_caps.true_exit, EXIT_OFFER);
	l1_caps.true_entry = offer(hw_caps.true_entry, ENTRY_OFFER);
	l1_caps.proc2 = offer(hw_caps.proc2, PROC2_OFFER);
	/* EFER.LMA stored at exit (UG), HLT activity state, no CR3 targets, MSR lists of 512 */
	l1_caps.misc = hw_caps.misc & (BIT(5) | BIT(6));
	l1_caps.vmcs_enum = 0x17ull << 1;
	l1_caps.cr4_fixed1 &= ~(BIT(12) | BIT(14));	/* LA57, SMXE: vmx/l1_cr.c */
	/* 4 levels, WB, 2 MiB; INVEPT single, all; INVVPID all four */
	l1_caps.ept_vpid = BIT(6) | BIT(14) | BIT(16) | BIT(20) | BIT(25) | BIT(26) |
			   BIT(32) | BIT(40) | BIT(41) | BIT(42) | BIT(43);
	shadow_init();
	vmcs_shadow_init();
}

bool nested_cap_msr(u32 msr, u64 *val)
{
	if (msr == MSR_FEATURE_CONTROL) {
		*val = 5;		/* locked, VMX outside SMX: else Linux would not use VMX */
		return true;
	}
	if (msr < MSR_VMX_BASIC || msr - MSR_VMX_BASIC >= NR_VMX_CAPS)
		return false;		/* 0x491, VMFUNC, is not offered */
	*val = ((u64 *)&l1_caps)[msr - MSR_VMX_BASIC];
	return true;
}
