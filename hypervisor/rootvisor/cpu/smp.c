/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other CPUs. A CPU in VMX root operation takes no INIT (SDM vol. 3, 24.8), and a SIPI does
 * nothing to one that does not wait for it: so a parked CPU is out of the host's reach. */
#include "cpu/cpu.h"
#include "cpu/stacks.h"
#include "rv/rv.h"

#define LAPIC		0xfee00000ull
#define LAPIC_ICR_LOW	0x300
#define LAPIC_ICR_HIGH	0x310
#define ICR_BUSY	BIT(12)
#define ICR_INIT	0x4500u
#define ICR_STARTUP	0x4600u
#define APIC_BASE_X2APIC BIT(10)

extern const u8 trampoline_start[], trampoline_end[];
u64 ap_cr3;				/* read by cpu/trampoline.S */
struct pcpu *ap_pcpu;
u8 *ap_stack;
static volatile u32 parked;

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

	if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
		return wrmsr(MSR_X2APIC_ICR, (u64)apic_id << 32 | command);
	*high = apic_id << 24;
	*low = command;
	for (u32 i = 0; i < 100000 && *low & ICR_BUSY; i++)
		cpu_relax();
}

static bool answered(u32 want, u64 ms)
{
	for (u64 i = 0; i < ms * 10 && parked != want; i++)
		delay_us(100);
	return parked == want;
}

void ap_main(struct pcpu *c)
{
	cpu_tables_init(c);
	cpu_vmxon(c);
	parked = c->id;
	halt_forever();			/* an NMI wakes it for a moment */
}

int smp_park(const u32 *apic_ids, u32 n, u64 trampoline)
{
	u32 vector = (u32)(trampoline >> PAGE_SHIFT);

	if (n + 1 > CVM_MAX_CPUS)
		return -EIO;
	memcpy((void *)trampoline, trampoline_start, (u64)(trampoline_end - trampoline_start));
	ap_cr3 = read_cr3();
	for (u32 i = 0; i < n; i++) {
		struct pcpu *c = &pcpus[i + 1];

		c->id = i + 1;
		c->apic_id = apic_ids[i];
		ap_pcpu = c;
		ap_stack = cpu_stacks[c->id].main + sizeof(cpu_stacks[0].main);
		send_ipi(c->apic_id, ICR_INIT);
		delay_us(10000);
		send_ipi(c->apic_id, ICR_STARTUP | vector);
		if (!answered(c->id, 10))
			send_ipi(c->apic_id, ICR_STARTUP | vector);
		if (!answered(c->id, 1000))
			return -EIO;
	}
	return 0;
}
