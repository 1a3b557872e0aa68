/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where everything goes: from sizes to the argument of PROTECT. Pure. */
#ifndef CVMBOOT_PLAN_H
#define CVMBOOT_PLAN_H

#include <stdint.h>

#include "bzimage.h"
#include "cvm/boot.h"
#include "fwcfg-parse.h"
#include "reason.h"

struct plan_input {
	struct ram ram;
	struct bzimage bz;
	uint32_t firmware_size;		/* whole pages */
	uint32_t kernel_size;		/* protected-mode part, bytes */
	uint32_t initrd_size;		/* bytes, 0 if none */
	uint32_t cmdline_size;		/* bytes without the NUL, 0 if none */
};

/*
 * plan_make - fills @p but for the uuid
 *
 * The kernel lies such that its protected-mode part starts at pref_address, where it can run in
 * place (up to one page behind if the setup part is not whole pages; stage 2 moves it). The
 * initrd ends as high as allowed.
 *
 * Returns R_OK, R_BAD_HEADER, R_CMDLINE_TOO_LONG, R_TOO_LITTLE_RAM or R_INITRD_TOO_BIG.
 */
enum reason plan_make(const struct plan_input *in, struct cvm_protect *p);

/* Bytes from pref_address on that the kernel overwrites before it reads the memory map. */
uint64_t plan_run_size(const struct bzimage *bz, uint32_t kernel_size);

#endif
