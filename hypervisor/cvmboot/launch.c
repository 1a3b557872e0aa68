/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cvm/layout.h"
#include "launch.h"

#include <stdbool.h>

#include "layout.h"
#include "plan.h"

#define PAGE_MASK	((uint64_t)LAYOUT_PAGE - 1)

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static uint64_t pages(uint64_t size)
{
	return (size + PAGE_MASK) & ~PAGE_MASK;
}

static enum reason check_ram(const struct cvm_launch_table *t, struct launch *l)
{
	const struct cvm_ram_range *r = t->ram;

	if (t->nr_ram < 2 || t->nr_ram > 3)
		return R_BAD_LAUNCH_TABLE;
	if (r[0].gpa != 0 || r[0].size != CVM_HOLE_GPA)
		return R_BAD_LAUNCH_TABLE;
	if (r[1].gpa != CVM_HOLE_END || r[1].size & PAGE_MASK || r[1].size <= LAYOUT_1MIB - CVM_HOLE_END ||
	    r[1].size > LAYOUT_LOW_TOP_MAX - CVM_HOLE_END)
		return R_BAD_LAUNCH_TABLE;
	l->low_top = CVM_HOLE_END + r[1].size;
	l->high_top = LAYOUT_4GIB;
	if (t->nr_ram == 2)
		return R_OK;
	if (r[2].gpa != LAYOUT_4GIB || r[2].size & PAGE_MASK || r[2].size == 0 ||
	    r[2].size > LAYOUT_HIGH_TOP_MAX - LAYOUT_4GIB)
		return R_BAD_LAUNCH_TABLE;
	l->high_top = LAYOUT_4GIB + r[2].size;
	return R_OK;
}

/* Every component but the firmware stays out of what stage 2 uses itself. */
static enum reason check_place(const struct cvm_component *c, const struct launch *l)
{
	uint64_t low = c->kind == CVM_COMP_CMDLINE ? LAYOUT_CMDLINE : LAYOUT_1MIB;
	uint64_t top = c->kind == CVM_COMP_CMDLINE ? LAYOUT_CMDLINE + LAYOUT_PAGE : l->low_top;

	if (c->gpa & PAGE_MASK || c->gpa < low || c->gpa >= top || c->size == 0 ||
	    c->size > top - c->gpa)
		return R_BAD_LAUNCH_TABLE;
	return R_OK;
}

enum reason launch_check(const struct cvm_launch_table *t, struct launch *l)
{
	const struct cvm_component *c = t->comp;
	enum reason r;

	if (t->version != CVM_ABI_VERSION || t->vcpus < 1)
		return R_BAD_LAUNCH_TABLE;
	*l = (struct launch){ .vcpus = t->vcpus };
	r = check_ram(t, l);
	if (r)
		return r;
	if (t->nr_components < 2 || t->nr_components > CVM_MAX_COMPONENTS)
		return R_BAD_LAUNCH_TABLE;
	if (c[0].kind != CVM_COMP_FIRMWARE || c[0].gpa != CVM_FW_GPA || c[0].size & PAGE_MASK ||
	    c[0].size == 0 || c[0].size > CVM_FW_MAX)
		return R_BAD_LAUNCH_TABLE;
	for (uint32_t i = 1; i < t->nr_components; i++) {
		if (c[i].kind <= c[i - 1].kind || check_place(&c[i], l))
			return R_BAD_LAUNCH_TABLE;
		for (uint32_t j = 1; j < i; j++)
			if (overlap(c[i].gpa, pages(c[i].size), c[j].gpa, pages(c[j].size)))
				return R_BAD_LAUNCH_TABLE;
		switch (c[i].kind) {
		case CVM_COMP_KERNEL:
			l->kernel_gpa = (uint32_t)c[i].gpa;
			l->kernel_size = (uint32_t)c[i].size;
			break;
		case CVM_COMP_INITRD:
			l->initrd_gpa = (uint32_t)c[i].gpa;
			l->initrd_size = (uint32_t)c[i].size;
			break;
		case CVM_COMP_CMDLINE:
			if (c[i].size > LAYOUT_CMDLINE_MAX)
				return R_BAD_LAUNCH_TABLE;
			l->cmdline_gpa = (uint32_t)c[i].gpa;
			l->cmdline_size = (uint32_t)c[i].size;
			break;
		default:
			return R_BAD_LAUNCH_TABLE;
		}
	}
	if (l->kernel_size <= BZIMAGE_HEAD)
		return R_BAD_LAUNCH_TABLE;
	return R_OK;
}

enum reason launch_check_kernel(const struct launch *l, const struct bzimage *bz)
{
	uint64_t pm = (uint64_t)l->kernel_gpa + bz->setup_size;
	uint64_t run_size = plan_run_size(bz, l->kernel_size - bz->setup_size);

	if (bz->pref_address < LAYOUT_1MIB || pm < bz->pref_address ||
	    pm - bz->pref_address >= LAYOUT_PAGE)
		return R_BAD_LAUNCH_TABLE;
	if (run_size > l->low_top || bz->pref_address > l->low_top - run_size)
		return R_BAD_LAUNCH_TABLE;
	if (l->initrd_size &&
	    overlap(bz->pref_address, run_size, l->initrd_gpa, pages(l->initrd_size)))
		return R_BAD_LAUNCH_TABLE;
	return R_OK;
}
