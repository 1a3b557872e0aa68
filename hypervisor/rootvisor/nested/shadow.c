// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * EPT02 of ordinary guests: RootVisor's own tables, filled on demand from EPT12 with host
 * frames only. A frame remembers the shadow epoch in which a table last mapped it; when
 * such a frame is to become private, all shadows are dropped and the epoch moves on.
 */
#include "nested/nested.h"

static struct shadow shadows[NR_SHADOWS];
static u64 epoch;			/* 1 .. 0xffff, as struct frame keeps it */
static u64 entries;
static u16 *region_epoch;		/* for each 2 MiB of RAM: last mapped as a whole */

void shadow_init(void)
{
	u64 bytes = (frames_max >> 9) * 2 + 2;

	region_epoch = pool_need(ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE);
	epoch = 1;
}

static bool read_host_entry(u64 addr, u64 *e)
{
	if (!frame_is_host(addr >> PAGE_SHIFT))
		return false;
	*e = *(volatile u64 *)va(addr);
	return true;
}

enum ept12_status ept12_lookup(u64 eptp, u64 gpa, struct ept12_leaf *leaf)
{
	return ept12_walk(eptp, gpa, read_host_entry, leaf);
}

void ept_free(u64 *table, u32 level)
{
	if (level > 1)
		for (u32 i = 0; i < 512; i++)
			if ((table[i] & EPT_RWX) && !(table[i] & EPT_LARGE))
				ept_free(va(table[i] & EPT_ADDR), level - 1);
	pool_put(table);
}

/* Empties the tables of an EPTP12 (0: of all). The roots stay: another CPU may be in a guest on one. */
void shadow_invalidate(u64 eptp12)
{
	struct shadow *hit[NR_SHADOWS];
	u32 hits = 0;

	for (u32 i = 0; i < NR_SHADOWS; i++) {
		struct shadow *s = &shadows[i];

		if (!s->filled || (eptp12 && s->eptp12 != eptp12))
			continue;
		for (u32 j = 0; j < 512; j++)
			s->root[j] &= ~EPT_RWX;
		tlb_removed(TLB_L2);
		hit[hits++] = s;
	}
	if (!hits)
		return;
	tlb_shootdown();
	for (u32 i = 0; i < hits; i++) {
		RV_BUG_ON(!tlb_settled());
		for (u32 j = 0; j < 512; j++)
			if (hit[i]->root[j] & EPT_ADDR) {
				ept_free(va(hit[i]->root[j] & EPT_ADDR), 3);
				hit[i]->root[j] = 0;
			}
		hit[i]->filled = false;
	}
}

void shadow_frame_taken(u64 pfn)
{
	if (frame_of(pfn)->epoch != epoch && region_epoch[pfn >> 9] != epoch)
		return;
	shadow_invalidate(0);
	if (++epoch > 0xffff) {		/* once in 65,535 drops: forget all marks */
		for (u64 i = 0; i < frames_max; i++)
			frame_of(i)->epoch = 0;
		memset(region_epoch, 0, (frames_max >> 9) * 2 + 2);
		epoch = 1;
	}
}

/* A CPU goes on with it, without shadow_get(). */
static bool in_use(const struct shadow *s)
{
	for (u32 i = 0; i < nr_pcpus; i++)
		if (pcpus[i].in_l2 && pcpus[i].cur12->shadow == s)
			return true;
	return false;
}
_Static_assert(NR_SHADOWS > CVM_MAX_CPUS, "shadows");

struct shadow *shadow_get(u64 eptp12)
{
	struct shadow *s = NULL;

	for (u32 i = 0; i < NR_SHADOWS; i++) {
		if (shadows[i].eptp12 == eptp12) {
			shadows[i].used = ++entries;
			return &shadows[i];
		}
		if ((!s || shadows[i].used < s->used) && !in_use(&shadows[i]))
			s = &shadows[i];
	}
	if (s->eptp12)
		shadow_invalidate(s->eptp12);
	if (!s->root && !(s->root = pool_get())) {
		shadow_invalidate(0);
		s->root = pool_get();
		if (!s->root)
			return NULL;
	}
	s->eptp12 = eptp12;
	s->used = ++entries;
	return s;
}

/* The entry for gpa at `level`, with tables made on the way. NULL: pool exhausted. */
static u64 *entry_for(u64 *table, u64 gpa, u32 level)
{
	for (u32 l = 4; ; l--) {
		u64 *e = &table[(gpa >> (12 + 9 * (l - 1))) & 511];

		if (l == level)
			return e;
		if (*e & EPT_LARGE) {		/* L1 split a large page and flushed nothing */
			*e = EPT_SUPPRESS_VE;
			tlb_removed(TLB_L2);
			tlb_shootdown();
		}
		if (!(*e & EPT_RWX)) {
			void *t = pool_get();

			if (!t)
				return NULL;
			for (u32 i = 0; i < 512; i++)
				((u64 *)t)[i] = EPT_SUPPRESS_VE;
			*e = pa(t) | EPT_RWX;
		}
		table = va(*e & EPT_ADDR);
	}
}

static bool install(struct shadow *s, u64 gpa, const struct ept12_leaf *leaf)
{
	bool large = leaf->level == 2 && ept01_region_whole(leaf->base_pfn) && frame_is_host(leaf->base_pfn);
	u64 *e = entry_for(s->root, gpa, large ? 2 : 1);
	u64 attr = leaf->perms | leaf->memtype | EPT_SUPPRESS_VE;

	s->filled = true;
	if (!e)
		return false;
	if (large && (*e & EPT_RWX) && !(*e & EPT_LARGE)) {	/* a 4 KiB table stands there: keep it */
		large = false;
		e = entry_for(s->root, gpa, 1);
		if (!e)
			return false;
	}
	if (large) {
		*e = leaf->base_pfn << PAGE_SHIFT | attr | EPT_LARGE;
		region_epoch[leaf->base_pfn >> 9] = (u16)epoch;
	} else {
		*e = leaf->pfn << PAGE_SHIFT | attr;
		if (frame_of(leaf->pfn))
			frame_of(leaf->pfn)->epoch = epoch;
	}
	return true;
}

bool shadow_fault(struct pcpu *c, struct vcpu12 *v, u64 gpa, u64 *qual, bool *misconfig)
{
	struct ept12_leaf leaf;
	u64 eptp12 = F12(v, VMCS_EPTP);
	struct frame *f;
	enum ept12_status st = ept12_lookup(eptp12, gpa, &leaf);

	*misconfig = st == EPT12_MISCONFIG;
	*qual = (*qual & ~0x38ull) | leaf.perms << 3;
	if (st != EPT12_OK || (*qual & EPT_RWX & ~leaf.perms))
		return false;
	f = frame_of(leaf.pfn);
	if (f && f->owner == FRAME_PRIVATE && !vm_host_touch(c, leaf.pfn << PAGE_SHIFT, *qual))
		return false;
	if (f && f->owner == FRAME_ROOTVISOR) {
		log_event(CVM_EV_DENIED, CVM_R_HOST_MAPS_FOREIGN, 0, NULL, leaf.pfn, gpa >> PAGE_SHIFT);
		return false;
	}
	if (!v->shadow || v->shadow->eptp12 != eptp12)
		v->shadow = shadow_get(eptp12);
	if (!v->shadow || !install(v->shadow, gpa, &leaf)) {
		shadow_invalidate(0);	/* pool exhausted: begin anew */
		v->shadow = shadow_get(eptp12);
		if (!v->shadow || !install(v->shadow, gpa, &leaf))
			rv_panic("the pool is too small for one guest's shadow EPT; boot with a larger pool=");
	}
	vmcs_load(c, &v->vmcs02);
	vmwrite(VMCS_EPTP, pa(v->shadow->root) | 6 | 3 << 3);
	return true;
}
