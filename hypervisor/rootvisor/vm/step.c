// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An instruction that touches a device: the Guardian decodes it and says which single
 * accesses the host must make; each is shown to KVM as one constant instruction (decoy) in
 * cvmboot's ROM. RootVisor moves data and decodes nothing.
 */
#include "vm/vm.h"

static void cpu_to_mailbox(struct pcpu *c, struct cvm_g_cpu *g)
{
	*g = (struct cvm_g_cpu) {
		.rip = vmread(VMCS_GUEST_RIP), .rflags = vmread(VMCS_GUEST_RFLAGS), .cr0 = vmread(VMCS_GUEST_CR0),
		.cr3 = vmread(VMCS_GUEST_CR3), .cr4 = vmread(VMCS_GUEST_CR4), .efer = vmread(VMCS_GUEST_EFER) };
	memcpy(g->gpr, c->regs.r, sizeof(g->gpr));
	g->gpr[R_RSP] = vmread(VMCS_GUEST_RSP);
	for (u32 i = 0; i < 6; i++) {
		g->seg_base[i] = vmread(VMCS_GUEST_ES_BASE + 2 * i);
		g->seg_limit[i] = (u32)vmread(VMCS_GUEST_ES_LIMIT + 2 * i);
		g->seg_ar[i] = (u32)vmread(VMCS_GUEST_ES_AR + 2 * i);
	}
}

static void commit(struct pcpu *c, const struct cvm_g_cpu *g)
{
	memcpy(c->regs.r, g->gpr, sizeof(g->gpr));
	vmwrite(VMCS_GUEST_RSP, g->gpr[R_RSP]);
	vmwrite(VMCS_GUEST_RIP, g->rip);
	vmwrite(VMCS_GUEST_RFLAGS, g->rflags);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~INTERRUPTIBILITY_ONE);
	guest_single_step();
}

static bool step_ok(const struct pvcpu *p)
{
	const struct cvm_g_step *s = &p->step;

	if (s->size != 1 && s->size != 2 && s->size != 4)
		return false;
	if (p->step_pio)
		return s->gpa <= 0xffff;
	return !(s->gpa >> 46) && (s->gpa & ~PAGE_MASK) + s->size <= PAGE_SIZE;
}

/* Memory of the host's up to the page's end. NULL: it must map it first, writable. */
u8 *pv_host_memory(const struct vcpu12 *v, u64 gpa)
{
	struct ept12_leaf leaf;

	if (ept12_lookup(F12(v, VMCS_EPTP), gpa, &leaf) != EPT12_OK || !(leaf.perms & EPT_W) || !frame_is_host(leaf.pfn))
		return NULL;
	return va(leaf.pfn << PAGE_SHIFT | (gpa & ~PAGE_MASK));
}

/* The vCPU's part of the bounce area, CVM_RUN_MAX bytes. */
#define BOUNCE(v)	(CVM_BOUNCE_GPA + (v)->pv->number * CVM_RUN_MAX)

/* p->step to KVM. True state is in the hardware, VMCS02 is current. */
void pv_present_step(struct pcpu *c, struct vcpu12 *v)
{
	struct pvcpu *p = v->pv;
	bool is_store = p->step.kind == CVM_G_STEP_STORE;
	u32 size = p->step.size, len = size == 2 ? 3 : 2;
	u8 *run = p->step.count ? pv_host_memory(v, BOUNCE(v)) : NULL;
	struct ept12_leaf leaf;

	if (!step_ok(p) || (!p->step_pio && vm_gfn_is_ram(v->vm, p->step.gpa >> PAGE_SHIFT)))
		return pv_stop(c, v, CVM_R_DECODE, p->step.gpa, p->step.kind);
	if (p->step.count && !run)
		return pv_reflect_page(c, v, BOUNCE(v) >> PAGE_SHIFT);	/* then the instruction starts again */
	if (run && is_store)
		memcpy(run, v->vm->guardian.mb->run, CVM_RUN_MAX);
	p->size = size;
	pv_switch_out(c, p);
	c->regs.r[R_RAX] = is_store && !run ? p->step.data & (size == 4 ? 0xffffffff : size == 2 ? 0xffff : 0xff) : 0;
	c->regs.r[R_RDI] = run ? BOUNCE(v) : p->step_pio ? 0 : (u32)p->step.gpa;
	if (run) {
		c->regs.r[R_RSI] = BOUNCE(v);
		c->regs.r[R_RCX] = p->step.count;
		c->regs.r[R_RDX] = p->step.gpa;
	}
	if (p->step_pio) {
		F12(v, VMCS_EXIT_QUALIFICATION) = (size - 1) | (is_store ? 0 : BIT(3)) | (run ? 3 << 4 : 0) | p->step.gpa << 16;
		F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = 0;
		return pv_reflect(c, v, EXIT_IO, PENDING_STEP,
				  !run ? CVM_DECOY_NOP : (is_store ? CVM_DECOY_OUTS8 : CVM_DECOY_INS8) + (size >> 1), !run ? 1 : len);
	}
	bool misconfig = ept12_lookup(F12(v, VMCS_EPTP), p->step.gpa, &leaf) == EPT12_MISCONFIG;

	F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = p->step.gpa;
	F12(v, VMCS_EXIT_QUALIFICATION) = misconfig ? 0 :
		(is_store ? EPT_W : EPT_R) | leaf.perms << 3 | BIT(7) | BIT(8);
	pv_reflect(c, v, misconfig ? EXIT_EPT_MISCONFIG : EXIT_EPT_VIOLATION, PENDING_STEP,
		   (is_store ? CVM_DECOY_STORE8 : CVM_DECOY_LOAD8) + (size >> 1), len);
}

/* After DECODE or CONTINUE: the mailbox says what comes next. */
static void next(struct pcpu *c, struct vcpu12 *v, int err, u64 need_gfn)
{
	struct cvm_g_mailbox *mb = v->vm->guardian.mb;
	struct pvcpu *p = v->pv;

	if (err == -EAGAIN)
		return pv_reflect_page(c, v, need_gfn);
	if (err)
		return pv_stop(c, v, CVM_R_DECODE, (u64)-err, mb->access.gpa);
	switch (mb->step.kind) {
	case CVM_G_STEP_DONE:
	case CVM_G_STEP_REPORT:
		commit(c, &mb->cpu);
		/* A process asked the Guardian for a report; a failure is the Guardian's to tell. */
		if (mb->step.kind == CVM_G_STEP_REPORT &&
		    !vm_report(c, v->vm, NULL, 1, mb->report.user_data, &mb->report, NULL))
			guardian_call(c, &v->vm->guardian, CVM_G_ANSWER, NULL, NULL);
		break;
	case CVM_G_STEP_EXCEPTION:
		if (mb->step.vector == 14)
			write_cr2(mb->step.data);
		guest_inject_exception(mb->step.vector & 31, mb->step.has_error, mb->step.error_code);
		break;
	case CVM_G_STEP_LOAD:
	case CVM_G_STEP_STORE:
		p->step = mb->step;
		pv_present_step(c, v);
		break;
	default:
		pv_stop(c, v, CVM_R_DECODE, mb->step.kind, mb->step.gpa);
		break;
	}
}

void pv_decode(struct pcpu *c, struct vcpu12 *v, const struct cvm_g_access *access)
{
	struct cvm_g_mailbox *mb = v->vm->guardian.mb;
	u64 need = 0;
	int err;

	cpu_to_mailbox(c, &mb->cpu);
	mb->access = *access;
	v->pv->step_pio = access->kind == CVM_G_PIO;
	err = guardian_call(c, &v->vm->guardian, CVM_G_DECODE, v, &need);
	next(c, v, err, need);
}

void pv_step_done(struct pcpu *c, struct vcpu12 *v, u64 data)
{
	struct cvm_g_mailbox *mb = v->vm->guardian.mb;
	struct pvcpu *p = v->pv;
	bool ins = p->step.count && p->step.kind == CVM_G_STEP_LOAD;
	const u8 *run = ins ? pv_host_memory(v, BOUNCE(v)) : NULL;
	u64 need = BOUNCE(v) >> PAGE_SHIFT;
	int err;

	cpu_to_mailbox(c, &mb->cpu);
	mb->access.vcpu = p->number;
	mb->data = data;
	if (run)
		memcpy(mb->run, run, CVM_RUN_MAX);
	err = ins && !run ? -EAGAIN : guardian_call(c, &v->vm->guardian, CVM_G_CONTINUE, v, &need);
	if (err != -EAGAIN)
		return next(c, v, err, need);
	/* A page must come first; the access already happened and must not again. */
	if (!ins)
		return pv_stop(c, v, CVM_R_DECODE, need, EAGAIN);
	p->step.count = data;		/* ECX = 0 will say that these were done */
	pv_reflect_page(c, v, need);
	p->pending = PENDING_STEP;
	v->quick = false;
}
