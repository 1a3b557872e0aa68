/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EPT01: the host's identity map. Up to the top of RAM (and 4 GiB at least) it is three flat arrays:
 * one PD entry for each 2 MiB region, one PT entry for each frame. A region's PD entry is
 * either a 2 MiB leaf or points at its 512 PT entries, which always exist. Above that, 1 GiB
 * leaves.
 */
#include "memory/memory.h"
#include "rv/rv.h"

#define GIB			0x40000000ull
#define REGION			0x200000ull
#define PHYS_BITS_MAX		46u	/* MMIO above 64 TiB would need more tables than it is worth */

static u64 *pml4, *pd, *pt;
static u64 gibs;			/* covered by pd[] */

/* RAM is write-back whatever the MTRRs say: RootVisor and VMs map it so, and aliases must agree. */
u64 ept01_leaf_of(u64 pfn)
{
	struct frame *f = frame_of(pfn);
	u8 type = f && f->owner != FRAME_NOT_RAM ? MT_WB : mtrr_type(&rv_boot.mtrr, pfn << PAGE_SHIFT);

	return pfn << PAGE_SHIFT | (u64)type << EPT_MT_SHIFT | EPT_RWX;
}

static bool in_ept01(u64 pfn)
{
	struct frame *f = frame_of(pfn);

	return !f || f->owner == FRAME_HOST || f->owner == FRAME_NOT_RAM;
}

/* Does a variable MTRR have a border inside a 2 MiB region? */
static bool mtrrs_are_fine(const struct mtrr *mtrr)
{
	for (u32 i = 0; i < mtrr->variable; i++)
		if (mtrr->var[i].mask & BIT(11) && mtrr->var[i].mask & (REGION - 1) & PAGE_MASK)
			return true;
	return false;
}

/* A 2 MiB leaf, if all its frames are mapped with one type; else down to the PT. Where no RAM is, one look
 * at the MTRRs serves the whole region: a machine has far more such regions than RAM. */
static void init_region(u64 region, bool fine)
{
	const struct mtrr *mtrr = &rv_boot.mtrr;
	u64 first = region * 512, *e = &pt[first];
	bool uniform = true;

	if (region && first >= frames_max && !fine) {
		pd[region] = region * REGION | EPT_LARGE | EPT_RWX |
			     (u64)mtrr_range_type(mtrr, region * REGION, REGION) << EPT_MT_SHIFT;
		return;
	}
	for (u64 i = 0; i < 512; i++) {
		e[i] = in_ept01(first + i) ? ept01_leaf_of(first + i) : 0;
		if (!e[i] || (e[i] ^ e[0]) & ~EPT_ADDR)
			uniform = false;
	}
	pd[region] = uniform ? e[0] | EPT_LARGE : pa(e) | EPT_RWX;
}

void ept01_init(void)
{
	const struct mtrr *mtrr = &rv_boot.mtrr;
	u64 top = frames_max << PAGE_SHIFT, total, *pdpt;
	bool fine;

	fine = mtrrs_are_fine(mtrr);
	gibs = top > 4 * GIB ? ALIGN_UP(top, GIB) / GIB : 4;
	total = BIT(mtrr->phys_bits < PHYS_BITS_MAX ? mtrr->phys_bits : PHYS_BITS_MAX) / GIB;
	if (total < gibs)
		total = gibs;
	pml4 = pool_need(1);
	pdpt = pool_need(ALIGN_UP(total, 512) / 512);
	pd = pool_need(gibs);
	pt = pool_need(gibs * 512);
	for (u64 region = 0; region < gibs * 512; region++)
		init_region(region, fine);
	for (u64 g = 0; g < total; g++) {
		if (g < gibs)
			pdpt[g] = pa(&pd[g * 512]) | EPT_RWX;
		else
			pdpt[g] = g * GIB | (u64)mtrr_range_type(mtrr, g * GIB, GIB) << EPT_MT_SHIFT | EPT_LARGE | EPT_RWX;
		if (g % 512 == 0)
			pml4[g / 512] = pa(&pdpt[g]) | EPT_RWX;
	}
}

u64 ept01_pointer(void)
{
	return pa(pml4) | 3 << 3 | 6;	/* 4 levels, write-back */
}

u64 *ept01_leaf(u64 pfn)
{
	u64 region = pfn / 512;

	RV_BUG_ON(pfn >= gibs * 512 * 512);
	if (pd[region] & EPT_LARGE) {
		/* PT entries went stale while the leaf was large: only its address and type are known */
		for (u64 i = 0; i < 512; i++)
			pt[region * 512 + i] = (pd[region] & ~EPT_LARGE) + i * PAGE_SIZE;
		/* behind the PT's entries: other CPUs walk these tables */
		__atomic_store_n(&pd[region], pa(&pt[region * 512]) | EPT_RWX, __ATOMIC_RELEASE);
	}
	return &pt[pfn];
}

bool ept01_region_whole(u64 pfn)
{
	u64 region = pfn / 512;

	if (region >= gibs * 512)
		return true;
	if (pd[region] & EPT_LARGE)
		return true;
	for (u64 i = 0; i < 512; i++)
		if (!pt[region * 512 + i])
			return false;
	return true;
}
