/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A second CPU of the hostile host, against what the first one runs. smp.c brings it up. */
#include "attacks.h"

enum job { NONE, LOOK, WRITE, SWAP, NMI };

static volatile enum job job;
static volatile u64 rounds;		/* of the job */
static volatile u32 *volatile target;	/* LOOK, WRITE: a page */
static volatile u64 seen;		/* LOOK: rounds in which WORD stood there */
static volatile u64 *volatile entry;	/* SWAP: an EPT12 entry, to and fro */
static volatile u64 values[2];
static volatile u32 nmi_to;		/* NMI: as the ICR has it */

static void work(void *arg)
{
	(void)arg;
	for (; job != NONE; rounds++)
		switch (job) {
		case LOOK:
			seen += target[rounds & 1023] == WORD;
			break;
		case WRITE:
			target[rounds & 1023] ^= 1;
			break;
		case NMI:
			*(volatile u32 *)0xfee00310 = nmi_to;
			*(volatile u32 *)0xfee00300 = 0x4400;
			for (volatile u32 i = 0; i < 20000; i++)	/* the other one shall get on, too */
				;
			break;
		default:
			*entry = values[rounds & 1];
			break;
		}
}

static void give(enum job j)
{
	rounds = seen = 0;
	job = j;
	smp_give(1, work, NULL);
}

static void stop(void)
{
	job = NONE;
	smp_wait(1);
}

void nmi_storm(bool on)
{
	if (!on)
		return stop();
	smp_start();
	nmi_expected = true;
	nmi_to = *(volatile u32 *)0xfee00020 & 0xff000000;
	give(NMI);
}

struct pointer { bool clear; u64 vmcs; u32 result; };

static void load_or_clear(void *arg)
{
	struct pointer *p = arg;

	smp_vmx_start();
	p->result = p->clear ? vmclear(p->vmcs) : vmptrld(p->vmcs);
}

/* VMPTRLD or VMCLEAR on the second CPU. */
static u32 there(bool clear, u64 vmcs)
{
	struct pointer p = { clear, vmcs, 99 };

	smp_give(1, load_or_clear, &p);
	smp_wait(1);
	return p.result;
}

static struct vm1 a, plain;

TEST(smp_runs, "smp-second-cpu-runs")
{
	smp_start();
	target = page_alloc();
	give(WRITE);
	for (volatile u32 i = 0; i < 10000000 && rounds < 100; i++)
		;
	stop();
	EXPECT(rounds >= 100);
	EXPECT_EQ(target[0], (rounds + 1023) / 1024 & 1);
}

TEST(smp_reads, "attack-P1-second-cpu-reads-frame")
{
	begin();
	smp_start();
	vm1_start_ordinary(&plain);
	vm1_start_protected(&a);
	vm1_select(&plain);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	target = (volatile u32 *)plain.hpa[DATA >> 12];
	give(LOOK);
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	stop();
	EXPECT(seen);						/* the control */
	vm1_select(&a);
	target = (volatile u32 *)a.hpa[DATA >> 12];
	give(LOOK);
	for (u32 round = 0; round < 20; round++) {
		EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
		EXPECT_EQ(CMD(&a, FW_CHECK, DATA, WORDS, WORD), 0);
		EXPECT_EQ(a.answer[0], 0);			/* sealed under its feet, it sees nothing of it */
	}
	stop();
	EXPECT(rounds > 20);
	EXPECT_EQ(seen, 0);
	expect_running(&a);
}

TEST(smp_writes, "attack-P2-second-cpu-writes-frame")
{
	u32 how = 0;

	begin();
	smp_start();
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	target = (volatile u32 *)plain.hpa[DATA >> 12];
	give(WRITE);
	EXPECT_EQ(CMD(&plain, FW_SPIN, 20000), 0);
	stop();
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT(plain.answer[0]);				/* the control: words changed */
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	target = (volatile u32 *)a.hpa[DATA >> 12];
	give(WRITE);
	for (u32 round = 0; round < 20 && !how; round++) {
		how = CMD(&a, FW_CHECK, DATA, WORDS, WORD);
		if (!how)
			EXPECT_EQ(a.answer[0], 0);		/* never wrong words */
	}
	stop();
	expect_stopped(&a, how, CVM_R_INTEGRITY);
}

TEST(smp_swaps, "attack-P2-second-cpu-changes-ept12")
{
	u32 how = 0, wrong = 0;
	u64 other;

	begin();
	smp_start();
	other = (u64)page_alloc();
	vm1_start_ordinary(&plain);
	EXPECT_EQ(CMD(&plain, FW_FILL, DATA, WORDS, WORD), 0);
	entry = ept_leaf(plain.g.ept, DATA);
	values[0] = *entry;
	values[1] = other | EPT_LEAF;
	*entry = values[1];
	EXPECT_EQ(invept(2, (u64[2]){ 0, 0 }), 0);
	EXPECT_EQ(CMD(&plain, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT(plain.answer[0] > WORDS - 4);			/* the control: another page stands there */
	vm1_start_protected(&a);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	entry = ept_leaf(a.g.ept, DATA);
	values[0] = *entry;
	give(SWAP);
	for (u32 round = 0; round < 20 && !how; round++) {
		(void)*(volatile u8 *)a.hpa[DATA >> 12];	/* sealed: the guest's next touch walks EPT12 */
		how = CMD(&a, FW_CHECK, DATA, WORDS, WORD);
		wrong += !how && a.answer[0];
	}
	stop();
	*entry = values[0];
	EXPECT_EQ(wrong, 0);
	if (how)
		expect_stopped(&a, how, CVM_R_INTEGRITY);
}

TEST(smp_vmcs, "smp-vmcs-of-another-cpu")
{
	struct l2 g;
	u32 r;

	begin();
	smp_start();
	l2_init(&g, vmx_exit);
	EXPECT_EQ(there(false, vmx_region()), 0);		/* the control: one that nobody has */
	r = there(false, g.vmcs);
	EXPECT(r == FAIL_INVALID || r == FAIL_VALID);
	r = there(true, g.vmcs);
	EXPECT(r == FAIL_INVALID || r == FAIL_VALID);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)vmx_exit);	/* still this CPU's */
	EXPECT_EQ(vmclear(g.vmcs), 0);
	EXPECT_EQ(there(false, g.vmcs), 0);
}
