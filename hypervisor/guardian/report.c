/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Guardian's part of a VM report, and the runtime registers in it. */
#include <string.h>

#include "guardian.h"

int guardian_report(struct guardian *g, struct cvm_report *r)
{
	if (!g->launched)
		return -EPERM;
	if (r->requester > 1)
		return -EINVAL;
	r->magic = CVM_REPORT_MAGIC;
	r->version = CVM_REPORT_VERSION;
	r->size = sizeof(*r);
	memcpy(r->launch_digest, g->launch_digest, sizeof(r->launch_digest));
	memcpy(r->rtmr, g->rtmr, sizeof(r->rtmr));
	r->nr_measured = g->nr_measured;
	r->kex_alg = CVM_KEX_P256;
	memcpy(r->measured, g->measured, sizeof(r->measured));
	memset(r->kex_public, 0, sizeof(r->kex_public));
	memcpy(r->kex_public, g->key.point, sizeof(g->key.point));
	memset(r->report_key_id, 0, sizeof(r->report_key_id));
	memset(r->signature, 0, sizeof(r->signature));
	key_expect(g, r);
	return 0;
}

int guardian_extend(struct guardian *g, const struct cvm_rtmr_extend *in)
{
	uint32_t i = in->index;
	uint8_t both[2 * CVM_DIGEST_SIZE];

	if (!g->launched)
		return -EPERM;
	if (i >= CVM_RTMRS || in->reserved)
		return -EINVAL;
	memcpy(both, g->rtmr[i], CVM_DIGEST_SIZE);
	memcpy(both + CVM_DIGEST_SIZE, in->digest, CVM_DIGEST_SIZE);
	sha384(both, sizeof(both), g->rtmr[i]);
	return 0;
}
