/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/power.h"

#define PORT_KBC_DATA	0x60
#define PORT_KBC	0x64
#define PORT_A		0x92
#define PORT_PCI	0xcf8
#define PORT_RESET	0xcf9
#define SLP_EN		0x20	/* in the high byte of PM1 control, and in sleep control */
#define KBC_WRITE_OUTPUT 0xd1

static void trap(u8 *bitmap, u32 port)
{
	if (port)
		bitmap[port / 8] |= (u8)(1u << port % 8);
}

void power_bitmap(const struct power_ports *p, u8 *bitmap)
{
	const u32 ports[] = { PORT_KBC_DATA, PORT_KBC, PORT_A, PORT_RESET, p->reset, p->sleep_control };

	for (u32 i = 0; i < ARRAY_SIZE(ports); i++)
		trap(bitmap, ports[i]);
	for (u32 i = 0; i < 2; i++)
		trap(bitmap, p->pm1_cnt[i] ? (u16)(p->pm1_cnt[i] + 1) : 0);
}

static bool byte_ends(const struct power_ports *p, struct power_state *s, u16 port, u8 v)
{
	bool output = s->kbc_output;

	if (!port)
		return false;		/* 0 means "none" below */
	if (port == PORT_KBC)
		s->kbc_output = v == KBC_WRITE_OUTPUT;
	if (port == PORT_KBC_DATA)
		s->kbc_output = false;
	return (port == PORT_KBC && (v & 0xf1) == 0xf0) ||		/* pulse the reset line */
	       (port == PORT_KBC_DATA && output && !(v & 1)) ||
	       (port == PORT_A && (v & 1)) ||
	       (port == PORT_RESET && (v & 4)) ||
	       (port == p->reset && v == p->reset_value) ||
	       (port == p->sleep_control && (v & SLP_EN)) ||
	       (p->pm1_cnt[0] && port == p->pm1_cnt[0] + 1 && (v & SLP_EN)) ||
	       (p->pm1_cnt[1] && port == p->pm1_cnt[1] + 1 && (v & SLP_EN));
}

bool power_write_ends(const struct power_ports *p, struct power_state *s, u16 port, u32 size, u32 value)
{
	if (port == PORT_PCI && size == 4)
		return false;		/* the PCI configuration address, which lies over PORT_RESET */
	for (u32 i = 0; i < size; i++)
		if (byte_ends(p, s, (u16)(port + i), (u8)(value >> 8 * i)))
			return true;
	return false;
}
