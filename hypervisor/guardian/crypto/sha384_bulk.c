/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-384 over long data in the image: BearSSL's context, OpenSSL's block function (its
 * general-register code: 24 instructions a byte against 37), which is one object of
 * libcrypto.a that needs nothing but a word of CPU capabilities. Kernel and initrd are tens
 * of megabytes, so this is most of what protection adds to a guest's start.
 */
#include "crypto.h"

#define BLOCK	128u

/* OpenSSL's view of the CPU: nothing special, so that no vector register is touched. */
unsigned int OPENSSL_ia32cap_P[4];

/* libcrypto: state of eight words, whole blocks of input. */
void sha512_block_data_order(uint64_t state[8], const void *in, size_t blocks);

void sha384_update(br_sha384_context *c, const void *data, size_t size)
{
	size_t whole = size / BLOCK;

	if (c->count % BLOCK) {		/* never so when measuring: parts are whole pages */
		br_sha384_update(c, data, size);
		return;
	}
	sha512_block_data_order(c->val, data, whole);
	c->count += whole * BLOCK;
	br_sha384_update(c, (const uint8_t *)data + whole * BLOCK, size % BLOCK);
}
