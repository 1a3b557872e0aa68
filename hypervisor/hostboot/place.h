/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the host's things go: as low as may be. Pure: also compiled in user space. */
#pragma once

#include "start/memmap.h"

/* As memmap_find_high(), but the lowest such range. */
u64 memmap_find_low(const struct memmap *m, u64 size, u64 align, u64 min, u64 max);
