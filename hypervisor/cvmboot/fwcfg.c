/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fwcfg.h"

#include "console.h"
#include "io.h"
#include "mem.h"

#define PORT_SELECTOR	0x510
#define PORT_DATA	0x511
#define PORT_DMA_HIGH	0x514
#define PORT_DMA_LOW	0x518

#define ID_DMA		0x02

#define DMA_ERROR	0x01u
#define DMA_READ	0x02u
#define DMA_SELECT	0x08u

/* QEMU serves a transfer before the OUT ends; other devices may take a while. */
#define SPIN_MAX	(1u << 26)

struct dma_access {	/* big-endian */
	uint32_t control;
	uint32_t length;
	uint64_t address;
} __attribute__((aligned(16)));

static volatile struct dma_access access;

enum reason fwcfg_probe(void)
{
	static const char signature[4] = { 'Q', 'E', 'M', 'U' };

	outw(PORT_SELECTOR, FWCFG_SIGNATURE);
	for (int i = 0; i < 4; i++)
		if (inb(PORT_DATA) != (uint8_t)signature[i])
			return R_NO_FWCFG;
	outw(PORT_SELECTOR, FWCFG_ID);
	if (!(inb(PORT_DATA) & ID_DMA))
		return R_NO_DMA;
	return R_OK;
}

void fwcfg_read(uint16_t key, uint32_t gpa, uint32_t size)
{
	uint32_t control = 0;

	access.control = __builtin_bswap32((uint32_t)key << 16 | DMA_SELECT | DMA_READ);
	access.length = __builtin_bswap32(size);
	access.address = __builtin_bswap64(gpa);
	outl(PORT_DMA_HIGH, 0);
	outl(PORT_DMA_LOW, __builtin_bswap32((uint32_t)(uintptr_t)&access));
	for (uint32_t i = 0; i < SPIN_MAX; i++) {
		control = __builtin_bswap32(access.control);
		if (!(control & ~DMA_ERROR))
			break;
		__asm__ volatile("pause");
	}
	if (control)
		die_num(R_DMA_FAILED, "item", key);
}

uint32_t fwcfg_read32(uint16_t key)
{
	uint8_t b[4];

	fwcfg_read(key, (uint32_t)(uintptr_t)b, sizeof(b));
	return le32(b);
}

uint16_t fwcfg_read16(uint16_t key)
{
	uint8_t b[2];

	fwcfg_read(key, (uint32_t)(uintptr_t)b, sizeof(b));
	return le16(b);
}
