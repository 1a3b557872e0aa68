/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TPM quotes: TPMS_ATTEST and TPMT_SIGNATURE as TPM2_Quote gives them (TPM 2.0 Library, part 2, 10.12
 * and 11.3).
 */
#ifndef CVM_ATTEST_QUOTE_H
#define CVM_ATTEST_QUOTE_H

#include "tpm.h"

#define CVM_QUOTE_MAX 1024          /* bytes of a TPMS_ATTEST */
#define CVM_QUOTE_SIGNATURE_MAX 768 /* bytes of a TPMT_SIGNATURE */
#define CVM_QUOTE_BANKS 4
#define CVM_QUOTE_PREFIX "CVMD-QUOTE-V1\0\0" /* 16 bytes with the final NUL */

struct cvm_quote {
    size_t signer_size;
    uint8_t signer[CVM_TPM_NAME_MAX]; /* qualified name of the key */
    size_t extra_size;
    uint8_t extra[64]; /* what the caller of TPM2_Quote asked with */
    uint64_t clock;    /* ms */
    uint32_t reset_count, restart_count;
    bool safe;
    uint64_t firmware_version;
    unsigned nr_banks;
    struct {
        uint16_t hash;
        uint32_t pcrs; /* bit per PCR */
    } bank[CVM_QUOTE_BANKS];
    size_t digest_size;
    uint8_t digest[CVM_TPM_HASH_MAX]; /* over the selected PCRs, in order */
};

/**
 * cvm_quote_parse - TPMS_ATTEST of a quote
 * @buf, @size: untrusted
 *
 * Returns 0; -EINVAL: malformed, not made by a TPM, no quote, more than 24 PCRs, something behind it.
 */
int cvm_quote_parse(const void *buf, size_t size, struct cvm_quote *ret, struct cvm_error *e);

/**
 * cvm_quote_verify - the signature over a TPMS_ATTEST
 * @ak:         read by cvm_tpm_public_parse(); must be an attestation key, see cvm_tpm_public_is_ak()
 * @sig, @size: untrusted TPMT_SIGNATURE: RSASSA, RSAPSS or ECDSA with SHA-256 or SHA-384, and exactly the
 * scheme of @ak
 *
 * Returns 0; -EINVAL: the signature is malformed or of another algorithm; -EBADMSG: not of this key and data;
 * -ENOMEM, -EIO.
 */
int cvm_quote_verify(const struct cvm_tpm_public *ak, const void *attest, size_t attest_size, const void *sig,
                     size_t size, struct cvm_error *e);

/**
 * cvm_quote_qualify - the 32 bytes that a quote for this nonce has to be asked with
 *
 * SHA-256 over CVM_QUOTE_PREFIX and the 64 bytes of the nonce. Returns 0 or -EIO.
 */
int cvm_quote_qualify(const uint8_t *nonce, uint8_t *ret);

#endif
