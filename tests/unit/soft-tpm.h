/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TPM for tests, in a page of code: boots, keeps PCRs and a log, quotes. Builds the wire formats by itself,
 * from the TPM 2.0 Library and the PC Client Platform Firmware Profile, so that the parsers are not tested
 * against themselves. What it does wrong for a hostile case is asked for by name. Aborts if libcrypto fails.
 */
#ifndef SOFT_TPM_H
#define SOFT_TPM_H

#include <openssl/evp.h>

#include "attest/enrolment.h"
#include "attest/evidence.h"
#include "cvm/tpm.h"

enum soft_tpm_key { SOFT_TPM_P256, SOFT_TPM_P384, SOFT_TPM_RSASSA, SOFT_TPM_RSAPSS };

struct soft_tpm {
    EVP_PKEY *key;
    uint16_t type, scheme, hash, curve;
    uint32_t attributes;
    uint8_t ak[CVM_TPM_PUBLIC_MAX];
    size_t ak_size;
    struct cvm_pcrs bank[2]; /* sha256, sha384 */
    uint8_t log[65536];
    size_t log_size;
};

void soft_tpm_init(struct soft_tpm *t, enum soft_tpm_key kind);
void soft_tpm_done(struct soft_tpm *t);

/* The public area anew, after a field was changed. */
void soft_tpm_public(struct soft_tpm *t);

/* PCRs to their start values, log to its header. */
void soft_tpm_reset(struct soft_tpm *t);

/* An event whose digests are those of @measured; its data may be a lie. */
void soft_tpm_event(struct soft_tpm *t, uint32_t pcr, uint32_t type, const void *measured,
                    size_t measured_size, const void *data, size_t size);

/* Firmware and loader (@nr events on PCRs 0 to 9), then what the Quoter extends for this report. */
void soft_tpm_boot(struct soft_tpm *t, unsigned nr, const char *loader, const struct cvm_report *rep);
void soft_tpm_identity(struct soft_tpm *t, const struct cvm_report *rep);

/* Signs any bytes as a TPMT_SIGNATURE. Returns its size. */
size_t soft_tpm_sign(const struct soft_tpm *t, const void *data, size_t size, uint8_t *out);

/* A quote over 0-9, 12, 13, 14 of a bank for a nonce; the log is copied into @ret. */
void soft_tpm_quote(const struct soft_tpm *t, uint16_t bank, const uint8_t *nonce, struct cvm_platform *ret);

/* What an enrolment of this TPM would say. */
void soft_tpm_enrolment(const struct soft_tpm *t, struct cvm_enrolment *ret);

/* The boot reference of what was started, PCRs 0 to 9. */
void soft_tpm_reference(const struct soft_tpm *t, uint16_t bank, struct cvm_pcrs *ret);

#endif
