// SPDX-License-Identifier: LGPL-2.1-or-later
#include "nested/ept12.h"
#include "rv/vmcs.h"

#define MAXPHYADDR_MASK	(BIT(46) - 1)

bool ept12_pointer_valid(u64 eptp)
{
	return (eptp & 7) == 6 && ((eptp >> 3) & 7) == 3 && !(eptp & 0xfc0) && !(eptp & ~MAXPHYADDR_MASK);
}

/* Reserved combinations that L1 gets as a misconfiguration. */
static bool misconfigured(u64 e, u32 level, bool leaf)
{
	u64 p = e & EPT_RWX;
	u64 mt = (e >> EPT_MT_SHIFT) & 7;

	if (p == EPT_W || p == (EPT_W | EPT_X) || p == EPT_X)
		return true;			/* execute-only is not offered */
	if (e & EPT_ADDR & ~MAXPHYADDR_MASK)
		return true;
	if (!leaf)
		return (e & 0xf8) != 0;
	if (mt == 2 || mt == 3 || mt == 7)
		return true;
	return level == 2 && (e & 0x1ff000);
}

enum ept12_status ept12_walk(u64 eptp, u64 gpa, ept12_read_fn read, struct ept12_leaf *leaf)
{
	u64 table = eptp & EPT_ADDR;
	u64 e;

	leaf->perms = 0;
	if (!ept12_pointer_valid(eptp) || gpa >> 48)
		return EPT12_BAD_POINTER;
	u64 perms = EPT_RWX;

	for (u32 level = 4; level >= 1; level--) {
		u64 index = (gpa >> (12 + 9 * (level - 1))) & 511;
		bool is_leaf;

		if (!read(table + index * 8, &e))
			return EPT12_BAD_TABLE;
		if (!(e & EPT_RWX))
			return EPT12_NOT_PRESENT;
		is_leaf = level == 1 || (level == 2 && (e & EPT_LARGE));
		if (misconfigured(e, level, is_leaf))
			return EPT12_MISCONFIG;
		perms &= e;
		if (is_leaf) {
			leaf->perms = perms;
			leaf->memtype = e & (7ull << EPT_MT_SHIFT | EPT_IPAT);
			leaf->level = level;
			leaf->base_pfn = (e & EPT_ADDR) >> PAGE_SHIFT;
			leaf->pfn = leaf->base_pfn + (level == 2 ? (gpa >> 12 & 511) : 0);
			return EPT12_OK;
		}
		table = e & EPT_ADDR;
	}
	return EPT12_MISCONFIG;
}
