/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory types by the MTRRs, SDM vol. 3, 12.11. The look-up is pure. */
#pragma once

#include "rv/types.h"

#define MTRR_VARIABLE_MAX	32u
enum { MT_UC = 0, MT_WC = 1, MT_WT = 4, MT_WP = 5, MT_WB = 6 };

struct mtrr {
	u64 def_type;			/* IA32_MTRR_DEF_TYPE */
	u64 fixed[11];			/* 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 .. 4K_F8000 */
	u32 variable;			/* count */
	u32 phys_bits;
	struct { u64 base, mask; } var[MTRR_VARIABLE_MAX];
};

/* Type of the 4 KiB page at this physical address. */
u8 mtrr_type(const struct mtrr *m, u64 addr);
/* Type of [addr, addr + size), size a power of two and addr a multiple of it; UC if it is not
 * uniform by the variable ranges. Not for addresses below 1 MiB. */
u8 mtrr_range_type(const struct mtrr *m, u64 addr, u64 size);
