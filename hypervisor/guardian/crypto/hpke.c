/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HPKE, base mode, one message (RFC 9180, 5.1.1 and 6.1): DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
 * AES-GCM. The receiver's side; attest/hpke.c is the sender's.
 */
#include <linux/errno.h>
#include <string.h>

#include "crypto/crypto.h"

#define EC		(&br_ec_p256_m31)
#define HASH_SIZE	32u
#define NONCE_SIZE	12u
#define SUITE_MAX	10u

/* What goes in front of every label (4): which algorithms these are. */
struct suite {
	uint8_t id[SUITE_MAX];
	size_t size;
};

static const struct suite kem_suite = { "KEM\x00\x10", 5 };

static struct suite hpke_suite(enum hpke_aead aead)
{
	return (struct suite){ { 'H', 'P', 'K', 'E', 0, 0x10, 0, 1, 0, (uint8_t)aead }, 10 };
}

static void hmac_start(br_hmac_context *c, const uint8_t *key, size_t size)
{
	br_hmac_key_context k;

	br_hmac_key_init(&k, &br_sha256_vtable, key, size);
	br_hmac_init(c, &k, 0);
	wipe(&k, sizeof(k));
}

static void put_label(br_hmac_context *c, const struct suite *s, const char *label)
{
	br_hmac_update(c, "HPKE-v1", 7);
	br_hmac_update(c, s->id, s->size);
	for (; *label; label++)
		br_hmac_update(c, label, 1);
}

/* LabeledExtract(): salt is empty or one hash long. */
static void extract(const struct suite *s, const uint8_t *salt, const char *label, const void *ikm, size_t size,
		    uint8_t out[HASH_SIZE])
{
	static const uint8_t zero[HASH_SIZE];
	br_hmac_context c;

	hmac_start(&c, salt ? salt : zero, HASH_SIZE);
	put_label(&c, s, label);
	br_hmac_update(&c, ikm, size);
	br_hmac_out(&c, out);
	wipe(&c, sizeof(c));
}

/* LabeledExpand() to at most one block of the hash: nothing here needs more. */
static void expand(const struct suite *s, const uint8_t prk[HASH_SIZE], const char *label, const void *info,
		   size_t info_size, uint8_t *out, size_t size)
{
	const uint8_t length[2] = { 0, (uint8_t)size }, one = 1;
	uint8_t block[HASH_SIZE];
	br_hmac_context c;

	hmac_start(&c, prk, HASH_SIZE);
	br_hmac_update(&c, length, sizeof(length));
	put_label(&c, s, label);
	br_hmac_update(&c, info, info_size);
	br_hmac_update(&c, &one, 1);
	br_hmac_out(&c, block);
	memcpy(out, block, size);
	wipe(block, sizeof(block));
	wipe(&c, sizeof(c));
}

/* Decap(). The library checks that the sender's point is on the curve; the curve's order is prime. */
static int decapsulate(const struct ec_key *k, const uint8_t enc[EC_POINT_SIZE], uint8_t shared[HASH_SIZE])
{
	uint8_t dh[EC_POINT_SIZE], prk[HASH_SIZE], context[2 * EC_POINT_SIZE];
	int err = -EBADMSG;

	memcpy(dh, enc, sizeof(dh));
	if (dh[0] != 4 || !EC->mul(dh, sizeof(dh), k->secret, sizeof(k->secret), BR_EC_secp256r1))
		goto out;
	memcpy(context, enc, EC_POINT_SIZE);
	memcpy(context + EC_POINT_SIZE, k->point, EC_POINT_SIZE);
	extract(&kem_suite, NULL, "eae_prk", dh + 1, 32, prk);
	expand(&kem_suite, prk, "shared_secret", context, sizeof(context), shared, HASH_SIZE);
	err = 0;
out:
	wipe(dh, sizeof(dh));
	wipe(prk, sizeof(prk));
	return err;
}

/* KeySchedule() without a PSK; the first message's nonce is the base nonce. */
static void schedule(const struct suite *s, const uint8_t shared[HASH_SIZE], const void *info, size_t info_size,
		     uint8_t *key, size_t key_size, uint8_t nonce[NONCE_SIZE])
{
	uint8_t context[1 + 2 * HASH_SIZE] = { 0 /* base mode */ }, secret[HASH_SIZE];

	extract(s, NULL, "psk_id_hash", "", 0, context + 1);
	extract(s, NULL, "info_hash", info, info_size, context + 1 + HASH_SIZE);
	extract(s, shared, "secret", "", 0, secret);
	expand(s, secret, "key", context, sizeof(context), key, key_size);
	expand(s, secret, "base_nonce", context, sizeof(context), nonce, NONCE_SIZE);
	wipe(secret, sizeof(secret));
}

int hpke_open(const struct ec_key *k, enum hpke_aead aead, const uint8_t enc[EC_POINT_SIZE], const void *info,
	      size_t info_size, const void *aad, size_t aad_size, uint8_t *text, size_t size,
	      const uint8_t tag[HPKE_TAG_SIZE])
{
	const struct suite s = hpke_suite(aead);
	size_t key_size = aead == HPKE_AES_128_GCM ? 16 : 32;
	uint8_t shared[HASH_SIZE], key[32], nonce[NONCE_SIZE];
	br_aes_x86ni_ctr_keys ctr;
	br_gcm_context gcm;
	int err = decapsulate(k, enc, shared);

	if (err)
		goto out;
	schedule(&s, shared, info, info_size, key, key_size, nonce);
	br_aes_x86ni_ctr_init(&ctr, key, key_size);
	br_gcm_init(&gcm, &ctr.vtable, br_ghash_pclmul);
	br_gcm_reset(&gcm, nonce, sizeof(nonce));
	br_gcm_aad_inject(&gcm, aad, aad_size);
	br_gcm_flip(&gcm);
	br_gcm_run(&gcm, 0, text, size);
	if (!br_gcm_check_tag(&gcm, tag))
		err = -EBADMSG;
	wipe(&gcm, sizeof(gcm));
	wipe(&ctr, sizeof(ctr));
	wipe(key, sizeof(key));
out:
	if (err)
		memset(text, 0, size);
	wipe(shared, sizeof(shared));
	return err;
}
