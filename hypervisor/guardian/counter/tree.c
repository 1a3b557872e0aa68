/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <linux/errno.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/crypto.h"

static const uint8_t nothing[CVM_COUNTER_HASH];

static bool is_zero(const uint8_t h[CVM_COUNTER_HASH])
{
	return !memcmp(h, nothing, CVM_COUNTER_HASH);
}

uint64_t tree_position(const uint8_t identity[CVM_DIGEST_SIZE])
{
	uint8_t h[CVM_COUNTER_HASH];
	uint64_t at = 0;
	br_sha256_context c;

	br_sha256_init(&c);
	br_sha256_update(&c, CVM_COUNTER_PREFIX, sizeof(CVM_COUNTER_PREFIX));
	br_sha256_update(&c, identity, CVM_DIGEST_SIZE);
	br_sha256_out(&c, h);
	for (uint32_t i = 0; i < 8; i++)
		at = at << 8 | h[i];
	return at;
}

static void leaf(const uint8_t identity[CVM_DIGEST_SIZE], uint32_t count, uint8_t out[CVM_COUNTER_HASH])
{
	const uint8_t kind = 0, le[4] = { (uint8_t)count, (uint8_t)(count >> 8), (uint8_t)(count >> 16), (uint8_t)(count >> 24) };
	br_sha256_context c;

	memset(out, 0, CVM_COUNTER_HASH);
	if (!count)
		return;
	br_sha256_init(&c);
	br_sha256_update(&c, &kind, 1);
	br_sha256_update(&c, identity, CVM_DIGEST_SIZE);
	br_sha256_update(&c, le, sizeof(le));
	br_sha256_out(&c, out);
}

static void node(const uint8_t *left, const uint8_t *right, uint8_t out[CVM_COUNTER_HASH])
{
	const uint8_t kind = 1;
	br_sha256_context c;

	if (is_zero(left) && is_zero(right)) {
		memset(out, 0, CVM_COUNTER_HASH);
		return;
	}
	br_sha256_init(&c);
	br_sha256_update(&c, &kind, 1);
	br_sha256_update(&c, left, CVM_COUNTER_HASH);
	br_sha256_update(&c, right, CVM_COUNTER_HASH);
	br_sha256_out(&c, out);
}

int tree_root(const uint8_t identity[CVM_DIGEST_SIZE], uint32_t count, uint64_t map,
	      const uint8_t sibling[CVM_COUNTER_LEVELS][CVM_COUNTER_HASH], uint8_t root[CVM_COUNTER_HASH])
{
	uint64_t at = tree_position(identity);
	uint32_t used = 0;

	leaf(identity, count, root);
	for (uint32_t level = 0; level < CVM_COUNTER_LEVELS; level++, at >>= 1) {
		const uint8_t *other = map >> level & 1 ? sibling[used++] : nothing;

		/* One way to say the same thing. */
		if (other != nothing && is_zero(other))
			return -EINVAL;
		if (at & 1)
			node(other, root, root);
		else
			node(root, other, root);
	}
	while (used < CVM_COUNTER_LEVELS)
		if (!is_zero(sibling[used++]))
			return -EINVAL;
	return 0;
}
