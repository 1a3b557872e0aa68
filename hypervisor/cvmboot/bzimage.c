/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bzimage.h"

#include "cvm/boot.h"
#include "mem.h"

#define SETUP_SECTS		0x1f1
#define SYSSIZE			0x1f4
#define BOOT_FLAG		0x1fe
#define JUMP_DISTANCE		0x201
#define HEADER_MAGIC		0x202
#define VERSION			0x206
#define LOADFLAGS		0x211
#define INITRD_ADDR_MAX		0x22c
#define KERNEL_ALIGNMENT	0x230
#define XLOADFLAGS		0x236
#define CMDLINE_SIZE		0x238
#define SETUP_DATA		0x250
#define PREF_ADDRESS		0x258
#define INIT_SIZE		0x260
#define HEADER_END_MIN		0x264	/* behind init_size */

#define MAGIC_HDRS		0x53726448u
#define LOADED_HIGH		0x01
#define XLF_KERNEL_64		0x0001
#define SECTOR			512u

/* Where QEMU says that it loads the protected-mode part. */
#define QEMU_PROT_ADDR		0x100000u

enum reason bzimage_parse(const uint8_t *head, uint32_t file_size, bool masked, struct bzimage *bz)
{
	uint32_t sects = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
	uint32_t syssize = le32(head + SYSSIZE);
	uint64_t pref = le64(head + PREF_ADDRESS);
	uint32_t align = le32(head + KERNEL_ALIGNMENT);

	if (le16(head + BOOT_FLAG) != 0xaa55 || le32(head + HEADER_MAGIC) != MAGIC_HDRS)
		return R_NOT_BZIMAGE;
	if (!masked && !(head[LOADFLAGS] & LOADED_HIGH))
		return R_NOT_BZIMAGE;
	if (le16(head + VERSION) < 0x20c)
		return R_OLD_PROTOCOL;
	if (!(le16(head + XLOADFLAGS) & XLF_KERNEL_64))
		return R_NO_64BIT_ENTRY;

	bz->setup_size = (sects + 1) * SECTOR;
	bz->header_end = HEADER_MAGIC + head[JUMP_DISTANCE];
	if (bz->header_end < HEADER_END_MIN || bz->setup_size < BZIMAGE_HEAD)
		return R_BAD_HEADER;
	if (bz->header_end > BZIMAGE_HEADER_LIMIT)
		bz->header_end = BZIMAGE_HEADER_LIMIT;
	if (align < 0x1000 || align & (align - 1) || pref & (align - 1) || pref >> 31)
		return R_BAD_HEADER;
	if (syssize == 0 || syssize >> 26)	/* counts paragraphs; 1 GiB is plenty */
		return R_BAD_HEADER;
	if (file_size <= bz->setup_size || syssize * 16 > file_size - bz->setup_size)
		return R_KERNEL_CUT;
	if (syssize * 16 <= 0x200)		/* the 64-bit entry stands there */
		return R_BAD_HEADER;

	bz->syssize = syssize * 16;
	bz->alignment = align;
	bz->pref_address = (uint32_t)pref;
	bz->init_size = le32(head + INIT_SIZE);
	bz->initrd_addr_max = le32(head + INITRD_ADDR_MAX);
	bz->cmdline_max = le32(head + CMDLINE_SIZE);
	return R_OK;
}

enum reason bzimage_kernel_size(const uint8_t *head, uint32_t fwcfg_size, uint32_t *size)
{
	uint64_t setup_data = le64(head + SETUP_DATA);

	*size = fwcfg_size;
	if (!setup_data)
		return R_OK;
	if (setup_data <= QEMU_PROT_ADDR || setup_data - QEMU_PROT_ADDR >= fwcfg_size)
		return R_BAD_SETUP_DATA;
	*size = (uint32_t)setup_data - QEMU_PROT_ADDR;
	return R_OK;
}

void bzimage_mask(uint8_t *head)
{
	static const struct {
		uint16_t offset, size;
	} fields[] = CVM_SETUP_MASK_FIELDS;

	for (unsigned int i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		memset(head + fields[i].offset, 0, fields[i].size);
}
