/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the boot loader hands over (Multiboot2 1.6, section 3.4). Pure: also compiled in user space. */
#pragma once

#include "start/memmap.h"
#include "cvm/tpm.h"

#define MB2_BOOT_MAGIC	0x36d76289u
#define MB2_INFO_MAX	0x100000u	/* bytes of boot information that we are ready to read */
#define MB2_CMDLINE_MAX	2048u		/* with the final NUL; COMMAND_LINE_SIZE of Linux on x86 */

struct mb2_module {
	u64 start, end;			/* physical; 0, 0 if absent */
	char cmdline[MB2_CMDLINE_MAX];	/* behind the role word */
};

struct mb2_info {
	struct memmap map;		/* normalised */
	struct mb2_module kernel, initrd, guardian;
	char cmdline[CVM_TPM_CONFIG_MAX + 1];	/* RootVisor's own */
	bool fallback_native;		/* fallback=native */
	u64 pool_mib;			/* pool=<MiB>, 0 = default */
	u8 rsdp[36];
	u32 rsdp_size;			/* 0 if the loader gave none; 20 (ACPI 1.0) or 36 */
};

/* info: the boot information, of which `limit` bytes may be read, 8-byte aligned. 0, or -EINVAL /
 * -ENOSPC with *error set to a text that names what is wrong. */
int mb2_parse(const void *info, size_t limit, struct mb2_info *out, const char **error);

/*
 * What is free: the map's RAM less the whole pages of the image, [image_start, image_end), and of the modules, which must lie in
 * RAM, and neither in the image nor in one another. 0; -EINVAL or -ENOSPC with *error set as above, and *at: where.
 */
int mb2_free(const struct mb2_info *mb, u64 image_start, u64 image_end, struct memmap *out, u64 *at, const char **error);

/*
 * Bytes of the pool, whole MiB: what pool= says; else a 32nd of RAM, at most half of the largest piece that is free below 4 GiB (where it
 * must lie, and where the host needs some, too), and never less than 48 MiB.
 */
u64 mb2_pool_size(const struct mb2_info *mb, const struct memmap *free_map);
