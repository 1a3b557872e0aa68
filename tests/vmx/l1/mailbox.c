/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "l1.h"

#define MAILBOX_WAKE	1
#define PATIENCE	1000000000ull

void relax(void) { __asm__ volatile("pause" : : : "memory"); }

/* ACPI 6.5, 5.2.12.19: APIC id and address, then the command, which the CPU takes back. */
void smp_wake(u32 apic_id)
{
	volatile u8 *mb = machine.mailbox;
	u64 end = tsc() + PATIENCE;

	if (!mb)
		BROKEN("several CPUs in the MADT, and no mailbox");
	*(volatile u32 *)(mb + 4) = apic_id;
	*(volatile u64 *)(mb + 8) = (u64)smp_entry;
	*(volatile u16 *)mb = MAILBOX_WAKE;
	while (*(volatile u16 *)mb && tsc() < end)
		__asm__ volatile("pause");
	EXPECT_EQ(*(volatile u16 *)mb, 0);
}
