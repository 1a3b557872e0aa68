// SPDX-License-Identifier: LGPL-2.1-or-later
/* VMCALLs of a protected guest (cvm/abi.h). */
#include "vm/vm.h"

#define KVM_ENOSYS	1000	/* what a KVM guest expects of an unknown call */

/* The argument block, in private RAM. 0 with *p; -EAGAIN: page not there yet, *gfn says which. */
static int block(struct pcpu *c, struct vcpu12 *v, u64 size, void **p, u64 *gfn)
{
	u64 gpa = (u32)c->regs.r[R_RBX];
	int err;

	if (c->regs.r[R_RCX] != size)
		return -EINVAL;
	*gfn = gpa >> PAGE_SHIFT;
	if ((gpa & 7) || (gpa & ~PAGE_MASK) + size > PAGE_SIZE || !vm_gfn_is_ram(v->vm, *gfn))
		return -EFAULT;
	err = vm_bring_page(c, v->vm, F12(v, VMCS_EPTP), *gfn, 0);
	if (err)
		return err;
	*p = (u8 *)vm_page(v->vm, *gfn) + (gpa & ~PAGE_MASK);
	return 0;
}

static int launch_info(struct pcpu *c, struct vcpu12 *v, u64 *gfn)
{
	const struct cvm_protect *p = &v->vm->params;
	struct cvm_launch_table t = { .version = CVM_ABI_VERSION, .vcpus = p->more_vcpus + 1, .nr_ram = p->nr_ram,
				      .nr_components = p->nr_components, .tsc_khz = rv_boot.tsc_khz };
	void *b;
	int err = block(c, v, sizeof(t), &b, gfn);

	if (err)
		return err;
	memcpy(t.ram, p->ram, sizeof(t.ram));
	memcpy(t.comp, p->comp, sizeof(t.comp));
	memcpy(b, &t, sizeof(t));
	return 0;
}

static int report(struct pcpu *c, struct vcpu12 *v, u64 *gfn)
{
	void *b;
	int err = block(c, v, sizeof(struct cvm_report_call), &b, gfn);

	return err ? err : vm_report(c, v->vm, v, 1, b, (u8 *)b + offsetof(struct cvm_report_call, report), gfn);
}

/* A call that the Guardian answers in the block. */
static int serve(struct pcpu *c, struct vcpu12 *v, u32 op, u64 size, u64 *gfn)
{
	void *b;
	int err = block(c, v, size, &b, gfn);

	return err ? err : guardian_serve(c, &v->vm->guardian, op, b, size);
}

void pv_guest_call(struct pcpu *c, struct vcpu12 *v)
{
	u32 nr = (u32)c->regs.r[R_RAX];
	u64 gfn = 0;
	int err;

	if ((vmread(VMCS_GUEST_SS_AR) >> 5) & 3)
		return guest_inject_exception(6, false, 0);
	if ((nr & CVM_CALL_MAGIC_MASK) != CVM_CALL_MAGIC)
		return pv_answer(c, -KVM_ENOSYS);
	switch (nr & ~CVM_CALL_MAGIC_MASK) {
	case CVM_GUEST_VERSION:		err = CVM_ABI_VERSION; break;
	case CVM_GUEST_PROTECT:
	case CVM_GUEST_ENROL:		err = -EPERM; break;
	case CVM_GUEST_LAUNCH_INFO:	err = launch_info(c, v, &gfn); break;
	case CVM_GUEST_REPORT:		err = report(c, v, &gfn); break;
	case CVM_GUEST_RTMR_EXTEND:	err = serve(c, v, CVM_G_EXTEND, sizeof(struct cvm_rtmr_extend), &gfn); break;
	case CVM_GUEST_KEY_GET:
		err = serve(c, v, CVM_G_KEY_GET, sizeof(struct cvm_key), &gfn);
		if (!err)
			log_event(CVM_EV_KEY, 0, v->vm->id, v->vm->params.uuid, 1, 0);
		break;
	case CVM_GUEST_STOP:
		vm_stop(v->vm, CVM_R_GUEST_STOP, c->regs.r[R_RCX], 0);
		err = 0;
		break;
	default:			err = -ENOSYS; break;
	}
	if (v->vm->state != CVM_VM_RUNNING) {
		pv_switch_out(c, v->pv);
		pv_reflect_stopped(c, v);
	} else if (err == -EAGAIN) {
		pv_reflect_page(c, v, gfn);	/* and the VMCALL runs again */
	} else {
		pv_answer(c, err);
	}
}
