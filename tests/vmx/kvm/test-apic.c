/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts of the virtual local APIC: timer in its modes, IPIs, NMIs, priorities, HLT; between two vCPUs. */
#include "l1.h"

#define TIMER		0x61u
#define HIGH		0x93u
#define LOW		0x42u
#define LVT_TIMER	0x320
#define MASKED		BIT(16)
#define MSR_TSC_DEADLINE 0x6e0u
#define SELF		(1u << 18)
#define PATIENCE	2000000000ull

static u64 got(u32 vector) { return interrupts[cpu_id()][vector]; }

/* With interrupts on, until that vector came so often. */
static void await(u32 vector, u64 count)
{
	u64 end = tsc() + PATIENCE;

	while (got(vector) < count && tsc() < end)
		__asm__ volatile("sti; nop; pause; cli" : : : "memory");
}

static void timer(u32 mode, u32 count)
{
	apic_init();
	APIC(0x3e0) = 0xb;
	APIC(LVT_TIMER) = TIMER | mode << 17;
	APIC(0x380) = count;
}

TEST(one_shot, "guest-apic-timer")
{
	u64 first = got(TIMER);

	for (u32 i = 1; i <= 20; i++) {
		timer(0, 20000 * i);
		EXPECT(APIC(0x390) <= 20000 * i);
		await(TIMER, first + i);
		EXPECT_EQ(got(TIMER), first + i);
		EXPECT_EQ(APIC(0x390), 0);
	}
	for (volatile u32 i = 0; i < 100000; i++)
		__asm__ volatile("sti; nop; cli");
	EXPECT_EQ(got(TIMER), first + 20);		/* once each */
}

TEST(periodic, "guest-apic-timer-periodic")
{
	u64 first = got(TIMER);

	timer(1, 300000);
	await(TIMER, first + 10);
	APIC(LVT_TIMER) = TIMER | MASKED;
	EXPECT(got(TIMER) >= first + 10);
}

TEST(deadline, "guest-tsc-deadline")
{
	u64 first = got(TIMER), at;
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & BIT(24)))
		SKIP_TEST("needs TSC deadlines");
	apic_init();
	APIC(LVT_TIMER) = TIMER | 2 << 17;
	for (u32 i = 1; i <= 20; i++) {
		at = tsc() + 30000 * i;
		REQUIRE_EQ(try_wrmsr(MSR_TSC_DEADLINE, at), NO_TRAP);
		await(TIMER, first + i);
		EXPECT(tsc() >= at);
		EXPECT_EQ(got(TIMER), first + i);
		EXPECT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	}
	APIC(LVT_TIMER) = TIMER | MASKED;
}

TEST(halt, "guest-halt")
{
	u64 first = got(TIMER);

	for (u32 i = 1; i <= 20; i++) {
		timer(0, 100000);
		while (got(TIMER) < first + i)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	EXPECT_EQ(got(TIMER), first + 20);
}

TEST(self, "guest-self-ipi")
{
	u64 first = got(LOW);

	apic_init();
	for (u32 i = 0; i < 50; i++) {
		APIC(0x300) = LOW | SELF;
		EXPECT_EQ(got(LOW), first + i);			/* IF is 0 */
		EXPECT_EQ(APIC(0x200 + (LOW / 32) * 0x10) >> LOW % 32 & 1, 1);
		__asm__ volatile("sti; nop; cli" : : : "memory");
		EXPECT_EQ(got(LOW), first + i + 1);
	}
}

/* STI holds interrupts off for one instruction; so does MOV SS. */
TEST(shadow, "guest-interrupt-shadow")
{
	u64 first = got(LOW), after = 0;

	apic_init();
	APIC(0x300) = LOW | SELF;
	__asm__ volatile("sti; movq %1, %0; nop; cli" : "=r"(after) : "m"(*(u64 *)&interrupts[0][LOW]) : "memory");
	EXPECT_EQ(after, first);
	EXPECT_EQ(got(LOW), first + 1);
	APIC(0x300) = LOW | SELF;
	__asm__ volatile("sti; cli; nop" : : : "memory");	/* no instruction between takes it */
	EXPECT_EQ(got(LOW), first + 1);
	__asm__ volatile("sti; nop; cli" : : : "memory");
	EXPECT_EQ(got(LOW), first + 2);
}

TEST(priorities, "guest-apic-priorities")
{
	u64 low = got(LOW), high = got(HIGH);

	apic_init();
	APIC(0x80) = 0x80;				/* TPR */
	APIC(0x300) = LOW | SELF;
	APIC(0x300) = HIGH | SELF;
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	EXPECT_EQ(got(LOW), low);
	EXPECT_EQ(got(HIGH), high + 1);
	EXPECT_EQ(APIC(0xa0), 0x80);			/* PPR */
	APIC(0x80) = 0;
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	EXPECT_EQ(got(LOW), low + 1);
}

TEST(x2apic, "guest-x2apic")
{
	u64 first = got(LOW), base = rdmsr(MSR_APIC_BASE), v;
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & BIT(21)))
		SKIP_TEST("needs x2APIC");
	apic_init();
	EXPECT_EQ(try_rdmsr(0x802, &v), GP);
	REQUIRE_EQ(try_wrmsr(MSR_APIC_BASE, base | BIT(10)), NO_TRAP);
	EXPECT_EQ(rdmsr(0x802), 0);
	EXPECT_EQ(try_wrmsr(0x83f, HIGH), NO_TRAP);		/* self IPI */
	EXPECT_EQ(try_wrmsr(0x830, LOW | SELF), NO_TRAP);
	EXPECT_EQ(rdmsr(0x822) >> LOW % 32 & 1, 1);
	EXPECT_EQ(try_wrmsr(0x802, 0), GP);
	EXPECT_EQ(try_wrmsr(MSR_APIC_BASE, base & ~BIT(11)), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_APIC_BASE, base), NO_TRAP);
	apic_init();
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
	EXPECT(got(LOW) <= first + 1);			/* KVM may forget it, not double it */
}

TEST(nmi_self, "guest-nmi")
{
	u64 first = got(2);

	nmi_expected = true;
	apic_init();
	for (u32 i = 1; i <= 20; i++) {
		apic_send(0, ICR_NMI);
		for (u64 end = tsc() + 10000000; got(2) < first + i && tsc() < end;)
			relax();
		EXPECT_EQ(got(2), first + i);
	}
	nmi_expected = false;
}

/* ---- between vCPUs ---- */
static volatile bool over;

static void serve(void *arg)
{
	apic_init();
	while (!over) {
		__asm__ volatile("sti; nop; cli" : : : "memory");
		relax();
	}
}

static void halted(void *arg)
{
	apic_init();
	while (!over)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void send_counted(void (*receiver)(void *arg), u32 what, u32 vector)
{
	u64 first, end;

	smp_start();
	apic_init();
	over = false;
	first = interrupts[1][vector];
	smp_give(1, receiver, NULL);
	for (u32 i = 1; i <= 100; i++) {
		apic_send(1, what);
		end = tsc() + PATIENCE;
		while (interrupts[1][vector] < first + i && tsc() < end)
			relax();
		REQUIRE_EQ(interrupts[1][vector], first + i);
	}
	over = true;
	apic_send(1, LOW);				/* out of its halt */
	smp_wait(1);
}

TEST(ipi, "guest-ipis") { send_counted(serve, HIGH, HIGH); }
TEST(ipi_halted, "guest-ipis-to-a-halted-cpu") { send_counted(halted, HIGH, HIGH); }

TEST(nmi_other, "guest-nmis-to-another-cpu")
{
	nmi_expected = true;
	send_counted(serve, ICR_NMI, 2);
	send_counted(halted, ICR_NMI, 2);
	nmi_expected = false;
}
