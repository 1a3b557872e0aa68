/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Translations: accessed and dirty bits, page sizes, INVLPG, INVPCID, PCIDs, protection by CR4; the host's dirty log. */
#include "l1.h"

#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_LARGE	BIT(7)
#define PTE_G		BIT(8)
#define LA		0xc000000000ull		/* in an entry of the PML4 that nobody uses */
#define CR4_PCIDE	BIT(17)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)
#define LOGGED		0x40000000ull
#define LOGGED_PAGES	256u
#define PORT_DIRTY	0x500cu

/* Tables for LA; level 3, 2 or 1 holds the leaf. */
static u64 *leaf_at(u32 level)
{
	u64 *table = (u64 *)(read_cr3() & ~0xfffull);

	for (u32 l = 4; l > level; l--) {
		u64 *e = &table[LA >> (12 + 9 * (l - 1)) & 511];

		*e = (u64)page_alloc() | PTE_P | PTE_W | PTE_U;
		table = (u64 *)(*e & ~0xfffull);
	}
	return &table[LA >> (12 + 9 * (level - 1)) & 511];
}

static void drop(void)
{
	((u64 *)(read_cr3() & ~0xfffull))[LA >> 39 & 511] = 0;
	__asm__ volatile("mov %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

static void invlpg(u64 la) { __asm__ volatile("invlpg (%0)" : : "r"(la) : "memory"); }

static u32 invpcid(u64 type, u64 pcid, u64 la)
{
	struct { u64 pcid, la; } d = { pcid, la };

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: invpcid %1, %0\n2:\n" EX(1b, 2b) : : "r"(type), "m"(d) : "memory");
	return last_trap.code;
}

TEST(accessed, "guest-accessed-and-dirty")
{
	u64 *leaf = leaf_at(1), v;

	*leaf = (u64)page_alloc() | PTE_P | PTE_W;
	EXPECT_EQ(try_read(LA, &v), NO_TRAP);
	EXPECT_EQ(*leaf & (PTE_A | PTE_D), PTE_A);
	EXPECT_EQ(try_write(LA, 1), NO_TRAP);
	EXPECT_EQ(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
	*leaf &= ~(PTE_A | PTE_D);
	invlpg(LA);
	__asm__ volatile("lock; incq (%0)" : : "r"(LA) : "memory");
	EXPECT_EQ(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
	drop();
}

TEST(sizes, "guest-page-sizes")
{
	u64 *page = page_alloc_contig(512, 512), *leaf, v;
	u32 r[4];

	page[0] = 0x1111;
	page[511 * 512] = 0x2222;
	leaf = leaf_at(2);
	*leaf = (u64)page | PTE_P | PTE_W | PTE_LARGE;
	EXPECT_EQ(try_read(LA + 511 * 4096, &v), NO_TRAP);
	EXPECT_EQ(v, 0x2222);
	EXPECT_EQ(*leaf & (PTE_A | PTE_D), PTE_A);
	*leaf |= BIT(13);				/* reserved in a large leaf */
	invlpg(LA);
	EXPECT_EQ(try_read(LA, &v), PF);
	EXPECT_EQ(last_trap.error, 9);
	drop();
	cpuid(0x80000001, 0, r);
	if (r[3] & BIT(26)) {				/* 1 GiB */
		*leaf_at(3) = PTE_P | PTE_W | PTE_LARGE;
		EXPECT_EQ(try_read(LA + (u64)page, &v), NO_TRAP);
		EXPECT_EQ(v, 0x1111);
		drop();
	}
	cpuid(7, 0, r);
	if (!(r[2] & BIT(16)))				/* no 5 levels: refused */
		EXPECT_EQ(try_write_cr4(read_cr4() | BIT(12)), GP);
}

TEST(flushes, "guest-invlpg")
{
	u64 *one = page_alloc(), *two = page_alloc(), *leaf = leaf_at(1), v;

	*one = 1;
	*two = 2;
	for (u32 i = 0; i < 20; i++) {
		*leaf = (u64)(i & 1 ? two : one) | PTE_P | PTE_W | (i & 2 ? PTE_G : 0);
		invlpg(LA);
		EXPECT_EQ(try_read(LA, &v), NO_TRAP);
		EXPECT_EQ(v, i & 1 ? 2 : 1);
	}
	*leaf = 0;
	invlpg(LA);
	EXPECT_EQ(try_read(LA, &v), PF);
	drop();
}

TEST(pcids, "guest-pcid-invpcid")
{
	u64 *one = page_alloc(), *two = page_alloc(), *leaf = leaf_at(1), cr3 = read_cr3(), v;
	u32 r[4];

	cpuid(7, 0, r);
	if (!(r[1] & BIT(10))) {
		EXPECT_EQ(invpcid(2, 0, 0), UD);
		drop();
		SKIP_TEST("needs INVPCID");
	}
	cpuid(1, 0, r);
	if (!(r[2] & BIT(17)))
		SKIP_TEST("needs PCIDs");
	*one = 1;
	*two = 2;
	EXPECT_EQ(try_write_cr4(read_cr4() | CR4_PCIDE), NO_TRAP);
	for (u64 type = 0; type < 4; type++) {
		about("type", type);
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3 | 7) : "memory");
		*leaf = (u64)one | PTE_P;
		EXPECT_EQ(invpcid(2, 0, 0), NO_TRAP);
		EXPECT_EQ(try_read(LA, &v), NO_TRAP);
		EXPECT_EQ(v, 1);
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3 | 8 | BIT(63)) : "memory");
		*leaf = (u64)two | PTE_P;
		EXPECT_EQ(invpcid(type, 7, LA), NO_TRAP);
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3 | 7 | BIT(63)) : "memory");
		EXPECT_EQ(try_read(LA, &v), NO_TRAP);
		EXPECT_EQ(v, 2);
	}
	about(NULL, 0);
	EXPECT_EQ(invpcid(4, 0, 0), GP);
	EXPECT_EQ(invpcid(0, 0x1000, LA), GP);
	EXPECT_EQ(invpcid(0, 7, 0x8000000000000000ull), GP);
	EXPECT_EQ(try_write_cr0(read_cr0() & ~CR0_PG), GP);	/* PCIDE is set */
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_PCIDE), NO_TRAP);
	drop();
}

TEST(supervisor, "guest-smep-smap")
{
	u8 *page = page_alloc();
	u64 la = win_map(30, (u64)page, PTE_P | PTE_W | PTE_U), v;
	u32 r[4];

	page[0] = 0xc3;
	cpuid(7, 0, r);
	if (!(r[1] & BIT(7)))
		SKIP_TEST("needs SMEP");
	EXPECT_EQ(try_exec(la), NO_TRAP);
	EXPECT_EQ(try_write_cr4(read_cr4() | CR4_SMEP), NO_TRAP);
	EXPECT_EQ(try_exec(la), PF);
	EXPECT_EQ(last_trap.error & ~0x10ull, 1);
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_SMEP), NO_TRAP);
	if (r[1] & BIT(20)) {
		EXPECT_EQ(try_write_cr4(read_cr4() | CR4_SMAP), NO_TRAP);
		EXPECT_EQ(try_read(la, &v), PF);
		EXPECT_EQ(last_trap.error, 1);
		__asm__ volatile("stac");
		EXPECT_EQ(try_read(la, &v), NO_TRAP);
		__asm__ volatile("clac");
		EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_SMAP), NO_TRAP);
	}
}

static u64 in32(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* The host's log of this memory has just the pages that were written since it took it last. */
TEST(dirty_log, "guest-dirty-log")
{
	u32 want[LOGGED_PAGES / 32];

	/* KVM maps what is read for the first time writable, and takes it for written. */
	for (u32 i = 0; i < LOGGED_PAGES; i++)
		(void)*(volatile u64 *)(LOGGED + 4096ull * i);
	for (u32 round = 0; round < 3; round++) {
		zero(want, sizeof(want));
		out8(PORT_DIRTY, 0);
		for (u32 i = 0; i < LOGGED_PAGES; i++) {
			volatile u64 *at = (volatile u64 *)(LOGGED + 4096ull * i);

			if ((i * 7 + round) % 5)
				(void)*at;
			else {
				*at = i;
				want[i / 32] |= 1u << i % 32;
			}
		}
		out8(PORT_DIRTY, 0);
		for (u32 i = 0; i < ARRAY_SIZE(want); i++) {
			about("round and word", round << 8 | i);
			EXPECT_EQ(in32(PORT_DIRTY), want[i]);
		}
	}
}
