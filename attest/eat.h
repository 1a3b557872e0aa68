/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a report says, as an EAT (RFC 9711) in a CWT (RFC 8392): COSE_Sign1 by the verifier that checked the
 * report. The claims are those of cvm_report_claims(), registered ones under their labels, eat_nonce, digests
 * and keys as byte strings.
 */
#ifndef CVM_ATTEST_EAT_H
#define CVM_ATTEST_EAT_H

#include <openssl/evp.h>
#include <time.h>

#include "cvm/report.h"

/**
 * cvm_eat_create - sign the claims of a report
 * @report: genuine: its signature was checked. Host byte order
 * @now:    becomes iat
 * @key:    private key of the verifier, P-256 or P-384
 * @ret:    tags 61 and 18, COSE_Sign1; the caller frees
 *
 * Returns 0; -EINVAL: a key of another kind; -ENOMEM; -EIO.
 */
int cvm_eat_create(const struct cvm_report *report, time_t now, EVP_PKEY *key, void **ret, size_t *size);

#endif
