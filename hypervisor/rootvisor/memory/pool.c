/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RootVisor's own pages: a bitmap over one range that boot carved out of RAM. Invariant: a free
 * page is all zero, so nothing that a page held outlives pool_put(). */
#include "memory/memory.h"
#include "rv/rv.h"

static u64 base, pages, free_pages, hint, mark;
static u64 *used;			/* one bit a page */

static bool is_used(u64 i) { return used[i / 64] >> (i % 64) & 1; }
static void set_used(u64 i) { used[i / 64] |= BIT(i % 64); }

void pool_init(u64 start, u64 end)
{
	u64 map_pages = ALIGN_UP((end - start) / PAGE_SIZE, PAGE_SIZE * 8) / (PAGE_SIZE * 8);

	for (u64 p = start; p < end; p += PAGE_SIZE)
		clear_page(va(p));
	used = va(start);
	base = start + map_pages * PAGE_SIZE;
	pages = free_pages = (end - base) / PAGE_SIZE;
}

void *pool_get(void)
{
	for (u64 n = 0; n < pages; n++) {
		u64 i = hint + n < pages ? hint + n : hint + n - pages;

		if (is_used(i))
			continue;
		set_used(i);
		hint = i + 1 < pages ? i + 1 : 0;
		free_pages--;
		return va(base + i * PAGE_SIZE);
	}
	return NULL;
}

void pool_put(void *page)
{
	u64 i = (pa(page) - base) / PAGE_SIZE;

	RV_BUG_ON(pa(page) < base || pa(page) & ~PAGE_MASK || i >= pages || !is_used(i));
	clear_page(page);
	used[i / 64] &= ~BIT(i % 64);
	if (i < hint)
		hint = i;
	free_pages++;
}

static void *get_contig(u64 n)
{
	u64 run = 0;

	for (u64 i = pages; i-- > 0;) {	/* from the top, away from single pages */
		run = is_used(i) ? 0 : run + 1;
		if (run < n)
			continue;
		for (u64 j = i; j < i + n; j++)
			set_used(j);
		free_pages -= n;
		return va(base + i * PAGE_SIZE);
	}
	return NULL;
}

void *pool_need(u64 n)
{
	void *p = n == 1 ? pool_get() : get_contig(n);

	if (!p)
		rv_panic("the pool is too small: raise pool=");
	return p;
}

void pool_mark(void)
{
	mark = hint;
}

void pool_wipe(void)
{
	for (u64 i = mark; i < pages; i++)
		clear_page(va(base + i * PAGE_SIZE));
}

u64 pool_free_pages(void)
{
	return free_pages;
}
