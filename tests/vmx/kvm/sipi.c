/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "l1.h"

#define SIPI_PAGE	0x8000ull
#define ICR_INIT	0x4500u
#define ICR_STARTUP	0x4600u

extern const u8 sipi_start[], sipi_end[], sipi_gdtr[], sipi_cr3[];

/* The emulator lets no interrupt of the host through while a guest runs with IF = 0 and does not exit. */
void relax(void) { in8(0x5008); }

static void send(u32 apic_id, u32 what)
{
	APIC(0x310) = apic_id << 24;
	APIC(0x300) = what;
	while (APIC(0x300) & 1 << 12)
		relax();
}

/* INIT, SIPI: as firmware and kernels do. */
void smp_wake(u32 apic_id)
{
	u8 *page = (u8 *)SIPI_PAGE;
	u32 cr3 = (u32)read_cr3();

	copy(page, sipi_start, (u64)(sipi_end - sipi_start));
	__asm__ volatile("sgdt %0" : "=m"(*(u8 (*)[10])(page + (sipi_gdtr - sipi_start))));
	copy(page + (sipi_cr3 - sipi_start), &cr3, 4);
	apic_init();
	send(apic_id, ICR_INIT);
	send(apic_id, ICR_STARTUP | SIPI_PAGE >> 12);
}
