/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bootparams.h"

#include "layout.h"
#include "mem.h"

#define ACPI_RSDP_ADDR	0x070
#define E820_COUNT	0x1e8
#define TYPE_OF_LOADER	0x210
#define LOADFLAGS	0x211
#define RAMDISK_IMAGE	0x218
#define RAMDISK_SIZE	0x21c
#define HEAP_END_PTR	0x224
#define CMD_LINE_PTR	0x228
#define SETUP_DATA	0x250
#define E820_TABLE	0x2d0
#define E820_ENTRY	20

#define LOADER_UNKNOWN	0xff	/* "no assigned id" */
#define LOADED_HIGH	0x01

enum e820_type {
	E820_RAM	= 1,
	E820_RESERVED	= 2,
	E820_ACPI	= 3,
};

static void e820_add(uint8_t *page, uint64_t start, uint64_t end, uint32_t type)
{
	uint8_t *entry = page + E820_TABLE + page[E820_COUNT]++ * E820_ENTRY;

	put_le64(entry, start);
	put_le64(entry + 8, end - start);
	put_le32(entry + 16, type);
}

void bootparams_build(uint8_t *page, const uint8_t *head, const struct bzimage *bz,
		      const struct launch *l, uint32_t cmdline, uint32_t rsdp)
{
	memset(page, 0, BOOTPARAMS_SIZE);
	memcpy(page + BZIMAGE_HEADER_START, head + BZIMAGE_HEADER_START,
	       bz->header_end - BZIMAGE_HEADER_START);
	page[TYPE_OF_LOADER] = LOADER_UNKNOWN;
	page[LOADFLAGS] = LOADED_HIGH;
	put_le16(page + HEAP_END_PTR, 0);
	put_le32(page + RAMDISK_IMAGE, l->initrd_gpa);
	put_le32(page + RAMDISK_SIZE, l->initrd_size);
	put_le32(page + CMD_LINE_PTR, cmdline);
	put_le64(page + SETUP_DATA, 0);
	put_le64(page + ACPI_RSDP_ADDR, rsdp);

	if (l->mailbox) {		/* the others wait in stage 2 */
		e820_add(page, 0, CVM_FW_GPA, E820_RAM);
		e820_add(page, CVM_FW_GPA, LAYOUT_BOOT_PARAMS, E820_RESERVED);
		e820_add(page, LAYOUT_BOOT_PARAMS, CVM_HOLE_GPA, E820_RAM);
	} else {
		e820_add(page, 0, CVM_HOLE_GPA, E820_RAM);
	}
	e820_add(page, CVM_HOLE_GPA, CVM_HOLE_END, E820_RESERVED);
	e820_add(page, CVM_HOLE_END, LAYOUT_ACPI, E820_RAM);
	e820_add(page, LAYOUT_ACPI, LAYOUT_ACPI + LAYOUT_ACPI_SIZE, E820_ACPI);
	e820_add(page, LAYOUT_LOW_END, LAYOUT_1MIB, E820_RESERVED);
	e820_add(page, LAYOUT_1MIB, l->low_top, E820_RAM);
	/* KVM's own pages and the ROM, as QEMU's e820 and PC firmware say. */
	e820_add(page, 0xfeffc000, 0xff000000, E820_RESERVED);
	e820_add(page, 0xfffc0000, LAYOUT_4GIB, E820_RESERVED);
	if (l->high_top > LAYOUT_4GIB)
		e820_add(page, LAYOUT_4GIB, l->high_top, E820_RAM);
}
