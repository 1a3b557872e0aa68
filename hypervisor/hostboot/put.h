/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Little-endian numbers at any address, for writing. Reading: start/bytes.h. */
#pragma once

#include "start/bytes.h"

static inline void put_le(u8 *p, u64 v, u32 n)
{
	for (u32 i = 0; i < n; i++)
		p[i] = (u8)(v >> 8 * i);
}
