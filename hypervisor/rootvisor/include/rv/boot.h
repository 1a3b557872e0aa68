/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What boot leaves behind for the rest. */
#pragma once

#include "rv/types.h"

struct boot_module {
	u64 start, size;
};

/* Set once by boot/, read-only afterwards. */
struct rv_boot {
	struct boot_module guardian;	/* a RootVisor-owned copy, page-aligned */
	u64 tsc_khz, tsc_start;
	u64 image_start;		/* of RootVisor */
	u64 file_bytes;			/* from image_start: bytes of loadable segments as in the ELF file */
};
extern struct rv_boot rv_boot;

#define RV_VERSION	((0u << 16) | (1u << 8) | 0u)
#define RV_SVN		1u
