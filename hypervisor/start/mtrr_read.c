/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/read.h"
#include "rv/asm.h"

#define MSR_MTRR_CAP		0xfe
#define MSR_MTRR_PHYSBASE0	0x200
#define MSR_MTRR_DEF_TYPE	0x2ff

void mtrr_read(struct mtrr *m)
{
	static const u16 fixed[11] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f };
	u64 cap = rdmsr(MSR_MTRR_CAP);

	m->phys_bits = cpu_phys_bits();
	m->def_type = rdmsr(MSR_MTRR_DEF_TYPE);
	for (u32 i = 0; i < ARRAY_SIZE(fixed); i++)
		m->fixed[i] = cap & BIT(8) ? rdmsr(fixed[i]) : 0;
	m->variable = cap & 0xff;
	if (m->variable > MTRR_VARIABLE_MAX)
		m->variable = MTRR_VARIABLE_MAX;
	for (u32 i = 0; i < m->variable; i++) {
		m->var[i].base = rdmsr(MSR_MTRR_PHYSBASE0 + 2 * i);
		m->var[i].mask = rdmsr(MSR_MTRR_PHYSBASE0 + 2 * i + 1);
	}
}
