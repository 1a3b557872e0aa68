/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot/memmap.h"

static u32 rank(u32 type)
{
	switch (type) {
	case MEM_RAM:
		return 1;
	case MEM_ACPI:
		return 2;
	case MEM_NVS:
		return 3;
	case MEM_BAD:
		return 5;
	default:
		return 4;
	}
}

static u32 known(u32 type)
{
	return type >= MEM_RAM && type <= MEM_BAD ? type : MEM_RESERVED;
}

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

static void sort(u64 *v, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u64 x = v[i];
		u32 j = i;

		for (; j && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

int memmap_normalise(struct memmap *m)
{
	struct memmap out = { 0 };
	u64 cut[2 * MEMMAP_MAX];
	u32 n = 0;
	int r;

	if (m->n > MEMMAP_MAX)
		return -ENOSPC;
	for (u32 i = 0; i < m->n; i++) {
		if (m->r[i].end < m->r[i].start)
			return -EINVAL;
		cut[n++] = m->r[i].start;
		cut[n++] = m->r[i].end;
	}
	sort(cut, n);
	for (u32 i = 0; i + 1 < n; i++) {
		u32 type = 0;

		if (cut[i] == cut[i + 1])
			continue;
		for (u32 j = 0; j < m->n; j++)
			if (m->r[j].start <= cut[i] && m->r[j].end >= cut[i + 1] &&
			    (!type || rank(m->r[j].type) > rank(type)))
				type = known(m->r[j].type);
		if (!type)
			continue;
		r = append(&out, cut[i], cut[i + 1], type);
		if (r < 0)
			return r;
	}
	*m = out;
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

/* The part of r in [min, max); false if empty or not RAM. */
static bool clip(const struct memmap_range *r, u64 min, u64 max, u64 *start, u64 *end)
{
	*start = r->start > min ? r->start : min;
	*end = r->end < max ? r->end : max;
	return r->type == MEM_RAM && *start < *end;
}

u64 memmap_find_low(const struct memmap *m, u64 size, u64 align, u64 min, u64 max)
{
	for (u32 i = 0; i < m->n; i++) {
		u64 start, end, at;

		if (!clip(&m->r[i], min, max, &start, &end))
			continue;
		at = ALIGN_UP(start, align);
		if (at >= start && at <= end && end - at >= size)
			return at;
	}
	return 0;
}

u64 memmap_find_high(const struct memmap *m, u64 size, u64 align, u64 min, u64 max)
{
	for (u32 i = m->n; i-- > 0;) {
		u64 start, end, at;

		if (!clip(&m->r[i], min, max, &start, &end) || end - start < size)
			continue;
		at = (end - size) & ~(align - 1);
		if (at >= start)
			return at;
	}
	return 0;
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
