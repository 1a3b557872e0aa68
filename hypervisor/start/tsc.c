/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/read.h"
#include "rv/asm.h"

#define PIT_HZ		1193182ull
#define PIT_TICKS	11932u		/* 10 ms */
#define PORT_PIT2	0x42
#define PORT_PIT_MODE	0x43
#define PORT_GATE	0x61

/* Counts TSC ticks while PIT channel 2 runs down once. 0 if the PIT does not move. */
static u64 measure_pit(void)
{
	u64 t0, t1;
	u32 spins = 0;

	outb(PORT_GATE, (u8)((inb(PORT_GATE) & ~2) | 1));
	outb(PORT_PIT_MODE, 0xb0);	/* channel 2, mode 0, low then high byte */
	outb(PORT_PIT2, PIT_TICKS & 0xff);
	outb(PORT_PIT2, PIT_TICKS >> 8);
	t0 = rdtsc();
	while (!(inb(PORT_GATE) & 0x20))
		if (++spins == 10000000)
			return 0;
	t1 = rdtsc();
	if (spins < 10)
		return 0;
	return (t1 - t0) * PIT_HZ / PIT_TICKS / 1000;
}

u64 tsc_measure_khz(void)
{
	u32 r[4], max;
	u64 khz = measure_pit();

	cpuid(0, 0, r);
	max = r[0];
	if (!khz && max >= 0x15) {
		cpuid(0x15, 0, r);
		khz = r[0] && r[1] && r[2] ? (u64)r[2] * r[1] / r[0] / 1000 : 0;
	}
	if (!khz && max >= 0x16) {
		cpuid(0x16, 0, r);
		khz = (r[0] & 0xffff) * 1000ull;
	}
	return khz;
}
