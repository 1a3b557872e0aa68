// SPDX-License-Identifier: LGPL-2.1-or-later
/* Checks at VM entry that RootVisor itself depends on. What concerns only L2's own state
 * is left to the CPU, which checks VMCS02. Pure. SDM vol. 3, 27.2. */
#include "nested/fields.h"
#include "nested/nested.h"

#define F(enc)	f[field_slot(enc)]

static bool ctl_ok(u64 v, u64 cap)
{
	return !(v >> 32) && !(~v & (u32)cap) && !(v & ~(cap >> 32));
}

static bool canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16) == a;
}

u32 vmcs12_check_controls(const u64 *f, const struct vmx_caps *caps)
{
	if (!ctl_ok(F(VMCS_PIN_CTLS), caps->true_pin) || !ctl_ok(F(VMCS_PROC_CTLS), caps->true_proc) ||
	    !ctl_ok(F(VMCS_EXIT_CTLS), caps->true_exit) || !ctl_ok(F(VMCS_ENTRY_CTLS), caps->true_entry))
		return VMX_ERR_CONTROLS;
	if (!(F(VMCS_PROC_CTLS) & PROC_SECONDARY) || !ctl_ok(F(VMCS_PROC2_CTLS), caps->proc2))
		return VMX_ERR_CONTROLS;
	/* RootVisor runs no guest without an EPT of its own, and makes that from EPT12. */
	if (!(F(VMCS_PROC2_CTLS) & PROC2_EPT) || !ept12_pointer_valid(F(VMCS_EPTP)))
		return VMX_ERR_CONTROLS;
	if ((F(VMCS_PROC2_CTLS) & PROC2_VPID) && !F(VMCS_VPID))
		return VMX_ERR_CONTROLS;
	if ((F(VMCS_PROC_CTLS) & PROC_MSR_BITMAPS) &&
	    ((F(VMCS_MSR_BITMAP) & ~PAGE_MASK) || F(VMCS_MSR_BITMAP) >> caps->phys_bits))
		return VMX_ERR_CONTROLS;
	if (F(VMCS_CR3_TARGET_COUNT) || F(VMCS_EXIT_MSR_STORE_COUNT) || F(VMCS_EXIT_MSR_LOAD_COUNT) ||
	    F(VMCS_ENTRY_MSR_LOAD_COUNT))
		return VMX_ERR_CONTROLS;
	if (!(F(VMCS_EXIT_CTLS) & EXIT_HOST64))
		return VMX_ERR_CONTROLS;
	if ((F(VMCS_PIN_CTLS) & PIN_VIRTUAL_NMI) && !(F(VMCS_PIN_CTLS) & PIN_NMI))
		return VMX_ERR_CONTROLS;	/* VMCS02 always has both */
	if ((F(VMCS_PROC_CTLS) & PROC_NMI_WINDOW) && !(F(VMCS_PIN_CTLS) & PIN_VIRTUAL_NMI))
		return VMX_ERR_CONTROLS;
	return 0;
}

static bool pat_ok(u64 pat)
{
	for (u32 i = 0; i < 8; i++) {
		u64 t = (pat >> (8 * i)) & 0xff;

		if (t > 7 || t == 2 || t == 3)
			return false;
	}
	return true;
}

u32 vmcs12_check_host(const u64 *f, const struct vmx_caps *caps)
{
	static const u16 sel[] = { VMCS_HOST_ES_SEL, VMCS_HOST_CS_SEL, VMCS_HOST_SS_SEL, VMCS_HOST_DS_SEL,
				   VMCS_HOST_FS_SEL, VMCS_HOST_GS_SEL, VMCS_HOST_TR_SEL };
	static const u16 addr[] = { VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_TR_BASE,
				    VMCS_HOST_GDTR_BASE, VMCS_HOST_IDTR_BASE, VMCS_HOST_SYSENTER_ESP,
				    VMCS_HOST_SYSENTER_EIP, VMCS_HOST_RIP };
	u64 cr0 = F(VMCS_HOST_CR0), cr4 = F(VMCS_HOST_CR4), efer = F(VMCS_HOST_EFER);

	for (u32 i = 0; i < ARRAY_SIZE(sel); i++)
		if (F(sel[i]) & ~0xfff8ull)
			return VMX_ERR_HOST_STATE;	/* RPL and TI must be 0 */
	if (!F(VMCS_HOST_CS_SEL) || !F(VMCS_HOST_TR_SEL))
		return VMX_ERR_HOST_STATE;
	for (u32 i = 0; i < ARRAY_SIZE(addr); i++)
		if (!canonical(F(addr[i])))
			return VMX_ERR_HOST_STATE;
	if ((~cr0 & caps->cr0_fixed0) || (cr0 & ~caps->cr0_fixed1) ||
	    (~cr4 & caps->cr4_fixed0) || (cr4 & ~caps->cr4_fixed1) || !(cr4 & CR4_PAE) ||
	    F(VMCS_HOST_CR3) >> caps->phys_bits || ((cr4 & CR4_CET) && !(cr0 & CR0_WP)))
		return VMX_ERR_HOST_STATE;
	if ((F(VMCS_EXIT_CTLS) & EXIT_LOAD_EFER) &&
	    ((efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) || !(efer & EFER_LME) || !(efer & EFER_LMA)))
		return VMX_ERR_HOST_STATE;
	if ((F(VMCS_EXIT_CTLS) & EXIT_LOAD_PAT) && !pat_ok(F(VMCS_HOST_PAT)))
		return VMX_ERR_HOST_STATE;
	return 0;
}
