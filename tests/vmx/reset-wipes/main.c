/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host resets the machine and starts, without RootVisor, to read what its memory held. */
#include "acpi.h"
#include "cvm/guardian.h"

/* CMOS bytes that survive the reset; GRUB reads the first (cmostest). */
enum { CMOS_STAGE = 0x60, CMOS_POOL = 0x61, CMOS_SIZE = 0x65 };

#define EPT_LEAF	(EPT_RWX | EPT_MT_WB)

static u8 cmos_read(u8 i)
{
	outb(0x70, i);
	return inb(0x71);
}

static void cmos_write(u8 i, u8 v)
{
	outb(0x70, i);
	outb(0x71, v);
}

static void first_boot(const u8 *boot_params)
{
	u64 pool = 0, size = 0;

	CHECK(acpi_find(boot_params, "CVMD"));
	for (u32 i = 0; i < boot_params[0x1e8]; i++) {
		const u8 *e = boot_params + 0x2d0 + 20 * i;

		if (*(const u32 *)(e + 16) == 2 && *(const u64 *)(e + 8) >= 48ull << 20 && *(const u64 *)e < 0x80000000) {
			pool = *(const u64 *)e;
			size = *(const u64 *)(e + 8);
		}
	}
	CHECK(pool);
	for (u8 i = 0; i < 4; i++)
		cmos_write((u8)(CMOS_POOL + i), (u8)(pool >> 12 >> 8 * i));
	cmos_write(CMOS_SIZE, (u8)(size >> 20));
	cmos_write(CMOS_STAGE, 1);
	outb(0xcf9, 2);
	outb(0xcf9, 6);
	test_fail(__FILE__, __LINE__, "the machine did not reset", 0);
}

void test_main(const u8 *boot_params)
{
	u64 pool = 0, size, magics = 0, ept = 0;

	if (!(cmos_read(CMOS_STAGE) & 1))
		first_boot(boot_params);
	cmos_write(CMOS_STAGE, 0);
	for (u8 i = 0; i < 4; i++)
		pool |= (u64)cmos_read((u8)(CMOS_POOL + i)) << 12 << 8 * i;
	size = (u64)cmos_read(CMOS_SIZE) << 20;
	CHECK(size);
	CHECK_EQ(e820_type(boot_params, pool), 1);
	for (const u64 *p = (const u64 *)pool; p < (const u64 *)(pool + size); p += 512) {
		magics += *p == CVM_G_MAGIC;
		ept += (p[0] & 0xfff) == EPT_LEAF && (p[511] & 0xfff) == EPT_LEAF;
	}
	/* Both were there; the rest of the pool the second boot loader may have used since. */
	CHECK_EQ(magics, 0);
	CHECK_EQ(ept, 0);
}
