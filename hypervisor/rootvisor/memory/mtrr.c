/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory/mtrr.h"

#define DEF_ENABLE	BIT(11)
#define DEF_FIXED	BIT(10)
#define MASK_VALID	BIT(11)

static u8 fixed_type(const struct mtrr *m, u64 addr)
{
	u64 reg, byte;

	if (addr < 0x80000) {
		reg = 0;
		byte = addr / 0x10000;
	} else if (addr < 0xc0000) {
		reg = 1 + (addr - 0x80000) / 0x20000;
		byte = (addr - 0x80000) % 0x20000 / 0x4000;
	} else {
		reg = 3 + (addr - 0xc0000) / 0x8000;
		byte = (addr - 0xc0000) % 0x8000 / 0x1000;
	}
	return (u8)(m->fixed[reg] >> (8 * byte));
}

/* SDM vol. 3, 12.11.4.1: precedence where variable ranges overlap. */
static u8 combine(u8 a, u8 b)
{
	if (a == b)
		return a;
	if ((a == MT_WT && b == MT_WB) || (a == MT_WB && b == MT_WT))
		return MT_WT;
	return MT_UC;
}

u8 mtrr_range_type(const struct mtrr *m, u64 addr, u64 size)
{
	u64 phys_mask = BIT(m->phys_bits) - 1;
	bool hit = false;
	u8 type = 0;

	if (!(m->def_type & DEF_ENABLE))
		return MT_UC;
	for (u32 i = 0; i < m->variable && i < MTRR_VARIABLE_MAX; i++) {
		u64 mask = m->var[i].mask & phys_mask & PAGE_MASK, base = m->var[i].base & mask;
		u64 coarse = mask & ~(size - 1);

		if (!(m->var[i].mask & MASK_VALID) || (addr & coarse) != (base & coarse))
			continue;
		if (mask & (size - 1))
			return MT_UC;	/* covers a part of it */
		type = hit ? combine(type, (u8)m->var[i].base) : (u8)m->var[i].base;
		hit = true;
	}
	return hit ? type : (u8)m->def_type;
}

u8 mtrr_type(const struct mtrr *m, u64 addr)
{
	if (addr < 0x100000 && (m->def_type & DEF_ENABLE) && (m->def_type & DEF_FIXED))
		return fixed_type(m, addr);
	return mtrr_range_type(m, addr & PAGE_MASK, PAGE_SIZE);
}
