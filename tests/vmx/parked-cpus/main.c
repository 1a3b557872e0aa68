/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host tries to start a CPU outside RootVisor: INIT, SIPI, SIPI to one that is parked. */
#include "acpi.h"

#define LAPIC		0xfee00000ull
#define PAGE		0x8000ull		/* real-mode code: SIPI vector 8 */
#define FLAG		0x9000ull

static void ipi(u32 id, u32 command)
{
	*(volatile u32 *)(LAPIC + 0x310) = id << 24;
	*(volatile u32 *)(LAPIC + 0x300) = command;
	for (u64 end = rdtsc() + 2000000; rdtsc() < end;)
		cpu_relax();
}

void test_main(const u8 *boot_params)
{
	/* mov %cs,%ax; mov %ax,%ds; movl $0xdead,(0x1000); hlt */
	static const u8 code[] = { 0x8c, 0xc8, 0x8e, 0xd8, 0x66, 0xc7, 0x06, 0x00, 0x10, 0xad, 0xde, 0, 0, 0xf4 };
	const u8 *madt = acpi_find(boot_params, "APIC");
	u32 size, others = 0;

	CHECK(madt);
	size = *(const u32 *)(madt + 4);
	for (u32 at = 44; at + 2 <= size; at += madt[at + 1])
		if (madt[at] == 0 && madt[at + 3] != 0) {
			CHECK_EQ(*(const u32 *)(madt + at + 4) & 3, 0);
			others++;
		}
	CHECK(others);
	for (u32 i = 0; i < sizeof(code); i++)
		((volatile u8 *)PAGE)[i] = code[i];
	*(volatile u32 *)FLAG = 0;
	ipi(1, 0x4500);
	ipi(1, 0x4600 | PAGE >> 12);
	ipi(1, 0x4600 | PAGE >> 12);
	CHECK_EQ(*(volatile u32 *)FLAG, 0);
	/* an NMI does not get it out either */
	ipi(1, 0x4400);
	ipi(1, 0x4500);
	ipi(1, 0x4600 | PAGE >> 12);
	CHECK_EQ(*(volatile u32 *)FLAG, 0);
}
