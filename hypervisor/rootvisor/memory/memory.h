/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Set-up of the memory units by main.c. */
#pragma once

#include "rv/mem.h"

/* Whole pages of RAM, [start, end). */
void pool_init(u64 start, u64 end);
/* Pages taken before this call (the page tables) survive pool_wipe(), all else is zeroed. */
void pool_mark(void);
void pool_wipe(void);

/* Builds the frame table of rv_boot.ram; then frames_take() gives [start, end) to
 * RootVisor. Panics if the pool is too small for the table. */
void frames_init(void);
void frames_take(u64 start, u64 end);
