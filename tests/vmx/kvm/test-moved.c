/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole work of a guest whose vCPUs the host moves from CPU to CPU while it reads the guest's memory: each vCPU has pages that
 * only it writes, and checks each word of them in each round; after each round the vCPUs wait for one another. It takes no
 * exception, and often exits by a port (docs/caveats.md says what the emulator makes of others on several CPUs).
 * It goes on until a byte comes in at the serial port. Option: vm=N, a number that is in all its words.
 */
#include "l1.h"

#define PAGES		16u		/* of each vCPU */
#define WORDS		512u
#define VCPUS_MAX	4u

static const char secret[16] __attribute__((nonstring)) = "moved from CPU t";
static u64 (*pages[VCPUS_MAX])[WORDS];
static volatile u64 round_of[VCPUS_MAX];
static volatile u64 last;		/* round; 0: nobody has said yet */
static u64 vm, wrong[VCPUS_MAX];
static u32 nr;

/* The second word of each pair is the secret's: the host knows what to look for. */
static u64 word(u64 round, u64 cpu, u64 page, u64 i)
{
	u64 half;

	copy(&half, secret + 8 * (i & 1), 8);
	return i >= WORDS / 2 ? half : (vm << 56 | round << 32 | cpu << 24 | page << 16 | i) ^ 0x5a5a5a5a5a5a5a5aull;
}

static void work(void *arg)
{
	u64 cpu = *(u64 *)arg;

	for (u64 round = 1; !last || round <= last; round++) {
		for (u64 p = 0; p < PAGES; p++) {
			for (u64 i = 0; i < WORDS; i++) {
				wrong[cpu] += pages[cpu][p][i] != word(round - 1, cpu, p, i);
				pages[cpu][p][i] = word(round, cpu, p, i);
			}
			in8(0x5008);
		}
		if (!cpu && in8(0x3fd) & 1)
			last = round;		/* the others wait below for this vCPU's round, and see it then */
		__atomic_store_n(&round_of[cpu], round, __ATOMIC_SEQ_CST);
		for (u32 other = 0; other < nr; other++)
			while (__atomic_load_n(&round_of[other], __ATOMIC_SEQ_CST) < round)
				in8(0x5008);
		if (!cpu && round % 16 == 0)
			say("  round %lu\n", round);
	}
}

TEST(moved, "moved-guest")
{
	u64 args[VCPUS_MAX] = { 0, 1, 2, 3 };

	vm = number(machine_option("vm="));
	nr = machine.nr_cpus > 1 ? smp_start() : 1;
	REQUIRE_EQ(nr <= VCPUS_MAX, 1);
	for (u64 cpu = 0; cpu < nr; cpu++) {
		pages[cpu] = page_alloc_contig(PAGES, 1);
		for (u64 p = 0; p < PAGES; p++)
			for (u64 i = 0; i < WORDS; i++)
				pages[cpu][p][i] = word(0, cpu, p, i);
	}
	say("  %u vCPUs, pages at %lx\n  running\n", nr, (u64)pages[0]);
	smp_all(work, args, sizeof(args[0]));
	say("  %lu rounds\n", last);
	for (u32 cpu = 0; cpu < nr; cpu++) {
		about("vCPU", cpu);
		EXPECT_EQ(wrong[cpu], 0);
		EXPECT_EQ(round_of[cpu], last);
	}
}
