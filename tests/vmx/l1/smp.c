/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other CPUs. They come by smp_wake(), once, and then wait for something to do. */
#include "l1.h"

#define PATIENCE	1000000000ull		/* ticks of the TSC: instructions, in the emulator */

static struct cpu {
	void (*volatile fn)(void *arg);		/* NULL: idle */
	void *arg;
	volatile bool alive;
	bool vmx;
	u32 region[1024] __attribute__((aligned(4096)));
	u8 stack[32768] __attribute__((aligned(16)));
	u8 exit_stack[8192] __attribute__((aligned(16)));
} cpus[CPUS_MAX] __attribute__((aligned(4096)));
static u32 started = 1;
static volatile u32 arrived, passed;		/* smp_barrier() */

u64 smp_stack;					/* start.S: of the CPU that comes */
void smp_main(void) __attribute__((noreturn));

u64 smp_exit_stack(u32 cpu)
{
	return (u64)(cpus[cpu].exit_stack + sizeof(cpus[cpu].exit_stack));
}

static void do_job(void)
{
	struct cpu *c = &cpus[cpu_id()];

	c->fn(c->arg);
}

void smp_main(void)
{
	struct cpu *c = &cpus[started];

	paging_use();
	traps_init(started);
	c->alive = true;
	for (;;) {
		while (!c->fn)
			relax();
		run_guarded(do_job);
		__asm__ volatile("cli" : : : "memory");
		c->fn = NULL;
	}
}

static bool start_next(void)
{
	u64 end = tsc() + PATIENCE;

	smp_stack = (u64)(cpus[started].stack + sizeof(cpus[started].stack));
	smp_wake(machine.apic_ids[started]);
	while (!cpus[started].alive && tsc() < end)
		relax();
	return cpus[started].alive;
}

u32 smp_start(void)
{
	if (machine.nr_cpus < 2)
		SKIP_TEST("needs a second CPU");
	for (; started < machine.nr_cpus; started++)
		REQUIRE_EQ(start_next(), 1);
	return started;
}

void smp_give(u32 cpu, void (*fn)(void *arg), void *arg)
{
	struct cpu *c = &cpus[cpu];

	if (!c->alive || c->fn)
		BROKEN("that CPU has not started, or not done yet");
	c->arg = arg;
	__asm__ volatile("" : : : "memory");
	c->fn = fn;
}

static bool done(u32 cpu)
{
	u64 end = tsc() + PATIENCE;

	while (cpus[cpu].fn && tsc() < end)
		relax();
	return !cpus[cpu].fn;
}

void smp_wait(u32 cpu)
{
	if (!done(cpu)) {
		about("CPU", cpu);
		BROKEN("it does not come to an end");
	}
}

void smp_all(void (*fn)(void *arg), void *args, u64 size)
{
	arrived = passed = 0;
	for (u32 i = 1; i < started; i++)
		smp_give(i, fn, (u8 *)args + i * size);
	fn(args);
	for (u32 i = 1; i < started; i++)
		smp_wait(i);
}

void smp_barrier(void)
{
	u32 round = passed;
	u64 end = tsc() + PATIENCE;

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == started) {
		arrived = 0;
		passed = round + 1;
	}
	while (passed == round)
		if (tsc() > end)
			BROKEN("not all CPUs came to the barrier");
}

void smp_vmx_start(void)
{
	struct cpu *c = &cpus[cpu_id()];

	if (c == &cpus[0] || c->vmx)
		return;
	c->region[0] = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	REQUIRE_EQ(try_write_cr4(read_cr4() | CR4_VMXE), NO_TRAP);
	REQUIRE_EQ(vmxon((u64)c->region), 0);
	c->vmx = true;
}

static void vmx_end(void *arg)
{
	struct cpu *c = &cpus[cpu_id()];

	if (c->vmx)
		vmxoff();			/* what it has loaded goes with it */
	c->vmx = false;
	try_write_cr4(read_cr4() & ~CR4_VMXE);
}

void smp_clean(void)
{
	for (u32 i = 1; i < started; i++) {
		if (!done(i)) {
			say("  CPU %u does not come back\n", i);
			machine_off();		/* the runner goes on behind this test */
		}
		cpus[i].fn = vmx_end;
		if (!done(i))
			machine_off();
	}
}

/* ---- local APIC ---- */
void apic_init(void)
{
	APIC(0xf0) = 0x1ff;
	APIC(0x80) = 0;
}

void apic_send(u32 cpu, u32 what)
{
	u64 end = tsc() + PATIENCE;

	while (APIC(0x300) & 1 << 12 && tsc() < end)
		relax();
	APIC(0x310) = machine.apic_ids[cpu] << 24;
	APIC(0x300) = what | 1 << 14;
}
