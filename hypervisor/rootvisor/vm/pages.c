// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The life of a private page. A frame is taken from the host when the guest needs its gfn
 * (EPT12 says only which frame the host offers), and goes back sealed when the host touches
 * it. Each change: decide, remove the old mapping, flush, then hand over.
 */
#include "vm/vm.h"

struct vm vms[CVM_MAX_VMS + 1];
static u32 last_id;

/* Left to the others: a guest must not be able to claim what ordinary guests' shadow EPTs live on. */
#define POOL_RESERVE	1024u

/* Pages that a VM of that shape takes from the pool, at most. */
static u64 pool_demand(const struct cvm_protect *p)
{
	u64 n = CVM_G_IMAGE_MAX / PAGE_SIZE + 64;

	for (u32 i = 0; i < p->nr_ram; i++) {
		u64 gfns = p->ram[i].size >> PAGE_SHIFT;

		/* Guardian's records and their tables, EPT02, bitmap of sealed pages */
		n += gfns / 128 + gfns / (128 * 512) + gfns / 512 + gfns / (512 * 512) + gfns / 32768 + 12;
	}
	return n;
}

/* All of it now: nothing runs out while the VM lives. */
static bool make_tables(struct vm *vm)
{
	vm->ept02 = pool_get();
	vm->sealed = pool_get();
	/* the Guardian's window shares the first table: it must exist from the start */
	if (!vm->ept02 || !vm->sealed || !ept_entry(vm->ept02, 0, true))
		return false;
	for (u32 i = 0; i < vm->params.nr_ram; i++) {
		u64 gfn = vm->params.ram[i].gpa >> PAGE_SHIFT, end = gfn + (vm->params.ram[i].size >> PAGE_SHIFT);

		for (; gfn < end; gfn = (gfn | 511) + 1) {
			u8 **bits = &vm->sealed[gfn >> 15];

			if (!ept_entry(vm->ept02, gfn << PAGE_SHIFT, true) || (!*bits && !(*bits = pool_get())))
				return false;
		}
	}
	return true;
}

void vm_free_tables(struct vm *vm)
{
	if (vm->ept02)
		ept_free(vm->ept02, 4);
	if (!vm->sealed)
		return;
	for (u32 i = 0; i < SEALED_PAGES; i++)
		if (vm->sealed[i])
			pool_put(vm->sealed[i]);
	pool_put(vm->sealed);
}

struct vm *vm_alloc(const struct cvm_protect *p)
{
	if (pool_free_pages() < pool_demand(p) + POOL_RESERVE)
		return NULL;
	for (u32 i = 1; i <= CVM_MAX_VMS; i++) {
		struct vm *vm = &vms[i];

		if (vm->state != CVM_VM_FREE)
			continue;
		memset(vm, 0, sizeof(*vm));
		vm->slot = i;
		vm->id = ++last_id;
		vm->params = *p;
		if (!make_tables(vm)) {
			vm_free_tables(vm);
			return NULL;
		}
		vm->state = CVM_VM_LAUNCHING;
		return vm;
	}
	return NULL;
}

struct vm *vm_by_id(u32 id)
{
	for (u32 i = 1; i <= CVM_MAX_VMS; i++)
		if (vms[i].state != CVM_VM_FREE && vms[i].id == id)
			return &vms[i];
	return NULL;
}

void vm_stop(struct vm *vm, u32 reason, u64 arg0, u64 arg1)
{
	if (vm->state != CVM_VM_RUNNING && vm->state != CVM_VM_LAUNCHING)
		return;
	vm->state = CVM_VM_STOPPED;
	vm->reason = reason;
	vm->stop_arg[0] = arg0;
	vm->stop_arg[1] = arg1;
	log_event(CVM_EV_VM_STOPPED, reason, vm->id, vm->params.uuid, arg0, arg1);
}

bool vm_gfn_is_ram(const struct vm *vm, u64 gfn)
{
	for (u32 i = 0; i < vm->params.nr_ram; i++) {
		u64 first = vm->params.ram[i].gpa >> PAGE_SHIFT;

		if (gfn >= first && gfn - first < vm->params.ram[i].size >> PAGE_SHIFT)
			return true;
	}
	return false;
}

/* ---- sealed bitmap ---- */

static bool sealed_test(const struct vm *vm, u64 gfn)
{
	const u8 *page = vm->sealed[gfn >> 15];

	return page && page[(gfn & 0x7fff) >> 3] & (1 << (gfn & 7));
}

/* make_tables() made the page for every gfn of the VM's RAM. */
static void sealed_set(struct vm *vm, u64 gfn, bool on)
{
	u8 *byte = &vm->sealed[gfn >> 15][(gfn & 0x7fff) >> 3], bit = (u8)(1 << (gfn & 7));

	*byte = on ? *byte | bit : *byte & (u8)~bit;
}

/* ---- ownership ---- */

/* What is taken with one shoot-down: a page, and neighbours that EPT12 offers with it. */
static struct { u64 gfn, pfn; } batch[512];
static u32 in_batch;

/* First step. False: not the host's, or in the batch already. */
static bool take_begin(u64 pfn, u64 gfn)
{
	if (!frame_is_host(pfn) || !*ept01_leaf(pfn))
		return false;
	shadow_frame_taken(pfn);
	own_take_begin(frame_of(pfn), ept01_leaf(pfn));
	tlb_removed(TLB_L1);
	batch[in_batch].gfn = gfn;
	batch[in_batch++].pfn = pfn;
	return true;
}

/* Second: out of the host's reach on every CPU. */
static void take_end(struct vm *vm)
{
	tlb_shootdown();
	RV_BUG_ON(!tlb_settled());
	for (u32 i = 0; i < in_batch; i++)
		own_take_end(frame_of(batch[i].pfn), (u8)vm->slot, (u32)batch[i].gfn);
	vm->frames += in_batch;
	vm->stats.taken += in_batch;
	frame_counts.priv += in_batch;
}

/* The frame's content must already be fit for the host. */
static void return_frame(struct vm *vm, u64 pfn)
{
	own_return_end(frame_of(pfn), ept01_leaf(pfn), ept01_leaf_of(pfn));
	vm->frames--;
	vm->stats.returned++;
	frame_counts.priv--;
}

/* Those of [gfn, end), a part of 2 MiB, that are offered, not yet there and not sealed. leaf: of one of these 2 MiB. */
static void take_neighbours(struct vm *vm, u64 eptp12, struct ept12_leaf leaf, u64 gfn, u64 end)
{
	bool large = leaf.level == 2;
	u64 *e = ept_entry(vm->ept02, gfn << PAGE_SHIFT, false);

	for (; gfn < end; gfn++, e++)
		if (vm_gfn_is_ram(vm, gfn) && !sealed_test(vm, gfn) && !(*e & EPT_RWX) &&
		    (large || (ept12_lookup(eptp12, gfn << PAGE_SHIFT, &leaf) == EPT12_OK && leaf.perms & EPT_W)))
			take_begin(large ? leaf.base_pfn + (gfn & 511) : leaf.pfn, gfn);
}

int vm_bring_page(struct pcpu *c, struct vm *vm, u64 eptp12, u64 gfn, u64 keep)
{
	struct ept12_leaf leaf;
	enum ept12_status st;
	u64 *e = ept_entry(vm->ept02, gfn << PAGE_SHIFT, false);
	u64 end = (gfn | 511) + 1;
	int err;

	RV_BUG_ON(!e);			/* make_tables() */
	if (*e & EPT_RWX)
		return 0;
	st = ept12_lookup(eptp12, gfn << PAGE_SHIFT, &leaf);
	if (st == EPT12_BAD_TABLE || st == EPT12_BAD_POINTER) {
		vm_stop(vm, CVM_R_BAD_EPT12, gfn, st);
		return -EPERM;
	}
	if (st != EPT12_OK || !(leaf.perms & EPT_W))
		return -EAGAIN;
	in_batch = 0;
	if (!take_begin(leaf.pfn, gfn)) {
		vm_stop(vm, CVM_R_HOST_MAPS_FOREIGN, gfn, leaf.pfn);
		return -EPERM;
	}
	if (keep)
		take_neighbours(vm, eptp12, leaf, gfn + 1, gfn + keep < end ? gfn + keep : end);
	else if (leaf.level == 2 && !sealed_test(vm, gfn))
		take_neighbours(vm, eptp12, leaf, gfn & ~511ull, end);
	take_end(vm);
	if (sealed_test(vm, gfn)) {
		guardian_slot(c, &vm->guardian, leaf.pfn);
		vm->guardian.mb->page = (struct cvm_g_page){ .gfn = gfn, .slot = c->id };
		err = guardian_call(c, &vm->guardian, CVM_G_UNSEAL, NULL, NULL);
		guardian_slot(c, &vm->guardian, 0);
		if (err) {
			clear_page(va(leaf.pfn << PAGE_SHIFT));
			return_frame(vm, leaf.pfn);
			vm_stop(vm, err == -EBADMSG ? CVM_R_INTEGRITY : CVM_R_GUARDIAN_FAULT, gfn, leaf.pfn);
			return -EPERM;
		}
		sealed_set(vm, gfn, false);
		vm->stats.unsealed++;
		keep = 1;
	}
	for (u32 i = 0; i < in_batch; i++) {
		if (!keep)
			clear_page(va(batch[i].pfn << PAGE_SHIFT));
		RV_BUG_ON(!own_map(frame_of(batch[i].pfn), (u8)vm->slot, (u32)batch[i].gfn,
				   ept_entry(vm->ept02, batch[i].gfn << PAGE_SHIFT, false),
				   batch[i].pfn << PAGE_SHIFT | EPT_RWX | EPT_MT_WB | EPT_IPAT));
	}
	return 0;
}

void *vm_page(struct vm *vm, u64 gfn)
{
	u64 *e = vm_gfn_is_ram(vm, gfn) ? ept_entry(vm->ept02, gfn << PAGE_SHIFT, false) : NULL;

	return e && (*e & EPT_RWX) ? va(*e & EPT_ADDR) : NULL;
}

bool vm_host_touch(struct pcpu *c, u64 gpa, u64 qualification)
{
	u64 pfn = gpa >> PAGE_SHIFT;
	struct frame *f = frame_of(pfn);
	bool sealed = false;
	struct vm *vm;
	u64 gfn, *e;

	if (!f || f->owner != FRAME_PRIVATE)
		return f && f->owner == FRAME_HOST;
	vm = &vms[f->vm];
	gfn = f->gfn;
	e = ept_entry(vm->ept02, gfn << PAGE_SHIFT, false);
	if (e && (*e & EPT_ADDR) >> PAGE_SHIFT == pfn)
		*e = 0;
	tlb_removed(TLB_L2);
	tlb_shootdown();
	RV_BUG_ON(!tlb_settled());
	if (vm->state == CVM_VM_RUNNING || vm->state == CVM_VM_LAUNCHING) {
		guardian_slot(c, &vm->guardian, pfn);
		vm->guardian.mb->page = (struct cvm_g_page){ .gfn = gfn, .slot = c->id };
		sealed_set(vm, gfn, true);
		if (guardian_call(c, &vm->guardian, CVM_G_SEAL, NULL, NULL))
			vm_stop(vm, CVM_R_GUARDIAN_FAULT, gfn, 0);
		else
			sealed = true;
		guardian_slot(c, &vm->guardian, 0);
	}
	vm->stats.sealed += sealed;
	if (!sealed)
		clear_page(va(pfn << PAGE_SHIFT));
	return_frame(vm, pfn);
	return true;
}

#define DESTROY_ROUND	32768u		/* frames looked at in one call */

u64 vm_destroy(struct pcpu *c, struct vm *vm)
{
	vm_stop(vm, CVM_R_DESTROYED, 0, 0);
	if (vm->state == CVM_VM_STOPPED) {
		for (u32 i = 0; i < nr_pcpus; i++)
			if (pcpus[i].in_l2 && pcpus[i].cur12->vm == vm) {
				cpu_kick(&pcpus[i]);	/* it finds the VM stopped */
				return vm->frames + 1;
			}
		vcpu12_orphan(c, vm);	/* from here no VMCS leads to it */
		vm->state = CVM_VM_DYING;
		vm->destroy_cursor = 0;
		tlb_removed(TLB_L2);
		tlb_shootdown();
	}
	RV_BUG_ON(!tlb_settled());
	for (u32 n = 0; n < DESTROY_ROUND && vm->destroy_cursor < frames_max; n++, vm->destroy_cursor++) {
		struct frame *f = frame_of(vm->destroy_cursor);

		if (f->owner != FRAME_PRIVATE || f->vm != vm->slot)
			continue;
		clear_page(va(vm->destroy_cursor << PAGE_SHIFT));
		return_frame(vm, vm->destroy_cursor);
	}
	if (vm->destroy_cursor < frames_max)
		return vm->frames ? vm->frames : 1;
	RV_BUG_ON(vm->frames);
	guardian_destroy(c, &vm->guardian);
	vm_free_tables(vm);
	log_event(CVM_EV_VM_RELEASED, vm->reason, vm->id, vm->params.uuid, vm->stats.taken, vm->stats.returned);
	vm->state = CVM_VM_FREE;
	return 0;
}
