/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests, ordinary and protected, on all CPUs of the host at once: side by side, moved from CPU to CPU, fought for. */
#include "attacks.h"

#define GUESTS	(CPUS_MAX / 2 + 1)

extern const u8 g_count[];

static struct vm1 vms[GUESTS];
static u32 nr;					/* of CPUs, in this test */

/* n guests that wait for commands, every other one protected; no CPU has any of them. */
static void make(u32 n)
{
	begin();
	nr = smp_start();
	if (n > GUESTS || nr > GUESTS)
		BROKEN("too many CPUs for this test");
	for (u32 i = 0; i < n; i++) {
		if (i & 1)
			vm1_start_protected(&vms[i]);
		else
			vm1_start_ordinary(&vms[i]);
		l2_drop(&vms[i].g);
	}
}

/* What it wrote last is there, and what it writes now; a protected guest's registers outlive exits (an ordinary one's
 * are L1's to save). */
static void exercise(struct vm1 *vm, u32 old, u32 new)
{
	EXPECT_EQ(CMD(vm, FW_CHECK, DATA, WORDS, old), 0);
	EXPECT_EQ(vm->answer[0], 0);
	EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, new), 0);
	EXPECT_EQ(CMD(vm, FW_HOLD), 0);
	if (vm->id)
		EXPECT_EQ(vm->answer[0], 0);
	EXPECT_EQ(CMD(vm, FW_CHECK, DATA, WORDS, new), 0);
	EXPECT_EQ(vm->answer[0], 0);
}

static void expect_well(u32 n)
{
	for (u32 i = 1; i < n; i += 2)
		expect_running(&vms[i]);
}

/* ---- side by side ---- */
static struct { u64 start, end; } span[CPUS_MAX];

static void stay(void *arg)
{
	struct vm1 *vm = arg;
	u32 value = 0x1000 * (cpu_id() + 1);

	smp_vmx_start();
	l2_adopt(&vm->g);
	EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, value), 0);
	smp_barrier();
	span[cpu_id()].start = tsc();
	for (u32 round = 0; round < 20; round++, value++)
		exercise(vm, value, value + 1);
	span[cpu_id()].end = tsc();
	l2_drop(&vm->g);
}

TEST(guests_at_once, "smp-guests-at-once")
{
	u64 last_start = 0, first_end = ~0ull;

	make(smp_start());
	smp_all(stay, vms, sizeof(vms[0]));
	for (u32 i = 0; i < nr; i++) {
		last_start = span[i].start > last_start ? span[i].start : last_start;
		first_end = span[i].end < first_end ? span[i].end : first_end;
	}
	EXPECT(last_start < first_end);			/* at once, indeed */
	expect_well(nr);
}

/* ---- from CPU to CPU ---- */
static u32 moves;

/* What stands in its memory after so many rounds: FW_HOLD halts once. */
static u32 word(const struct vm1 *vm)
{
	return 0x1000 * (vm->id + 1) + (u32)vm->hlts;
}

/* One guest more than CPUs: in each round one waits, and each moves on. */
static void move(void *arg)
{
	(void)arg;
	smp_vmx_start();
	for (u32 round = 0; round < moves; round++) {
		u32 i = (cpu_id() + round) % (nr + 1);

		l2_adopt(&vms[i].g);
		exercise(&vms[i], word(&vms[i]), word(&vms[i]) + 1);
		l2_drop(&vms[i].g);
		smp_barrier();
	}
}

TEST(guests_move, "smp-guests-move")
{
	make(smp_start() + 1);
	for (u32 i = 0; i <= nr; i++) {
		l2_adopt(&vms[i].g);
		EXPECT_EQ(CMD(&vms[i], FW_FILL, DATA, WORDS, word(&vms[i])), 0);
		l2_drop(&vms[i].g);
	}
	moves = 6 * (nr + 1);
	smp_all(move, NULL, 0);
	for (u32 i = 0; i <= nr; i++) {
		about("guest", i);
		EXPECT_EQ(vms[i].hlts, 6 * nr);		/* one in each of its rounds */
	}
	expect_well(nr + 1);
}

/* Sealed and brought in again on whatever CPU it is, while another one has its frames read. */
static volatile bool over;

static void read_frames(void *arg)
{
	u64 plain = 0;

	(void)arg;
	while (!over)
		for (u32 i = 1; i < nr; i += 2)
			plain += *(volatile u32 *)vms[i].hpa[DATA >> 12] == WORD;
	EXPECT_EQ(plain, 0);
}

static void use(void *arg)
{
	struct vm1 *vm = arg;

	smp_vmx_start();
	l2_adopt(&vm->g);
	for (u32 round = 0; round < 15; round++) {
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
		EXPECT_EQ(CMD(vm, FW_CHECK, DATA, WORDS, WORD), 0);
		EXPECT_EQ(vm->answer[0], 0);
	}
	l2_drop(&vm->g);
}

TEST(frames_read, "attack-P1-all-cpus-read-frames")
{
	make(smp_start());
	/* the control: what an ordinary guest writes can be read */
	use(&vms[0]);
	EXPECT_EQ(*(volatile u32 *)vms[0].hpa[DATA >> 12], WORD);
	over = false;
	for (u32 i = 1; i < nr; i++)
		smp_give(i, nr > 2 && i == nr - 1 ? read_frames : use, &vms[i]);
	for (u32 r = 0; r < 2000; r++)		/* and this CPU too */
		for (u32 i = 1; i < nr; i += 2)
			EXPECT(*(volatile u32 *)vms[i].hpa[DATA >> 12] != WORD);
	for (u32 i = 1; i < nr - (nr > 2); i++)
		smp_wait(i);
	over = true;
	smp_wait(nr - 1);
	expect_well(nr);
}

/* ---- fought for ---- */
static struct l2 prize;
static volatile u32 holders;
static u32 wins[CPUS_MAX], losses[CPUS_MAX];
#define WINS	40u

static void fight(void *arg)
{
	u32 me = cpu_id();

	(void)arg;
	smp_vmx_start();
	smp_barrier();
	while (wins[me] < WINS) {
		if (vmptrld(prize.vmcs)) {
			losses[me]++;
			continue;
		}
		EXPECT_EQ(__atomic_add_fetch(&holders, 1, __ATOMIC_SEQ_CST), 1);
		prize.launched = false;
		l2_adopt(&prize);
		EXPECT_EQ(l2_run(&prize), EXIT_HLT);
		l2_skip();
		wins[me]++;
		__atomic_sub_fetch(&holders, 1, __ATOMIC_SEQ_CST);
		EXPECT_EQ(vmclear(prize.vmcs), 0);
		for (volatile u32 i = 0; i < 50 * (me + 1); i++)
			;			/* let others have it */
	}
}

TEST(race_for_vmcs, "smp-race-for-a-vmcs")
{
	u32 lost = 0;

	begin();
	nr = smp_start();
	l2_init(&prize, g_count);
	l2_drop(&prize);
	for (u32 i = 0; i < nr; i++)
		wins[i] = losses[i] = 0;
	smp_all(fight, NULL, 0);
	for (u32 i = 0; i < nr; i++)
		lost += losses[i];
	EXPECT(lost > 0);				/* there was a fight */
	EXPECT_EQ(prize.regs[RAX], nr * WINS);		/* each run of it counted, whoever made it */
}

/* PROTECT on all CPUs at once: each VM is whole, and its own. */
static s32 outcomes[CPUS_MAX];

static void protect(void *arg)
{
	struct vm1 *vm = arg;
	struct cvm_protect p;
	u32 me = cpu_id();

	smp_vmx_start();
	l2_adopt(&vm->g);
	vm1_block(&p);
	p.uuid[1] = (u8)me;
	smp_barrier();
	outcomes[me] = vm1_protect(vm, &p);
	if (outcomes[me])
		return;
	EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
	smp_barrier();
	exercise(vm, WORD, WORD + me);
	l2_drop(&vm->g);
}

TEST(protect_at_once, "smp-protect-at-once")
{
	static struct cvm_vm_list l;

	begin();
	nr = smp_start();
	for (u32 i = 0; i < nr; i++) {
		vm1_create(&vms[i]);
		l2_drop(&vms[i].g);
	}
	smp_all(protect, vms, sizeof(vms[0]));
	for (u32 i = 0; i < nr; i++) {
		about("CPU", i);
		EXPECT_EQ(outcomes[i], 0);
		EXPECT(!frame_has(vm1_frame(&vms[i], DATA >> 12), WORD + i));
	}
	EXPECT_EQ(host_call(CVM_HOST_VM_LIST, 0, &l, sizeof(l)), 0);
	EXPECT_EQ(l.count, nr);
	destroy_all();
	EXPECT_EQ(host_call(CVM_HOST_VM_LIST, 0, &l, sizeof(l)), 0);
	EXPECT_EQ(l.count, 0);
}

/* A VM is destroyed under a CPU that runs it: that CPU sees its end, the others nothing. */
static volatile bool destroyed;
static volatile u32 ended;

static void until_end(void *arg)
{
	struct vm1 *vm = arg;

	smp_vmx_start();
	l2_adopt(&vm->g);
	while (!(ended = CMD(vm, FW_SPIN, 1000)))
		;
	REQUIRE_EQ(vmclear(vm->g.vmcs), 0);
}

static void until_destroyed(void *arg)
{
	struct vm1 *vm = arg;
	u32 value = 7;

	smp_vmx_start();
	l2_adopt(&vm->g);
	EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, value), 0);
	do
		exercise(vm, value, value + 1);
	while (value++, !destroyed);
	l2_drop(&vm->g);
}

TEST(destroyed_elsewhere, "smp-destroy-while-it-runs")
{
	make(smp_start());
	destroyed = false;
	ended = 0;
	smp_give(1, until_end, &vms[1]);
	for (u32 i = 2; i < nr; i++)
		smp_give(i, until_destroyed, &vms[i]);
	for (u32 i = 0; i < 100; i++)
		frame_has(vm1_frame(&vms[1], DATA >> 12), 1);	/* and sealed meanwhile */
	vm1_destroy(&vms[1]);
	smp_wait(1);
	EXPECT_EQ(ended, EXIT_TRIPLE_FAULT);
	destroyed = true;
	for (u32 i = 2; i < nr; i++)
		smp_wait(i);
	for (u32 i = 3; i < nr; i += 2)
		expect_running(&vms[i]);
}
