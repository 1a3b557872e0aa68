// SPDX-License-Identifier: LGPL-2.1-or-later
/* CPUID of protected guests: answered here, so that the host cannot lie. What the guest
 * cannot use under protection, or what would make KVM write into its memory, is hidden. */
#include "vm/vm.h"

enum { A, B, C, D };

static void leaf1(u32 r[4], u32 apic_id, u32 more, u64 cr4)
{
	r[B] = (r[B] & 0x0000ffff) | apic_id << 24 | (1 + more) << 16;
	r[C] &= ~(u32)(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | BIT(15) |
		       BIT(18) | BIT(27));
	r[C] |= (u32)(BIT(21) | BIT(24) | BIT(31));	/* x2APIC, TSC deadline, hypervisor */
	if (cr4 & CR4_OSXSAVE)
		r[C] |= (u32)BIT(27);
	/* no MCE, MTRR, MCA, PSN, DS, ACPI, HTT, TM, PBE */
	r[D] &= ~(u32)(BIT(7) | BIT(12) | BIT(14) | BIT(18) | BIT(21) | BIT(22) | BIT(28) | BIT(29) | BIT(31));
	if (more)
		r[D] |= (u32)BIT(28);	/* HTT: the number of APIC ids above counts */
}

static void leaf7(u32 r[4], u32 sub, u64 cr4)
{
	if (sub) {
		r[A] = r[B] = r[C] = r[D] = 0;
		return;
	}
	r[A] = 0;
	/* no SGX, HLE, PQM, MPX, PQE, RTM, PT */
	r[B] &= ~(u32)(BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(25));
	r[C] &= (u32)(BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) |
		      BIT(14) | BIT(22));
	if ((r[C] & BIT(3)) && (cr4 & BIT(22)))
		r[C] |= (u32)BIT(4);
	r[D] &= (u32)(BIT(2) | BIT(3) | BIT(4) | BIT(10));	/* AVX-512 parts, FSRM, MD_CLEAR */
}

/* All vCPUs are cores of one package. */
static void topology(u32 r[4], u32 sub, u32 apic_id, u32 more)
{
	_Static_assert(CVM_MAX_CPUS <= 16, "APIC ids");
	r[A] = sub == 1 && more ? 4 : 0;
	r[B] = sub == 0 ? 1 : sub == 1 ? 1 + more : 0;
	r[C] = sub | (sub < 2 ? (sub + 1) << 8 : 0);
	r[D] = apic_id;
}

static void xstate(u32 r[4], u32 sub)
{
	if (sub == 0) {
		r[A] &= (u32)xcr0_allowed;
		r[D] = 0;
	} else if (sub == 1) {
		r[A] &= 7;		/* XSAVEOPT, XSAVEC, XGETBV(1); no XSAVES */
		r[C] = r[D] = 0;
	} else if (sub > 31 || !(xcr0_allowed & BIT(sub))) {
		r[A] = r[B] = r[C] = r[D] = 0;
	}
}

void pv_cpuid(struct pcpu *c, struct vcpu12 *v)
{
	u32 id = v->pv->number, more = v->vm->params.more_vcpus;
	u32 leaf = (u32)c->regs.r[R_RAX], sub = (u32)c->regs.r[R_RCX];
	u64 cr4 = vmread(VMCS_GUEST_CR4);
	u32 r[4] = { 0 };

	if (leaf < 0x40000000 || (leaf >= 0x80000000 && leaf <= 0x80000008))
		cpuid(leaf, sub, r);
	switch (leaf) {
	case 0:
		r[A] = 0x15;
		break;
	case 1:
		leaf1(r, id, more, cr4);
		break;
	case 2:
		break;
	case 4:
		r[A] &= 0x3fff;		/* caches are shared with nobody */
		break;
	case 6:
		r[A] = 4;		/* the APIC timer always runs */
		r[B] = r[C] = r[D] = 0;
		break;
	case 7:
		leaf7(r, sub, cr4);
		break;
	case 0xb:
		topology(r, sub, id, more);
		break;
	case 0xd:
		xstate(r, sub);
		break;
	case 0x15:			/* the measured TSC rate, as a crystal with ratio 1 */
		r[A] = r[B] = 1;
		r[C] = (u32)(rv_boot.tsc_khz * 1000);
		r[D] = 0;
		if (rv_boot.tsc_khz * 1000 >> 32)
			r[A] = r[B] = r[C] = 0;
		break;
	case 0x40000000:		/* Linux takes x2APIC only under this name */
		r[A] = 0x40000001;
		r[B] = 0x4b4d564b;	/* KVMKVMKVM */
		r[C] = 0x564b4d56;
		r[D] = 0x4d;
		break;
	case 0x40000001:
		r[A] = (u32)BIT(1);	/* no I/O delay; nothing by which the host writes memory */
		break;
	case 0x80000000:
		r[A] = 0x80000008;
		break;
	case 0x80000001:
		r[C] &= ~(u32)BIT(2);	/* no SVM */
		break;
	case 0x80000002 ... 0x80000004:
	case 0x80000006 ... 0x80000008:
		break;
	default:
		r[A] = r[B] = r[C] = r[D] = 0;
		break;
	}
	c->regs.r[R_RAX] = r[A];
	c->regs.r[R_RBX] = r[B];
	c->regs.r[R_RCX] = r[C];
	c->regs.r[R_RDX] = r[D];
}
