/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Linux/x86 boot protocol (Documentation/x86/boot.rst), 64-bit entry. Pure: also compiled in
 * user space. */
#pragma once

#include "start/memmap.h"

struct bzimage {
	u32 setup_size;			/* bytes of boot sector and setup code in the file */
	u32 payload_size;		/* bytes of the protected-mode part in the file */
	u32 init_size;			/* bytes of memory that it needs from its load address on */
	u32 align;			/* of the load address */
	u64 pref_address;
	bool relocatable;
	u32 header_size;		/* of the setup header, from 0x1f1 */
	u32 cmdline_max;		/* without the final NUL */
};

/* 0, or -EINVAL with *error naming what is wrong with the file. */
int bzimage_parse(const u8 *file, u64 size, struct bzimage *out, const char **error);

/* Where to put the kernel: the preferred address if it is free in m and, if not, the lowest place
 * above it for a relocatable kernel. 0 if there is none below 4 GiB. */
u64 bzimage_place(const struct bzimage *k, const struct memmap *m);

struct boot_params_args {
	u64 initrd, initrd_size;	/* 0, 0 if none */
	u64 cmdline;			/* physical address of the NUL-terminated text */
	u64 rsdp;
	const struct memmap *map;	/* at most 128 ranges: it becomes e820 */
};

/* Fills the zero page for the kernel in `file`, which bzimage_parse() accepted. */
void boot_params_fill(u8 page[4096], const u8 *file, const struct bzimage *k, const struct boot_params_args *a);
