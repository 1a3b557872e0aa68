/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the drivers share. */
#ifndef TPM_ANSWER_H
#define TPM_ANSWER_H

#include "tpm.h"

#define ANSWER_HEADER	10u

/* The size that the answer's header in t->buffer names: -EPROTO unless it fits. */
static inline int answer_size(const struct tpm *t)
{
	const uint8_t *b = t->buffer;
	uint32_t n = (uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5];

	return n < ANSWER_HEADER || n > TPM_BUFFER ? -EPROTO : (int)n;
}

/* Waits until (register & mask) == want. */
static inline int tpm_await(struct tpm *t, uint32_t offset, uint32_t size, uint32_t mask, uint32_t want, uint32_t ms)
{
	struct tpm_wait wait = tpm_wait(t, ms);

	for (;;) {
		bool late = tpm_late(t, &wait);

		if ((t->hw->read(t->hw->ctx, offset, size) & mask) == want)
			return 0;
		if (late)
			return -ETIMEDOUT;
	}
}

#endif
