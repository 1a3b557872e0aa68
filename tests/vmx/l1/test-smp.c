/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A second CPU of the hostile host, against what the first one runs. It comes by the mailbox of the MADT and stays in the loop below. */
#include "attacks.h"

enum job { IDLE, LOOK, WRITE, SWAP, LOAD, CLEAR };

static volatile enum job job;
static volatile u64 rounds;		/* of the job */
static volatile u32 *volatile target;	/* LOOK, WRITE: a page */
static volatile u64 seen;		/* LOOK: rounds in which WORD stood there */
static volatile u64 *volatile entry;	/* SWAP: an EPT12 entry, to and fro */
static volatile u64 values[2];
static volatile u64 vmcs_pa;		/* LOAD, CLEAR: VMPTRLD or VMCLEAR of it, after a VMXON */
static volatile u64 region_pa;
static volatile u32 result;		/* 0, or FAIL_* */
static volatile bool alive;

static u8 second_stack[16384] __attribute__((aligned(16)));

static u32 vmx_pointer(bool clear, u64 pa)
{
	bool invalid, valid;

	if (clear)
		__asm__ volatile("vmclear %2" : "=@ccc"(invalid), "=@ccz"(valid) : "m"(pa) : "memory");
	else
		__asm__ volatile("vmptrld %2" : "=@ccc"(invalid), "=@ccz"(valid) : "m"(pa) : "memory");
	return invalid ? FAIL_INVALID : valid ? FAIL_VALID : 0;
}

static void vmx_job(bool clear)
{
	u64 region = region_pa;
	bool failed;

	__asm__ volatile("mov %%cr4, %%rax; bts $13, %%rax; mov %%rax, %%cr4" : : : "rax", "memory");
	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
	result = failed ? 99 : vmx_pointer(clear, vmcs_pa);
	__asm__ volatile("vmxoff" : : : "memory");
}

void second_main(void);
void second_main(void)
{
	alive = true;
	for (;;) {
		switch (job) {
		case IDLE:
			__asm__ volatile("pause");
			continue;
		case LOOK:
			seen += target[rounds & 1023] == WORD;
			break;
		case WRITE:
			target[rounds & 1023] ^= 1;
			break;
		case SWAP:
			*entry = values[rounds & 1];
			break;
		case LOAD:
		case CLEAR:
			vmx_job(job == CLEAR);
			job = IDLE;
			break;
		}
		rounds++;
	}
}

extern const u8 second_entry[];
__asm__(".text; second_entry: leaq second_top(%rip), %rsp; movq (%rsp), %rsp; xorl %ebp, %ebp; call second_main; ud2;"
	".data; .balign 8; second_top: .quad 0");
extern u64 second_top;

static void give(enum job j)
{
	rounds = seen = 0;
	job = j;
}

static void stop(void)
{
	u64 r;

	job = IDLE;
	do {			/* it may be in the middle of a round */
		r = rounds;
		for (volatile u32 i = 0; i < 1000; i++)
			;
	} while (r != rounds);
}

static void need_second(void)
{
	volatile u8 *mb = machine.mailbox;

	if (!mb)
		SKIP_TEST("needs a second CPU");
	if (alive)
		return;
	second_top = (u64)(second_stack + sizeof(second_stack));
	*(volatile u32 *)(mb + 4) = 1;
	*(volatile u64 *)(mb + 8) = (u64)second_entry;
	*(volatile u16 *)mb = 1;
	for (volatile u32 i = 0; i < 10000000 && !alive; i++)
		;
	REQUIRE_EQ(alive, 1);
	EXPECT_EQ(*(volatile u16 *)mb, 0);
}

static struct vm1 a, plain;

TEST(smp_runs, "smp-second-cpu-runs")
{
	need_second();
	target = page_alloc();
	give(WRITE);
	for (volatile u32 i = 0; i < 100000; i++)
		;
	stop();
	EXPECT(target[0] == 1 || target[1] == 1);
}

TEST(smp_reads, "attack-P1-second-cpu-reads-frame")
{
	begin();
	need_second();
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
	need_second();
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
	need_second();
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

	begin();
	need_second();
	l2_init(&g, vmx_exit);
	region_pa = vmx_region();
	vmcs_pa = vmx_region();
	give(LOAD);
	while (job != IDLE)
		;
	EXPECT_EQ(result, 0);					/* the control: one that nobody has */
	vmcs_pa = g.vmcs;
	give(LOAD);
	while (job != IDLE)
		;
	EXPECT(result == FAIL_INVALID || result == FAIL_VALID);
	give(CLEAR);
	while (job != IDLE)
		;
	EXPECT(result == FAIL_INVALID || result == FAIL_VALID);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)vmx_exit);	/* still this CPU's */
	EXPECT_EQ(vmclear(g.vmcs), 0);
	give(LOAD);
	while (job != IDLE)
		;
	EXPECT_EQ(result, 0);
}
