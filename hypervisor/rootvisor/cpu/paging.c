/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu/cpu.h"
#include "cpu/stacks.h"
#include "rv/rv.h"
#include "trace.h"

#define P	BIT(0)
#define W	BIT(1)
#define LARGE	BIT(7)
#define NX	BIT(63)
#define GIB	0x40000000ull
#define MIB2	0x200000ull

extern u8 image_start[], image_text[], image_text_end[], image_rodata_end[], image_end[];

/* The leaf of one 4 KiB page of the image or beside it; 0 for a guard page, and for the start stage, which lies in front. */
static u64 image_page(u64 at)
{
	if (at < (u64)image_start || at >= (u64)image_end)
		return at | P | W | NX;
	if (at >= (u64)cpu_stacks && at < (u64)(cpu_stacks + CVM_MAX_CPUS) &&
	    (at - (u64)cpu_stacks) % sizeof(cpu_stacks[0]) < PAGE_SIZE)
		return 0;
	if (at < (u64)image_text)
		return 0;
	if (at < (u64)image_text_end)
		return at | P;
	return at < (u64)image_rodata_end ? at | P | NX : at | P | W | NX;
}

/* The GiB that holds the image: 2 MiB pages, where the image is 4 KiB pages. */
static u64 *image_gib(u64 base)
{
	u64 *pd = pool_need(1);

	for (u64 i = 0; i < 512; i++) {
		u64 at = base + i * MIB2, *pt;

		if (at + MIB2 <= (u64)image_start || at >= (u64)image_end) {
			pd[i] = at | P | W | NX | LARGE;
			continue;
		}
		pt = pool_need(1);
		for (u64 j = 0; j < 512; j++)
			pt[j] = image_page(at + j * PAGE_SIZE);
		pd[i] = pa(pt) | P | W;
	}
	return pd;
}

void paging_init(void)
{
	const struct boot_range *last = &rv_boot.ram[rv_boot.nr_ram - 1];
	u64 *pml4 = pool_need(1), *pdpt = NULL;
	u64 top = last->start + last->size > 4 * GIB ? last->start + last->size : 4 * GIB;

	for (u64 at = 0; at < top; at += GIB) {
		u64 i = at / GIB;

		if (i % 512 == 0) {
			pdpt = pool_need(1);
			pml4[i / 512] = pa(pdpt) | P | W;
		}
		if (at == ((u64)image_start & ~(GIB - 1)))
			pdpt[i % 512] = pa(image_gib(at)) | P | W;
		else
			pdpt[i % 512] = at | P | W | NX | LARGE;
	}
	write_cr3(pa(pml4));
	trace_paging();
}
