/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interrupts and NMIs, each counted when it is raised and where it arrives: by exit, by L1's IDT, by the guest's. None is lost, none comes
 * twice. The option irq=N makes each run N times as long. COUNT lines say of each kind how many were sent and arrived.
 */
#include "attacks.h"

extern const u8 g_nmi[], g_nmi_handler[];

#define TIMER		0x61u
#define IOAPIC_EDGE	0x62u
#define IPI_FIRST	0x70u
#define IPIS		8u
#define IOAPIC		0xfec00000ull
#define PIT_PIN		2u		/* of the I/O APIC on PCs */

static struct vm1 vms[CPUS_MAX];
static u32 seed;

static u32 chance(u32 below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static u64 times(u64 n)
{
	u64 factor = number(machine_option("irq="));

	return n * (factor ? factor : 1);
}

static void counted(const char *kind, u64 sent, u64 arrived)
{
	say("COUNT %s %lu %lu\n", kind, sent, arrived);
	EXPECT_EQ(arrived, sent);
}

/* L1 takes what waits for it. */
static void window(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static u64 taken(const struct vm1 *vm, u32 cpu, u32 vector)
{
	return vm->irqs[vector] + interrupts[cpu][vector];
}

/* Something for a guest to do, with exits of several kinds. */
static void work(struct vm1 *vm)
{
	switch (chance(5)) {
	case 0:
		EXPECT_EQ(CMD(vm, FW_SPIN, chance(3000)), 0);
		break;
	case 1:
		EXPECT_EQ(CMD(vm, FW_CPUID, 0), 0);
		break;
	case 2:
		EXPECT_EQ(CMD(vm, FW_HALT), 0);
		break;
	case 3:
		EXPECT_EQ(CMD(vm, FW_TOGGLE, 1 + chance(50)), 0);	/* else it runs with interrupts masked */
		break;
	default:
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
		break;
	}
}

/* ---- of the host: timer and I/O APIC ---- */

static void ioapic_write(u32 reg, u32 v)
{
	*(volatile u32 *)IOAPIC = reg;
	*(volatile u32 *)(IOAPIC + 0x10) = v;
}

static void arm_timer(void)
{
	APIC(0x3e0) = 0xb;				/* by 1 */
	APIC(0x320) = TIMER;				/* one-shot */
	APIC(0x380) = 1 + chance(5000);
}

/* An edge of the PIT, as a message of the I/O APIC: what an MSI is to a CPU. */
static void arm_pit(void)
{
	u32 n = 2 + chance(100);

	out8(0x43, 0x30);				/* channel 0, mode 0: one edge at the end */
	out8(0x40, (u8)n);
	out8(0x40, (u8)(n >> 8));
}

static void count_timers(bool protected)
{
	struct vm1 *vm = &vms[0];
	u64 want = times(200), raised[2] = { 0 }, first[2], limit = 100 * want;

	begin();
	seed = 1;
	if (protected)
		vm1_start_protected(vm);
	else
		vm1_start_ordinary(vm);
	first[0] = taken(vm, 0, TIMER);
	first[1] = taken(vm, 0, IOAPIC_EDGE);
	apic_init();
	ioapic_write(0x11 + 2 * PIT_PIN, machine.apic_ids[0] << 24);
	ioapic_write(0x10 + 2 * PIT_PIN, IOAPIC_EDGE);
	while ((raised[0] < want || raised[1] < want) && limit--) {
		if (taken(vm, 0, TIMER) - first[0] == raised[0] && ++raised[0])
			arm_timer();
		if (taken(vm, 0, IOAPIC_EDGE) - first[1] == raised[1] && ++raised[1])
			arm_pit();
		work(vm);
		window();
	}
	for (u32 i = 0; i < 100; i++) {			/* the last ones */
		work(vm);
		window();
	}
	ioapic_write(0x10 + 2 * PIT_PIN, BIT(16));
	APIC(0x320) = BIT(16);
	EXPECT(raised[0] >= want && raised[1] >= want);
	counted("timer", raised[0], taken(vm, 0, TIMER) - first[0]);
	counted("message", raised[1], taken(vm, 0, IOAPIC_EDGE) - first[1]);
	EXPECT(vm->irqs[TIMER] && vm->irqs[IOAPIC_EDGE]);	/* not only where L1 waited */
}

TEST(timers, "irq-timer-and-edge-counted") { count_timers(false); }
TEST(timers_protected, "irq-timer-and-edge-counted-protected") { count_timers(true); }

/* ---- of the host: between CPUs ---- */
static volatile bool over;

static void busy(void *arg)
{
	struct vm1 *vm = arg;

	smp_vmx_start();
	apic_init();
	l2_adopt(&vm->g);
	while (!over) {
		EXPECT_EQ(CMD(vm, FW_FILL, DATA, WORDS, WORD), 0);
		EXPECT_EQ(CMD(vm, FW_HALT), 0);
		EXPECT_EQ(CMD(vm, FW_SPIN, 500), 0);
		EXPECT_EQ(CMD(vm, FW_TOGGLE, 20), 0);
		window();
	}
	l2_drop(&vm->g);
}

/* Guests on all CPUs but this one; returns how many CPUs. */
static u32 all_busy(void)
{
	u32 n;

	begin();
	n = smp_start();
	seed = 2;
	over = false;
	apic_init();
	for (u32 i = 1; i < n; i++) {
		if (i & 1)
			vm1_start_protected(&vms[i]);
		else
			vm1_start_ordinary(&vms[i]);
		EXPECT_EQ(CMD(&vms[i], FW_FILL, DATA, WORDS, WORD), 0);
		l2_drop(&vms[i].g);
	}
	for (u32 i = 1; i < n; i++)
		smp_give(i, busy, &vms[i]);
	return n;
}

static void all_done(u32 n)
{
	over = true;
	for (u32 i = 1; i < n; i++)
		smp_wait(i);
}

/* Each of `kinds` for each CPU again and again, the next one when the last one has arrived. */
static void send_counted(u32 what, u32 kinds, u64 want)
{
	static u64 first[CPUS_MAX][IPIS], sent[CPUS_MAX][IPIS];
	u32 n = all_busy();
	u64 end = tsc() + 300000 * want + 1000000000, left = (n - 1) * kinds * want, all[2] = { 0 };

	zero(sent, sizeof(sent));
	for (u32 i = 1; i < n; i++)
		for (u32 k = 0; k < kinds; k++)
			first[i][k] = taken(&vms[i], i, (what & 0xff) + k);
	while (left && tsc() < end)
		for (u32 i = 1; i < n; i++)
			for (u32 k = 0; k < kinds; k++)
				if (sent[i][k] < want && taken(&vms[i], i, (what & 0xff) + k) - first[i][k] == sent[i][k]) {
					sent[i][k]++;
					left--;
					apic_send(i, what + k);
				}
	for (u32 i = 1; i < n; i++)
		for (u32 k = 0; k < kinds; k++)
			while (taken(&vms[i], i, (what & 0xff) + k) - first[i][k] != want && tsc() < end)
				;
	all_done(n);
	for (u32 i = 1; i < n; i++)
		for (u32 k = 0; k < kinds; k++) {
			about("CPU and vector", i << 8 | ((what & 0xff) + k));
			EXPECT_EQ(sent[i][k], want);
			EXPECT_EQ(taken(&vms[i], i, (what & 0xff) + k) - first[i][k], want);
			all[0] += sent[i][k];
			all[1] += taken(&vms[i], i, (what & 0xff) + k) - first[i][k];
		}
	about(NULL, 0);
	counted("ipi", all[0], all[1]);
}

TEST(ipis, "irq-ipis-counted")
{
	send_counted(IPI_FIRST, IPIS, times(100));
}

/* One at a time for each CPU: to the guest's CPU, to RootVisor, to L1. */
TEST(nmis, "irq-nmis-to-the-host-counted")
{
	static u64 first[CPUS_MAX];
	u64 want = times(200), end, arrived = 0;
	u32 n;

	if (machine_option("bochs=2.7"))
		SKIP_TEST("Bochs 2.7 loses NMIs behind an exit by NMI: needs 2.8 or later");
	nmi_expected = true;
	n = all_busy();
	for (u32 i = 1; i < n; i++)
		first[i] = interrupts[i][2];
	for (u64 sent = 0; sent < want; sent++)
		for (u32 i = 1; i < n; i++) {
			apic_send(i, ICR_NMI);
			end = tsc() + 100000000;
			while (interrupts[i][2] - first[i] == sent && tsc() < end)
				;
			for (volatile u32 wait = chance(100); wait; wait--)
				;
		}
	all_done(n);
	nmi_expected = false;
	for (u32 i = 1; i < n; i++) {
		about("CPU", i);
		EXPECT_EQ(interrupts[i][2] - first[i], want);
		arrived += interrupts[i][2] - first[i];
	}
	about(NULL, 0);
	counted("nmi-to-the-host", (n - 1) * want, arrived);
}

/* ---- of the guest: what L1 injects, as KVM does ---- */
#define GUEST_FIRST	40u
#define GUEST_VECTORS	16u
static u64 raised[GUEST_VECTORS], waiting[GUEST_VECTORS], windows, direct;

static bool any_waits(void)
{
	for (u32 i = 0; i < GUEST_VECTORS; i++)
		if (waiting[i])
			return true;
	return false;
}

static void inject_one(bool window)
{
	if (!(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF) || vmread(VMCS_GUEST_INTERRUPTIBILITY) & 3 ||
	    vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID)
		return;
	for (u32 i = 0; i < GUEST_VECTORS; i++)
		if (waiting[i]) {
			waiting[i]--;
			vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | (GUEST_FIRST + i));
			windows += window;
			direct += !window;
			return;
		}
}

static void play_kvm(struct vm1 *vm, u32 reason)
{
	u64 vectoring = vmread(VMCS_IDT_VECTORING_INFO), proc = vmread(VMCS_PROC_CTLS) & ~PROC_INTR_WINDOW;

	if (vectoring & INTR_VALID)		/* its delivery met this exit: again */
		waiting[(vectoring & 0xff) - GUEST_FIRST]++;
	if (reason == EXIT_IO && !chance(3)) {
		u32 i = chance(GUEST_VECTORS);

		raised[i]++;
		waiting[i]++;
	}
	inject_one(reason == EXIT_INTR_WINDOW);
	vmwrite(VMCS_PROC_CTLS, proc | (any_waits() ? PROC_INTR_WINDOW : 0));
}

static void begin_count(struct vm1 *vm, bool protected, void (*at_exit)(struct vm1 *vm, u32 reason))
{
	begin();
	seed = 3;
	windows = direct = 0;
	zero(raised, sizeof(raised));
	zero(waiting, sizeof(waiting));
	if (protected)
		vm1_start_protected(vm);
	else
		vm1_start_ordinary(vm);
	vm->windows = true;
	vm->at_exit = at_exit;
}

/* What was raised has arrived. */
static void end_count(struct vm1 *vm, bool protected, u64 least)
{
	u64 total = 0, arrived = 0;

	for (u32 i = 0; i < 1000 && any_waits(); i++)
		EXPECT_EQ(CMD(vm, FW_TOGGLE, 1), 0);
	vm->at_exit = NULL;
	EXPECT_EQ(CMD(vm, FW_TAKE), 0);
	for (u32 i = 0; i < GUEST_VECTORS; i++) {
		about("vector", GUEST_FIRST + i);
		EXPECT_EQ(waiting[i], 0);
		EXPECT_EQ(CMD(vm, FW_COUNT, GUEST_FIRST + i), 0);
		EXPECT_EQ(vm->answer[0], raised[i]);
		total += raised[i];
		arrived += vm->answer[0];
	}
	about(NULL, 0);
	counted("injected", total, arrived);
	EXPECT(total >= least);
	EXPECT(windows && direct);
	if (protected)
		expect_running(vm);
}

static void count_injected(bool protected)
{
	struct vm1 *vm = &vms[0];

	begin_count(vm, protected, play_kvm);
	for (u64 i = 0; i < times(10); i++) {
		EXPECT_EQ(CMD(vm, FW_TOGGLE, 50), 0);
		/* its pages go and come: an event may meet a fault */
		if (protected && !(i & 1))
			(void)frame_has(vm1_frame(vm, 0x28), WORD);
	}
	end_count(vm, protected, times(100));
}

TEST(injected, "irq-injected-counted") { count_injected(false); }
TEST(injected_protected, "irq-injected-counted-protected") { count_injected(true); }

/* Each access to the device raises one. KVM's emulator leaves no blocking by STI or MOV SS behind what it has emulated. */
static void at_device(struct vm1 *vm, u32 reason)
{
	u64 proc = vmread(VMCS_PROC_CTLS) & ~PROC_INTR_WINDOW;

	if (reason == EXIT_EPT_VIOLATION && vmread(VMCS_GUEST_PHYSICAL_ADDRESS) == VM_MMIO) {
		u32 i = chance(GUEST_VECTORS);

		raised[i]++;
		waiting[i]++;
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	}
	inject_one(reason == EXIT_INTR_WINDOW);
	vmwrite(VMCS_PROC_CTLS, proc | (any_waits() ? PROC_INTR_WINDOW : 0));
}

/* An instruction with two accesses: the first interrupt waits until it is over, and the second comes meanwhile. */
TEST(between_accesses, "irq-injected-between-accesses-counted")
{
	static const u8 code[] = {	/* sti; nop; incl VM_MMIO; nop; cli */
		0xfb, 0x90, 0xff, 0x05, VM_MMIO & 0xff, VM_MMIO >> 8 & 0xff, VM_MMIO >> 16 & 0xff, VM_MMIO >> 24, 0x90, 0xfa };
	struct vm1 *vm = &vms[0];

	begin_count(vm, true, at_device);
	for (u64 i = 0; i < times(10); i++)
		EXPECT_EQ(vm1_exec(vm, code, sizeof(code)), 0);
	end_count(vm, true, times(20));
}

/* NMIs of an ordinary guest: one more may be due while one is in service, and waits for the IRET. */
TEST(guest_nmis, "irq-nmis-to-the-guest-counted")
{
	u64 *gate, sent = 0, due = 0, opened = 0, want = times(300), h = (u64)g_nmi_handler;
	struct l2 g;

	vmx_start();
	seed = 4;
	l2_init(&g, g_nmi);
	gate = page_alloc();
	gate[4] = (h & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
	gate[5] = h >> 32;
	vmwrite(VMCS_GUEST_IDTR_BASE, (u64)gate);
	for (u64 i = 0; i < 100 * want && (sent < want || due); i++) {
		u64 proc = vmread(VMCS_PROC_CTLS) & ~PROC_NMI_WINDOW;
		u32 reason;

		if (sent < want && !due && !chance(2)) {
			sent++;
			due++;
		}
		if (due && !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & 11)) {
			vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI << 8 | 2);
			due--;
		}
		vmwrite(VMCS_PROC_CTLS, proc | (due ? PROC_NMI_WINDOW : 0));
		reason = l2_run(&g);
		opened += reason == EXIT_NMI_WINDOW;
		EXPECT_EQ(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
		if (reason == EXIT_IO)
			l2_skip();
		else
			REQUIRE_EQ(reason, EXIT_NMI_WINDOW);
	}
	for (u32 i = 0; i < 8; i++)			/* the last one's handler */
		if (l2_run(&g) == EXIT_IO)
			l2_skip();
	EXPECT_EQ(sent, want);
	counted("nmi-to-the-guest", sent, g.regs[RBX]);
	EXPECT(opened > 0);
}
