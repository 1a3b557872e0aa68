/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rv/rv.h"
#include "vmx/vmx.h"

/* An NMI goes to the host as soon as it can take it. */
static void inject_nmi(struct pcpu *c)
{
	if (vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID ||
	    vmread(VMCS_GUEST_INTERRUPTIBILITY) & (INTERRUPTIBILITY_ONE | INTERRUPTIBILITY_NMI)) {
		vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_NMI_WINDOW);
		return;
	}
	c->nmi_pending = false;
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | (u64)INTR_TYPE_NMI << 8 | 2);
}

/* An event whose delivery the exit interrupted is delivered again, unless the handler injects
 * another one in its place. */
void guest_requeue_event(void)
{
	u64 info = vmread(VMCS_IDT_VECTORING_INFO);

	if (!(info & INTR_VALID))
		return;
	vmwrite(VMCS_ENTRY_INTR_INFO, info & ~BIT(12));
	vmwrite(VMCS_ENTRY_INSTR_LEN, vmread(VMCS_EXIT_INSTR_LEN));
	if (info & INTR_ERROR_CODE)
		vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR));
}

void pcpu_run(struct pcpu *c)
{
	for (;;) {
		enum vmx_result r;
		u32 reason;

		log_fold(c, LOG_SLACK, NULL);
		vmcs_load(c, nested_vmcs(c));
		c->nmi_arrived = false;
		__asm__ volatile("" : : : "memory");	/* cleared before nmi_pending is looked at */
		if (c->nmi_pending && !c->in_l2)	/* it is L1's: it waits until L1 runs */
			inject_nmi(c);
		rv_unlock();
		r = vmcs_run(c, c->current, &c->regs, nested_quick_exit);
		rv_lock();
		if (r == VMX_FAIL)
			nested_entry_failed(c);
		if (r != VMX_EXIT)
			continue;
		reason = (u32)vmread(VMCS_EXIT_REASON);
		count_exit(c, reason);
		if (c->in_l2) {
			nested_handle_exit(c, reason);
			continue;
		}
		if (reason & EXIT_REASON_FAILED)
			rv_panic("VM entry of the host failed: reason %u, qualification %lx", reason & 0xffff,
				 vmread(VMCS_EXIT_QUALIFICATION));
		guest_requeue_event();
		l1_handle_exit(c, reason);
	}
}
