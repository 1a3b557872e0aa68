// SPDX-License-Identifier: LGPL-2.1-or-later
/* MSRs of protected guests. The APIC and its timer belong to KVM; what the guest's own state
 * is, VMCS02 and the switch at the edge carry; the rest is answered here or is #GP. */
#include "vm/vm.h"

static bool is_kvms(u32 msr)
{
	return (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) || msr == MSR_APIC_BASE ||
	       msr == MSR_TSC_DEADLINE || msr == MSR_TSC_ADJUST;
}

/* Constants: what Linux reads without a net. Zero, but fast strings. */
static bool read_constant(u32 msr, u64 *val)
{
	*val = msr == MSR_MISC_ENABLE;
	return msr == MSR_MISC_ENABLE || msr == MSR_BIOS_SIGN || msr == MSR_DEBUGCTL || msr == MSR_SPEC_CTRL ||
	       msr == 0x17 || msr == 0xce;	/* PLATFORM_ID, PLATFORM_INFO */
}

/* An SMI or a start-up message would make KVM write memory or reset a vCPU. */
static bool icr_allowed(u64 val)
{
	u32 mode = (val >> 8) & 7;

	return mode == 0 || mode == 1 || mode == 4;
}

static void efer(struct pcpu *c, bool write)
{
	u64 old = vmread(VMCS_GUEST_EFER);
	u64 val = (u32)c->regs.r[R_RAX] | c->regs.r[R_RDX] << 32;

	if (!write) {
		c->regs.r[R_RAX] = (u32)old;
		c->regs.r[R_RDX] = old >> 32;
	} else if ((val & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) ||
		   ((val ^ old) & EFER_LME && vmread(VMCS_GUEST_CR0) & CR0_PG)) {
		return guest_inject_exception(13, true, 0);
	} else {
		vmwrite(VMCS_GUEST_EFER, (val & ~EFER_LMA) | (old & EFER_LMA));
	}
	guest_skip_instruction();
}

void pv_msr(struct pcpu *c, struct vcpu12 *v)
{
	bool write = (u16)vmread(VMCS_EXIT_REASON) == EXIT_WRMSR;
	u32 msr = (u32)c->regs.r[R_RCX];
	u64 val = (u32)c->regs.r[R_RAX] | c->regs.r[R_RDX] << 32;

	if ((vmread(VMCS_GUEST_SS_AR) >> 5) & 3)
		return guest_inject_exception(13, true, 0);
	if (msr == MSR_EFER)
		return efer(c, write);
	/* KVM's paravirtual EOI (cvm/boot.h). No bit: an EOI as any other. */
	if (write && msr == MSR_X2APIC_EOI && !val && !vm_gfn_is_ram(v->vm, CVM_EOI_GPA >> PAGE_SHIFT)) {
		u32 *word = (u32 *)pv_host_memory(v, CVM_EOI_GPA + 4 * v->pv->number);
		bool set;

		if (!word)
			return pv_reflect_page(c, v, CVM_EOI_GPA >> PAGE_SHIFT);	/* and the WRMSR runs again */
		__asm__ volatile("lock btrl $0, %1" : "=@ccc"(set), "+m"(*word));
		if (set)
			return guest_skip_instruction();
	}
	if (is_kvms(msr) && !(write && msr == MSR_X2APIC_ICR && !icr_allowed(val))) {
		pv_switch_out(c, v->pv);
		c->regs.r[R_RCX] = msr;
		if (write) {
			c->regs.r[R_RAX] = (u32)val;
			c->regs.r[R_RDX] = val >> 32;
		}
		pv_neutral_operands(v);
		pv_reflect(c, v, write ? EXIT_WRMSR : EXIT_RDMSR, write ? PENDING_WRMSR : PENDING_RDMSR,
			   CVM_DECOY_NOP, 2);
		return;
	}
	if (!write && read_constant(msr, &val)) {
		c->regs.r[R_RAX] = (u32)val;
		c->regs.r[R_RDX] = val >> 32;
		guest_skip_instruction();
	} else if (write && (msr == MSR_BIOS_SIGN || msr == MSR_MISC_ENABLE || msr == MSR_DEBUGCTL || pv_set_msr(v->pv, msr, val))) {
		guest_skip_instruction();
	} else {
		guest_inject_exception(13, true, 0);
	}
}
