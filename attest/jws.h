/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON Web Signature, compact form (RFC 7515, RFC 7518 3.4, RFC 8725): signs with ES256 or ES384, takes
 * ES256 and nothing else.
 */
#ifndef CVM_ATTEST_JWS_H
#define CVM_ATTEST_JWS_H

#include <openssl/evp.h>

#include "util.h"

/**
 * cvm_jws_sign - sign bytes
 * @key:     private key; P-256 gives ES256, P-384 gives ES384
 * @typ:     media type without "application/", for the header
 * @payload: becomes the middle part
 * @ret:     compact form, NUL-terminated, no newline; the caller frees
 *
 * The header names the key by its RFC 7638 thumbprint.
 * Returns 0; -EINVAL if the key is of another kind; -ENOMEM; -EIO if libcrypto cannot sign.
 */
int cvm_jws_sign(EVP_PKEY *key, const char *typ, const void *payload, size_t size, char **ret);

/**
 * cvm_jws_verify - check a signature and take the payload out
 * @text, @len: untrusted; white space at the end is allowed
 * @point:      public key that the caller trusts; a key in the header is never looked at
 * @typ:        the type that the header must name
 * @ret, @size: payload with one NUL behind it; the caller frees
 *
 * Returns 0;
 *   -EINVAL  not of this form, another algorithm ("none", "HS256", ...), another type, a critical
 *            extension, or an unknown header that changes the meaning of the payload ("b64")
 *   -EBADMSG the signature is not of this key
 *   -ENOMEM
 */
int cvm_jws_verify(const char *text, size_t len, const uint8_t *point, const char *typ, void **ret,
                   size_t *size, struct cvm_error *e);

#endif
