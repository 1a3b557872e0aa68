/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * COSE_Sign1 (RFC 9052, 4.2) with ES256 or ES384: signs with either, takes ES256 with a key that the caller
 * trusts.
 */
#ifndef CVM_ATTEST_COSE_H
#define CVM_ATTEST_COSE_H

#include <openssl/evp.h>

#include "util.h"

#define CVM_COSE_MAX (1u << 20)
#define CVM_COSE_TAG_CWT 61 /* RFC 8392 */

/**
 * cvm_cose_sign - sign bytes
 * @tag:  a CBOR tag around it (61 for a CWT), or 0; inside stands tag 18 in any case
 * @ret:  the caller frees
 *
 * Returns 0; -EINVAL: no P-256 or P-384 key; -ENOMEM; -EIO.
 */
int cvm_cose_sign(EVP_PKEY *key, uint64_t tag, const void *payload, size_t size, void **ret,
                  size_t *ret_size);

/**
 * cvm_cose_verify - check a signature and find the payload
 * @buf, @size:  untrusted: tag 18, COSE_Sign1 with its payload inside
 * @point:       public key that the caller trusts
 * @type:        content type that the protected header must name, or NULL
 * @payload:     lent out of @buf
 *
 * Returns 0; -EINVAL: malformed, another algorithm, another type, or a critical header; -EBADMSG: not of this
 * key; -ENOMEM, -EIO.
 */
int cvm_cose_verify(const void *buf, size_t size, const uint8_t *point, const char *type,
                    const uint8_t **payload, size_t *payload_size, struct cvm_error *e);

#endif
