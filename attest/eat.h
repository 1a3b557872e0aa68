/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a report says, as an EAT (RFC 9711), signed by the verifier that checked the report: in a CWT (RFC 8392; COSE_Sign1) or a JWT
 * (RFC 7519; compact JWS). The claims are those of cvm_report_claims(); in a CWT registered ones under their labels, eat_nonce, digests
 * and keys as byte strings.
 */
#ifndef CVM_ATTEST_EAT_H
#define CVM_ATTEST_EAT_H

#include <openssl/evp.h>
#include <time.h>

#include "cvm/report.h"

#define CVM_EAT_TYPE "eat+jwt" /* RFC 9782 */

/**
 * cvm_eat_create, cvm_eat_create_jwt - sign the claims of a report
 * @report: genuine: its signature was checked. Host byte order
 * @now:    becomes iat
 * @key:    private key of the verifier, P-256 or P-384
 * @ret:    tags 61 and 18, COSE_Sign1; or the JWT, NUL-terminated. The caller frees
 *
 * Returns 0; -EINVAL: a key of another kind; -ENOMEM; -EIO.
 */
int cvm_eat_create(const struct cvm_report *report, time_t now, EVP_PKEY *key, void **ret, size_t *size);
int cvm_eat_create_jwt(const struct cvm_report *report, time_t now, EVP_PKEY *key, char **ret);

#endif
