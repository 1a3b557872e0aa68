/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fwcfg-parse.h"

#include "layout.h"
#include "mem.h"

#define NAME_OFFSET	8u
#define NAME_SIZE	56u
#define E820_RAM	1u

enum reason fwcfg_find(const uint8_t *dir, const char *name, struct fwcfg_file *file)
{
	uint32_t count = be32(dir);

	if (count > FWCFG_DIR_FILES)
		count = FWCFG_DIR_FILES;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry = dir + 4 + i * FWCFG_DIR_ENTRY;
		const uint8_t *s = entry + NAME_OFFSET;
		uint32_t n = 0;

		if (s[NAME_SIZE - 1])
			return R_FWCFG_DIR;
		while (name[n] && s[n] == (uint8_t)name[n])
			n++;
		if (name[n] || s[n])
			continue;
		file->size = be32(entry);
		file->key = be16(entry + 4);
		return R_OK;
	}
	return R_NO_E820;
}

enum reason e820_parse(const uint8_t *map, uint32_t size, struct ram *ram)
{
	uint64_t low = 0, high = 0;

	if (size % E820_ENTRY || size / E820_ENTRY > E820_MAX)
		return R_BAD_E820;
	for (uint32_t off = 0; off < size; off += E820_ENTRY) {
		uint64_t addr = le64(map + off), len = le64(map + off + 8);

		if (le32(map + off + 16) != E820_RAM || len == 0)
			continue;
		if (len % LAYOUT_PAGE)
			return R_BAD_E820;
		if (addr == 0 && !low && len <= LAYOUT_LOW_TOP_MAX)
			low = len;
		else if (addr == LAYOUT_4GIB && !high && len <= LAYOUT_HIGH_TOP_MAX - LAYOUT_4GIB)
			high = len;
		else
			return R_BAD_E820;
	}
	if (low < 2 * LAYOUT_1MIB)
		return R_BAD_E820;
	ram->low_top = low;
	ram->high_top = LAYOUT_4GIB + high;
	return R_OK;
}
