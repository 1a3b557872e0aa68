/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rv/pcpu.h"

/* Stacks of one CPU. The guard page is not mapped once paging_init() is done. */
struct cpu_stacks {
	u8 guard[PAGE_SIZE];
	u8 main[4 * PAGE_SIZE];
	u8 nmi[PAGE_SIZE];
	u8 fault[PAGE_SIZE];
};
extern struct cpu_stacks cpu_stacks[CVM_MAX_CPUS];
