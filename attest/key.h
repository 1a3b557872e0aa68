/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * P-256 keys: raw point, JWK, PEM; ECDSA in the raw form r || s. Only a verifier's own signing key may be P-384.
 */
#ifndef CVM_ATTEST_KEY_H
#define CVM_ATTEST_KEY_H

#include <json-c/json.h>
#include <openssl/evp.h>

#include "util.h"

#define CVM_POINT_SIZE 65 /* uncompressed, SEC 1 2.3.3 */
#define CVM_KEY_ID_SIZE 32
#define CVM_SIGNATURE_SIZE 64 /* of P-256 */
#define CVM_SIGNATURE_MAX 96  /* of P-384 */

/**
 * cvm_point_check - whether CVM_POINT_SIZE untrusted bytes are a point of P-256
 *
 * Encoding, range and curve; with cofactor 1 that is all (SP 800-56A rev. 3, 5.6.2.3.4).
 * Returns 0; -EINVAL if not; -ENOMEM.
 */
int cvm_point_check(const uint8_t *point);

/**
 * cvm_key_from_point - public key from an uncompressed P-256 point
 * @point: CVM_POINT_SIZE untrusted bytes
 * @ret:   the caller frees with EVP_PKEY_free()
 *
 * Returns 0; -EINVAL if this is no point of the curve; -ENOMEM.
 */
int cvm_key_from_point(const uint8_t *point, EVP_PKEY **ret);

/* Bytes of a coordinate: 32 for P-256, 48 for P-384, -EINVAL for a key of another kind. */
int cvm_key_size(EVP_PKEY *key);

/* The uncompressed point of a P-256 key, -EINVAL for a key of another kind. */
int cvm_key_to_point(EVP_PKEY *key, uint8_t *point);

/**
 * cvm_key_id - how a report names its key
 * @id: SHA-256 of the point, CVM_KEY_ID_SIZE bytes
 */
int cvm_key_id(const uint8_t *point, uint8_t *id);

/**
 * cvm_key_thumbprint - RFC 7638 thumbprint of the public part, base64url
 *
 * Returns a new string that the caller frees, NULL if out of memory or not P-256.
 */
char *cvm_key_thumbprint(EVP_PKEY *key);

/**
 * cvm_key_to_jwk - public JWK, RFC 7517 and RFC 7518 6.2
 * @ret: the caller puts
 */
int cvm_key_to_jwk(const uint8_t *point, json_object **ret);

/**
 * cvm_key_from_jwk - point of a public EC P-256 JWK; on the curve
 *
 * Returns 0; -EINVAL if kty, crv, x or y is not as it must be, or if a private part ("d") is there.
 */
int cvm_key_from_jwk(json_object *jwk, uint8_t *point, struct cvm_error *e);

/**
 * cvm_key_load_public - point from a file: PEM (SubjectPublicKeyInfo), JWK, or the 65 raw bytes
 */
int cvm_key_load_public(const char *path, uint8_t *point, struct cvm_error *e);

/**
 * cvm_key_load_private - P-256 or P-384 private key from a PEM file without a passphrase
 * @ret: the caller frees with EVP_PKEY_free()
 */
int cvm_key_load_private(const char *path, EVP_PKEY **ret, struct cvm_error *e);

/**
 * cvm_key_verify - ECDSA P-256 / SHA-256
 * @sig: r || s, CVM_SIGNATURE_SIZE bytes
 *
 * Returns 0; -EBADMSG if the signature is not of this key and data; -ENOMEM, -EIO.
 */
int cvm_key_verify(const uint8_t *point, const void *data, size_t size, const uint8_t *sig);

/* The same for a digest of 32 bytes and a signature in DER (RFC 3279, 2.2.3); -EINVAL if @point is none of the curve. */
int cvm_key_verify_digest(const uint8_t *point, const uint8_t *digest, const uint8_t *der, size_t len);

/**
 * cvm_key_sign - ECDSA, P-256 with SHA-256 or P-384 with SHA-384
 * @sig: r || s, room for CVM_SIGNATURE_MAX bytes
 *
 * Returns the bytes of @sig; -EINVAL for a key of another kind; -ENOMEM, -EIO.
 */
int cvm_key_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t *sig);

#endif
