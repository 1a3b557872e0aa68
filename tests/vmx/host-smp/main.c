/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The second CPU: it waits at the mailbox, comes once, runs under RootVisor like the first; NMIs reach it, once each. */
#include "ap.h"

static volatile u64 rounds;
volatile u64 nmis;
static volatile bool stop;

__asm__(".text; .balign 16; nmi_entry: incq nmis(%rip); iretq");
extern const u8 nmi_entry[];

void ap_main(void)
{
	u32 r[4];

	while (!stop) {
		cpuid(0, 0, r);		/* each an exit */
		rounds++;
	}
	for (;;)
		__asm__ volatile("hlt");
}

static void install(void)
{
	struct table_register idtr;
	u64 *gate, h = (u64)nmi_entry;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	gate = (u64 *)idtr.base + 2 * 2;
	gate[0] = (h & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
	gate[1] = h >> 32;
}

void test_main(const u8 *boot_params)
{
	const u8 *madt = acpi_find(boot_params, "APIC");
	volatile u8 *mailbox;
	u32 enabled = 0, r[4];
	u64 before;

	CHECK(madt);
	for (u32 at = 44; at + 2 <= *(const u32 *)(madt + 4); at += madt[at + 1])
		enabled += madt[at] == 0 && *(const u32 *)(madt + at + 4) & 1;
	CHECK_EQ(enabled, 2);
	mailbox = ap_mailbox(madt);
	CHECK(mailbox);
	CHECK(!((u64)mailbox & 0xfff));
	CHECK_EQ(e820_type(boot_params, (u64)mailbox), 4);	/* NVS: the host keeps its hands off */
	install();
	ap_wait(1000000);
	CHECK_EQ(rounds, 0);
	CHECK(ap_wake(mailbox));
	CHECK(rounds);
	/* exits of both at once */
	before = rounds;
	for (u32 i = 0; i < 1000; i++)
		cpuid(0, 0, r);
	CHECK(rounds > before + 100);
	for (u32 i = 1; i <= 50; i++) {
		ap_ipi(ICR_NMI);
		CHECK_EQ(nmis, i);
	}
	/* an NMI to a CPU that sleeps */
	stop = true;
	ap_wait(100000);
	ap_ipi(ICR_NMI);
	CHECK_EQ(nmis, 51);
	/* it does not come twice */
	CHECK(!ap_wake(mailbox));
}
