/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What outlives a start, in NV memory of the TPM (cvm/counter.h): an index that only the same boot chain can open, and only before
 * the separators; in it the authorisation of a second index, which holds the root over all counters.
 */
#ifndef TPM_VAULT_H
#define TPM_VAULT_H

#include "command.h"
#include "cvm/counter.h"

struct tpm_vault {
	/* in: random, for a vault that has to be made */
	uint8_t fresh_secret[CVM_VAULT_SECRET];
	uint32_t fresh_epoch;
	/* out: of the vault that is there now */
	uint8_t secret[CVM_VAULT_SECRET];
	uint8_t root[CVM_COUNTER_HASH];
	uint32_t epoch;			/* 0: there is none */
	uint32_t code;			/* TPM_RC of what went wrong */
	bool created;
};

/*
 * Opens the vault, or makes a new one with another epoch if there is none that this boot chain can open. PCR 13 must hold the
 * identity and PCR 12 nothing yet; the TPM must be the caller's alone.
 * 0; errors of tpm.h; -ENODATA: firmware or loader measured nothing into PCRs 4, 8 or 9, so that anybody could get to the same values.
 */
int tpm_vault_open(struct tpm *t, const struct tpm_bank *bank, uint32_t n, struct tpm_vault *v);

/* TPMS_NV_PUBLIC of CVM_NV_ROOT once it was written: the TPM's name for it is a hash over this. */
struct tpm_index_public {
	uint8_t bytes[64];
	uint32_t size;
};
void tpm_root_public(struct tpm_index_public *out);

/* Answers, as untrusted bytes. */
int tpm_parse_handle(const uint8_t *buf, size_t n, uint32_t *handle);
int tpm_parse_policy_digest(const uint8_t *buf, size_t n, uint8_t digest[32]);
int tpm_parse_nv_public(const uint8_t *buf, size_t n, const uint8_t **area, uint32_t *size);
int tpm_parse_nv_read(const uint8_t *buf, size_t n, uint8_t *data, uint32_t size);

#endif
