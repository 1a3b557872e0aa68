/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's fw_cfg device by its DMA interface (QEMU docs/specs/fw_cfg.rst). Everything that
 * comes out of it is the host's word.
 */
#ifndef CVMBOOT_FWCFG_H
#define CVMBOOT_FWCFG_H

#include <stdint.h>

#include "reason.h"

enum fwcfg_key {
	FWCFG_SIGNATURE		= 0x00,
	FWCFG_ID		= 0x01,
	FWCFG_UUID		= 0x02,
	FWCFG_NB_CPUS		= 0x05,
	FWCFG_KERNEL_SIZE	= 0x08,
	FWCFG_INITRD_SIZE	= 0x0b,
	FWCFG_KERNEL_DATA	= 0x11,
	FWCFG_INITRD_DATA	= 0x12,
	FWCFG_CMDLINE_SIZE	= 0x14,
	FWCFG_CMDLINE_DATA	= 0x15,
	FWCFG_SETUP_SIZE	= 0x17,
	FWCFG_SETUP_DATA	= 0x18,
	FWCFG_FILE_DIR		= 0x19,
};

/* R_OK, R_NO_FWCFG or R_NO_DMA. */
enum reason fwcfg_probe(void);

/*
 * Reads @size bytes of item @key from its start to guest-physical @gpa. What lies behind
 * the item's end reads as zero. Stops the VM if the device reports an error.
 */
void fwcfg_read(uint16_t key, uint32_t gpa, uint32_t size);

/* The item as a little-endian number of 4 or 2 bytes. */
uint32_t fwcfg_read32(uint16_t key);
uint16_t fwcfg_read16(uint16_t key);

#endif
