/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entropy of the CPU (SDM vol. 1, 7.3.17): RDSEED, and RDRAND where RDSEED runs dry. */
#include <linux/errno.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/crypto.h"

#define SEED_TRIES	1000		/* RDSEED may run dry when other cores ask as well */
#define RAND_TRIES	10		/* the SDM's advice: more failures mean a broken source */

static bool rdseed(uint64_t *v)
{
	bool ok;

	asm volatile("rdseed %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

static bool rdrand(uint64_t *v)
{
	bool ok;

	asm volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

static int word(uint64_t *v)
{
	for (int i = 0; i < SEED_TRIES; i++)
		if (rdseed(v))
			return 0;
	for (int i = 0; i < RAND_TRIES; i++)
		if (rdrand(v))
			return 0;
	return -EIO;
}

int entropy(void *buf, size_t size)
{
	uint8_t *p = buf;
	uint64_t v = 0, last = 0;

	while (size) {
		size_t n = size < sizeof(v) ? size : sizeof(v);
		int err = word(&v);

		if (err)
			return err;
		/* A source that is stuck succeeds with the same word each time. */
		if (v == last)
			return -EIO;
		last = v;
		memcpy(p, &v, n);
		p += n;
		size -= n;
	}
	return 0;
}
