/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/memmap.h"

static int append(struct memmap *out, u64 start, u64 end, u32 type)
{
	struct memmap_range *last = out->n ? &out->r[out->n - 1] : NULL;

	if (start == end)
		return 0;
	if (last && last->end == start && last->type == type) {
		last->end = end;
		return 0;
	}
	if (out->n == MEMMAP_MAX)
		return -ENOSPC;
	out->r[out->n++] = (struct memmap_range) { .start = start, .end = end, .type = type };
	return 0;
}

int memmap_set(struct memmap *m, u64 start, u64 end, u32 type)
{
	struct memmap out = { 0 };
	bool done = false;
	int r = 0;

	if (end <= start)
		return -EINVAL;
	for (u32 i = 0; i < m->n && !r; i++) {
		const struct memmap_range *e = &m->r[i];

		if (e->start < start)
			r = append(&out, e->start, e->end < start ? e->end : start, e->type);
		if (!r && !done && e->end > start) {
			r = append(&out, start, end, type);
			done = true;
		}
		if (!r && e->end > end)
			r = append(&out, e->start > end ? e->start : end, e->end, e->type);
	}
	if (!r && !done)
		r = append(&out, start, end, type);
	if (!r)
		*m = out;
	return r;
}

int memmap_normalise(struct memmap *m)
{
	static const u32 careful[] = { MEM_RAM, MEM_ACPI, MEM_NVS, MEM_RESERVED, MEM_BAD };
	struct memmap out = { 0 };

	if (m->n > MEMMAP_MAX)
		return -ENOSPC;
	for (u32 t = 0; t < ARRAY_SIZE(careful); t++)
		for (u32 i = 0; i < m->n; i++) {
			const struct memmap_range *e = &m->r[i];
			u32 type = e->type >= MEM_RAM && e->type <= MEM_BAD ? e->type : MEM_RESERVED;
			int r;

			if (e->end < e->start)
				return -EINVAL;
			if (type != careful[t] || e->start == e->end)
				continue;
			r = memmap_set(&out, e->start, e->end, type);
			if (r < 0)
				return r;
		}
	*m = out;
	return 0;
}

u64 memmap_find_high(const struct memmap *m, u64 size, u64 align, u64 min, u64 max)
{
	for (u32 i = m->n; i-- > 0;) {
		u64 start = m->r[i].start > min ? m->r[i].start : min, end = m->r[i].end < max ? m->r[i].end : max, at;

		if (m->r[i].type != MEM_RAM || start >= end || end - start < size)
			continue;
		at = (end - size) & ~(align - 1);
		if (at >= start)
			return at;
	}
	return 0;
}

u64 memmap_largest(const struct memmap *m, u64 min, u64 max)
{
	u64 largest = 0;

	for (u32 i = 0; i < m->n; i++) {
		u64 start = m->r[i].start > min ? m->r[i].start : min, end = m->r[i].end < max ? m->r[i].end : max;

		if (m->r[i].type == MEM_RAM && end > start && end - start > largest)
			largest = end - start;
	}
	return largest;
}

bool memmap_is_ram(const struct memmap *m, u64 start, u64 end)
{
	for (u32 i = 0; i < m->n; i++)
		if (m->r[i].type == MEM_RAM && m->r[i].start <= start && m->r[i].end >= end)
			return start < end;
	return false;
}

u64 memmap_ram_bytes(const struct memmap *m)
{
	u64 sum = 0;

	for (u32 i = 0; i < m->n; i++)
		if (m->r[i].type == MEM_RAM)
			sum += m->r[i].end - m->r[i].start;
	return sum;
}

u64 memmap_ram_top(const struct memmap *m)
{
	u64 top = 0;

	for (u32 i = 0; i < m->n; i++)
		if (m->r[i].type == MEM_RAM)
			top = m->r[i].end;
	return top;
}
