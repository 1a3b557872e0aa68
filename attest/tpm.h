/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of the TPM 2.0 Library, part 2, and which of its algorithms are taken. What is not listed here is
 * refused: no SHA-1, no RSA below 2048 bits, no curve but P-256 and P-384.
 */
#ifndef CVM_ATTEST_TPM_H
#define CVM_ATTEST_TPM_H

#include <openssl/evp.h>

#include "util.h"

#define CVM_TPM_ALG_RSA 0x0001
#define CVM_TPM_ALG_AES 0x0006
#define CVM_TPM_ALG_SHA1 0x0004
#define CVM_TPM_ALG_SHA256 0x000b
#define CVM_TPM_ALG_SHA384 0x000c
#define CVM_TPM_ALG_SHA512 0x000d
#define CVM_TPM_ALG_NULL 0x0010
#define CVM_TPM_ALG_RSASSA 0x0014
#define CVM_TPM_ALG_RSAPSS 0x0016
#define CVM_TPM_ALG_ECDSA 0x0018
#define CVM_TPM_ALG_ECC 0x0023
#define CVM_TPM_ALG_CFB 0x0043
#define CVM_TPM_ECC_P256 0x0003
#define CVM_TPM_ECC_P384 0x0004

/* TPMA_OBJECT */
#define CVM_TPM_FIXED_TPM (1u << 1)
#define CVM_TPM_FIXED_PARENT (1u << 4)
#define CVM_TPM_SENSITIVE_DATA_ORIGIN (1u << 5)
#define CVM_TPM_RESTRICTED (1u << 16)
#define CVM_TPM_DECRYPT (1u << 17)
#define CVM_TPM_SIGN (1u << 18)

#define CVM_TPM_GENERATED 0xff544347u /* TPM_GENERATED_VALUE */
#define CVM_TPM_ST_ATTEST_QUOTE 0x8018

#define CVM_TPM_NAME_MAX 50 /* algorithm and digest */
#define CVM_TPM_HASH_MAX 48
#define CVM_TPM_PUBLIC_MAX 640
#define CVM_PCRS 24

/* Digest size of an accepted hash, 0 for any other. */
size_t cvm_tpm_hash_size(uint16_t alg);
/* "sha256", "sha384", "sha1", "sha512", else "unknown". */
const char *cvm_tpm_hash_name(uint16_t alg);
/* Of an accepted hash only, else 0. */
uint16_t cvm_tpm_hash_by_name(const char *name);
/* NULL for a hash that is not accepted. Lives as long as the process. */
const EVP_MD *cvm_tpm_md(uint16_t alg);
/* The curve's name for libcrypto and its coordinate size; NULL for a curve that is not accepted. */
const char *cvm_tpm_curve(uint16_t curve, size_t *size);

/* A TPMT_PUBLIC, read. */
struct cvm_tpm_public {
    uint16_t type, name_alg;
    uint32_t attributes;
    uint16_t symmetric, symmetric_bits, symmetric_mode; /* CVM_TPM_ALG_NULL: none */
    uint16_t scheme, scheme_hash;                       /* CVM_TPM_ALG_NULL: none */
    uint16_t curve;                                     /* ECC */
    uint16_t bits;                                      /* RSA */
    size_t unique_size;                                 /* RSA: of the modulus, ECC: of a coordinate */
    uint8_t unique[512];                                /* modulus, or x || y, padded in front with zeros */
    size_t name_size;
    uint8_t name[CVM_TPM_NAME_MAX]; /* nameAlg || H(TPMT_PUBLIC): what the TPM calls the key */
};

/**
 * cvm_tpm_public_parse - TPMT_PUBLIC of an RSA or ECC key
 * @buf, @size: untrusted, without the size in front that makes it a TPM2B_PUBLIC
 *
 * Returns 0; -EINVAL: malformed, something behind it, or an algorithm that is not accepted; -EIO.
 */
int cvm_tpm_public_parse(const void *buf, size_t size, struct cvm_tpm_public *ret, struct cvm_error *e);

/* The key for libcrypto. -EINVAL if a point is not on its curve; -ENOMEM. The caller frees. */
int cvm_tpm_public_to_key(const struct cvm_tpm_public *pub, EVP_PKEY **ret, struct cvm_error *e);

/**
 * cvm_tpm_public_is_ak - whether this key signs nothing but what the TPM says of itself
 *
 * Made by this TPM (fixedTPM, fixedParent, sensitiveDataOrigin), restricted, signs, does not decrypt, has a
 * signature scheme that is accepted. Returns 0 or -EINVAL with the reason.
 */
int cvm_tpm_public_is_ak(const struct cvm_tpm_public *pub, struct cvm_error *e);

#endif
