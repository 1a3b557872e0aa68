/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The security log as the Quoter keeps it: a hash chain over RootVisor's events, and its signed heads (cvm/report.h). */
#include <string.h>

#include "guardian.h"

static void step(struct guardian *g, const struct cvm_event *e)
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, g->chain, sizeof(g->chain));
	br_sha256_update(&c, e, sizeof(*e));
	br_sha256_out(&c, g->chain);
	g->log_seq = e->seq;
	g->log_counts[e->type < CVM_EV_MAX ? e->type : 0]++;
}

void quoter_log_init(struct guardian *g)
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, CVM_LOG_PREFIX, sizeof(CVM_LOG_PREFIX));
	br_sha256_update(&c, g->key_id, sizeof(g->key_id));
	br_sha256_update(&c, g->rootvisor_digest, sizeof(g->rootvisor_digest));
	br_sha256_update(&c, g->guardian_digest, sizeof(g->guardian_digest));
	br_sha256_out(&c, g->chain);
}

static int sign(const struct guardian *g, struct cvm_log_head *mailbox)
{
	struct cvm_log_head h = {
		.magic = CVM_HEAD_MAGIC, .version = CVM_HEAD_VERSION, .size = sizeof(h),
		.seq = g->log_seq, .tsc = mailbox->tsc, .tsc_khz = mailbox->tsc_khz };
	int err;

	memcpy(h.counts, g->log_counts, sizeof(h.counts));
	memcpy(h.chain, g->chain, sizeof(h.chain));
	memcpy(h.rootvisor_digest, g->rootvisor_digest, sizeof(h.rootvisor_digest));
	memcpy(h.guardian_digest, g->guardian_digest, sizeof(h.guardian_digest));
	memcpy(h.user_data, mailbox->user_data, sizeof(h.user_data));
	memcpy(h.report_key_id, g->key_id, sizeof(h.report_key_id));
	err = ec_key_sign(&g->key, &h, CVM_HEAD_SIGNED, h.signature);
	if (!err)
		*mailbox = h;
	return err;
}

int quoter_log(struct guardian *g, struct cvm_g_log *l)
{
	uint32_t count = l->count;

	if (count > CVM_LOG_BATCH || l->sign > 1)
		return -EINVAL;
	/* All or none: what RootVisor takes for chained and what is must not part. */
	for (uint32_t i = 0; i < count; i++)
		if (l->ev[i].seq != g->log_seq + 1 + i)
			return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(l->before[i], g->chain, CVM_CHAIN_SIZE);
		step(g, &l->ev[i]);
	}
	return l->sign ? sign(g, &l->head) : 0;
}
