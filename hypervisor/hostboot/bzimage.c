/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostboot/bzimage.h"

#include "hostboot/place.h"
#include "hostboot/put.h"

/* Setup header, offsets in file and zero page. */
#define SETUP_SECTS		0x1f1
#define BOOT_FLAG		0x1fe
#define JUMP_LENGTH		0x201
#define HEADER_MAGIC		0x202
#define VERSION			0x206
#define TYPE_OF_LOADER		0x210
#define LOADFLAGS		0x211
#define RAMDISK_IMAGE		0x218
#define RAMDISK_SIZE		0x21c
#define CMD_LINE_PTR		0x228
#define KERNEL_ALIGNMENT	0x230
#define RELOCATABLE		0x234
#define XLOADFLAGS		0x236
#define CMDLINE_SIZE		0x238
#define PREF_ADDRESS		0x258
#define INIT_SIZE		0x260
#define HEADER_END_MIN		0x264
#define HEADER_END_MAX		0x290	/* what the zero page holds */
/* Zero page only. */
#define ACPI_RSDP_ADDR		0x070
#define EXT_RAMDISK_IMAGE	0x0c0
#define EXT_RAMDISK_SIZE	0x0c4
#define EXT_CMD_LINE_PTR	0x0c8
#define E820_ENTRIES		0x1e8
#define E820_TABLE		0x2d0

#define VERSION_MIN		0x020c	/* 3.8: XLF_KERNEL_64 */
#define LOADED_HIGH		1u
#define XLF_KERNEL_64		1u

int bzimage_parse(const u8 *file, u64 size, struct bzimage *out, const char **error)
{
	u32 sects;

	*out = (struct bzimage) { 0 };
	if (size < HEADER_END_MIN)
		return bad(error, "the kernel file is too short");
	if (get16(file + BOOT_FLAG) != 0xaa55 || get32(file + HEADER_MAGIC) != 0x53726448)
		return bad(error, "the kernel file is no bzImage");
	if (get16(file + VERSION) < VERSION_MIN)
		return bad(error, "the kernel's boot protocol is older than 2.12");
	if (!(file[LOADFLAGS] & LOADED_HIGH) || !(get16(file + XLOADFLAGS) & XLF_KERNEL_64))
		return bad(error, "the kernel has no 64-bit entry (XLF_KERNEL_64)");
	out->header_size = HEADER_MAGIC + file[JUMP_LENGTH] - SETUP_SECTS;
	if (SETUP_SECTS + out->header_size < HEADER_END_MIN)
		return bad(error, "the kernel's setup header has a bad size");
	if (SETUP_SECTS + out->header_size > HEADER_END_MAX)
		out->header_size = HEADER_END_MAX - SETUP_SECTS;
	sects = file[SETUP_SECTS] ? file[SETUP_SECTS] : 4;
	out->setup_size = (sects + 1) * 512;
	if (size <= out->setup_size || SETUP_SECTS + out->header_size > size)
		return bad(error, "the kernel file ends within its setup code");
	if (size > 0x40000000)
		return bad(error, "the kernel file is larger than 1 GiB");
	out->payload_size = (u32)(size - out->setup_size);
	out->init_size = get32(file + INIT_SIZE);
	out->align = get32(file + KERNEL_ALIGNMENT);
	out->pref_address = get64(file + PREF_ADDRESS);
	out->relocatable = file[RELOCATABLE];
	out->cmdline_max = get32(file + CMDLINE_SIZE);
	if (out->init_size < out->payload_size || out->init_size > 0x80000000)
		return bad(error, "the kernel's init_size is smaller than the kernel");
	if (out->align < 4096 || out->align & (out->align - 1))
		return bad(error, "the kernel's alignment is not a power of two of at least 4 KiB");
	if (out->pref_address < 0x100000 || out->pref_address >= 0x100000000ull ||
	    out->pref_address & (out->align - 1))
		return bad(error, "the kernel's preferred address is below 1 MiB, above 4 GiB or not aligned");
	*error = NULL;
	return 0;
}

u64 bzimage_place(const struct bzimage *k, const struct memmap *m)
{
	u64 end = k->pref_address + k->init_size;

	if (memmap_is_ram(m, k->pref_address, end) && end <= 0x100000000ull)
		return k->pref_address;
	if (!k->relocatable)
		return 0;
	return memmap_find_low(m, k->init_size, k->align, k->pref_address, 0x100000000ull);
}

void boot_params_fill(u8 page[4096], const u8 *file, const struct bzimage *k, const struct boot_params_args *a)
{
	for (u32 i = 0; i < 4096; i++)
		page[i] = 0;
	for (u32 i = 0; i < k->header_size; i++)
		page[SETUP_SECTS + i] = file[SETUP_SECTS + i];

	/* screen_info: VGA text, 80x25, 16 points */
	page[0x06] = 3;
	page[0x07] = 80;
	page[0x0e] = 25;
	page[0x0f] = 1;
	page[0x10] = 16;

	page[TYPE_OF_LOADER] = 0xff;	/* no number assigned */
	put_le(page + RAMDISK_IMAGE, (u32)a->initrd, 4);
	put_le(page + RAMDISK_SIZE, (u32)a->initrd_size, 4);
	put_le(page + EXT_RAMDISK_IMAGE, (u32)(a->initrd >> 32), 4);
	put_le(page + EXT_RAMDISK_SIZE, (u32)(a->initrd_size >> 32), 4);
	put_le(page + CMD_LINE_PTR, (u32)a->cmdline, 4);
	put_le(page + EXT_CMD_LINE_PTR, (u32)(a->cmdline >> 32), 4);
	put_le(page + ACPI_RSDP_ADDR, a->rsdp, 8);
	page[E820_ENTRIES] = (u8)a->map->n;
	for (u32 i = 0; i < a->map->n; i++) {
		u8 *e = page + E820_TABLE + 20 * i;

		put_le(e, a->map->r[i].start, 8);
		put_le(e + 8, a->map->r[i].end - a->map->r[i].start, 8);
		put_le(e + 16, a->map->r[i].type, 4);
	}
}
