/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other CPUs: started once, then in VMX operation for ever, so that an INIT or SIPI of the host exits to RootVisor.
 * The lock, and the shoot-down of translations: rv/smp.h. */
#include "cpu/cpu.h"
#include "cpu/stacks.h"
#include "rv/rv.h"
#include "trace.h"
#include "vmx/vmx.h"

#define LAPIC		0xfee00000ull
#define LAPIC_ICR_LOW	0x300
#define LAPIC_ICR_HIGH	0x310
#define ICR_BUSY	BIT(12)
#define ICR_NMI		0x4400u
#define ICR_INIT	0x4500u
#define ICR_STARTUP	0x4600u
#define APIC_BASE_X2APIC BIT(10)

extern const u8 trampoline_start[], trampoline_end[];
u64 ap_cr3;				/* read by cpu/trampoline.S */
struct pcpu *ap_pcpu;
u8 *ap_stack;
static volatile u32 answered_id;
static volatile bool released;

struct ticket_lock the_lock;
volatile u64 tlb_gen;
static u64 tlb_need[2];		/* by world: the generation that who is in it must have seen */
static bool tlb_dirty[2];

void ap_main(struct pcpu *c) __attribute__((noreturn));

static void delay_us(u64 us)
{
	u64 end = rdtsc() + rv_boot.tsc_khz * us / 1000;

	while (rdtsc() < end)
		cpu_relax();
}

static void send_ipi(u32 apic_id, u32 command)
{
	volatile u32 *low = (u32 *)(LAPIC + LAPIC_ICR_LOW), *high = (u32 *)(LAPIC + LAPIC_ICR_HIGH);
	u32 hosts;

	if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
		return wrmsr(MSR_X2APIC_ICR, (u64)apic_id << 32 | command);
	for (u32 i = 0; i < 100000 && *low & ICR_BUSY; i++)
		cpu_relax();
	hosts = *high;			/* which may be between its two writes */
	*high = apic_id << 24;
	*low = command;
	for (u32 i = 0; i < 100000 && *low & ICR_BUSY; i++)
		cpu_relax();
	*high = hosts;
}

static bool answered(u32 want, u64 ms)
{
	for (u64 i = 0; i < ms * 10 && answered_id != want; i++)
		delay_us(100);
	return answered_id == want;
}

void ap_main(struct pcpu *c)
{
	cpu_tables_init(c);
	cpu_vmxon(c);
	answered_id = c->id;
	while (!released)
		cpu_relax();
	rv_lock();
	vmcs01_init(c, &rv_boot.host);
	pcpu_run(c);
}

void smp_release(void)
{
	released = true;
}

void smp_start(void)
{
	if (!rv_boot.nr_others)
		return;
	RV_BUG_ON(rv_boot.trampoline & ~PAGE_MASK || rv_boot.trampoline >= BIT(20) || !frame_is_host(rv_boot.trampoline >> PAGE_SHIFT));
	memcpy(va(rv_boot.trampoline), trampoline_start, (u64)(trampoline_end - trampoline_start));
	ap_cr3 = read_cr3();
	while (nr_pcpus <= rv_boot.nr_others) {
		struct pcpu *c = &pcpus[nr_pcpus];
		u32 startup = ICR_STARTUP | (u32)(rv_boot.trampoline >> PAGE_SHIFT);

		c->id = nr_pcpus;
		c->apic_id = rv_boot.others[nr_pcpus - 1];
		ap_pcpu = c;
		ap_stack = cpu_stacks[c->id].main + sizeof(cpu_stacks[0].main);
		send_ipi(c->apic_id, ICR_INIT);
		delay_us(10000);
		send_ipi(c->apic_id, startup);
		if (!answered(c->id, 10))
			send_ipi(c->apic_id, startup);
		if (!answered(c->id, 1000))
			rv_panic("CPU %u (APIC id %x) does not start", c->id, c->apic_id);
		nr_pcpus++;
	}
	rv_printf("%u CPUs\n", nr_pcpus);
}

/* ---- shoot-down ---- */

void cpu_kick(struct pcpu *t)
{
	/* One NMI for each that the target has seen, and none once it is on its way out: NMI after NMI would keep it from getting there. */
	if (t->in_guest && !t->kick && !t->nmi_arrived) {
		t->kick = 1;
		trace_kick(t);
		send_ipi(t->apic_id, ICR_NMI);
	}
}

void tlb_flush(struct pcpu *c)
{
	u64 gen = tlb_gen;		/* what is asked for later is not served by this INVEPT */

	invept(2, 0);
	trace_flush(c);
	c->tlb_seen = gen;
}

/* in_l2 changes under the lock only. */
static bool may_use_old(const struct pcpu *t)
{
	return t->in_guest && t->tlb_seen < tlb_need[t->in_l2];
}

static bool in_guest(const struct pcpu *t) { return t->in_guest; }

/* Kicks the CPUs of which this is true, and waits until it is not. */
static void drive_out(bool (*is)(const struct pcpu *t))
{
	u64 end = rdtsc() + rv_boot.tsc_khz * 1000;

	for (u32 i = 0; i < nr_pcpus; i++)
		if (is(&pcpus[i]))
			cpu_kick(&pcpus[i]);
	for (u32 i = 0; i < nr_pcpus; i++)
		while (is(&pcpus[i])) {
			cpu_kick(&pcpus[i]);
			if (rdtsc() > end)
				rv_panic("CPU %u does not answer", i);
			cpu_relax();
		}
}

void tlb_removed(enum tlb_world w)
{
	tlb_dirty[w] = true;
	trace_removed(w);
}

void tlb_shootdown(void)
{
	__atomic_add_fetch(&tlb_gen, 1, __ATOMIC_SEQ_CST);	/* after the change, before the look at in_guest */
	for (u32 w = TLB_L1; w <= TLB_L2; w++)
		if (tlb_dirty[w])
			tlb_need[w] = tlb_gen;
	tlb_flush(this_pcpu());
	drive_out(may_use_old);
	tlb_dirty[TLB_L1] = tlb_dirty[TLB_L2] = false;
}

bool tlb_settled(void)
{
	trace_handover();
	for (u32 i = 0; i < nr_pcpus; i++)
		if (may_use_old(&pcpus[i]))
			return false;
	return !tlb_dirty[TLB_L1] && !tlb_dirty[TLB_L2];
}

void smp_stop_others(bool wait)
{
	/* Whoever holds the lock now, nobody gets it after this ticket. */
	__atomic_fetch_add(&the_lock.next, 1, __ATOMIC_SEQ_CST);
	if (wait)
		drive_out(in_guest);
	for (u32 i = 0; i < nr_pcpus; i++)
		cpu_kick(&pcpus[i]);
}
