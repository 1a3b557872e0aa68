/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Quoter's work on the TPM: what is told about this start before the host runs (cvm/tpm.h). */
#include "guardian.h"
#include "tpm/measure.h"

/* All of it; RootVisor takes an upcall for lost after 20 s. */
#define ANCHOR_MS	12000u

static uint32_t length(const char *s, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

static int extend(const struct guardian *g, struct cvm_g_quoter *q)
{
	struct tpm_facts f = {
		.rootvisor_version = q->rootvisor_version, .rootvisor_svn = q->rootvisor_svn,
		.guardian_svn = q->guardian_svn, .config = q->cmdline,
		.config_size = length(q->cmdline, sizeof(q->cmdline)) };
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

void quoter_anchor(const struct guardian *g, struct cvm_g_quoter *q)
{
	q->tpm_transport = q->tpm_code = q->log_size = 0;
	q->tpm_error = (uint32_t)-extend(g, q);
}
