/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Quoter's work on the TPM: what is told about this start before the host runs (cvm/tpm.h). */
#include "guardian.h"
#include "tpm/measure.h"

/* All of it; RootVisor takes an upcall for lost after 20 s. */
#define ANCHOR_MS	16000u

static uint32_t length(const char *s, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

static int extend(struct guardian *g, struct cvm_g_quoter *q, struct tpm_vault *vault, int *vault_error)
{
	struct tpm_facts f = {
		.rootvisor_version = q->rootvisor_version, .rootvisor_svn = q->rootvisor_svn,
		.guardian_svn = q->guardian_svn, .config = q->cmdline,
		.config_size = length(q->cmdline, sizeof(q->cmdline)), .vault = vault, .vault_error = vault_error };
	struct tpm_hw hw;
	struct tpm tpm;
	int err;

	if (!q->tsc_khz || !g->win->tpm_hw)
		return -ENODEV;
	memcpy(f.rootvisor_digest, g->rootvisor_digest, sizeof(f.rootvisor_digest));
	memcpy(f.guardian_digest, g->guardian_digest, sizeof(f.guardian_digest));
	memcpy(f.key_id, g->key_id, sizeof(f.key_id));
	g->win->tpm_hw(&hw, g->win->tpm, q->tsc_khz);
	err = tpm_find(&tpm, &hw, tpm_wants_serial(q->cmdline, f.config_size), ANCHOR_MS);
	if (err < 0)
		return err;
	err = tpm_measure(&tpm, &f, q->log, sizeof(q->log), &q->log_size);
	q->tpm_transport = tpm.transport;
	q->tpm_code = tpm.code;
	return err;
}

void quoter_anchor(struct guardian *g, struct cvm_g_quoter *q)
{
	struct tpm_vault v = { .epoch = 0 };
	struct rng rng;
	int vault_error = rng_init(&rng);

	q->tpm_transport = q->tpm_code = q->log_size = 0;
	q->counter_epoch = q->counter_error = q->counter_code = q->counter_new = 0;
	if (!vault_error) {
		rng_bytes(&rng, v.fresh_secret, sizeof(v.fresh_secret));
		while (!v.fresh_epoch)
			rng_bytes(&rng, &v.fresh_epoch, sizeof(v.fresh_epoch));
	}
	wipe(&rng, sizeof(rng));
	q->tpm_error = (uint32_t)-extend(g, q, vault_error ? NULL : &v, &vault_error);
	/* No anchor, no counter: nothing would say which TPM it is. */
	if (q->tpm_error || vault_error || !v.epoch) {
		q->counter_error = q->tpm_error ? q->tpm_error : (uint32_t)-vault_error;
		q->counter_code = v.code;
	} else {
		g->counters.epoch = q->counter_epoch = v.epoch;
		q->counter_new = v.created;
		memcpy(g->counters.secret, v.secret, sizeof(v.secret));
		memcpy(g->counters.root, v.root, sizeof(v.root));
	}
	wipe(&v, sizeof(v));
}
