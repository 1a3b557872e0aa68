/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes to I/O ports that end the run: after a reset or a sleep RootVisor is gone, but memory keeps
 * what it held. So memory is wiped first. The decision is pure. */
#pragma once

#include "rv/types.h"

/* From the FADT; 0 = none. */
struct power_ports {
	u16 pm1_cnt[2];			/* PM1a, PM1b control, 16 bits */
	u16 sleep_control;
	u16 reset;
	u8 reset_value;
};

/* What a write depends on besides itself. */
struct power_state {
	bool kbc_output;		/* the keyboard controller waits for its output port's value */
};

/* Sets the bits of the ports concerned in the I/O bitmaps, 8 KiB (SDM vol. 3, 25.6.4). */
void power_bitmap(const struct power_ports *p, u8 *bitmap);
/* True if this write of `size` bytes resets the machine or puts it to sleep. */
bool power_write_ends(const struct power_ports *p, struct power_state *s, u16 port, u32 size, u32 value);

extern struct power_ports power_ports;	/* set at boot */

/* wipe.c: zeroes all private frames and all of RootVisor's memory but its code, does the write, and
 * if the machine still runs, resets it. */
void power_end(u16 port, u32 size, u32 value) __attribute__((noreturn));
