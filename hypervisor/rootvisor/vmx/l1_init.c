/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* INIT and SIPI between the host's CPUs: they exit, and change the CPU's state in vmcs01. SDM vol. 3, 10.4 and 26.2. */
#include "rv/rv.h"
#include "vmx/power.h"
#include "vmx/vmx.h"

#define ACTIVITY_WAIT_FOR_SIPI	3

/* Real mode, as after INIT (SDM vol. 3, table 10-1). What INIT leaves alone (x87, XCR0, most MSRs) stays. */
static void reset_state(struct pcpu *c)
{
	static const u16 zero[] = {
		VMCS_GUEST_CR3, VMCS_GUEST_EFER, VMCS_GUEST_LDTR_SEL, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_TR_SEL,
		VMCS_GUEST_TR_BASE, VMCS_GUEST_GDTR_BASE, VMCS_GUEST_IDTR_BASE, VMCS_GUEST_RSP, VMCS_GUEST_INTERRUPTIBILITY,
		VMCS_GUEST_PENDING_DBG, VMCS_ENTRY_INTR_INFO, VMCS_CR4_SHADOW };
	u64 cr0 = (vmread(VMCS_GUEST_CR0) & (CR0_CD | CR0_NW)) | CR0_ET;
	u32 r[4];

	vmcs_zero(zero, ARRAY_SIZE(zero));
	for (u32 i = 0; i < 8; i++) {		/* ES CS SS DS FS GS LDTR TR */
		vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffff);
		vmwrite(VMCS_GUEST_ES_AR + 2 * i, i == 1 ? 0x9b : i == 6 ? 0x82 : i == 7 ? 0x8b : 0x93);
		if (i < 6) {
			vmwrite(VMCS_GUEST_ES_SEL + 2 * i, 0);
			vmwrite(VMCS_GUEST_ES_BASE + 2 * i, 0);
		}
	}
	VMCS_SET({ VMCS_GUEST_GDTR_LIMIT, 0xffff }, { VMCS_GUEST_IDTR_LIMIT, 0xffff }, { VMCS_CR0_SHADOW, cr0 },
		 { VMCS_GUEST_CR0, cr0 | CR0_NE }, { VMCS_GUEST_CR4, CR4_VMXE },
		 { VMCS_ENTRY_CTLS, vmread(VMCS_ENTRY_CTLS) & ~ENTRY_IA32E }, { VMCS_GUEST_RFLAGS, 2 },
		 { VMCS_GUEST_DR7, 0x400 });
	write_cr2(0);
	write_dr6(0xffff0ff0);
	c->cr4_shadow_vmxe = 0;
	cpuid(1, 0, r);
	c->regs = (struct gregs) { .r[R_RDX] = r[0] };
	tlb_flush(c);
}

void l1_init(struct pcpu *c)
{
	if (c->id == 0) {		/* its reset vector is the firmware's: that starts the machine anew */
		rv_printf("the host sent INIT to the boot CPU: reset\n");
		power_end(0xcf9, 1, 6);
	}
	if (c->vmxon) {			/* blocked in VMX operation: nested/instr.c, VMXOFF */
		c->init_pending = true;
		return;
	}
	reset_state(c);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI);
	c->sipi_wait = true;
}

void l1_sipi(struct pcpu *c)
{
	u64 vector = vmread(VMCS_EXIT_QUALIFICATION) & 0xff;

	vmwrite(VMCS_GUEST_CS_SEL, vector << 8);
	vmwrite(VMCS_GUEST_CS_BASE, vector << 12);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, 0);
	c->sipi_wait = false;
}
