/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stage 2 takes from the launch table, checked. Pure. */
#ifndef CVMBOOT_LAUNCH_H
#define CVMBOOT_LAUNCH_H

#include <stdint.h>

#include "bzimage.h"
#include "cvm/boot.h"
#include "reason.h"

struct launch {
	uint32_t vcpus;
	uint32_t mailbox;		/* of those that wait in stage 2; 0: none does. Set by stage 2 itself */
	uint64_t low_top;
	uint64_t high_top;		/* 4 GiB if there is no high RAM */
	uint32_t kernel_gpa, kernel_size;
	uint32_t initrd_gpa, initrd_size;	/* 0 if none */
	uint32_t cmdline_gpa, cmdline_size;	/* 0 if none */
};

/*
 * launch_check - validates the table
 *
 * RootVisor checked it at PROTECT, but against its own needs; the host chose the values. After
 * this all components lie in low RAM, apart from each other and from stage 2's own pages.
 *
 * Returns R_OK or R_BAD_LAUNCH_TABLE.
 */
enum reason launch_check(const struct cvm_launch_table *t, struct launch *l);

/*
 * launch_check_kernel - the place where the kernel runs
 * @bz: its parsed header
 *
 * Returns R_OK if [pref_address, end of what the kernel overwrites) is low RAM, the kernel lies
 * less than a page behind it or exactly on it, and the initrd does not overlap it; else
 * R_BAD_LAUNCH_TABLE.
 */
enum reason launch_check_kernel(const struct launch *l, const struct bzimage *bz);

#endif
