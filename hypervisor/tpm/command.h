/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few TPM 2.0 commands that a start needs (TPM 2.0 Library, Part 3). Errors as in tpm.h. */
#ifndef TPM_COMMAND_H
#define TPM_COMMAND_H

#include "tpm.h"

#define TPM_HASH_MAX		64u	/* bytes of a digest */
#define TPM_BANKS_MAX		8u
#define TPM_EVENT_MAX		600u	/* bytes that tpm_pcr_event() takes; the TPM takes 1024 */

struct tpm_bank {
	uint16_t alg;			/* TPM_ALG_ID */
	uint16_t size;			/* bytes of a digest */
};

struct tpm_digests {
	uint32_t n;
	struct {
		uint16_t alg;
		uint8_t digest[TPM_HASH_MAX];
	} d[TPM_BANKS_MAX];
};

/* Bytes of a digest, 0 if alg is not known. */
uint32_t tpm_hash_size(uint16_t alg);

/* TPM2_Startup(CLEAR). 0 too if firmware has done it. */
int tpm_startup(struct tpm *t);

/* The banks that hold PCRs. -EOPNOTSUPP: one with a hash that is not known, or too many; -EPROTO: none, or one without a PCR of `want`. */
int tpm_banks(struct tpm *t, uint32_t want, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *n);

/* TPM2_PCR_Read of one PCR; digest: tpm_hash_size(alg) bytes. */
int tpm_pcr_read(struct tpm *t, uint16_t alg, uint32_t pcr, uint8_t *digest);

/* TPM2_PCR_Event: extends every bank by its hash over data, and tells these hashes. */
int tpm_pcr_event(struct tpm *t, uint32_t pcr, const void *data, uint32_t size, struct tpm_digests *out);

/* Answers, as untrusted bytes: n is what came, the size in the header must be the same. */
int tpm_parse_header(const uint8_t *buf, size_t n, uint32_t *code);
int tpm_parse_banks(const uint8_t *buf, size_t n, uint32_t want, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *count);
int tpm_parse_pcr_read(const uint8_t *buf, size_t n, uint16_t alg, uint32_t pcr, uint8_t *digest);
int tpm_parse_pcr_event(const uint8_t *buf, size_t n, struct tpm_digests *out);

#endif
