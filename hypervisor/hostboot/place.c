/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostboot/place.h"

u64 memmap_find_low(const struct memmap *m, u64 size, u64 align, u64 min, u64 max)
{
	for (u32 i = 0; i < m->n; i++) {
		u64 start = m->r[i].start > min ? m->r[i].start : min, end = m->r[i].end < max ? m->r[i].end : max, at;

		if (m->r[i].type != MEM_RAM || start >= end)
			continue;
		at = ALIGN_UP(start, align);
		if (at >= start && at <= end && end - at >= size)
			return at;
	}
	return 0;
}
