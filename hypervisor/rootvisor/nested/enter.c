// SPDX-License-Identifier: LGPL-2.1-or-later
/* Between L1 and L2: VMCS02 from VMCS12 at entry, exit information and L1's host state
 * at exit. */
#include "nested/nested.h"
#include "vmx/vmx.h"

/* MSRs that an ordinary guest may reach directly if L1 lets it; all others exit. Each row in one word of the bitmap. */
static const struct { u32 first, count; bool write; } passable[] = {
	{ MSR_FS_BASE, 3, true },		/* GS_BASE, KERNEL_GS_BASE */
	{ MSR_SYSENTER_CS, 3, true },		/* ESP, EIP */
	{ MSR_SPEC_CTRL, 2, true },		/* PRED_CMD */
	{ MSR_TSC, 1, false },
};

u32 msr_bitmap_bit(u32 msr, bool write)
{
	u32 bit = msr & 0x1fff;

	if (msr >= 0xc0000000)
		bit += 0x2000;
	return bit + (write ? 0x4000 : 0);
}

static void merge_msrs(u32 *to, const u32 *from, u32 bit, u32 count)
{
	to[bit >> 5] = from[bit >> 5] | ~(((1u << count) - 1) << (bit & 31));
}

/* Every entry: KVM changes its bitmap in memory without telling anybody. */
static void merge_msr_bitmap(struct vcpu12 *v)
{
	u64 page = F12(v, VMCS_MSR_BITMAP);
	u32 *to = v->msr_bitmap02, *from = va(page);

	if (!(F12(v, VMCS_PROC_CTLS) & PROC_MSR_BITMAPS) || !frame_is_host(page >> PAGE_SHIFT)) {
		memset(to, 0xff, PAGE_SIZE);	/* every access exits, also what another bitmap let through */
		return;
	}
	for (u32 i = 0; i < ARRAY_SIZE(passable); i++) {
		merge_msrs(to, from, msr_bitmap_bit(passable[i].first, false), passable[i].count);
		if (passable[i].write)
			merge_msrs(to, from, msr_bitmap_bit(passable[i].first, true), passable[i].count);
	}
}

static void copy_control(struct vcpu12 *v, u32 enc)
{
	vmwrite(enc, F12(v, enc));
}

/* VMCS02 is current. */
static __attribute__((noinline)) void write_controls(struct vcpu12 *v)
{
	static const u16 copied[] = {
		VMCS_EXCEPTION_BITMAP, VMCS_PF_MASK, VMCS_PF_MATCH, VMCS_TSC_OFFSET, VMCS_CR0_MASK, VMCS_CR4_MASK,
		VMCS_CR0_SHADOW, VMCS_CR4_SHADOW };
	static const u16 zero[] = {
		VMCS_CR3_TARGET_COUNT, VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT,
		VMCS_ENTRY_INTR_INFO };
	u32 proc2 = (u32)F12(v, VMCS_PROC2_CTLS) | PROC2_VPID | PROC2_EPT;

	caps_write_controls(F12(v, VMCS_PIN_CTLS), F12(v, VMCS_PROC_CTLS) | PROC_MSR_BITMAPS | PROC_SECONDARY, proc2,
			    (F12(v, VMCS_EXIT_CTLS) & EXIT_ACK_INTR) | EXIT_HOST64 | EXIT_SAVE_DEBUG | EXIT_SAVE_PAT |
			    EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER,
			    (F12(v, VMCS_ENTRY_CTLS) & (ENTRY_IA32E | ENTRY_LOAD_DEBUG)) | ENTRY_LOAD_PAT |
			    ENTRY_LOAD_EFER);
	for (u32 i = 0; i < ARRAY_SIZE(copied); i++)
		copy_control(v, copied[i]);
	if (proc2 & PROC2_XSAVES)
		copy_control(v, 0x202c);
	vmcs_zero(zero, ARRAY_SIZE(zero));
	vmwrite(VMCS_EPTP, pa(v->shadow->root) | 6 | 3 << 3);
	vmwrite(VMCS_MSR_BITMAP, pa(v->msr_bitmap02));
	vmwrite(VMCS_VPID, vcpu12_vpid(v));
	v->stale &= (u8)~STALE_02;
}

/*
 * What the CPU would take and L1 is not offered: a link pointer (the CPU reads the page that it names), states
 * in which nothing but INIT wakes the CPU. VMCS02 is current; if refused, L1 runs again with an exit for a
 * failed entry.
 */
static __attribute__((noinline)) bool refuse_guest_state(struct pcpu *c, struct vcpu12 *v)
{
	bool link = vmread(VMCS_LINK_POINTER) != ~0ull;

	if (!link && vmread(VMCS_GUEST_ACTIVITY) <= 1) {
		v->stale &= (u8)~STALE_GUEST;
		return false;
	}
	F12(v, VMCS_EXIT_REASON) = EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE;
	F12(v, VMCS_EXIT_QUALIFICATION) = link ? 4 : 0;
	v->shows = SHOWS_EXIT;
	nested_to_l1(c, v);
	return true;
}

/* An ordinary guest's vCPU. */
static void enter(struct pcpu *c, struct vcpu12 *v)
{
	u64 entry = F12(v, VMCS_ENTRY_CTLS);	/* registers that L2 takes from L1, whose they are, when L1 does not say otherwise: */
	u64 efer = entry & ENTRY_LOAD_EFER ? 0 : vmread(VMCS_GUEST_EFER), pat = entry & ENTRY_LOAD_PAT ? 0 : vmread(VMCS_GUEST_PAT);

	if (!v->shadow || v->shadow->eptp12 != F12(v, VMCS_EPTP)) {
		v->shadow = shadow_get(F12(v, VMCS_EPTP));
		if (!v->shadow)
			return nested_vmfail(c, VMX_ERR_CONTROLS);
		v->stale |= STALE_02;
	}
	merge_msr_bitmap(v);
	vmcs_shadow_drain(c, v);
	if (!(entry & ENTRY_LOAD_EFER))
		vmwrite(VMCS_GUEST_EFER, entry & ENTRY_IA32E ? efer : efer & ~(EFER_LMA | EFER_LME));
	if (!(entry & ENTRY_LOAD_PAT))
		vmwrite(VMCS_GUEST_PAT, pat);
	if (v->stale & STALE_02)
		write_controls(v);
	if (v->stale && refuse_guest_state(c, v))
		return;
	if (F12(v, VMCS_ENTRY_INTR_INFO) & INTR_VALID) {	/* else VMCS02 has none either: the last entry took it */
		copy_control(v, VMCS_ENTRY_INTR_INFO);
		copy_control(v, VMCS_ENTRY_ERROR_CODE);
		copy_control(v, VMCS_ENTRY_INSTR_LEN);
	}
	if (!(F12(v, VMCS_PROC2_CTLS) & PROC2_VPID))
		invvpid(1, vmread(VMCS_VPID), 0);
	c->in_l2 = true;
}

static void enter_protected(struct pcpu *c, struct vcpu12 *v)
{
	vmcs_shadow_drain(c, v);
	c->in_l2 = true;
	vm_enter(c, v);
}

/* Of CR0 an exit changes nothing else; the last: reserved. */
#define CR0_KEPT	(CR0_ET | CR0_CD | CR0_NW | 0x1ff80000 | BIT(17) | 0xffc0)

/* 0 or a VMX instruction error. */
static u32 check(struct vcpu12 *v)
{
	u32 error = v->stale & STALE_CONTROLS ? vmcs12_check_controls(v->f, &l1_caps) : 0;

	if (!error && v->stale & STALE_HOST)
		error = vmcs12_check_host(v->f, &l1_caps);
	if (error)
		return error;
	v->stale &= (u8)~(STALE_CONTROLS | STALE_HOST);
	v->host_cr0 = F12(v, VMCS_HOST_CR0) & ~CR0_KEPT;
	v->host_cr4 = F12(v, VMCS_HOST_CR4) | CR4_VMXE;
	for (u32 i = 0; i < 6; i++)
		((u16 *)v->host_sel)[i] = (u16)F12(v, VMCS_HOST_ES_SEL + 2 * i);
	return 0;
}

void nested_l1_enter(struct pcpu *c, bool launch)
{
	struct vcpu12 *v = c->cur12;
	u32 error;

	if (!v)
		return nested_vmfail(c, 0);
	if (vmread(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS)
		error = VMX_ERR_MOV_SS;
	else if (launch && v->launched12)
		error = VMX_ERR_VMLAUNCH_NOT_CLEAR;
	else if (!launch && !v->launched12)
		error = VMX_ERR_VMRESUME_NOT_LAUNCHED;
	else
		error = v->stale & (STALE_CONTROLS | STALE_HOST) ? check(v) : 0;
	if (error)
		return nested_vmfail(c, error);
	if (v->ran_on != c) {		/* translations of its last stay here are stale */
		tlb_flush(c);
		v->ran_on = c;
	}
	if (!v->vm)
		return enter(c, v);
	enter_protected(c, v);
	v->launched12 = true;		/* it may not run at all: its exit is then made up (an ordinary one: nested_handle_exit) */
}

void nested_copy_exit_info(struct vcpu12 *v, u32 reason)
{
	static const u16 always[] = { VMCS_EXIT_INTR_INFO, VMCS_IDT_VECTORING_INFO, VMCS_EXIT_INSTR_LEN };
	static const u16 info[] = {
		VMCS_EXIT_QUALIFICATION, VMCS_EXIT_INTR_ERROR, VMCS_IDT_VECTORING_ERROR, VMCS_INSTRUCTION_INFO,
		VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_GUEST_LINEAR_ADDRESS };

	F12(v, VMCS_EXIT_REASON) = reason;
	for (u32 i = 0; i < ARRAY_SIZE(always); i++)
		F12(v, always[i]) = vmread(always[i]);
	v->shows = reason > 63 || !(BRIEF_EXITS >> reason & 1) || F12(v, VMCS_IDT_VECTORING_INFO) & INTR_VALID ? SHOWS_EXIT :
		   F12(v, VMCS_EXIT_INTR_INFO) & INTR_VALID ? SHOWS_BRIEF : SHOWS_QUIET;
	F12(v, VMCS_EXIT_QUALIFICATION) = 0;	/* of a brief exit, as the CPU says it */
	for (u32 i = 0; v->shows == SHOWS_EXIT && i < ARRAY_SIZE(info); i++)
		F12(v, info[i]) = vmread(info[i]);
	F12(v, VMCS_ENTRY_CTLS) = (F12(v, VMCS_ENTRY_CTLS) & ~ENTRY_IA32E) | (vmread(VMCS_ENTRY_CTLS) & ENTRY_IA32E);
	if (reason & EXIT_REASON_FAILED)	/* the CPU kept it */
		vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	else
		F12(v, VMCS_ENTRY_INTR_INFO) &= ~INTR_VALID;
}

static __attribute__((noinline)) void load_l1_segments(const struct vcpu12 *v)
{
	for (u32 i = 0; i < 6; i++) {
		u64 sel = F12(v, VMCS_HOST_ES_SEL + 2 * i);

		vmwrite(VMCS_GUEST_ES_SEL + 2 * i, sel);
		vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffffffff);
		vmwrite(VMCS_GUEST_ES_AR + 2 * i, i == 1 ? 0xa09b : sel ? 0xc093 : 0x1c093);
		vmwrite(VMCS_GUEST_ES_BASE + 2 * i, 0);
	}
}

/* SDM vol. 3, 28.5: what a VM exit loads, here into vmcs01's guest state. */
static inline __attribute__((always_inline)) void load_l1(struct pcpu *c, struct vcpu12 *v)
{
	static const struct vmcs_value fixed[] = {
		{ VMCS_GUEST_TR_LIMIT, 0x67 }, { VMCS_GUEST_TR_AR, 0x8b }, { VMCS_GUEST_LDTR_AR, 0x10000 }, { VMCS_GUEST_LDTR_SEL, 0 },
		{ VMCS_GUEST_GDTR_LIMIT, 0xffff }, { VMCS_GUEST_IDTR_LIMIT, 0xffff }, { VMCS_GUEST_DEBUGCTL, 0 },
		{ VMCS_GUEST_PENDING_DBG, 0 }, { VMCS_GUEST_RFLAGS, 2 }, { VMCS_GUEST_DR7, 0x400 }, { VMCS_GUEST_INTERRUPTIBILITY, 0 } };
	static const struct { u16 guest, host; } copied[] = {
		{ VMCS_GUEST_CR3, VMCS_HOST_CR3 }, { VMCS_GUEST_RIP, VMCS_HOST_RIP }, { VMCS_GUEST_RSP, VMCS_HOST_RSP },
		{ VMCS_GUEST_FS_BASE, VMCS_HOST_FS_BASE }, { VMCS_GUEST_GS_BASE, VMCS_HOST_GS_BASE },
		{ VMCS_GUEST_TR_SEL, VMCS_HOST_TR_SEL }, { VMCS_GUEST_TR_BASE, VMCS_HOST_TR_BASE },
		{ VMCS_GUEST_GDTR_BASE, VMCS_HOST_GDTR_BASE }, { VMCS_GUEST_IDTR_BASE, VMCS_HOST_IDTR_BASE },
		{ VMCS_GUEST_SYSENTER_CS, VMCS_HOST_SYSENTER_CS }, { VMCS_GUEST_SYSENTER_ESP, VMCS_HOST_SYSENTER_ESP },
		{ VMCS_GUEST_SYSENTER_EIP, VMCS_HOST_SYSENTER_EIP } };
	u64 now[3];

	c->in_l2 = false;
	c->stats.reflected++;
	vmwrite(VMCS_GUEST_CR0, (vmread(VMCS_GUEST_CR0) & CR0_KEPT) | v->host_cr0);
	vmwrite_from(VMCS_GUEST_CR4, &v->host_cr4);
	for (u32 i = 0; i < 6; i++)	/* of 8 bytes each: the next one goes over the last six, which are 0 */
		vmread_to(VMCS_GUEST_ES_SEL + 2 * i, (u64 *)((u16 *)now + i));
	/* L1 left in 64-bit mode at CPL 0: if it had the selectors already, it had all of these six that can be seen there (bases
	 * of FS and GS: below). */
	if (now[0] != v->host_sel[0] || now[1] != v->host_sel[1])
		load_l1_segments(v);
	for (u32 i = 0; i < ARRAY_SIZE(copied); i++)
		vmwrite_from(copied[i].guest, &F12(v, copied[i].host));
	for (u32 i = 0; i < ARRAY_SIZE(fixed); i++)
		vmwrite_from(fixed[i].field, &fixed[i].value);
	if (F12(v, VMCS_EXIT_CTLS) & EXIT_LOAD_EFER)
		vmwrite_from(VMCS_GUEST_EFER, &F12(v, VMCS_HOST_EFER));
	if (F12(v, VMCS_EXIT_CTLS) & EXIT_LOAD_PAT)
		vmwrite_from(VMCS_GUEST_PAT, &F12(v, VMCS_HOST_PAT));
}

void nested_to_l1(struct pcpu *c, struct vcpu12 *v)
{
	u64 info = F12(v, VMCS_EXIT_INTR_INFO);

	vmcs_shadow_fill(c, v, false);
	load_l1(c, v);
	/* An NMI that caused the exit blocks further ones until L1's IRET. */
	if ((u32)F12(v, VMCS_EXIT_REASON) == EXIT_EXCEPTION_NMI && (info & INTR_VALID) && INTR_TYPE(info) == INTR_TYPE_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
}

void nested_reflect_ept(struct pcpu *c, struct vcpu12 *v, u64 gpa, u64 qualification, bool misconfig)
{
	F12(v, VMCS_EXIT_REASON) = misconfig ? EXIT_EPT_MISCONFIG : EXIT_EPT_VIOLATION;
	F12(v, VMCS_EXIT_QUALIFICATION) = misconfig ? 0 : qualification;
	F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = gpa;
	v->shows = misconfig ? SHOWS_MMIO : SHOWS_EXIT;
	nested_to_l1(c, v);
}

static void ordinary_exit(struct pcpu *c, struct vcpu12 *v, u32 reason)
{
	if (reason == EXIT_EPT_VIOLATION) {
		u64 gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
		u64 qual = vmread(VMCS_EXIT_QUALIFICATION);
		bool misconfig, done = shadow_fault(c, v, gpa, &qual, &misconfig);

		vmcs_load(c, &v->vmcs02);
		if (done)
			return guest_requeue_event();	/* L1 never hears of the exit */
		nested_copy_exit_info(v, reason);
		return nested_reflect_ept(c, v, gpa, qual, misconfig);
	}
	if (reason == EXIT_VMCALL && guest_call(c, v))
		return;
	if (reason == EXIT_EXCEPTION_NMI && INTR_TYPE(vmread(VMCS_EXIT_INTR_INFO)) == INTR_TYPE_NMI) {
		if (!c->nmi_pending || !(F12(v, VMCS_PIN_CTLS) & PIN_NMI))
			return;		/* a kick; or the host takes it when it runs */
		c->nmi_pending = false;
	}
	vmcs_load(c, &v->vmcs02);
	nested_copy_exit_info(v, reason);
	nested_to_l1(c, v);
}

void nested_entry_failed(struct pcpu *c)
{
	u32 error = (u32)vmread(VMCS_INSTRUCTION_ERROR);

	if (!c->in_l2)
		rv_panic("VM entry of the host failed: instruction error %u", error);
	if (c->cur12->vm) {	/* never L1's doing: its controls do not get here */
		vm_handle_exit(c, c->cur12, (u32)EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE);
		return;
	}
	/* A check that is left to the CPU: L1's VMLAUNCH or VMRESUME fails, L1 never left. */
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	c->in_l2 = false;
	vmcs_shadow_fill(c, c->cur12, false);
	vmcs_load(c, &c->vmcs01);
	nested_vmfail(c, error);
}

void nested_handle_exit(struct pcpu *c, u32 reason)
{
	struct vcpu12 *v = c->cur12;

	if (!(reason & EXIT_REASON_FAILED))
		v->launched12 = true;
	if (reason == EXIT_EXCEPTION_NMI && INTR_TYPE(vmread(VMCS_EXIT_INTR_INFO)) == INTR_TYPE_NMI)
		nmi_exit();		/* whatever becomes of the exit: else no kick would ever come through again */
	if (v->vm)
		vm_handle_exit(c, v, reason);
	else
		ordinary_exit(c, v, reason);
}

struct vmcs *nested_vmcs(struct pcpu *c)
{
	return c->in_l2 ? &c->cur12->vmcs02 : &c->vmcs01;
}

/* Exits of a protected vCPU in whose handlers the Guardian has no part. */
#define QUICK_PROTECTED	(BIT(EXIT_EXT_INTR) | BIT(EXIT_CPUID) | BIT(EXIT_HLT) | BIT(EXIT_RDMSR) | BIT(EXIT_WRMSR))

/* Exits of an instruction: no event's delivery was under way, nor is one the reason. */
#define QUIET_EXITS	(BRIEF_EXITS & ~(BIT(EXIT_EXT_INTR) | BIT(EXIT_INTR_WINDOW) | BIT(EXIT_VMCALL)))

#define AR_CPL		(AR_DPL | BIT(2))	/* CS says the CPL, too, if it is not conforming */

/* VMRESUME in 64-bit mode at CPL 0, not blocked by MOV SS: what nested_l1_instruction() and nested_l1_enter() refuse, each with its own
 * error. What is launched is so on this CPU, with its host state, and L1 knows it. In L1 no event's delivery can have been under way. */
static inline bool resumes_plainly(const struct vcpu12 *v)
{
	return v->vmcs02.launched && (vmread(VMCS_GUEST_CS_AR) & (AR_LONG | AR_CPL)) == AR_LONG &&
	       vmread(VMCS_GUEST_EFER) & EFER_LMA && !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS);
}

/* The bulk of what a VM costs. For a protected vCPU none in whose handler its Guardian has a part. */
static inline bool is_quick(const struct vcpu12 *v, bool in_l2, u32 reason)
{
	if (!v)
		return false;
	if (!in_l2)
		return reason == EXIT_VMRESUME && (!v->vm || v->quick);
	if (v->vm)
		return reason < 64 && QUICK_PROTECTED >> reason & 1;
	return reason < CVM_EXIT_REASONS && reason != EXIT_EXCEPTION_NMI && reason != EXIT_VMCALL;
}

/* An ordinary vCPU's exit that shows L1 what the last one showed. If the guest's MOV to CR0 exits, it did not change long mode. */
static inline bool exits_as_before(const struct vcpu12 *v, u32 reason)
{
	return !v->vm && v->shows == SHOWS_QUIET && reason < 64 && QUIET_EXITS >> reason & 1 && F12(v, VMCS_CR0_MASK) & CR0_PG;
}

static inline void exit_as_before(struct pcpu *c, struct vcpu12 *v, u32 reason)
{
	F12(v, VMCS_EXIT_REASON) = reason;
	F12(v, VMCS_ENTRY_INTR_INFO) &= ~INTR_VALID;
	vmread_to(VMCS_EXIT_INSTR_LEN, &F12(v, VMCS_EXIT_INSTR_LEN));
	vmcs_shadow_fill(c, v, true);
	load_l1(c, v);
}

enum vmx_result nested_quick_exit(void)
{
	struct pcpu *c = this_pcpu();
	struct vcpu12 *v = c->cur12;
	u32 reason = (u32)vmread(VMCS_EXIT_REASON);
	bool in_l2 = c->in_l2, ready = true;

	if (!in_l2 && reason == EXIT_CPUID) {	/* it needs nothing that the lock guards */
		count_exit(c, reason);
		l1_cpuid(c);
		return VMX_AGAIN;
	}
	if (!is_quick(v, in_l2, reason))
		return VMX_EXIT;
	trace_exit(c);
	c->in_guest = 0;
	rv_lock();
	count_exit(c, reason);
	if (in_l2 && exits_as_before(v, reason)) {
		exit_as_before(c, v, reason);
	} else if (!in_l2 && !v->vm && !v->stale && resumes_plainly(v)) {
		enter(c, v);
	} else {
		if (in_l2)
			nested_handle_exit(c, reason);
		else if (v->vm && !(v->stale & (STALE_CONTROLS | STALE_HOST)) && resumes_plainly(v))
			enter_protected(c, v);
		else
			nested_l1_instruction(c, reason);
		vmcs_load(c, nested_vmcs(c));
		ready = c->current->launched && c->current->host_of == c && log_last - log_folded <= LOG_SLACK;
	}
	c->nmi_arrived = false;
	__asm__ volatile("" : : : "memory");	/* as in pcpu_run() */
	ready = ready && (!c->nmi_pending || c->in_l2);
	rv_unlock();
	if (!ready)
		return VMX_DONE;
	vmcs_about_to_enter(c, true);
	return VMX_AGAIN;
}
