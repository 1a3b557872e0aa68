/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crypto/crypto.h"

int rng_init(struct rng *r)
{
	uint8_t seed[48];		/* entropy input and nonce: 3/2 of the strength, 256 bits */
	int err = entropy(seed, sizeof(seed));

	if (err)
		return err;
	br_hmac_drbg_init(&r->drbg, &br_sha256_vtable, seed, sizeof(seed));
	wipe(seed, sizeof(seed));
	return 0;
}

void rng_bytes(struct rng *r, void *buf, size_t size)
{
	br_hmac_drbg_generate(&r->drbg, buf, size);
}

void wipe(void *buf, size_t size)
{
	volatile uint8_t *p = buf;

	while (size--)
		*p++ = 0;
}
