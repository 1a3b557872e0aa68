/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Quoter: measures who runs this host's protection, holds the report key, and signs
 * what RootVisor hands it, if it is a whole report about that very RootVisor.
 */
#include <string.h>

#include "guardian.h"

#define ROOTVISOR_MAX	(CVM_G_PRISTINE - CVM_G_ROOTVISOR)

int quoter_init(struct guardian *g, struct cvm_g_quoter *q)
{
	uint64_t rootvisor = q->rootvisor_size, guardian = q->guardian_size;
	struct rng rng;
	int err;

	if (!rootvisor || rootvisor > ROOTVISOR_MAX || !guardian || guardian > CVM_G_IMAGE_MAX)
		return -EINVAL;
	err = rng_init(&rng);
	if (err)
		return err;
	err = ec_key_generate(&g->key, &rng);
	rng_bytes(&rng, q->secret, sizeof(q->secret));
	wipe(&rng, sizeof(rng));
	if (err)
		return err;
	sha384(g->win->rootvisor, rootvisor, g->rootvisor_digest);
	sha384(g->win->pristine, guardian, g->guardian_digest);
	sha256(g->key.point, sizeof(g->key.point), g->key_id);
	quoter_log_init(g);
	g->role = ROLE_QUOTER;

	memcpy(q->rootvisor_digest, g->rootvisor_digest, sizeof(q->rootvisor_digest));
	memcpy(q->guardian_digest, g->guardian_digest, sizeof(q->guardian_digest));
	memset(q->key, 0, sizeof(q->key));
	memcpy(q->key, g->key.point, sizeof(g->key.point));
	quoter_anchor(g, q);
	return 0;
}

static bool all_zero(const void *buf, size_t size)
{
	const uint8_t *p = buf;

	while (size--)
		if (*p++)
			return false;
	return true;
}

/* Is this what a Guardian and this RootVisor make? */
static bool whole(const struct guardian *g, const struct cvm_report *r)
{
	uint8_t digest[CVM_DIGEST_SIZE];
	uint32_t n = r->nr_measured;

	if (r->magic != CVM_REPORT_MAGIC || r->version != CVM_REPORT_VERSION || r->size != sizeof(*r))
		return false;
	if (r->requester > 1 || !r->vm_id)
		return false;
	/* Counters of this Quoter, and none it never counted to. */
	if (!r->rollback_epoch != !r->rollback || (r->rollback && r->rollback_epoch != g->counters.epoch))
		return false;
	if (!n || n > CVM_MAX_COMPONENTS)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (r->measured[i].reserved || !r->measured[i].size)
			return false;
	if (!all_zero(&r->measured[n], (CVM_MAX_COMPONENTS - n) * sizeof(r->measured[0])))
		return false;
	launch_digest(r->measured, n, digest);
	if (memcmp(r->launch_digest, digest, CVM_DIGEST_SIZE))
		return false;
	return r->kex_alg == CVM_KEX_P256 && r->kex_public[0] == 4 &&
	       all_zero(r->kex_public + EC_POINT_SIZE, sizeof(r->kex_public) - EC_POINT_SIZE);
}

int quoter_sign(const struct guardian *g, struct cvm_report *mailbox)
{
	struct cvm_report r = *mailbox;
	int err;

	if (!whole(g, &r))
		return -EINVAL;
	memcpy(r.report_key_id, g->key_id, sizeof(r.report_key_id));
	memcpy(r.rootvisor_digest, g->rootvisor_digest, sizeof(r.rootvisor_digest));
	memcpy(r.guardian_digest, g->guardian_digest, sizeof(r.guardian_digest));
	err = ec_key_sign(&g->key, &r, CVM_REPORT_SIGNED, r.signature);
	if (err)
		return err;
	*mailbox = r;
	return 0;
}
