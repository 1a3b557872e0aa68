/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 4-level page walk over memory that its owner may change meanwhile. Pure: also in user space. */
#pragma once

#include "rv/types.h"

struct walk_ops {
	/* Reads one entry of a page table. 0, or -EPERM: not the walker's memory. */
	int (*read_entry)(void *ctx, u64 pa, u64 *entry);
	void *ctx;
};

/* Translates la. write, user: what every level must allow. *pa = physical address, *left = bytes to
 * the end of its 4 KiB page. 0; -EFAULT: not mapped or not permitted, or a reserved bit above
 * phys_bits; -EPERM as read_entry. */
int walk4(const struct walk_ops *ops, u64 cr3, u32 phys_bits, u64 la, bool write, bool user, u64 *pa, u64 *left);
