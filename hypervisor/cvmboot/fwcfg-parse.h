/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contents of fw_cfg items, from untrusted bytes. Pure. */
#ifndef CVMBOOT_FWCFG_PARSE_H
#define CVMBOOT_FWCFG_PARSE_H

#include <stdint.h>

#include "cvm/boot.h"
#include "reason.h"

/* Bytes of the file directory that are looked at: its count and this many entries. */
#define FWCFG_DIR_FILES		128u
#define FWCFG_DIR_ENTRY		64u
#define FWCFG_DIR_SIZE		(4u + FWCFG_DIR_FILES * FWCFG_DIR_ENTRY)

struct fwcfg_file {
	uint32_t size;		/* bytes */
	uint16_t key;
};

/*
 * fwcfg_find - looks a file up in the directory (item FWCFG_FILE_DIR)
 * @dir: FWCFG_DIR_SIZE bytes, zero behind the item's end
 * @name: NUL-terminated, shorter than 56 bytes
 *
 * Returns R_OK and fills @file; R_FWCFG_DIR if a name that counts is not NUL-terminated;
 * R_NO_E820 if there is no such file (only etc/e820 is ever looked for).
 */
enum reason fwcfg_find(const uint8_t *dir, const char *name, struct fwcfg_file *file);

/* Entry of etc/e820: le64 address, le64 length, le32 type. */
#define E820_ENTRY	20u
#define E820_MAX	32u

struct ram {
	uint64_t low_top;	/* RAM is [0, low_top) */
	uint64_t high_top;	/* and [4 GiB, high_top); 4 GiB if there is none */
};

/*
 * e820_parse - RAM of the VM from QEMU's etc/e820
 * @map, @size: its bytes; at most E820_MAX entries
 *
 * Returns R_OK; R_BAD_E820 if the size is no multiple of an entry, a RAM entry begins
 * elsewhere than at 0 or 4 GiB, appears twice, is not whole pages or too large.
 */
enum reason e820_parse(const uint8_t *map, uint32_t size, struct ram *ram);

#endif
