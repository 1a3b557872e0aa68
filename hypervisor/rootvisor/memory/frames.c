/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One frame, one owner, one guest frame number. */
#include "memory/memory.h"
#include "rv/boot.h"
#include "rv/print.h"

u64 frames_max;
struct frame_counts frame_counts;
struct frame *frames;

void frames_init(void)
{
	const struct boot_range *r = rv_boot.ram, *end = r + rv_boot.nr_ram;

	frames_max = (end[-1].start + end[-1].size) >> PAGE_SHIFT;
	frames = pool_need(ALIGN_UP(frames_max * sizeof(struct frame), PAGE_SIZE) >> PAGE_SHIFT);
	for (u64 i = 0; i < frames_max; i++)
		frames[i].owner = FRAME_NOT_RAM;
	for (; r < end; r++)
		for (u64 p = ALIGN_UP(r->start, PAGE_SIZE) >> PAGE_SHIFT; p < (r->start + r->size) >> PAGE_SHIFT; p++) {
			frames[p].owner = FRAME_HOST;
			frame_counts.ram++;
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
