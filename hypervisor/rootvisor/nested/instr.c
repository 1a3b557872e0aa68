// SPDX-License-Identifier: LGPL-2.1-or-later
/* The VMX instructions, as L1 executes them. SDM vol. 3, chapter 31. */
#include "nested/nested.h"
#include "nested/operand.h"
#include "vmx/vmx.h"

#define ARITH_FLAGS	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static void end(u64 flags)
{
	vmwrite(VMCS_GUEST_RFLAGS, (vmread(VMCS_GUEST_RFLAGS) & ~ARITH_FLAGS) | flags);
	guest_skip_instruction();
}

static void succeed(void) { end(0); }
static void fail_invalid(void) { end(RFLAGS_CF); }

void nested_vmfail(struct pcpu *c, u32 error)
{
	if (!c->cur12)
		return fail_invalid();
	F12(c->cur12, VMCS_INSTRUCTION_ERROR) = error;
	end(RFLAGS_ZF);
}

static int operand(struct pcpu *c, struct vmx_operand *op)
{
	c->regs.r[R_RSP] = vmread(VMCS_GUEST_RSP);
	return vmx_decode_operand((u32)vmread(VMCS_INSTRUCTION_INFO), vmread(VMCS_EXIT_QUALIFICATION),
				  c->regs.r, vmread(VMCS_GUEST_FS_BASE), vmread(VMCS_GUEST_GS_BASE), op);
}

static void operand_fault(struct pcpu *c, u64 la, bool write, int err)
{
	u64 pa = la;

	if (err == -EPERM) {	/* a frame that is not the host's: as any access to it (EPT violation) */
		int e = l1_translate(la, write, false, &pa);
		struct frame *f = e ? NULL : frame_of(pa >> PAGE_SHIFT);

		if (f && vm_host_touch(c, pa, write ? EPT_W : EPT_R))
			return;		/* sealed: the instruction runs again */
		if (!f || f->owner == FRAME_ROOTVISOR)
			log_event(CVM_EV_DENIED, CVM_R_HOST_TOUCHES_ROOTVISOR, 0, NULL, pa, vmread(VMCS_GUEST_RIP));
		l1_inject_gp();
	} else if ((u64)((s64)(la << 16) >> 16) != la) {
		l1_inject_gp();
	} else {
		write_cr2(la);
		/* error code: present (then it is read-only) and write */
		guest_inject_exception(14, true, (l1_translate(la, false, false, &pa) ? 0 : 1) | (write ? 2 : 0));
	}
}

/* Reads the memory operand. False: an exception was injected. */
static bool read_operand(struct pcpu *c, struct vmx_operand *op, void *buf, u64 n)
{
	u64 la;
	int err;

	if (operand(c, op) < 0 || op->is_reg) {
		l1_inject_ud();
		return false;
	}
	err = l1_read(op->la, buf, n, false, &la);
	if (err < 0) {
		operand_fault(c, la, false, err);
		return false;
	}
	return true;
}

static bool vmcs_page_ok(u64 gpa)
{
	return gpa && !(gpa & ~PAGE_MASK) && frame_is_host(gpa >> PAGE_SHIFT);
}

static void do_vmxon(struct pcpu *c)
{
	struct vmx_operand op;
	u64 ptr;

	if (c->vmxon)
		return nested_vmfail(c, VMX_ERR_VMXON_IN_ROOT);
	if (!(c->cr4_shadow_vmxe))
		return l1_inject_ud();
	if (!read_operand(c, &op, &ptr, 8))
		return;
	if (!vmcs_page_ok(ptr) || *(volatile u32 *)va(ptr) != VMCS12_REVISION)
		return fail_invalid();
	c->vmxon = true;
	c->vmxon_ptr = ptr;
	succeed();
}

/* The operand of VMCLEAR and VMPTRLD. False: the instruction is done with; the errors are those of this one. */
static bool vmcs_operand(struct pcpu *c, u64 *ptr, u32 bad_address, u32 is_vmxon_page)
{
	struct vmx_operand op;

	if (!read_operand(c, &op, ptr, 8))
		return false;
	if (vmcs_page_ok(*ptr) && *ptr != c->vmxon_ptr)
		return true;
	nested_vmfail(c, vmcs_page_ok(*ptr) ? is_vmxon_page : bad_address);
	return false;
}

static void do_vmclear(struct pcpu *c)
{
	struct vcpu12 *v;
	u64 ptr;

	if (!vmcs_operand(c, &ptr, VMX_ERR_VMCLEAR_ADDR, VMX_ERR_VMCLEAR_VMXON))
		return;
	v = vcpu12_find(ptr);
	if (v && v->vmcs02.on && v->vmcs02.on != c)	/* active elsewhere: undefined on a bare CPU, refused here */
		return nested_vmfail(c, VMX_ERR_VMCLEAR_ADDR);
	if (v)
		vcpu12_clear(c, v);
	succeed();
}

static void do_vmptrld(struct pcpu *c)
{
	struct vcpu12 *v;
	u64 ptr;

	if (!vmcs_operand(c, &ptr, VMX_ERR_VMPTRLD_ADDR, VMX_ERR_VMPTRLD_VMXON))
		return;
	if (*(volatile u32 *)va(ptr) != VMCS12_REVISION)
		return nested_vmfail(c, VMX_ERR_VMPTRLD_REVISION);
	v = vcpu12_find(ptr);
	if (v && v->vmcs02.on && v->vmcs02.on != c)
		return nested_vmfail(c, VMX_ERR_VMPTRLD_ADDR);
	v = vcpu12_load(ptr);
	if (!v) {
		rv_printf("no room for another VMCS of the host (at most %u)\n", NR_VCPU12);
		return nested_vmfail(c, VMX_ERR_VMPTRLD_ADDR);
	}
	vmcs_load(c, &v->vmcs02);	/* it is this CPU's from now on */
	vmcs_load(c, &c->vmcs01);
	vmcs12_set_current(c, v);
	succeed();
}

static void do_vmxoff(struct pcpu *c)
{
	vmcs12_set_current(c, NULL);
	vcpu12_leave(c);
	vmcs_load(c, &c->vmcs01);
	c->vmxon = false;
	succeed();
	if (c->init_pending) {
		c->init_pending = false;
		l1_init(c);
	}
}

/* Writes the memory operand and ends the instruction, or injects an exception. */
static void write_operand(struct pcpu *c, const struct vmx_operand *op, u64 val)
{
	u64 la;
	int err = l1_write(op->la, &val, 8, false, &la);

	if (err < 0)
		operand_fault(c, la, true, err);
	else
		succeed();
}

static void do_vmptrst(struct pcpu *c)
{
	struct vmx_operand op;

	if (operand(c, &op) < 0 || op.is_reg)
		return l1_inject_ud();
	write_operand(c, &op, c->cur12 ? c->cur12->gpa : ~0ull);
}

static void do_vmread(struct pcpu *c)
{
	struct vcpu12 *v = c->cur12;
	struct vmx_operand op;
	u64 enc, val;
	u32 idx;

	if (!v)
		return fail_invalid();
	if (operand(c, &op) < 0)
		return l1_inject_ud();
	enc = c->regs.r[op.reg2];
	idx = field_lookup(enc);
	if (idx == FIELD_NONE)
		return nested_vmfail(c, VMX_ERR_FIELD);
	val = vmcs12_read(c, v, idx) >> (enc & 1 ? 32 : 0);
	if (!op.is_reg)
		return write_operand(c, &op, val);
	gpr_write(c, op.reg, val);
	succeed();
}

static u64 truncate(u32 encoding, u64 val)
{
	u32 width = (encoding >> 13) & 3;

	return width == 0 ? (u16)val : width == 2 ? (u32)val : val;
}

static void do_vmwrite(struct pcpu *c)
{
	struct vcpu12 *v = c->cur12;
	struct vmx_operand op;
	u64 enc, val = 0, la;
	u32 idx;

	if (!v)
		return fail_invalid();
	if (operand(c, &op) < 0)
		return l1_inject_ud();
	if (op.is_reg) {
		val = c->regs.r[op.reg];
	} else {
		int err = l1_read(op.la, &val, 8, false, &la);

		if (err < 0)
			return operand_fault(c, la, false, err);
	}
	enc = c->regs.r[op.reg2];
	idx = field_lookup(enc);
	if (idx == FIELD_NONE)
		return nested_vmfail(c, VMX_ERR_FIELD);
	if (fields[idx].class == FIELD_EXIT)
		return nested_vmfail(c, VMX_ERR_READ_ONLY);
	if (enc & 1)
		val = (vmcs12_read(c, v, idx) & 0xffffffff) | val << 32;
	vmcs12_write(c, v, idx, truncate(fields[idx].encoding, val));
	succeed();
}

static void do_invept(struct pcpu *c)
{
	struct vmx_operand op;
	u64 desc[2], type;

	if (!read_operand(c, &op, desc, 16))
		return;
	type = c->regs.r[op.reg2];
	if (type < 1 || type > 2 || (type == 1 && !ept12_pointer_valid(desc[0])))
		return nested_vmfail(c, VMX_ERR_INVEPT_OPERAND);
	shadow_invalidate(type == 1 ? desc[0] : 0);
	tlb_flush(c);			/* what this CPU holds, though another one emptied the tables before */
	succeed();
}

static void do_invvpid(struct pcpu *c)
{
	struct vmx_operand op;
	u64 desc[2], type;

	if (!read_operand(c, &op, desc, 16))
		return;
	type = c->regs.r[op.reg2];
	if (type > 3 || desc[0] >> 16 || (type != 2 && !desc[0]) ||
	    (type == 0 && (u64)((s64)(desc[1] << 16) >> 16) != desc[1]))
		return nested_vmfail(c, VMX_ERR_INVEPT_OPERAND);
	/* VPID02 differs from VPID12: flush them all, whatever the type. */
	invvpid(2, 0, 0);
	succeed();
}

void nested_l1_instruction(struct pcpu *c, u32 reason)
{
	/* KVM runs in 64-bit mode; VMX instructions in compatibility mode are #UD by the SDM, and here out of long mode, too (there the
	 * L bit says nothing): an exit goes on in 64-bit mode. */
	if (!(vmread(VMCS_GUEST_CS_AR) & AR_LONG) || !(vmread(VMCS_GUEST_EFER) & EFER_LMA) || (!c->vmxon && reason != EXIT_VMXON))
		return l1_inject_ud();
	if (vmread(VMCS_GUEST_SS_AR) & AR_DPL)
		return l1_inject_gp();
	switch (reason) {
	case EXIT_VMXON:	do_vmxon(c); break;
	case EXIT_VMXOFF:	do_vmxoff(c); break;
	case EXIT_VMCLEAR:	do_vmclear(c); break;
	case EXIT_VMPTRLD:	do_vmptrld(c); break;
	case EXIT_VMPTRST:	do_vmptrst(c); break;
	case EXIT_VMREAD:	do_vmread(c); break;
	case EXIT_VMWRITE:	do_vmwrite(c); break;
	case EXIT_VMLAUNCH:	nested_l1_enter(c, true); break;
	case EXIT_VMRESUME:	nested_l1_enter(c, false); break;
	case EXIT_INVEPT:	do_invept(c); break;
	case EXIT_INVVPID:	do_invvpid(c); break;
	default:		l1_inject_ud(); break;
	}
}
