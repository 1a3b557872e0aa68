/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A memory map as a sorted list of disjoint ranges. Pure: also compiled in user space. */
#pragma once

#include "rv/types.h"

#define MEMMAP_MAX	128u		/* the zero page of Linux holds as many */

/* Types of Multiboot2 and e820. */
enum { MEM_RAM = 1, MEM_RESERVED = 2, MEM_ACPI = 3, MEM_NVS = 4, MEM_BAD = 5 };

struct memmap_range {
	u64 start, end;			/* bytes, [start, end) */
	u32 type, reserved;
};

struct memmap {
	u32 n;
	struct memmap_range r[MEMMAP_MAX];
};

/* Sorts, drops empty ranges, makes ranges disjoint (where two overlap the more careful type wins:
 * bad, reserved, NVS, ACPI, RAM), takes unknown types as reserved, joins neighbours.
 * 0; -EINVAL: a range ends before it starts; -ENOSPC: the result has more than MEMMAP_MAX ranges. */
int memmap_normalise(struct memmap *m);

/* Makes [start, end) this type, whatever it was. m must be normalised and stays so.
 * 0; -EINVAL: empty range; -ENOSPC. */
int memmap_set(struct memmap *m, u64 start, u64 end, u32 type);

/* The highest range of RAM of `size` bytes within [min, max) at a multiple of align (a
 * power of two). 0 if there is none. */
u64 memmap_find_high(const struct memmap *m, u64 size, u64 align, u64 min, u64 max);

/* Bytes of the largest range of RAM within [min, max). */
u64 memmap_largest(const struct memmap *m, u64 min, u64 max);

/* True if [start, end) is RAM all over. */
bool memmap_is_ram(const struct memmap *m, u64 start, u64 end);
u64 memmap_ram_bytes(const struct memmap *m);
u64 memmap_ram_top(const struct memmap *m);	/* end of the highest RAM range */
