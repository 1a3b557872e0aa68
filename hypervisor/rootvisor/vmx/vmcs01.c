/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMCS of the host: Linux with the whole machine but RootVisor's memory. */
#include "rv/rv.h"
#include "vmx/power.h"
#include "vmx/vmx.h"

#define VPID_HOST		1

#define AR_CODE64		0xa09b

static u8 io_bitmap01[2 * PAGE_SIZE] __attribute__((aligned(4096)));

/* What is asked for, and what the CPU insists on (SDM vol. 3, A.3-A.5). */
static u64 controls(u32 msr, u64 want)
{
	u64 cap = rdmsr(msr);

	if (want & ~(cap >> 32))
		rv_panic("VMX control MSR %x does not allow %lx", msr, want & ~(cap >> 32));
	return want | (u32)cap;
}

static void init_controls(struct pcpu *c)
{
	u64 proc2 = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_INVPCID |
		    (rdmsr(MSR_VMX_PROC2) >> 32 & PROC2_XSAVES);

	vmwrite(VMCS_PIN_CTLS, controls(MSR_VMX_TRUE_PIN, PIN_NMI | PIN_VIRTUAL_NMI));
	vmwrite(VMCS_PROC_CTLS, controls(MSR_VMX_TRUE_PROC, PROC_IO_BITMAPS | PROC_MSR_BITMAPS | PROC_SECONDARY));
	vmwrite(VMCS_PROC2_CTLS, controls(MSR_VMX_PROC2, proc2));
	vmwrite(VMCS_EXIT_CTLS, controls(MSR_VMX_TRUE_EXIT, EXIT_HOST64 | EXIT_SAVE_DEBUG | EXIT_SAVE_PAT |
					 EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER));
	vmwrite(VMCS_ENTRY_CTLS, controls(MSR_VMX_TRUE_ENTRY, ENTRY_IA32E | ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT |
					  ENTRY_LOAD_EFER));
	VMCS_SET({ VMCS_VPID, VPID_HOST }, { VMCS_EPTP, ept01_pointer() }, { VMCS_MSR_BITMAP, pa(c->msr_bitmap01) },
		 { VMCS_IO_BITMAP_A, pa(io_bitmap01) }, { VMCS_IO_BITMAP_B, pa(io_bitmap01) + PAGE_SIZE },
		 { VMCS_EXCEPTION_BITMAP, 0 }, { VMCS_CR0_MASK, CR0_NE }, { VMCS_CR4_MASK, CR4_OWNED });
	if (proc2 & PROC2_XSAVES)
		vmwrite(0x202c, 0);	/* XSS-exiting bitmap */
}

/* hypervisor/start/host.c: hostboot's first instruction. It loads its own descriptor tables. */
static void init_guest(const struct host_entry *e)
{
	vmcs_init_flat(&(struct vmcs_flat) {
		.code_ar = AR_CODE64, .cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG, .cr3 = e->cr3, .cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA, .rip = e->rip });
	vmwrite(VMCS_CR0_SHADOW, CR0_PE | CR0_ET | CR0_NE | CR0_PG);
	vmwrite(VMCS_CR4_SHADOW, CR4_PAE);
	vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
}

void vmcs01_init(struct pcpu *c, const struct host_entry *e)
{
	c->msr_bitmap01 = pool_need(1);
	c->host_xsave = pool_need(2);
	if (vmcs_alloc(&c->vmcs01) < 0)
		rv_panic("the pool is too small for the host's VMCS: raise pool=");
	l1_msr_bitmap(c->msr_bitmap01);
	power_bitmap(&power_ports, io_bitmap01);
	vmcs_load(c, &c->vmcs01);
	init_controls(c);
	init_guest(e);
	c->regs = (struct gregs) { .r = { [R_RDI] = e->rdi, [R_RSI] = c->id ? e->mailbox : 0, [R_RDX] = c->apic_id } };
}
