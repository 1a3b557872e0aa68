/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A verdict as an EAT Attestation Result: a JWT or a CWT, signed with ES256 or ES384.
 *
 * Source: draft-ietf-rats-ear-04 (profile pinned below), RFC 7515, RFC 7519, RFC 9711.
 */
#ifndef CVM_ATTEST_EAR_H
#define CVM_ATTEST_EAR_H

#include <openssl/evp.h>
#include <time.h>

#include "verdict.h"

#define CVM_EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"
#define CVM_EAR_SUBMOD "cvmd" /* label of the one submodule: the protected VM with its host */
#define CVM_EAR_LIFETIME 3600 /* seconds from iat to exp */
#define CVM_EAR_RAW_MAX 65536 /* larger evidence is left out of ear_raw_evidence */

struct cvm_ear_input {
    const struct cvm_verdict *verdict;
    const uint8_t *nonce; /* 64 bytes, that of the evidence */
    const void *evidence; /* as appraised */
    size_t evidence_size;
    const char *policy_id; /* what the evidence was appraised with, or NULL */
    time_t now;            /* becomes iat */
    EVP_PKEY *signing_key; /* private key of the verifier, P-256 or P-384 */
};

/**
 * cvm_ear_create - sign a verdict
 * @ret: JWT in compact form, NUL-terminated, no newline; the caller frees
 *
 * Returns 0; -EINVAL if the key is of another kind; -ENOMEM; -EIO if libcrypto cannot sign.
 */
int cvm_ear_create(const struct cvm_ear_input *in, char **ret);

/* The same claims as a CWT: tags 61 and 18, COSE_Sign1. */
int cvm_ear_create_cwt(const struct cvm_ear_input *in, void **ret, size_t *size);

#endif
