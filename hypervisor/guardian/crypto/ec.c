/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/errno.h>
#include <string.h>

#include "crypto/crypto.h"

#define EC	(&br_ec_p256_m31)

int ec_key_generate(struct ec_key *k, struct rng *r)
{
	uint8_t buf[BR_EC_KBUF_PRIV_MAX_SIZE];
	br_ec_private_key sk;
	int err = -EIO;

	if (br_ec_keygen(&r->drbg.vtable, EC, &sk, buf, BR_EC_secp256r1) != sizeof(k->secret) ||
	    sk.xlen != sizeof(k->secret))
		goto out;
	if (EC->mulgen(k->point, sk.x, sk.xlen, BR_EC_secp256r1) != sizeof(k->point))
		goto out;
	memcpy(k->secret, sk.x, sizeof(k->secret));
	err = 0;
out:
	wipe(buf, sizeof(buf));
	return err;
}

int ec_key_sign(const struct ec_key *k, const void *data, size_t size, uint8_t sig[EC_SIGNATURE_SIZE])
{
	uint8_t secret[sizeof(k->secret)], hash[32], raw[2 * 72];
	br_ec_private_key sk = { .curve = BR_EC_secp256r1, .x = secret, .xlen = sizeof(secret) };
	size_t n;

	sha256(data, size, hash);
	memcpy(secret, k->secret, sizeof(secret));
	n = br_ecdsa_i31_sign_raw(EC, &br_sha256_vtable, hash, &sk, raw);
	wipe(secret, sizeof(secret));
	if (n != EC_SIGNATURE_SIZE)
		return -EIO;
	memcpy(sig, raw, EC_SIGNATURE_SIZE);
	return 0;
}

void sha256(const void *data, size_t size, uint8_t out[32])
{
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, data, size);
	br_sha256_out(&c, out);
}

void sha384(const void *data, size_t size, uint8_t out[CVM_DIGEST_SIZE])
{
	br_sha384_context c;

	br_sha384_init(&c);
	br_sha384_update(&c, data, size);
	br_sha384_out(&c, out);
}
