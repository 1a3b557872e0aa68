/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUID as the host sees it: the machine's own, less what vmcs01 or RootVisor cannot let it have. */
#include "cpu/features.h"
#include "rv/rv.h"
#include "vmx/vmx.h"

enum { EAX, EBX, ECX, EDX };

#define ALL	0xffffffffu

/* Leaves hidden whole: architectural performance monitoring, SGX, Intel PT. */
static const u32 hidden_leaves[] = { 0xa, 0x12, 0x14 };
/* Bits hidden. Subleaf ALL = any. */
static const struct {
	u32 leaf, subleaf, reg, bits;
} hidden[] = {
	{ 0x1, ALL, ECX, BIT(2) | BIT(4) | BIT(6) | BIT(15) },	/* DTES64, DS-CPL, SMX, PDCM */
	{ 0x1, ALL, EDX, BIT(21) },			/* debug store */
	{ 0x6, ALL, EAX, BIT(19) | BIT(23) },		/* hardware feedback, thread director */
	{ 0x7, 0, EBX, BIT(2) | BIT(25) },		/* SGX, Intel PT */
	{ 0x7, 0, ECX, BIT(5) | BIT(16) | BIT(30) },	/* WAITPKG, LA57, SGX launch control */
	{ 0xd, 1, ECX, BIT(8) },			/* XSAVES of Intel PT state */
};

static void set_bit(u32 *v, u32 bit, bool on)
{
	*v = on ? *v | 1u << bit : *v & ~(1u << bit);
}

void l1_cpuid(struct pcpu *c)
{
	u32 leaf = (u32)c->regs.r[R_RAX], sub = (u32)c->regs.r[R_RCX], r[4];
	u64 cr4 = vmread(VMCS_GUEST_CR4);

	cpuid(leaf, sub, r);
	for (u32 i = 0; i < ARRAY_SIZE(hidden); i++)
		if (hidden[i].leaf == leaf && (hidden[i].subleaf == ALL || hidden[i].subleaf == sub))
			r[hidden[i].reg] &= ~hidden[i].bits;
	for (u32 i = 0; i < ARRAY_SIZE(hidden_leaves); i++)
		if (hidden_leaves[i] == leaf)
			memset(r, 0, sizeof(r));
	/* Bits that mirror the CR4 of whoever asks. */
	if (leaf == 1)
		set_bit(&r[ECX], 27, cr4 & CR4_OSXSAVE);
	if (leaf == 7 && sub == 0)
		set_bit(&r[ECX], 4, cr4 & BIT(22));	/* OSPKE */
	if (leaf == 0xd && sub == 1 && !features_proc2_optional(PROC2_XSAVES))
		set_bit(&r[EAX], 3, false);
	c->regs.r[R_RAX] = r[EAX];
	c->regs.r[R_RBX] = r[EBX];
	c->regs.r[R_RCX] = r[ECX];
	c->regs.r[R_RDX] = r[EDX];
	guest_skip_instruction();
}
