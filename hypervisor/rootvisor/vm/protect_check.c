// SPDX-License-Identifier: LGPL-2.1-or-later
/* Is a PROTECT block well-formed? Pure; the block is RootVisor's copy. */
#include "cvm/boot.h"
#include "rv/types.h"

#define GPA_LIMIT	(1ull << 36)

static bool range_ok(u64 gpa, u64 size)
{
	return size && !(gpa & ~PAGE_MASK) && gpa < GPA_LIMIT && size <= GPA_LIMIT - gpa;
}

static bool inside_ram(const struct cvm_protect *p, u64 gpa, u64 size)
{
	for (u32 i = 0; i < p->nr_ram; i++)
		if (gpa >= p->ram[i].gpa && gpa - p->ram[i].gpa < p->ram[i].size &&
		    size <= p->ram[i].size - (gpa - p->ram[i].gpa))
			return true;
	return false;
}

int protect_check(const struct cvm_protect *p);

int protect_check(const struct cvm_protect *p)
{
	u64 end = 0;

	if (p->version != CVM_ABI_VERSION || p->more_vcpus >= CVM_MAX_CPUS || !p->nr_ram || p->nr_ram > CVM_MAX_RAM_RANGES ||
	    !p->nr_components || p->nr_components > CVM_MAX_COMPONENTS)
		return -EINVAL;
	for (u32 i = 0; i < p->nr_ram; i++) {
		if (!range_ok(p->ram[i].gpa, p->ram[i].size) || (p->ram[i].size & ~PAGE_MASK) ||
		    p->ram[i].gpa < end)
			return -EINVAL;
		end = p->ram[i].gpa + p->ram[i].size;
	}
	for (u32 i = 0; i < p->nr_components; i++) {
		const struct cvm_component *a = &p->comp[i];

		if (a->reserved || !range_ok(a->gpa, a->size) ||
		    !inside_ram(p, a->gpa, ALIGN_UP(a->size, PAGE_SIZE)) ||
		    a->kind < CVM_COMP_FIRMWARE || a->kind > CVM_COMP_CMDLINE)
			return -EINVAL;
		if (i && a->kind <= p->comp[i - 1].kind)
			return -EINVAL;
		for (u32 j = 0; j < i; j++) {
			const struct cvm_component *b = &p->comp[j];

			if (a->gpa < b->gpa + ALIGN_UP(b->size, PAGE_SIZE) &&
			    b->gpa < a->gpa + ALIGN_UP(a->size, PAGE_SIZE))
				return -EINVAL;
		}
	}
	if (p->comp[0].kind != CVM_COMP_FIRMWARE || p->comp[0].gpa != CVM_FW_GPA ||
	    p->comp[0].size > CVM_FW_MAX)
		return -EINVAL;
	return 0;
}
