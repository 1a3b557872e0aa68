/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is extended at a start, in which order (cvm/tpm.h). */
#ifndef TPM_MEASURE_H
#define TPM_MEASURE_H

#include "cvm/tpm.h"
#include "tpm.h"
#include "vault.h"

struct tpm_facts {
	uint32_t rootvisor_version, rootvisor_svn, guardian_svn;
	uint8_t rootvisor_digest[CVM_DIGEST_SIZE];
	uint8_t guardian_digest[CVM_DIGEST_SIZE];
	uint8_t key_id[32];
	const char *config;
	uint32_t config_size;		/* bytes, <= CVM_TPM_CONFIG_MAX */
	struct tpm_vault *vault;	/* opened where the identity is extended and nothing else; NULL: not wanted */
	int *vault_error;		/* what came of it; the start goes on */
};

/*
 * Starts the TPM that tpm_find() found, extends, and writes the log. *used: its bytes; 0 if nothing was extended. After a
 * failure it tries to end both PCRs with a separator that says so: else the host could go on where this stopped, with a key
 * of its own.
 * 0; errors of tpm.h; -EEXIST: a PCR was extended before; -ENOSPC: size is too small (CVM_G_TPM_LOG is not); -EINVAL.
 */
int tpm_measure(struct tpm *t, const struct tpm_facts *f, uint8_t *log, uint32_t size, uint32_t *used);

/* For a start without protection: both PCRs get values that no protected start has. 0; errors of tpm.h. */
int tpm_spoil(struct tpm *t);

/* Does the command line have the word tpm=com2? text: n bytes. */
bool tpm_wants_serial(const char *text, uint32_t n);

#endif
