// SPDX-License-Identifier: LGPL-2.1-or-later
/* CPUID of protected guests: answered here, so that the host cannot lie. What the guest
 * cannot use under protection, or what would make KVM write into its memory, is hidden. */
#include "vm/vm.h"

enum { A, B, C, D };

#define BITS(b)	((u32)(b))
#define ALL	0xffffffffu

/* Of the CPU's own answer, all zero for leaves of software, these bits stay; then some are set. Leaves not here are zero. */
static const struct {
	u32 first, last, keep[4], set[4];
} leaves[] = {
	{ 0x0, 0x0, { 0, ALL, ALL, ALL }, { 0x15 } },
	/* no DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT-ID, PDCM, DCA; no MCE, MTRR, MCA, PSN, DS, ACPI, HTT, TM, PBE */
	{ 0x1, 0x1, { ALL, 0xffff,
		~BITS(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | BIT(15) | BIT(18) | BIT(27)),
		~BITS(BIT(7) | BIT(12) | BIT(14) | BIT(18) | BIT(21) | BIT(22) | BIT(28) | BIT(29) | BIT(31)) },
	  { 0, 1 << 16, BITS(BIT(21) | BIT(24) | BIT(31)) } },		/* x2APIC, TSC deadline, hypervisor */
	{ 0x2, 0x2, { ALL, ALL, ALL, ALL } },
	{ 0x4, 0x4, { 0x3fff, ALL, ALL, ALL } },	/* caches are shared with nobody */
	{ 0x6, 0x6, { 0 }, { 4 } },			/* the APIC timer always runs */
	/* no SGX, HLE, PQM, MPX, PQE, RTM, PT; AVX-512 parts, FSRM, MD_CLEAR */
	{ 0x7, 0x7, { 0, ~BITS(BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(25)),
		BITS(BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(22)),
		BITS(BIT(2) | BIT(3) | BIT(4) | BIT(10)) } },
	{ 0xd, 0xd, { ALL, ALL, ALL, ALL } },
	{ 0x40000000, 0x40000000, { 0 }, { 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d } },	/* KVMKVMKVM: for x2APIC */
	{ 0x40000001, 0x40000001, { 0 }, { BITS(BIT(1)) } },	/* no I/O delay; nothing by which the host writes memory */
	{ 0x80000000, 0x80000000, { 0, ALL, ALL, ALL }, { 0x80000008 } },
	{ 0x80000001, 0x80000001, { ALL, ALL, ~BITS(BIT(2)), ALL } },	/* no SVM */
	{ 0x80000002, 0x80000004, { ALL, ALL, ALL, ALL } },
	{ 0x80000006, 0x80000008, { ALL, ALL, ALL, ALL } },
};

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
		memset(r, 0, 4 * sizeof(*r));
	}
}

void pv_cpuid(struct pcpu *c, struct vcpu12 *v)
{
	u32 id = v->pv->number, more = v->vm->params.more_vcpus;
	u32 leaf = (u32)c->regs.r[R_RAX], sub = (u32)c->regs.r[R_RCX], r[4] = { 0 };
	u64 cr4 = vmread(VMCS_GUEST_CR4), hz = rv_boot.tsc_khz * 1000;

	for (u32 i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (leaf < leaves[i].first || leaf > leaves[i].last)
			continue;
		cpuid(leaf, sub, r);
		for (u32 n = A; n <= D; n++)
			r[n] = (r[n] & leaves[i].keep[n]) | leaves[i].set[n];
	}
	switch (leaf) {
	case 0x1:
		r[B] = (r[B] + (more << 16)) | id << 24;
		r[D] |= more ? BITS(BIT(28)) : 0;	/* HTT: the number of APIC ids in EBX counts */
		r[C] |= cr4 & CR4_OSXSAVE ? BITS(BIT(27)) : 0;
		break;
	case 0x7:
		if (sub)
			memset(r, 0, 4 * sizeof(*r));
		else if ((r[C] & BIT(3)) && (cr4 & BIT(22)))
			r[C] |= BITS(BIT(4));
		if (!(rdmsr(MSR_MISC_ENABLE) & 1))	/* no fast strings: REP STOSB is slower than STOSQ, as KVM says, too */
			r[B] &= ~BITS(BIT(9));
		break;
	case 0xb:
		topology(r, sub, id, more);
		break;
	case 0xd:
		xstate(r, sub);
		break;
	case 0x15:			/* the measured TSC rate, as a crystal with ratio 1 */
		r[A] = r[B] = !(hz >> 32);
		r[C] = hz >> 32 ? 0 : (u32)hz;
		break;
	}
	c->regs.r[R_RAX] = r[A];
	c->regs.r[R_RBX] = r[B];
	c->regs.r[R_RCX] = r[C];
	c->regs.r[R_RDX] = r[D];
}
