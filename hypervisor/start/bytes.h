/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parsers here share: little-endian numbers at any address, naming an error. */
#pragma once

#include "rv/types.h"

static inline u64 get_le(const u8 *p, u32 n)
{
	u64 v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static inline u32 get16(const u8 *p) { return (u32)get_le(p, 2); }
static inline u32 get32(const u8 *p) { return (u32)get_le(p, 4); }
static inline u64 get64(const u8 *p) { return get_le(p, 8); }

/* For "return bad(error, ...)". */
static inline int bad(const char **error, const char *text)
{
	*error = text;
	return -EINVAL;
}
