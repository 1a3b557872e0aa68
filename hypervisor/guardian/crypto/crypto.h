/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the Guardian needs of BearSSL: sealing, random numbers, P-256. Constant time. */
#ifndef CRYPTO_H
#define CRYPTO_H

#include <bearssl.h>
#include <stdbool.h>

#include "cvm/report.h"

#define PAGE_TAG_SIZE	16u
#define EC_POINT_SIZE	65u		/* uncompressed */
#define EC_SIGNATURE_SIZE 64u		/* r || s, big-endian */

/* AES-256-GCM by AES-NI and PCLMULQDQ; the CPU has them, RootVisor has checked. */
struct page_key {
	br_aes_x86ni_ctr_keys ctr;
};

/* key: 32 bytes. */
void page_key_init(struct page_key *k, const uint8_t key[32]);

/*
 * Encrypts or decrypts one 4 KiB page in place. nonce: 12 bytes, never twice under one key
 * for encryption. aad: authenticated along. tag: PAGE_TAG_SIZE bytes.
 * page_decrypt: -EBADMSG if the tag does not fit; then the page is zeroed.
 */
void page_encrypt(const struct page_key *k, const uint8_t nonce[12], const void *aad, size_t aad_size,
		  uint8_t *page, uint8_t tag[PAGE_TAG_SIZE]);
int page_decrypt(const struct page_key *k, const uint8_t nonce[12], const void *aad, size_t aad_size,
		 uint8_t *page, const uint8_t tag[PAGE_TAG_SIZE]);

/* Bytes of true entropy; -EIO if the source fails. Chosen at link time: the CPU's own source in
 * the image, the kernel's in user space. */
int entropy(void *buf, size_t size);

/* HMAC_DRBG (SP 800-90A) with SHA-256, seeded by entropy(). -EIO as there. */
struct rng {
	br_hmac_drbg_context drbg;
};
int rng_init(struct rng *r);
void rng_bytes(struct rng *r, void *buf, size_t size);

/* Overwrites secrets; not optimised away. */
void wipe(void *buf, size_t size);

struct ec_key {
	uint8_t secret[32];
	uint8_t point[EC_POINT_SIZE];
};

/* A fresh P-256 key pair. -EIO: the library failed. */
int ec_key_generate(struct ec_key *k, struct rng *r);

/* ECDSA over SHA-256 of the data, deterministic nonce (RFC 6979). -EIO: the library failed. */
int ec_key_sign(const struct ec_key *k, const void *data, size_t size, uint8_t sig[EC_SIGNATURE_SIZE]);

/* Identifiers of RFC 9180, 7.3. Keys travel under AES-256-GCM; the RFC's vectors of this KEM and KDF are AES-128-GCM's. */
enum hpke_aead {
	HPKE_AES_128_GCM	= 1,
	HPKE_AES_256_GCM	= 2,
};
#define HPKE_TAG_SIZE	16u

/*
 * Opens one HPKE message in place (base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256). enc: the sender's
 * point. text: ciphertext without its tag. -EBADMSG: the point is no point, or the message is not for this key,
 * info and aad; then text is zeroed.
 */
int hpke_open(const struct ec_key *k, enum hpke_aead aead, const uint8_t enc[EC_POINT_SIZE], const void *info,
	      size_t info_size, const void *aad, size_t aad_size, uint8_t *text, size_t size,
	      const uint8_t tag[HPKE_TAG_SIZE]);

void sha256(const void *data, size_t size, uint8_t out[32]);
/* CPUID.7.0 EBX, for the image's own of the next two; 0: unknown. */
extern uint32_t sha384_cpu;
/* As br_sha384_update(); the image links a faster one (sha384_bulk.c). */
void sha384_update(br_sha384_context *c, const void *data, size_t size);
/* Digests of four messages of `each` bytes (whole blocks of 128), one behind the other. False: not on this CPU, nothing was done. */
bool sha384_four(const uint8_t *data, size_t each, uint8_t out[4][CVM_DIGEST_SIZE]);
/* The same without that question: sha384_four.c, which the image has for AVX2. */
void sha384_four_blocks(const uint8_t *data, size_t each, uint8_t out[4][CVM_DIGEST_SIZE]);
/* Adds the digest of each chunk of the data to the list: CVM_MEASURE_CHUNK bytes each, the last one what remains. */
void sha384_chunks(br_sha384_context *list, const uint8_t *data, size_t size);
void sha384(const void *data, size_t size, uint8_t out[CVM_DIGEST_SIZE]);

#endif
