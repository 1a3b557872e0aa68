/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The setup header of a Linux bzImage (Linux Documentation/x86/boot.rst). Pure.
 */
#ifndef CVMBOOT_BZIMAGE_H
#define CVMBOOT_BZIMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "reason.h"

/* Bytes from the start of the file that hold all of the header. */
#define BZIMAGE_HEAD		0x400u
#define BZIMAGE_HEADER_START	0x1f1u
#define BZIMAGE_HEADER_LIMIT	0x290u	/* where the header's room in boot_params ends */

struct bzimage {
	uint32_t setup_size;		/* bytes of the real-mode part with its boot sector */
	uint32_t header_end;		/* offset behind the header, <= BZIMAGE_HEADER_LIMIT */
	uint32_t alignment;		/* kernel_alignment, a power of two >= 4096 */
	uint32_t init_size;		/* bytes needed from pref_address on */
	uint32_t initrd_addr_max;	/* highest address of the initrd's last byte */
	uint32_t cmdline_max;		/* bytes without the final NUL */
	uint32_t pref_address;
	uint32_t syssize;		/* bytes of the protected-mode part by the header */
};

/*
 * bzimage_parse - checks and reads the header
 * @head: the first BZIMAGE_HEAD bytes of the file
 * @file_size: of the whole file, > BZIMAGE_HEAD
 * @masked: the fields of CVM_SETUP_MASK_FIELDS are zero, as in the measured component
 *
 * Returns R_OK, R_NOT_BZIMAGE, R_OLD_PROTOCOL, R_NO_64BIT_ENTRY, R_BAD_HEADER or
 * R_KERNEL_CUT.
 */
enum reason bzimage_parse(const uint8_t *head, uint32_t file_size, bool masked,
			  struct bzimage *bz);

/*
 * bzimage_kernel_size - bytes of the protected-mode part as the file has it
 * @head: as above; @fwcfg_size: what FWCFG_KERNEL_SIZE says
 *
 * QEMU appends data of its own (random seed, device tree) behind the kernel in some versions
 * and then points the header's setup_data there: this cuts it off.
 *
 * Returns R_OK or R_BAD_SETUP_DATA.
 */
enum reason bzimage_kernel_size(const uint8_t *head, uint32_t fwcfg_size, uint32_t *size);

/* Zeroes the fields of CVM_SETUP_MASK_FIELDS. @head: at least BZIMAGE_HEAD bytes. */
void bzimage_mask(uint8_t *head);

#endif
