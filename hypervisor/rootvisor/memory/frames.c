/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One frame, one owner, one guest frame number. */
#include "memory/memory.h"
#include "rv/print.h"

u64 frames_max;
struct frame_counts frame_counts;
static struct frame *frames;

struct frame *frame_of(u64 pfn)
{
	return pfn < frames_max ? &frames[pfn] : NULL;
}

void frames_init(const struct memmap *m)
{
	frames_max = memmap_ram_top(m) >> PAGE_SHIFT;
	frames = pool_need(ALIGN_UP(frames_max * sizeof(struct frame), PAGE_SIZE) >> PAGE_SHIFT);
	for (u64 i = 0; i < frames_max; i++)
		frames[i].owner = FRAME_NOT_RAM;
	for (u32 i = 0; i < m->n; i++) {
		if (m->r[i].type != MEM_RAM)
			continue;
		for (u64 p = ALIGN_UP(m->r[i].start, PAGE_SIZE) >> PAGE_SHIFT; p < m->r[i].end >> PAGE_SHIFT; p++) {
			frames[p].owner = FRAME_HOST;
			frame_counts.ram++;
		}
	}
}

void frames_take(u64 start, u64 end)
{
	for (u64 p = start >> PAGE_SHIFT; p < end >> PAGE_SHIFT; p++) {
		RV_BUG_ON(!frame_is_host(p));
		frames[p].owner = FRAME_ROOTVISOR;
		frame_counts.rootvisor++;
	}
}
