// SPDX-License-Identifier: LGPL-2.1-or-later
/* A vCPU becomes protected: canonical entry state in VMCS02, neutral state in VMCS12. */
#include "vm/vm.h"

#define EXC_DB	BIT(1)
#define EXC_AC	BIT(17)
#define EXC_MC	BIT(18)
#define GUEST_CR0_OWNED	(CR0_NE | CR0_CD | CR0_NW)	/* bits of RootVisor */

/* MSRs that the guest reaches without an exit: VMCS02 or pv_switch_in/out carries them. The others only for reading: pv_set_msr(). */
static const u32 direct_msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT };
static const u32 read_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_TSC_AUX, MSR_TSC };

static void open_msr(u8 *bitmap, u32 msr, bool write)
{
	u32 bit = msr_bitmap_bit(msr, write);

	bitmap[bit >> 3] &= (u8)~(1 << (bit & 7));
}

static void controls(struct vcpu12 *v, struct vm *vm)
{
	memset(v->msr_bitmap02, 0xff, PAGE_SIZE);
	for (u32 i = 0; i < ARRAY_SIZE(direct_msrs); i++) {
		open_msr(v->msr_bitmap02, direct_msrs[i], false);
		open_msr(v->msr_bitmap02, direct_msrs[i], true);
	}
	for (u32 i = 0; i < ARRAY_SIZE(read_msrs); i++)
		open_msr(v->msr_bitmap02, read_msrs[i], false);
	caps_write_controls(PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI,
			    PROC_TSC_OFFSET | PROC_HLT | PROC_MWAIT | PROC_RDPMC | PROC_CR8_LOAD | PROC_CR8_STORE |
			    PROC_UNCOND_IO | PROC_MSR_BITMAPS | PROC_MONITOR | PROC_SECONDARY,
			    PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_INVPCID | PROC2_WBINVD |
			    PROC2_PLE,
			    EXIT_ACK_INTR | EXIT_HOST64 | EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT |
			    EXIT_SAVE_EFER | EXIT_LOAD_EFER,
			    ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
	if (hw_caps.proc2 >> 32 & PROC2_PLE) {	/* a vCPU that spins lets the one run that it waits for */
		vmwrite(VMCS_PLE_GAP, 128);
		vmwrite(VMCS_PLE_WINDOW, 4096);
	}
	/* #DB and #AC: a guest can make endless ones in microcode. #MC is the host's. */
	VMCS_SET({ VMCS_EXCEPTION_BITMAP, EXC_DB | EXC_AC | EXC_MC }, { VMCS_MSR_BITMAP, pa(v->msr_bitmap02) },
		 { VMCS_EPTP, pa(vm->ept02) | 6 | 3 << 3 }, { VMCS_VPID, vcpu12_vpid(v) },
		 { VMCS_CR0_MASK, GUEST_CR0_OWNED }, { VMCS_CR4_MASK, CR4_VMXE },
		 { VMCS_CR0_SHADOW, CR0_PE | CR0_ET | CR0_NE }, { VMCS_CR4_SHADOW, 0 });
}

/* Contact map 1.4: flat 32-bit, unpaged as KVM's cache has it from cvmboot's first stage. */
static void neutral_state(struct vcpu12 *v)
{
	for (u32 i = 0; i < NR_FIELDS; i++)
		if (fields[i].class == FIELD_GUEST)
			F12(v, fields[i].encoding) = 0;
	for (u32 i = 0; i < 6; i++) {
		F12(v, VMCS_GUEST_ES_SEL + 2 * i) = i == 1 ? 8 : 0x10;
		F12(v, VMCS_GUEST_ES_LIMIT + 2 * i) = 0xffffffff;
		F12(v, VMCS_GUEST_ES_AR + 2 * i) = i == 1 ? 0xc09b : 0xc093;
	}
	F12(v, VMCS_GUEST_TR_AR) = 0x8b;
	F12(v, VMCS_GUEST_LDTR_AR) = 0x82;
	F12(v, VMCS_GUEST_CR0) = CR0_NE | CR0_ET;
	F12(v, VMCS_GUEST_CR4) = CR4_VMXE;
	F12(v, VMCS_GUEST_DR7) = 0x400;
	F12(v, VMCS_GUEST_RFLAGS) = 2;
	F12(v, VMCS_GUEST_PAT) = 0x0007040600070406ull;
	F12(v, VMCS_LINK_POINTER) = ~0ull;
	F12(v, VMCS_ENTRY_CTLS) &= ~ENTRY_IA32E;
}

int pv_create(struct pcpu *c, struct vcpu12 *v, struct vm *vm)
{
	struct pvcpu *p = pool_get();

	_Static_assert(sizeof(struct pvcpu) <= PAGE_SIZE, "pvcpu");
	if (!p)
		return -ENOMEM;
	p->xsave = pool_get();
	if (!p->xsave) {
		pool_put(p);
		return -ENOMEM;
	}
	v->pv = p;
	*(u16 *)p->xsave = 0x37f;		/* FCW; XSTATE_BV = 0: everything in INIT state */
	*(u32 *)(p->xsave + 24) = 0x1f80;	/* MXCSR */
	p->xcr0 = 1;
	p->dr6 = 0xffff0ff0;
	controls(v, vm);
	vmcs_init_flat(&(struct vmcs_flat) {	/* boot.h: the canonical entry state */
		.code_ar = 0xc09b, .cr0 = CR0_PE | CR0_ET | CR0_NE, .rip = CVM_FW_ENTRY, .rsp = CVM_FW_STACK });
	neutral_state(v);
	/* The stage-1 registers are gone: the guest starts with zeroes. */
	memset(&c->regs, 0, sizeof(c->regs));
	pv_switch_in(c, p);
	return 0;
}

void pv_free(struct vcpu12 *v)
{
	if (!v->pv)
		return;
	pool_put(v->pv->xsave);
	pool_put(v->pv);
	v->pv = NULL;
}
