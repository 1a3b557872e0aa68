/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu/stacks.h"
#include "memory/memory.h"
#include "rv/rv.h"
#include "vmx/power.h"

struct power_ports power_ports;

/* wipe_end.S: zeroes bss without a stack, then writes to the port. */
void wipe_end(u64 port, u64 size, u64 value) __attribute__((noreturn));
_Static_assert(sizeof(struct cpu_stacks) == 7 * PAGE_SIZE && CVM_MAX_CPUS == 16, "wipe_end.S");

void power_end(u16 port, u32 size, u32 value)
{
	smp_stop_others(true);
	rv_printf("the machine resets or sleeps (port %x): wiping memory\n", port);
	for (u64 pfn = 0; pfn < frames_max; pfn++)
		if (frame_of(pfn)->owner == FRAME_PRIVATE)
			clear_page(va(pfn << PAGE_SHIFT));
	pool_wipe();
	wipe_end(port, size, value);
}
