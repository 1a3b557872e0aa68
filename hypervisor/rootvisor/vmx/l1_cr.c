/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes of the host to CR0 and CR4 that touch RootVisor's bits (NE; VMXE, SMXE, LA57). */
#include "rv/rv.h"
#include "vmx/vmx.h"

#define INVVPID_ALL		2

/* SDM vol. 3, 2.5 and 4.1: what MOV to CR0 refuses. */
static bool cr0_bad(u64 v, u64 efer, u64 cr4)
{
	if (v >> 32)
		return true;
	if ((v & CR0_NW) && !(v & CR0_CD))
		return true;
	if ((v & CR0_PG) && !(v & CR0_PE))
		return true;
	if ((cr4 & CR4_CET) && !(v & CR0_WP))
		return true;
	if ((v & CR0_PG) && (efer & EFER_LME) && !(cr4 & CR4_PAE))
		return true;
	if ((v & CR0_PG) && (efer & EFER_LME) && !(efer & EFER_LMA) &&		/* long mode begins: with 32-bit code, a 32-bit TSS */
	    (vmread(VMCS_GUEST_CS_AR) & AR_LONG || (vmread(VMCS_GUEST_TR_AR) & 15) != 11))
		return true;
	return !(v & CR0_PG) && ((cr4 & CR4_PCIDE) || (vmread(VMCS_GUEST_CS_AR) & AR_LONG));
}

static void mov_to_cr0(u64 v)
{
	u64 efer = vmread(VMCS_GUEST_EFER), entry = vmread(VMCS_ENTRY_CTLS);

	if (cr0_bad(v, efer, vmread(VMCS_GUEST_CR4)))
		return l1_inject_gp();
	if ((v & CR0_PG) && (efer & EFER_LME)) {
		efer |= EFER_LMA;
		entry |= ENTRY_IA32E;
	} else {
		efer &= ~EFER_LMA;
		entry &= ~ENTRY_IA32E;
	}
	vmwrite(VMCS_GUEST_EFER, efer);
	vmwrite(VMCS_ENTRY_CTLS, entry);
	vmwrite(VMCS_CR0_SHADOW, v);
	vmwrite(VMCS_GUEST_CR0, v | CR0_NE | CR0_ET);
	invvpid(INVVPID_ALL, 0, 0);
	guest_skip_instruction();
}

static void mov_to_cr4(struct pcpu *c, u64 v)
{
	u64 now = vmread(VMCS_GUEST_CR4), efer = vmread(VMCS_GUEST_EFER);

	if ((v & (CR4_SMXE | CR4_LA57)) || (v & ~rdmsr(MSR_VMX_CR4_FIXED1)) ||
	    ((efer & EFER_LMA) && !(v & CR4_PAE)) || ((v & CR4_CET) && !(vmread(VMCS_GUEST_CR0) & CR0_WP)) ||
	    ((v & CR4_PCIDE) && !(now & CR4_PCIDE) && (!(efer & EFER_LMA) || (vmread(VMCS_GUEST_CR3) & 0xfff))) ||
	    (!(v & CR4_VMXE) && c->vmxon))
		return l1_inject_gp();
	c->cr4_shadow_vmxe = v & CR4_VMXE;
	vmwrite(VMCS_CR4_SHADOW, v);
	vmwrite(VMCS_GUEST_CR4, v | CR4_VMXE);
	invvpid(INVVPID_ALL, 0, 0);
	guest_skip_instruction();
}

void l1_cr_access(struct pcpu *c)
{
	u64 q = vmread(VMCS_EXIT_QUALIFICATION);

	if ((q >> 4 & 3) == 0 && (q & 15) == 0)
		mov_to_cr0(gpr_read(c, q >> 8 & 15));
	else if ((q >> 4 & 3) == 0 && (q & 15) == 4)
		mov_to_cr4(c, gpr_read(c, q >> 8 & 15));
	else
		rv_panic("CPU %u: CR access exit that vmcs01 does not ask for: %lx", c->id, q);
}
