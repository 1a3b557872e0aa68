/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers in byte arrays: the TPM speaks big-endian, its log is little-endian. And a reader that knows its end. */
#ifndef TPM_BYTES_H
#define TPM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *p;
	size_t left;
	bool failed;		/* sticky: it was asked for more than there is */
};

/* The next n bytes, or NULL. */
static inline const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || n > r->left) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

/* n <= 4; 0 if there is too little. */
static inline uint32_t take_be(struct reader *r, uint32_t n)
{
	const uint8_t *p = take(r, n);
	uint32_t v = 0;

	for (uint32_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint32_t take_le(struct reader *r, uint32_t n)
{
	const uint8_t *p = take(r, n);
	uint32_t v = 0;

	for (uint32_t i = 0; p && i < n; i++)
		v |= (uint32_t)p[i] << 8 * i;
	return v;
}

struct writer {
	uint8_t *p;
	size_t used, size;
	bool failed;		/* sticky: it did not fit */
};

static inline void put(struct writer *w, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (w->failed || n > w->size - w->used) {
		w->failed = true;
		return;
	}
	while (n--)
		w->p[w->used++] = *p++;
}

static inline void put_be(struct writer *w, uint32_t v, uint32_t n)
{
	for (uint8_t b; n--;) {
		b = (uint8_t)(v >> 8 * n);
		put(w, &b, 1);
	}
}

static inline void put_le(struct writer *w, uint32_t v, uint32_t n)
{
	for (uint8_t b; n--; v >>= 8) {
		b = (uint8_t)v;
		put(w, &b, 1);
	}
}

#endif
