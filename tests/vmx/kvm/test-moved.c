/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole work of a guest whose vCPUs the host moves from CPU to CPU while it reads the guest's memory: each vCPU has pages that
 * only it writes, and checks each word of them in each round; after each round the vCPUs wait for one another. It takes no
 * exception, and often exits by a port (docs/caveats.md says what the emulator makes of others on several CPUs).
 * Options: rounds=N.
 */
#include "l1.h"

#define PAGES		16u		/* of each vCPU */
#define WORDS		512u

static const char secret[16] __attribute__((nonstring)) = "moved from CPU t";
static u64 (*pages[2])[WORDS];
static volatile u64 round_of[2];
static u64 rounds, wrong[2];
static u32 nr;

/* The second word of each pair is the secret's: the host knows what to look for. */
static u64 word(u64 round, u64 cpu, u64 page, u64 i)
{
	u64 half;

	copy(&half, secret + 8 * (i & 1), 8);
	return i >= WORDS / 2 ? half : (round << 32 | cpu << 24 | page << 16 | i) ^ 0x5a5a5a5a5a5a5a5aull;
}

static void work(void *arg)
{
	u64 cpu = *(u64 *)arg;

	for (u64 round = 1; round <= rounds; round++) {
		for (u64 p = 0; p < PAGES; p++) {
			for (u64 i = 0; i < WORDS; i++) {
				wrong[cpu] += pages[cpu][p][i] != word(round - 1, cpu, p, i);
				pages[cpu][p][i] = word(round, cpu, p, i);
			}
			in8(0x5008);
		}
		__atomic_store_n(&round_of[cpu], round, __ATOMIC_SEQ_CST);
		while (nr > 1 && __atomic_load_n(&round_of[!cpu], __ATOMIC_SEQ_CST) < round)
			in8(0x5008);
		if (!cpu && round % 16 == 0)
			say("  round %lu\n", round);
	}
}

TEST(moved, "moved-guest")
{
	u64 args[2] = { 0, 1 };

	rounds = number(machine_option("rounds="));
	nr = machine.nr_cpus > 1 ? smp_start() : 1;
	EXPECT(nr <= 2);
	for (u64 cpu = 0; cpu < nr && cpu < 2; cpu++) {
		pages[cpu] = page_alloc_contig(PAGES, 1);
		for (u64 p = 0; p < PAGES; p++)
			for (u64 i = 0; i < WORDS; i++)
				pages[cpu][p][i] = word(0, cpu, p, i);
	}
	say("  %u vCPUs, pages at %lx\n  running\n", nr, (u64)pages[0]);
	smp_all(work, args, sizeof(args[0]));
	EXPECT_EQ(wrong[0] + wrong[1], 0);
	EXPECT_EQ(round_of[0], rounds);
	EXPECT_EQ(round_of[nr - 1], rounds);
}
