/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of a VM: made here, never leaving. */
#include "guardian.h"

int guardian_init(struct guardian *g, const struct cvm_g_init *in)
{
	uint32_t vm_id = in->vm_id;
	uint64_t max_gfn = in->max_gfn;
	uint8_t key[32];
	struct rng rng;
	int err;

	if (!vm_id || in->reserved || max_gfn >= g->win->guest_size / PAGE_SIZE)
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
	g->vm_id = vm_id;
	g->max_gfn = max_gfn;
	g->role = ROLE_VM;
out:
	wipe(&rng, sizeof(rng));
	return err;
}
