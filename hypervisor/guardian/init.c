/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of a VM: made here, never leaving. */
#include "guardian.h"

/* Ascending, disjoint, whole pages, inside the guest window. */
static bool ram_is_good(const struct guardian *g, const struct cvm_g_init *in)
{
	uint64_t end = 0;

	if (in->nr_ram > CVM_MAX_RAM_RANGES)
		return false;
	for (uint32_t i = 0; i < in->nr_ram; i++) {
		const struct cvm_ram_range *r = &in->ram[i];

		if (r->gpa % PAGE_SIZE || r->size % PAGE_SIZE || !r->size || r->gpa < end)
			return false;
		if (r->gpa >= g->win->guest_size || r->size > g->win->guest_size - r->gpa)
			return false;
		end = r->gpa + r->size;
	}
	return true;
}

int guardian_init(struct guardian *g, const struct cvm_g_init *mailbox)
{
	const struct cvm_g_init in = *mailbox;
	uint8_t key[32];
	struct rng rng;
	int err;

	if (!in.vm_id || in.more_vcpus >= CVM_MAX_CPUS || in.max_gfn >= g->win->guest_size / PAGE_SIZE || !ram_is_good(g, &in))
		return -EINVAL;
	err = rng_init(&rng);
	if (err)
		return err;
	err = ec_key_generate(&g->key, &rng);
	if (err)
		goto out;
	rng_bytes(&rng, key, sizeof(key));
	page_key_init(&g->page_key, key);
	wipe(key, sizeof(key));
	sha384_cpu = in.cpu7_ebx;
	g->vm_id = in.vm_id;
	g->max_gfn = in.max_gfn;
	g->nr_ram = in.nr_ram;
	g->more_vcpus = in.more_vcpus;
	for (uint32_t i = 0; i < in.nr_ram; i++)
		g->ram[i] = in.ram[i];
	g->role = ROLE_VM;
out:
	wipe(&rng, sizeof(rng));
	return err;
}
