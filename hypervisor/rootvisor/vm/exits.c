// SPDX-License-Identifier: LGPL-2.1-or-later
/* The exits of a protected vCPU: one handler for each reason, anything else stops the VM.
 * In a handler VMCS02 is current and the guest's true state is in the hardware. */
#include "vm/vm.h"

/* Hands an exit to KVM that carries nothing of the guest. */
static void reflect_plain(struct pcpu *c, struct vcpu12 *v, u32 reason, enum pending_kind pending, u32 len)
{
	pv_switch_out(c, v->pv);
	pv_neutral_operands(v);
	pv_reflect(c, v, reason, pending, CVM_DECOY_NOP, len);
}

static void on_ext_intr(struct pcpu *c, struct vcpu12 *v)
{
	F12(v, VMCS_EXIT_INTR_INFO) = vmread(VMCS_EXIT_INTR_INFO);	/* acknowledged: KVM must serve it */
	reflect_plain(c, v, EXIT_EXT_INTR, PENDING_NONE, 0);
}

static void on_exception(struct pcpu *c, struct vcpu12 *v)
{
	u64 info = vmread(VMCS_EXIT_INTR_INFO);

	if (INTR_TYPE(info) == INTR_TYPE_NMI) {
		if (!c->nmi_pending)
			return;			/* RootVisor's own */
		c->nmi_pending = false;
	}
	if (INTR_TYPE(info) == INTR_TYPE_NMI || INTR_VECTOR(info) == 18) {
		F12(v, VMCS_EXIT_INTR_INFO) = info;
		F12(v, VMCS_EXIT_INTR_ERROR) = 0;
		return reflect_plain(c, v, EXIT_EXCEPTION_NMI, PENDING_NONE, 0);
	}
	if (INTR_VECTOR(info) == 1)	/* SDM vol. 3, table 28-1: the exit does not update DR6 */
		write_dr6(read_dr6() | (vmread(VMCS_EXIT_QUALIFICATION) & 0x600f));
	guest_inject_exception(INTR_VECTOR(info), info & INTR_ERROR_CODE, (u32)vmread(VMCS_EXIT_INTR_ERROR));
}

static void on_triple_fault(struct pcpu *c, struct vcpu12 *v)
{
	pv_stop(c, v, CVM_R_TRIPLE_FAULT, 0, 0);
}

static void on_intr_window(struct pcpu *c, struct vcpu12 *v)
{
	if (v->pv->redeliver_info)
		return;			/* our own wish: pv_before_entry() delivers */
	reflect_plain(c, v, EXIT_INTR_WINDOW, PENDING_NONE, 0);
}

static void on_cpuid(struct pcpu *c, struct vcpu12 *v)
{
	pv_cpuid(c, v);
	guest_skip_instruction();
}

static void on_plain(struct pcpu *c, struct vcpu12 *v)
{
	u32 reason = (u32)vmread(VMCS_EXIT_REASON), len = reason == EXIT_HLT ? 1 : reason == EXIT_PAUSE ? 2 : 0;

	if (len == 1 && v->pv->redeliver_info)	/* an interrupt that waits ends a halt at once; KVM does not know of it */
		return guest_skip_instruction();
	reflect_plain(c, v, reason, len ? PENDING_SKIP : PENDING_NONE, len);
}

static void on_skip(struct pcpu *c, struct vcpu12 *v)
{
	guest_skip_instruction();
}

static void on_undefined(struct pcpu *c, struct vcpu12 *v)
{
	guest_inject_exception(6, false, 0);
}

static void on_general_protection(struct pcpu *c, struct vcpu12 *v)
{
	guest_inject_exception(13, true, 0);
}

/* Only bits that RootVisor owns exit: NE, CD, NW; paging does not change in the same write. */
static bool write_cr0_bits(u64 val)
{
	u64 old = vmread(VMCS_GUEST_CR0);

	if ((val ^ old) & CR0_PG || !(val & CR0_PE) != !(old & CR0_PE) || val >> 32)
		return false;
	vmwrite(VMCS_GUEST_CR0, (val & ~(CR0_CD | CR0_NW)) | CR0_NE | CR0_ET);
	vmwrite(VMCS_CR0_SHADOW, val | CR0_ET);
	return true;
}

/* SDM vol. 3, table 28-3 */
static void on_cr_access(struct pcpu *c, struct vcpu12 *v)
{
	u64 qual = vmread(VMCS_EXIT_QUALIFICATION);
	u32 cr = qual & 15, type = (qual >> 4) & 3, gpr = (qual >> 8) & 15;

	if (type == 0 && cr == 0) {
		if (!write_cr0_bits(gpr_read(c, gpr)))
			return pv_stop(c, v, CVM_R_BAD_EXIT, EXIT_CR_ACCESS, qual);
	} else if (type == 0 && cr == 4) {
		guest_inject_exception(13, true, 0);		/* VMXE: the guest has no VMX */
		return;
	} else if (type == 0 && cr == 8) {
		v->pv->cr8 = gpr_read(c, gpr) & 15;
	} else if (type == 1 && cr == 8) {
		gpr_write(c, gpr, v->pv->cr8);
	} else {
		pv_stop(c, v, CVM_R_BAD_EXIT, EXIT_CR_ACCESS, qual);
		return;
	}
	guest_skip_instruction();
}

/* SDM vol. 3, table 28-5 */
static void on_io(struct pcpu *c, struct vcpu12 *v)
{
	u64 qual = vmread(VMCS_EXIT_QUALIFICATION);
	u64 rax = c->regs.r[R_RAX];
	bool in = qual & BIT(3);
	u32 size = (qual & 7) + 1;

	if (qual & BIT(4)) {
		struct cvm_g_access access = { .kind = CVM_G_PIO, .write = !in, .port = (qual >> 16) & 0xffff,
					       .vcpu = v->pv->number };

		pv_decode(c, v, &access);
		return;
	}
	v->pv->size = size;
	pv_switch_out(c, v->pv);
	c->regs.r[R_RAX] = in ? 0 : size == 4 ? (u32)rax : size == 2 ? (u16)rax : (u8)rax;
	F12(v, VMCS_EXIT_QUALIFICATION) = qual & 0xffff000f;
	F12(v, VMCS_GUEST_PHYSICAL_ADDRESS) = 0;
	pv_reflect(c, v, EXIT_IO, in ? PENDING_IN : PENDING_OUT, CVM_DECOY_NOP, 1);
}

static void on_ept_violation(struct pcpu *c, struct vcpu12 *v)
{
	u64 gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	u64 qual = vmread(VMCS_EXIT_QUALIFICATION);
	struct vm *vm = v->vm;
	int err;

	if (vm_gfn_is_ram(vm, gpa >> PAGE_SHIFT)) {
		err = vm_bring_page(c, vm, F12(v, VMCS_EPTP), gpa >> PAGE_SHIFT, 0);
		if (err == -EAGAIN) {
			pv_reflect_page(c, v, gpa >> PAGE_SHIFT);
		} else if (err) {
			pv_switch_out(c, v->pv);
			pv_reflect_stopped(c, v);
		}
		return;
	}
	/* A device address: only data accesses of an instruction can be presented to KVM. */
	if ((qual & EPT_X) || v->pv->redeliver_info)
		return pv_stop(c, v, CVM_R_DECODE, gpa, qual);
	struct cvm_g_access access = {
		.kind = CVM_G_MMIO, .write = !!(qual & EPT_W), .gpa = gpa, .vcpu = v->pv->number,
		.linear = vmread(VMCS_GUEST_LINEAR_ADDRESS), .linear_valid = !!(qual & BIT(7)),
	};
	pv_decode(c, v, &access);
}

/* SDM vol. 1, 13.3: rules for XCR0. */
static void on_xsetbv(struct pcpu *c, struct vcpu12 *v)
{
	u64 val = (u32)c->regs.r[R_RAX] | c->regs.r[R_RDX] << 32;
	u64 avx512 = val & 0xe0;

	if ((u32)c->regs.r[R_RCX] || ((vmread(VMCS_GUEST_SS_AR) >> 5) & 3) || !(val & 1) ||
	    (val & ~xcr0_allowed) || ((val & 4) && !(val & 2)) ||
	    (avx512 && (avx512 != 0xe0 || !(val & 4))))
		return guest_inject_exception(13, true, 0);
	v->pv->xcr0 = val;
	xsetbv(0, val);
	guest_skip_instruction();
}

typedef void (*exit_handler)(struct pcpu *c, struct vcpu12 *v);

static const exit_handler handlers[CVM_EXIT_REASONS] = {
	[EXIT_EXCEPTION_NMI]	= on_exception,
	[EXIT_EXT_INTR]		= on_ext_intr,
	[EXIT_TRIPLE_FAULT]	= on_triple_fault,
	[EXIT_INIT]		= on_plain,
	[EXIT_INTR_WINDOW]	= on_intr_window,
	[EXIT_CPUID]		= on_cpuid,
	[EXIT_GETSEC]		= on_undefined,
	[EXIT_HLT]		= on_plain,
	[EXIT_INVD]		= on_skip,	/* never thrown away: memory is coherent */
	[EXIT_RDPMC]		= on_general_protection,
	[EXIT_VMCALL]		= pv_guest_call,
	[EXIT_VMCLEAR ... EXIT_VMXON] = on_undefined,
	[EXIT_CR_ACCESS]	= on_cr_access,
	[EXIT_IO]		= on_io,
	[EXIT_RDMSR]		= pv_msr,
	[EXIT_WRMSR]		= pv_msr,
	[EXIT_MWAIT]		= on_undefined,
	[EXIT_MONITOR]		= on_undefined,
	[EXIT_PAUSE]		= on_plain,
	[EXIT_EPT_VIOLATION]	= on_ept_violation,
	[EXIT_INVEPT]		= on_undefined,
	[EXIT_INVVPID]		= on_undefined,
	[EXIT_WBINVD]		= on_skip,
	[EXIT_XSETBV]		= on_xsetbv,
	[EXIT_VMFUNC]		= on_undefined,
	[EXIT_XSAVES]		= on_undefined,
	[EXIT_XRSTORS]		= on_undefined,
};

void vm_handle_exit(struct pcpu *c, struct vcpu12 *v, u32 reason)
{
	struct vm *vm = v->vm;
	u64 vectoring;

	vm->stats.exits++;
	vm->stats.by_reason[(reason & 0xffff) < CVM_EXIT_REASONS ? reason & 0xffff : 0]++;
	if (reason & EXIT_REASON_FAILED)
		return pv_stop(c, v, CVM_R_ENTRY_FAILED, reason & 0xffff, vmread(VMCS_EXIT_QUALIFICATION));
	vectoring = vmread(VMCS_IDT_VECTORING_INFO);
	if (vectoring & INTR_VALID) {	/* KVM never hears of it: delivery goes on at the next entry */
		v->pv->redeliver_info = vectoring & ~BIT(12);
		v->pv->redeliver_error = vmread(VMCS_IDT_VECTORING_ERROR);
		v->pv->redeliver_len = vmread(VMCS_EXIT_INSTR_LEN);
	}
	if (vm->state != CVM_VM_RUNNING) {	/* stopped from elsewhere */
		pv_switch_out(c, v->pv);
		pv_reflect_stopped(c, v);
	} else if (reason < CVM_EXIT_REASONS && handlers[reason])
		handlers[reason](c, v);
	else
		pv_stop(c, v, CVM_R_BAD_EXIT, reason, vmread(VMCS_EXIT_QUALIFICATION));
	if (c->in_l2)
		pv_before_entry(v);
}
