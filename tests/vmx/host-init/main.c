/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* INIT and SIPI between the host's CPUs: the second one starts in real mode at the vector, outside VMX operation, however often. */
#include "ap.h"

#define PAGE		0x8000ull		/* real-mode code: SIPI vector 8 */
#define FLAG		0x9000ull

void ap_main(void)
{
	for (;;)
		cpu_relax();
}

static void start(u32 value)
{
	/* mov %cs,%ax; mov %ax,%ds; movl $VALUE,(0x1000); jmp . */
	const u8 code[] = { 0x8c, 0xc8, 0x8e, 0xd8, 0x66, 0xc7, 0x06, 0x00, 0x10, (u8)value, (u8)(value >> 8), 0, 0, 0xeb, 0xfe };

	for (u32 i = 0; i < sizeof(code); i++)
		((volatile u8 *)PAGE)[i] = code[i];
	*(volatile u32 *)FLAG = 0;
	ap_ipi(ICR_STARTUP | PAGE >> 12);	/* not waiting for one: nothing happens */
	CHECK_EQ(*(volatile u32 *)FLAG, 0);
	ap_ipi(ICR_INIT);
	CHECK_EQ(*(volatile u32 *)FLAG, 0);
	ap_ipi(ICR_NMI);			/* blocked while it waits */
	CHECK_EQ(*(volatile u32 *)FLAG, 0);
	ap_ipi(ICR_STARTUP | PAGE >> 12);
	CHECK_EQ(*(volatile u32 *)FLAG, value);
}

void test_main(const u8 *boot_params)
{
	volatile u8 *mailbox = ap_mailbox(acpi_find(boot_params, "APIC"));

	start(0xdead);				/* from the mailbox loop */
	CHECK(!ap_wake(mailbox));
	start(0xbeef);				/* from real mode */
}
