// SPDX-License-Identifier: LGPL-2.1-or-later
/* The table of VMCS12s, by address of L1's page. A slot is taken at VMPTRLD and given back
 * at VMCLEAR, with its content in L1's page meanwhile; the slot of a protected vCPU stays. */
#include "vm/vm.h"

/* L1's VMCS page as RootVisor writes it: opaque to L1, untrusted when read again. */
struct page12 {
	u32 revision;
	u32 abort;
	u64 nonce;		/* of the slot that it has or had; 0 in a page that L1 initialised */
	u64 f[NR_FIELDS];
};
_Static_assert(sizeof(struct page12) <= PAGE_SIZE, "page12");

static struct vcpu12 slots[NR_VCPU12];
static u64 nonces;

struct vcpu12 *vcpu12_find(u64 gpa)
{
	for (u32 i = 0; i < NR_VCPU12; i++)
		if (slots[i].gpa == gpa)
			return &slots[i];
	return NULL;
}

u16 vcpu12_vpid(const struct vcpu12 *v)
{
	return (u16)(VPID_L1 + 1 + (v - slots));
}

static struct vcpu12 *take(u64 gpa)
{
	struct vcpu12 *v = vcpu12_find(0);

	if (!v)
		return NULL;
	memset(v, 0, sizeof(*v));
	if (pool_free_pages() < 3)
		return NULL;
	v->msr_bitmap02 = memset(pool_get(), 0xff, PAGE_SIZE);
	vmcs_alloc(&v->vmcs02);
	vmcs_alloc(&v->shadow_vmcs);
	*(u32 *)va(v->shadow_vmcs.pa) |= (u32)BIT(31);	/* shadow-VMCS indicator */
	v->gpa = gpa;
	v->nonce = ++nonces;
	return v;
}

void vcpu12_free(struct pcpu *c, struct vcpu12 *v)
{
	if (c->cur12 == v)
		vmcs12_set_current(c, NULL);
	vmcs_clear(c, &v->vmcs02);
	pool_put(va(v->vmcs02.pa));
	pool_put(va(v->shadow_vmcs.pa));
	pool_put(v->msr_bitmap02);
	v->gpa = 0;
}

struct vcpu12 *vcpu12_load(u64 gpa)
{
	struct page12 *p = va(gpa);
	struct pcpu *c = this_pcpu();
	struct vcpu12 *v = vcpu12_find(gpa);

	if (v && ((!v->vm && !v->launching) || p->nonce == v->nonce))
		return v;
	if (v) {			/* L1 made a new VMCS in the page of a protected vCPU */
		vm_vcpu_gone(c, v);
		vcpu12_free(c, v);
	}
	v = take(gpa);
	if (!v)
		return NULL;
	for (u32 i = 0; i < NR_FIELDS; i++)
		F12(v, fields[i].encoding) = p->f[i];
	p->nonce = v->nonce;		/* L1 may load others and come back without VMCLEAR */
	v->stale = STALE_ALL;
	vmcs12_move_guest(c, v, false);
	return v;
}

void vcpu12_clear(struct pcpu *c, struct vcpu12 *v)
{
	struct page12 *p = va(v->gpa);

	if (c->cur12 == v)
		vmcs12_set_current(c, NULL);
	if (!v->vm)
		vmcs12_move_guest(c, v, true);
	if (frame_is_host(v->gpa >> PAGE_SHIFT)) {	/* it was at VMPTRLD; it may be private now */
		for (u32 i = 0; i < NR_FIELDS; i++)
			p->f[i] = F12(v, fields[i].encoding);
		p->nonce = v->nonce;
	}
	v->launched12 = false;
	if (v->vm == &vms[0])
		pv_free(v);
	if ((!v->vm || v->vm == &vms[0]) && !v->launching)
		return vcpu12_free(c, v);
	vmcs_clear(c, &v->vmcs02);	/* L1 may load it on another CPU next */
}

void vcpu12_leave(struct pcpu *c)
{
	for (u32 i = 0; i < NR_VCPU12; i++)
		if (slots[i].gpa && slots[i].vmcs02.on == c)
			vmcs_clear(c, &slots[i].vmcs02);
}

void vcpu12_orphan(struct pcpu *c, struct vm *vm)
{
	for (u32 i = 0; i < NR_VCPU12; i++) {
		struct vcpu12 *v = &slots[i];

		if (v->launching == vm) {
			v->launching = NULL;
			if (!v->vmcs02.on)	/* L1 cleared it before: nobody else gives it back */
				vcpu12_free(c, v);
		}
		if (v->vm != vm)
			continue;
		v->vm = &vms[0];
		if (v->vmcs02.on && v->vmcs02.on != c)
			continue;	/* L1 clears it where it is active */
		pv_free(v);
		vcpu12_free(c, v);
	}
}
