/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host cannot read, write or run RootVisor's memory; each try is #GP and the host goes on. */
#include "test.h"

#define IMAGE	0x4000000ull

static u64 run_at(u64 addr)
{
	return TRY("jmp *%0", : : "r"(addr) : "r11", "memory");
}

static void refused(u64 addr)
{
	CHECK_EQ(try_read(addr), VECTOR_GP);
	CHECK_EQ(try_write(addr, 0), VECTOR_GP);
	CHECK_EQ(run_at(addr), VECTOR_GP);
}

void test_main(const u8 *boot_params)
{
	u64 pool = 0;

	CHECK_EQ(e820_type(boot_params, IMAGE), 2);
	refused(IMAGE);
	refused(IMAGE + 0x7000);
	/* the pool: the largest reserved range below 4 GiB */
	for (u32 i = 0; i < boot_params[0x1e8]; i++) {
		const u8 *e = boot_params + 0x2d0 + 20 * i;
		u64 start = *(const u64 *)e, size = *(const u64 *)(e + 8);

		if (*(const u32 *)(e + 16) == 2 && size >= 48ull << 20 && start < 0x80000000) {
			pool = start;
			for (u64 at = start; at < start + size; at += 4ull << 20)
				refused(at);
			refused(start + size - 8);
			CHECK_EQ(try_read(start + size), NO_TRAP);
		}
	}
	CHECK(pool);
	CHECK_EQ(try_read(pool - 4096), NO_TRAP);
	/* across the edge */
	CHECK_EQ(try_write(pool - 4, 0), VECTOR_GP);
	/* by a page table in RootVisor's memory: the walk itself faults, nothing else can happen */
	CHECK_EQ(try_read(IMAGE - 8), NO_TRAP);
}
