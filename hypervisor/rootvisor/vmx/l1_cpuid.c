/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUID as the host sees it: the machine's own, less what vmcs01 or RootVisor cannot let it have. */
#include "rv/rv.h"
#include "vmx/vmx.h"

enum { EAX, EBX, ECX, EDX };

static void set_bit(u32 *v, u32 bit, bool on)
{
	*v = on ? *v | 1u << bit : *v & ~(1u << bit);
}

void l1_cpuid(struct pcpu *c)
{
	u32 leaf = (u32)c->regs.r[R_RAX], sub = (u32)c->regs.r[R_RCX], r[4];

	cpuid(leaf, sub, r);
	switch (leaf) {
	case 0x1:
		r[ECX] &= ~(u32)(BIT(2) | BIT(4) | BIT(6) | BIT(15));	/* DTES64, DS-CPL, SMX, PDCM */
		r[EDX] &= ~(u32)BIT(21);				/* debug store */
		set_bit(&r[ECX], 27, vmread(VMCS_GUEST_CR4) & CR4_OSXSAVE);	/* mirrors the CR4 of whoever asks */
		break;
	case 0x6:
		r[EAX] &= ~(u32)(BIT(19) | BIT(23));	/* hardware feedback, thread director */
		break;
	case 0x7:
		if (sub)
			break;
		r[EBX] &= ~(u32)(BIT(2) | BIT(25));		/* SGX, Intel PT */
		r[ECX] &= ~(u32)(BIT(5) | BIT(16) | BIT(30));	/* WAITPKG, LA57, SGX launch control */
		set_bit(&r[ECX], 4, vmread(VMCS_GUEST_CR4) & BIT(22));	/* OSPKE, as OSXSAVE */
		break;
	case 0xd:
		if (sub != 1)
			break;
		r[ECX] &= ~(u32)BIT(8);			/* XSAVES of Intel PT state */
		if (!(rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_XSAVES))
			r[EAX] &= ~(u32)BIT(3);
		break;
	case 0xa:		/* architectural performance monitoring, SGX, Intel PT: hidden whole */
	case 0x12:
	case 0x14:
		r[EAX] = r[EBX] = r[ECX] = r[EDX] = 0;
		break;
	}
	c->regs.r[R_RAX] = r[EAX];
	c->regs.r[R_RBX] = r[EBX];
	c->regs.r[R_RCX] = r[ECX];
	c->regs.r[R_RDX] = r[EDX];
	guest_skip_instruction();
}
