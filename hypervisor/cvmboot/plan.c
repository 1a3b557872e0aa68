/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include "key.h"
#include "layout.h"
#include "mem.h"

#define PAGE_MASK	((uint64_t)LAYOUT_PAGE - 1)

uint64_t plan_run_size(const struct bzimage *bz, uint32_t kernel_size)
{
	uint64_t file = (uint64_t)kernel_size + LAYOUT_PAGE;
	uint64_t size = bz->init_size > file ? bz->init_size : file;

	return (size + PAGE_MASK) & ~PAGE_MASK;
}

static void add(struct cvm_protect *p, uint32_t kind, uint64_t gpa, uint64_t size)
{
	struct cvm_component *c = &p->comp[p->nr_components++];

	c->kind = kind;
	c->gpa = gpa;
	c->size = size;
}

enum reason plan_make(const struct plan_input *in, struct cvm_protect *p)
{
	const struct bzimage *bz = &in->bz;
	uint32_t setup_pages = bz->setup_size & ~(LAYOUT_PAGE - 1);
	uint64_t kernel_gpa, run_end, top, initrd_gpa = 0;

	if (in->cmdline_size > bz->cmdline_max || in->cmdline_size > LAYOUT_CMDLINE_MAX)
		return R_CMDLINE_TOO_LONG;
	if (bz->pref_address < LAYOUT_1MIB + setup_pages)
		return R_BAD_HEADER;
	kernel_gpa = bz->pref_address - setup_pages;
	run_end = bz->pref_address + plan_run_size(bz, in->kernel_size);
	if (run_end > in->ram.low_top)
		return R_TOO_LITTLE_RAM;
	if (in->initrd_size) {
		top = (uint64_t)bz->initrd_addr_max + 1;
		if (top > in->ram.low_top)
			top = in->ram.low_top;
		/* Room behind the initrd for the archive with a key. */
		top = top > KEY_ARCHIVE_MAX ? top - KEY_ARCHIVE_MAX : 0;
		if (top < run_end || top - run_end < in->initrd_size)
			return R_INITRD_TOO_BIG;
		initrd_gpa = (top - in->initrd_size) & ~PAGE_MASK;
		if (initrd_gpa < run_end)
			return R_INITRD_TOO_BIG;
	}

	memset(p, 0, sizeof(*p));
	p->version = CVM_ABI_VERSION;
	p->ram[p->nr_ram++] = (struct cvm_ram_range){ 0, CVM_HOLE_GPA };
	p->ram[p->nr_ram++] = (struct cvm_ram_range){ CVM_HOLE_END, in->ram.low_top - CVM_HOLE_END };
	if (in->ram.high_top > LAYOUT_4GIB)
		p->ram[p->nr_ram++] =
			(struct cvm_ram_range){ LAYOUT_4GIB, in->ram.high_top - LAYOUT_4GIB };
	add(p, CVM_COMP_FIRMWARE, CVM_FW_GPA, in->firmware_size);
	add(p, CVM_COMP_KERNEL, kernel_gpa, (uint64_t)bz->setup_size + in->kernel_size);
	if (in->initrd_size)
		add(p, CVM_COMP_INITRD, initrd_gpa, in->initrd_size);
	if (in->cmdline_size)
		add(p, CVM_COMP_CMDLINE, LAYOUT_CMDLINE, in->cmdline_size);
	return R_OK;
}
