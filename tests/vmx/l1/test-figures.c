/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What it costs to take pages from the host: ticks of the TSC, NMIs to another CPU. tests/bench prints it. What is taken is checked. */
#include "attacks.h"

#define SMALL		0x400000u	/* 2 MiB of guest RAM, 4 KiB leaves in EPT12 */
#define LARGE		0x600000u	/* 2 MiB, one leaf */
#define PAGES		64u		/* that are touched one by one */

static struct vm1 a;

static u64 taken(void)
{
	struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_VM_STATS, a.id, &s, sizeof(s)), 0);
	return s.taken;
}

/* NMI exits of all CPUs. */
static u64 kicks(void)
{
	struct cvm_stats s;

	REQUIRE_EQ(host_call(CVM_HOST_STATS, 0, &s, sizeof(s)), 0);
	return s.by_reason[EXIT_EXCEPTION_NMI];
}

/* Reads a word of each page. */
static u64 touch(u32 gpa, u32 pages)
{
	u64 start = tsc();

	for (u32 i = 0; i < pages; i++)
		EXPECT_EQ(CMD(&a, FW_READ, gpa + i * 4096), 0);
	return tsc() - start;
}

/* Ticks of the first touch on top of those of another one, for each of the pages; it takes that many pages in all. */
static void first_touch(const char *what, u32 gpa, u32 pages, u64 takes)
{
	u64 before = taken(), nmis = kicks(), first = touch(gpa, pages);

	nmis = kicks() - nmis;
	EXPECT_EQ(taken() - before, takes);
	before = taken();
	first -= touch(gpa, pages);
	EXPECT_EQ(taken(), before);
	say("FIGURE %s %lu\n", what, first / pages);
	say("FIGURE %s-nmis %lu\n", what, nmis / pages);
}

TEST(figures_take, "figures-taking-pages")
{
	u8 *small = page_alloc_contig(512, 512), *large = page_alloc_contig(512, 512);
	struct cvm_protect p;
	u64 *pd;

	begin();
	vm1_create(&a);
	for (u32 i = 0; i < 512; i++)
		ept_map(a.g.ept, SMALL + i * 4096ull, (u64)small + i * 4096, EPT_LEAF);
	pd = (u64 *)(*(u64 *)(a.g.ept[0] & EPT_ADDR) & EPT_ADDR);
	pd[LARGE >> 21] = (u64)large | EPT_LEAF | EPT_LARGE;
	vm1_block(&p);
	p.nr_ram = 2;
	p.ram[1] = (struct cvm_ram_range){ .gpa = SMALL, .size = LARGE + 0x200000 - SMALL };
	copy(a.ram + BLOCK_GPA, &p, sizeof(p));
	REQUIRE_EQ(vm1_protect_at(&a, BLOCK_GPA, sizeof(p)), 0);
	vm1_find_id(&a);
	EXPECT_EQ(CMD(&a, FW_READ, DATA), 0);		/* what any command takes is there */
	first_touch("taking-a-page", SMALL, PAGES, PAGES);
	first_touch("taking-2-MiB", LARGE, 1, 512);
	expect_running(&a);
}
