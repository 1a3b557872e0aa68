// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A protected vCPU at the edge to L1: its true state goes in and out of the hardware, KVM
 * sees the neutral state of the contact map (docs/architecture.md), and what KVM did to it
 * is judged when it resumes.
 */
#include "vm/vm.h"

/* The first a guest changes without an exit (SWAPGS), the others by pv_set_msr(); these each CPU has that runs RootVisor. The last
 * two are 0 inside: the host's counters and PEBS stop at the edge. */
#define NR_GUEST_MSRS		6u
static const u32 switched_msrs[NR_SWITCHED_MSRS] = {
	MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_TSC_AUX, MSR_SPEC_CTRL, MSR_PERF_GLOBAL_CTRL };
static bool has_msr[NR_SWITCHED_MSRS];
static bool has_pku;
u64 xcr0_allowed;
static u8 init_xsave[1024] __attribute__((aligned(64)));	/* legacy region and header: all in INIT state */

void pv_init_features(void)
{
	u32 r[4];
	u64 v;

	for (u32 i = 0; i < NR_SWITCHED_MSRS; i++)
		has_msr[i] = rdmsr_safe(switched_msrs[i], &v) == 0;
	cpuid(7, 0, r);
	has_pku = r[2] & BIT(3);
	cpuid(0xd, 0, r);
	xcr0_allowed = (r[0] | (u64)r[3] << 32) & 0x2e7;	/* x87 SSE AVX AVX-512 PKRU */
	*(u16 *)init_xsave = 0x37f;				/* FCW */
	*(u32 *)(init_xsave + 24) = 0x1f80;			/* MXCSR */
}

void xstate_save(u8 *area)
{
	__asm__ volatile("xsave64 %0" : "+m"(*(u8 (*)[4096])area) : "a"((u32)xcr0_allowed), "d"(0));
}

void xstate_restore(const u8 *area)
{
	__asm__ volatile("xrstor64 %0" : : "m"(*(const u8 (*)[1024])area), "a"((u32)xcr0_allowed), "d"(0));
}

static u32 rdpkru(void)
{
	u32 v;

	__asm__ volatile("rdpkru" : "=a"(v) : "c"(0) : "edx");
	return v;
}

static void wrpkru(u32 v)
{
	__asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0));
}

/* Debug registers: what the CPU holds goes to old, then it takes new. */
static void switch_debug(u64 old[4], u64 *old6, const u64 new[4], u64 new6)
{
	old[0] = read_dr0();
	old[1] = read_dr1();
	old[2] = read_dr2();
	old[3] = read_dr3();
	*old6 = read_dr6();
	write_dr0(new[0]);
	write_dr1(new[1]);
	write_dr2(new[2]);
	write_dr3(new[3]);
	write_dr6(new6);
}

bool pv_set_msr(struct pvcpu *p, u32 msr, u64 val)
{
	for (u32 i = 1; i < NR_GUEST_MSRS; i++)
		if (switched_msrs[i] == msr && wrmsr_safe(msr, val) == 0) {
			p->msr[i] = val;
			return true;
		}
	return false;
}

static void take_msrs(struct pvcpu *p)
{
	for (u32 i = 0; i < NR_SWITCHED_MSRS; i++) {
		if (i >= NR_GUEST_MSRS && !has_msr[i])
			continue;
		p->l1.msr[i] = rdmsr(switched_msrs[i]);
		if (p->l1.msr[i] != p->msr[i])
			wrmsr(switched_msrs[i], p->msr[i]);
	}
}

static void leave_msrs(struct pvcpu *p)
{
	p->msr[0] = rdmsr(switched_msrs[0]);
	for (u32 i = 0; i < NR_SWITCHED_MSRS; i++)	/* of what there is not both are 0 */
		if (p->msr[i] != p->l1.msr[i])
			wrmsr(switched_msrs[i], p->l1.msr[i]);
}

/* L1's x87..AVX-512 image at VMLAUNCH is KVM's copy of the guest's: never the host's own, dropped. */
void pv_switch_in(struct pcpu *c, struct pvcpu *p)
{
	p->l1.cr2 = read_cr2();
	write_cr2(p->cr2);
	switch_debug(p->l1.dr, &p->l1.dr6, p->dr, p->dr6);
	take_msrs(p);
	p->l1.xcr0 = xgetbv(0);
	if (has_pku)
		p->l1.pkru = rdpkru();
	xsetbv(0, xcr0_allowed);
	xstate_restore(p->xsave);
	xsetbv(0, p->xcr0);
	c->regs = p->regs;
}

void pv_switch_out(struct pcpu *c, struct pvcpu *p)
{
	p->regs = c->regs;
	c->regs = (struct gregs){ 0 };
	xsetbv(0, xcr0_allowed);
	xstate_save(p->xsave);
	xstate_restore(init_xsave);
	if (has_pku)
		wrpkru(p->l1.pkru);
	xsetbv(0, p->l1.xcr0);
	leave_msrs(p);
	switch_debug(p->dr, &p->dr6, p->l1.dr, p->l1.dr6);
	p->cr2 = read_cr2();
	write_cr2(p->l1.cr2);
}

void pv_answer(struct pcpu *c, s64 result)
{
	c->regs.r[R_RAX] = (u64)result;
	guest_skip_instruction();
}

/* ---- out ---- */

/* VMCS02 is current. IF and blocking bits let KVM decide when to inject; nothing else shows. */
void pv_reflect(struct pcpu *c, struct vcpu12 *v, u32 reason, enum pending_kind pending, u32 decoy, u32 len)
{
	struct pvcpu *p = v->pv;

	p->pending = pending;
	v->quick = pending != PENDING_STEP;
	p->shown_rip = CVM_DECOY_GPA + decoy * CVM_DECOY_SLOT;
	p->shown_len = len;
	F12(v, VMCS_GUEST_RIP) = p->shown_rip;
	/* Until what waits is delivered KVM may inject nothing. Blocking would not do: its emulator clears that. */
	F12(v, VMCS_GUEST_RFLAGS) = 2 | (p->redeliver_info ? 0 : vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
	F12(v, VMCS_GUEST_INTERRUPTIBILITY) = vmread(VMCS_GUEST_INTERRUPTIBILITY) & (INTERRUPTIBILITY_ONE | INTERRUPTIBILITY_NMI);
	F12(v, VMCS_GUEST_ACTIVITY) = 0;
	F12(v, VMCS_EXIT_REASON) = reason;
	F12(v, VMCS_EXIT_INSTR_LEN) = len;
	F12(v, VMCS_IDT_VECTORING_INFO) = 0;
	F12(v, VMCS_INSTRUCTION_INFO) = 0;
	F12(v, VMCS_GUEST_LINEAR_ADDRESS) = 0;
	if (reason != EXIT_EXT_INTR && reason != EXIT_EXCEPTION_NMI)
		F12(v, VMCS_EXIT_INTR_INFO) = 0;
	F12(v, VMCS_ENTRY_INTR_INFO) &= ~INTR_VALID;
	v->shows = reason == EXIT_EPT_MISCONFIG ? SHOWS_MMIO : BRIEF_EXITS >> reason & 1 ? SHOWS_BRIEF : SHOWS_EXIT;
	v->vm->stats.reflected++;
	nested_to_l1(c, v);
}

void pv_neutral_operands(struct vcpu12 *v)
{
	F12(v, VMCS_EXIT_QUALIFICATION) = 0;
	F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = 0;
}

void pv_reflect_page(struct pcpu *c, struct vcpu12 *v, u64 gfn)
{
	struct ept12_leaf leaf;

	ept12_lookup(F12(v, VMCS_EPTP), gfn << PAGE_SHIFT, &leaf);
	F12(v, VMCS_EXIT_QUALIFICATION) = EPT_W | leaf.perms << 3 | BIT(7) | BIT(8);
	F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = gfn << PAGE_SHIFT;
	pv_switch_out(c, v->pv);
	pv_reflect(c, v, EXIT_EPT_VIOLATION, PENDING_PAGE, CVM_DECOY_NOP, 1);
}

/* A stopped VM looks to KVM like a guest that shut down. Its state was switched out before. */
void pv_reflect_stopped(struct pcpu *c, struct vcpu12 *v)
{
	pv_neutral_operands(v);
	pv_reflect(c, v, EXIT_TRIPLE_FAULT, PENDING_NONE, CVM_DECOY_NOP, 0);
}

void pv_stop(struct pcpu *c, struct vcpu12 *v, u32 reason, u64 a, u64 b)
{
	vm_stop(v->vm, reason, a, b);
	pv_switch_out(c, v->pv);
	pv_reflect_stopped(c, v);
}

/* ---- in ---- */

/* What KVM made of the exit that it was shown. True state is in p->regs and VMCS02 (current).
 * False: refused, the VM is stopped. *reflected: the Guardian went on, true state is in the hardware or
 * another exit was presented. */
static bool complete(struct pcpu *c, struct vcpu12 *v, u64 rax, u64 rdx, bool gp, bool *reflected)
{
	struct pvcpu *p = v->pv;
	u64 rip = F12(v, VMCS_GUEST_RIP);
	bool done = rip == p->shown_rip + p->shown_len && p->shown_len;
	u64 mask = p->size == 4 ? 0xffffffff : p->size == 2 ? 0xffff : 0xff;
	enum pending_kind pending = p->pending;

	if (rip == 0xfff0 && F12(v, VMCS_GUEST_CS_SEL) == 0xf000) {
		vm_stop(v->vm, CVM_R_RESET, v->gpa, 0);
		return false;
	}
	if ((rip != p->shown_rip && !done) || (done && (pending == PENDING_NONE || pending == PENDING_PAGE))) {
		vm_stop(v->vm, CVM_R_BAD_RESUME, rip, pending);
		return false;
	}
	if (!done && pending != PENDING_STEP)
		return true;			/* the guest's instruction runs again */
	p->pending = PENDING_NONE;
	switch (pending) {
	case PENDING_IN:
		p->regs.r[R_RAX] = p->size == 4 ? (u32)rax : (p->regs.r[R_RAX] & ~mask) | (rax & mask);
		break;
	case PENDING_RDMSR:
		if (!gp) {
			p->regs.r[R_RAX] = (u32)rax;
			p->regs.r[R_RDX] = (u32)rdx;
		}
		break;
	case PENDING_STEP: {
		u64 left = (u32)c->regs.r[R_RCX], count = p->step.count;	/* of a run */
		struct ept12_leaf leaf;

		if (count && left == count)
			return true;		/* nothing was done: the guest's instruction runs again */
		*reflected = true;
		/* Of OUTS KVM does one element at a time, out of the same bytes; an interrupt ends the run. */
		if (left && left < count && p->step.kind == CVM_G_STEP_STORE && !p->redeliver_info) {
			pv_reflect(c, v, EXIT_IO, PENDING_STEP, (p->shown_rip - CVM_DECOY_GPA) / CVM_DECOY_SLOT, p->shown_len);
			return true;
		}
		if (done || count) {
			pv_switch_in(c, p);
			pv_step_done(c, v, count ? count - left : rax & mask);
			return true;
		}
		if (!p->step_pio && ept12_lookup(F12(v, VMCS_EPTP), p->step.gpa, &leaf) == EPT12_OK &&
		    (p->step.kind == CVM_G_STEP_LOAD || (leaf.perms & EPT_W))) {
			vm_stop(v->vm, CVM_R_HOST_MAPS_FOREIGN, p->step.gpa >> PAGE_SHIFT, leaf.pfn);
			return false;
		}
		pv_switch_in(c, p);
		pv_present_step(c, v);
		return true;
	}
	default:
		break;
	}
	if (!gp)
		guest_skip_instruction();
	return true;
}

/* P4: external interrupts that the guest can take; #GP only as the answer to an MSR access (vm_enter). */
static bool injectable(u64 info)
{
	return INTR_TYPE(info) == INTR_TYPE_EXT && INTR_VECTOR(info) >= 32 &&
	       (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

static void take_injection(struct vcpu12 *v)
{
	u64 info = F12(v, VMCS_ENTRY_INTR_INFO);
	struct pvcpu *p = v->pv;

	F12(v, VMCS_ENTRY_INTR_INFO) = 0;
	if (!(info & INTR_VALID))
		return;
	if (injectable(info) && !p->redeliver_info) {
		p->redeliver_info = INTR_VALID | INTR_VECTOR(info);
		v->vm->stats.injected++;
		return;
	}
	log_event(CVM_EV_DENIED, CVM_R_BAD_INJECTION, v->vm->id, v->vm->params.uuid, info,
		  vmread(VMCS_GUEST_RFLAGS));
}

void pv_before_entry(struct vcpu12 *v)
{
	struct pvcpu *p = v->pv;
	u64 proc = vmread(VMCS_PROC_CTLS) & ~PROC_INTR_WINDOW;
	bool window = F12(v, VMCS_PROC_CTLS) & PROC_INTR_WINDOW;

	if (p->redeliver_info && !(vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID)) {
		bool external = INTR_TYPE(p->redeliver_info) == INTR_TYPE_EXT;

		if (external && (!(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF) ||
				 (vmread(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_ONE))) {
			window = true;		/* as soon as the guest can take it */
		} else {
			vmwrite(VMCS_ENTRY_INTR_INFO, p->redeliver_info);
			vmwrite(VMCS_ENTRY_ERROR_CODE, p->redeliver_error);
			vmwrite(VMCS_ENTRY_INSTR_LEN, p->redeliver_len);
			p->redeliver_info = 0;
		}
	} else if (p->redeliver_info) {
		window = true;
	}
	vmwrite(VMCS_PROC_CTLS, proc | (window ? PROC_INTR_WINDOW : 0));
}

void vm_enter(struct pcpu *c, struct vcpu12 *v)
{
	u64 info = F12(v, VMCS_ENTRY_INTR_INFO);
	struct pvcpu *p = v->pv;
	bool gp = false, reflected = false;

	vmcs_load(c, &v->vmcs02);
	if ((p->pending == PENDING_RDMSR || p->pending == PENDING_WRMSR) && (info & INTR_VALID) &&
	    INTR_TYPE(info) == INTR_TYPE_HW_EXC && INTR_VECTOR(info) == 13) {
		gp = true;
		F12(v, VMCS_ENTRY_INTR_INFO) = 0;
		F12(v, VMCS_GUEST_RIP) = p->shown_rip + p->shown_len;
	}
	if (v->vm->state == CVM_VM_RUNNING) {
		v->vm->eptp12 = F12(v, VMCS_EPTP);	/* KVM may make a new root any time */
		vmwrite(VMCS_TSC_OFFSET, F12(v, VMCS_TSC_OFFSET));
		take_injection(v);
		if (complete(c, v, c->regs.r[R_RAX], c->regs.r[R_RDX], gp, &reflected)) {
			if (!reflected)
				pv_switch_in(c, p);
			if (!c->in_l2)
				return;		/* the next step of an instruction went out at once */
			if (gp)
				guest_inject_exception(13, true, 0);
			pv_before_entry(v);
			return;
		}
	}
	memset(&c->regs, 0, sizeof(c->regs));
	pv_reflect_stopped(c, v);
}
