/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rv/rv.h"
#include "vmx/vmx.h"

#define INTERRUPTIBILITY_STI		BIT(0)
#define INTERRUPTIBILITY_MOV_SS		BIT(1)
#define INTERRUPTIBILITY_NMI		BIT(3)

/* An NMI goes to the host as soon as it can take it. */
static void inject_nmi(struct pcpu *c)
{
	if (vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID ||
	    vmread(VMCS_GUEST_INTERRUPTIBILITY) & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS | INTERRUPTIBILITY_NMI)) {
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

static void count_exit(struct pcpu *c, u32 reason)
{
	c->stats.exits++;
	c->stats.by_reason[reason]++;
}

bool l1_quick_exit(void)
{
	struct pcpu *c = this_pcpu();

	if (vmread(VMCS_EXIT_REASON) != EXIT_CPUID)
		return false;
	count_exit(c, EXIT_CPUID);
	l1_cpuid(c);
	return true;
}

static void run_l1(struct pcpu *c)
{
	u32 reason;
	int r;

	vmcs_load(c, &c->vmcs01);
	c->nmi_arrived = false;
	__asm__ volatile("" : : : "memory");	/* cleared before nmi_pending is looked at */
	if (c->nmi_pending)
		inject_nmi(c);
	rv_unlock();
	r = vmcs_run(c, &c->vmcs01, &c->regs);
	rv_lock();
	if (r == 2)
		return;			/* an NMI came: inject it first */
	if (r)
		rv_panic("VM entry of the host failed: instruction error %lu", vmread(VMCS_INSTRUCTION_ERROR));
	reason = (u32)vmread(VMCS_EXIT_REASON);
	if (reason & EXIT_REASON_FAILED)
		rv_panic("VM entry of the host failed: reason %u, qualification %lx", reason & 0xffff,
			 vmread(VMCS_EXIT_QUALIFICATION));
	reason &= 0xffff;
	if (reason < CVM_EXIT_REASONS)
		count_exit(c, reason);
	guest_requeue_event();
	l1_handle_exit(c, reason);
}

void pcpu_run(struct pcpu *c)
{
	for (;;) {
		log_fold(c, LOG_SLACK, NULL);
		if (c->in_l2)
			nested_run(c);
		else
			run_l1(c);
	}
}
