/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu/cpu.h"
#include "rv/asm.h"

void machine_reset(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) none = { 0, 0 };

	outb(0xcf9, 2);			/* chipset reset control */
	outb(0xcf9, 6);
	for (u32 i = 0; i < 1000000 && (inb(0x64) & 2); i++)
		cpu_relax();
	outb(0x64, 0xfe);		/* keyboard controller */
	for (u32 i = 0; i < 1000000; i++)
		cpu_relax();
	__asm__ volatile("lidt %0; ud2" : : "m"(none));	/* triple fault */
	halt_forever();
}
