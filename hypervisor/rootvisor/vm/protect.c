// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PROTECT: how an ordinary guest becomes a protected VM. The VMCALL is executed again and
 * again, a bounded piece of work each time, so that the host's interrupts are served:
 * take the frames of all components, measure them, commit. Until the commit the vCPU is
 * an ordinary one and nothing in it is trusted.
 */
#include "vm/vm.h"

#define TAKE_ROUND	256u		/* frames */
#define MEASURE_ROUND	(4 * CVM_MEASURE_CHUNK)	/* what the Guardian hashes at once */

enum { PHASE_TAKE, PHASE_MEASURE, PHASE_LAUNCH };

static bool flat_unpaged_ring0(void)
{
	u64 cr0 = vmread(VMCS_GUEST_CR0);

	return (cr0 & CR0_PE) && !(cr0 & CR0_PG) && !(vmread(VMCS_GUEST_CR4) & CR4_PCIDE) &&
	       !(vmread(VMCS_GUEST_EFER) & EFER_LMA) && !((vmread(VMCS_GUEST_SS_AR) >> 5) & 3) &&
	       !(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_VM);
}

static void refuse(struct pcpu *c, int err)
{
	log_refused(CVM_R_BAD_PROTECT, (u32)c->regs.r[R_RAX], err);
	pv_answer(c, err);
}

/* The block is copied once; what the guest or host change afterwards does not count. */
static int begin(struct pcpu *c, struct vcpu12 *v)
{
	u64 gpa = (u32)c->regs.r[R_RBX];
	struct ept12_leaf leaf;
	struct cvm_protect p;
	struct vm *vm;
	u32 cpu7[4];
	int err;

	cpuid(7, 0, cpu7);
	if (!flat_unpaged_ring0())
		return -EACCES;
	if ((u32)c->regs.r[R_RCX] != sizeof(p))
		return -EINVAL;
	if ((gpa & 7) || (gpa & ~PAGE_MASK) + sizeof(p) > PAGE_SIZE ||
	    ept12_lookup(F12(v, VMCS_EPTP), gpa, &leaf) != EPT12_OK || !frame_is_host(leaf.pfn))
		return -EFAULT;
	memcpy(&p, va(leaf.pfn << PAGE_SHIFT | (gpa & ~PAGE_MASK)), sizeof(p));
	err = protect_check(&p);
	if (err)
		return err;
	vm = vm_alloc(&p);
	if (!vm)
		return -ENOSPC;
	err = guardian_create(c, &vm->guardian, vm);
	if (err) {
		vm_stop(vm, CVM_R_NO_MEMORY, 0, 0);
		vm_free_tables(vm);
		vm->state = CVM_VM_FREE;
		return -ENOSPC;
	}
	v->launching = vm;
	vm->guardian.mb->init = (struct cvm_g_init){
		.vm_id = vm->id,
		.nr_ram = p.nr_ram, .more_vcpus = p.more_vcpus, .cpu7_ebx = cpu7[1],
		.max_gfn = (p.ram[p.nr_ram - 1].gpa + p.ram[p.nr_ram - 1].size - 1) >> PAGE_SHIFT,
	};
	memcpy(vm->guardian.mb->init.ram, p.ram, sizeof(p.ram));
	return guardian_call(c, &vm->guardian, CVM_G_INIT, NULL, NULL);
}

/* Asks L1 for the page at gpa, as for any guest's write. The VMCALL comes again. */
static int ask_host(struct pcpu *c, struct vcpu12 *v, u64 gpa)
{
	struct ept12_leaf leaf;

	ept12_lookup(F12(v, VMCS_EPTP), gpa, &leaf);
	nested_copy_exit_info(v, EXIT_EPT_VIOLATION);
	F12(v, VMCS_EXIT_INTR_INFO) = 0;
	F12(v, VMCS_IDT_VECTORING_INFO) = 0;
	nested_reflect_ept(c, v, gpa & PAGE_MASK, EPT_W | leaf.perms << 3 | BIT(7) | BIT(8), false);
	return 0;
}

static int take_round(struct pcpu *c, struct vcpu12 *v, struct vm *vm)
{
	for (u32 n = 0; n < TAKE_ROUND; n++) {
		const struct cvm_component *k = &vm->params.comp[vm->comp];
		u64 gpa = k->gpa + vm->offset;
		int err = vm_bring_page(c, vm, F12(v, VMCS_EPTP), gpa >> PAGE_SHIFT,
				    (ALIGN_UP(k->size, PAGE_SIZE) - vm->offset) >> PAGE_SHIFT);

		if (err == -EAGAIN)
			return ask_host(c, v, gpa);
		if (err)
			return err;
		vm->offset += PAGE_SIZE;
		if (vm->offset < k->size)
			continue;
		if (k->size & ~PAGE_MASK)
			memset((u8 *)vm_page(vm, gpa >> PAGE_SHIFT) + (k->size & ~PAGE_MASK), 0, PAGE_SIZE - (k->size & ~PAGE_MASK));
		vm->offset = 0;
		if (++vm->comp == vm->params.nr_components) {
			vm->comp = 0;
			vm->phase = PHASE_MEASURE;
			return 0;
		}
	}
	return 0;
}

static int measure_round(struct pcpu *c, struct vcpu12 *v, struct vm *vm)
{
	const struct cvm_component *k = &vm->params.comp[vm->comp];
	u64 left = k->size - vm->offset;
	u64 n = left < MEASURE_ROUND ? left : MEASURE_ROUND;
	u64 need = 0;		/* a Guardian may ask for nothing and fail */
	int err;

	vm->guardian.mb->measure = (struct cvm_g_measure){
		.index = vm->comp, .kind = k->kind, .gpa = k->gpa + vm->offset, .size = n,
		.total = k->size, .first = vm->offset == 0, .last = n == left,
	};
	err = guardian_call(c, &vm->guardian, CVM_G_MEASURE, v, &need);
	if (err == -EAGAIN)
		return ask_host(c, v, need << PAGE_SHIFT);
	if (err)
		return err;
	vm->offset += n;
	if (n == left) {
		vm->offset = 0;
		if (++vm->comp == vm->params.nr_components)
			vm->phase = PHASE_LAUNCH;
	}
	return 0;
}

static int launch(struct pcpu *c, struct vcpu12 *v, struct vm *vm)
{
	int err = guardian_call(c, &vm->guardian, CVM_G_LAUNCH, NULL, NULL);

	if (err)
		return err;
	memcpy(vm->launch_digest, vm->guardian.mb->launch.digest, CVM_DIGEST_SIZE);
	err = pv_create(c, v, vm);
	if (err)
		return err;
	v->launching = NULL;
	v->vm = vm;
	vm->vcpus = vm->enrolled = 1;
	vm->eptp12 = F12(v, VMCS_EPTP);
	vm->state = CVM_VM_RUNNING;
	log_event(CVM_EV_VM_PROTECTED, CVM_R_NONE, vm->id, vm->params.uuid, vm->frames, 0);
	return 0;
}

/* VMCS02 of v is current; RIP is at the VMCALL. */
static void protect(struct pcpu *c, struct vcpu12 *v)
{
	struct vm *vm;
	int err = 0;

	if (!v->launching) {
		err = begin(c, v);
		if (err) {
			if (v->launching)
				vm_stop(v->launching, CVM_R_GUARDIAN_FAULT, (u64)-err, 0);
			return refuse(c, err);
		}
	}
	vm = v->launching;
	if (vm->state == CVM_VM_LAUNCHING) {
		if (vm->phase == PHASE_TAKE)
			err = take_round(c, v, vm);
		else if (vm->phase == PHASE_MEASURE)
			err = measure_round(c, v, vm);
		else
			err = launch(c, v, vm);
	}
	if (vm->state != CVM_VM_LAUNCHING && vm->state != CVM_VM_RUNNING)
		err = -EPERM;
	if (err) {
		vm_stop(vm, CVM_R_BAD_PROTECT, (u64)-err, vm->phase);
		refuse(c, err);
	}
}

/* Whoever asks gets the canonical entry state and nothing else: a vCPU of the host's making is as good as any. */
static void enrol(struct pcpu *c, struct vcpu12 *v)
{
	u32 number = (u32)c->regs.r[R_RBX];
	struct vm *vm = NULL;

	for (u32 i = 1; i <= CVM_MAX_VMS; i++)
		if (vms[i].state == CVM_VM_RUNNING && vms[i].eptp12 == F12(v, VMCS_EPTP))
			vm = &vms[i];
	if (!vm)
		return pv_answer(c, -EAGAIN);
	if (!flat_unpaged_ring0())
		return refuse(c, -EACCES);
	if (v->launching || !number || number > vm->params.more_vcpus || vm->enrolled >> number & 1 || pv_create(c, v, vm) < 0)
		return refuse(c, -EPERM);
	v->pv->number = number;
	c->regs.r[R_RAX] = number;
	v->vm = vm;
	vm->vcpus++;
	vm->enrolled |= 1u << number;
}

/* What remains of a VM whose launch was given up. */
void vm_vcpu_gone(struct pcpu *c, struct vcpu12 *v)
{
	struct vm *vm = v->vm ? v->vm : v->launching;

	vm_stop(vm, CVM_R_RESET, v->gpa, 0);
	pv_free(v);
	v->vm = NULL;
	v->launching = NULL;
}

bool guest_call(struct pcpu *c, struct vcpu12 *v)
{
	u32 nr = (u32)c->regs.r[R_RAX];

	if ((nr & CVM_CALL_MAGIC_MASK) != CVM_CALL_MAGIC || ((vmread(VMCS_GUEST_SS_AR) >> 5) & 3))
		return false;
	switch (nr & ~CVM_CALL_MAGIC_MASK) {
	case CVM_GUEST_VERSION:	pv_answer(c, CVM_ABI_VERSION); break;
	case CVM_GUEST_PROTECT:	protect(c, v); break;
	case CVM_GUEST_ENROL:	enrol(c, v); break;
	case CVM_GUEST_LAUNCH_INFO ... CVM_GUEST_KEY_GET:
				pv_answer(c, -EPERM); break;
	default:		pv_answer(c, -ENOSYS); break;
	}
	return true;
}
