/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exits of the host, by name. What has no handler here cannot happen with vmcs01's controls:
 * RootVisor stops the machine rather than guess. */
#include "cpu/cpu.h"
#include "rv/rv.h"
#include "vmx/power.h"
#include "vmx/vmx.h"

#define EXIT_RSM		17
#define DEBUGCTL_BTF		BIT(1)
#define EPT_Q_NMI_UNBLOCKED	BIT(12)

void guest_single_step(void)
{
	if ((vmread(VMCS_GUEST_RFLAGS) & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) | BIT(14));
}

void guest_skip_instruction(void)
{
	u64 blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY), rip = vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTR_LEN);

	if (!(vmread(VMCS_GUEST_CS_AR) & AR_LONG))
		rip &= 0xffffffff;
	vmwrite(VMCS_GUEST_RIP, rip);
	if (blocking & INTERRUPTIBILITY_ONE)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~INTERRUPTIBILITY_ONE);
	guest_single_step();
}

u64 gpr_read(const struct pcpu *c, u32 n)
{
	return n == R_RSP ? vmread(VMCS_GUEST_RSP) : c->regs.r[n];
}

void gpr_write(struct pcpu *c, u32 n, u64 val)
{
	if (n == R_RSP)
		vmwrite(VMCS_GUEST_RSP, val);
	else
		c->regs.r[n] = val;
}

void guest_inject_exception(u32 vector, bool has_error, u32 error)
{
	has_error = has_error && vmread(VMCS_GUEST_CR0) & CR0_PE;	/* else no entry takes it: SDM vol. 3, 27.2.1.3 */
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | (u64)INTR_TYPE_HW_EXC << 8 | vector |
		(has_error ? INTR_ERROR_CODE : 0));
	if (has_error)
		vmwrite(VMCS_ENTRY_ERROR_CODE, error);
}

/* XCR0 is the host's own: bad values fault here as they would there. */
static void l1_xsetbv(struct pcpu *c)
{
	u64 v = (u32)c->regs.r[R_RAX] | c->regs.r[R_RDX] << 32;

	/* CPL 0 and CR4.OSXSAVE were checked before the exit. */
	if (xsetbv_safe((u32)c->regs.r[R_RCX], v) < 0)
		l1_inject_gp();
	else
		guest_skip_instruction();
}

static void l1_invd(struct pcpu *c)
{
	__asm__ volatile("wbinvd" : : : "memory");	/* INVD would lose RootVisor's writes */
	guest_skip_instruction();
}

static void l1_undefined(struct pcpu *c)
{
	l1_inject_ud();
}

static void l1_triple_fault(struct pcpu *c)
{
	rv_printf("CPU %u: the host took a triple fault at %lx: reset\n", c->id, vmread(VMCS_GUEST_RIP));
	power_end(0xcf9, 1, 6);
}

static void l1_nmi(struct pcpu *c)
{
	nmi_exit();			/* pcpu_run() injects it if it is the host's */
}

static void l1_nmi_window(struct pcpu *c)
{
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) & ~PROC_NMI_WINDOW);
}

/*
 * The #GP that is due came up in the delivery of another exception: as the CPU would, #DF, or the end. Without it
 * an IDT in RootVisor's memory would make for endless tries. SDM vol. 3, table 6-5.
 */
static bool fault_in_delivery(struct pcpu *c)
{
	const u32 contributory = 1u << 0 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14;
	u64 info = vmread(VMCS_IDT_VECTORING_INFO);
	u32 vector = INTR_VECTOR(info);

	if (!(info & INTR_VALID) || INTR_TYPE(info) != INTR_TYPE_HW_EXC || vector > 31)
		return false;
	if (vector == 8)
		l1_triple_fault(c);
	if (!(contributory >> vector & 1))
		return false;
	guest_inject_exception(8, true, 0);
	return true;
}

/* RootVisor's memory; a task switch, which exits always (SDM vol. 3, 26.2), but is none of a 64-bit host's. */
static void l1_refused(struct pcpu *c)
{
	if (fault_in_delivery(c))
		return;
	l1_inject_gp();
}

static void l1_ept_violation(struct pcpu *c)
{
	u64 gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS), q = vmread(VMCS_EXIT_QUALIFICATION);
	struct frame *f = frame_of(gpa >> PAGE_SHIFT);

	/* An IRET that faulted had lifted NMI blocking already; it will run again. */
	if ((q & EPT_Q_NMI_UNBLOCKED) && !(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
	if (f && f->owner == FRAME_PRIVATE) {
		if (!vm_host_touch(c, gpa, q))
			l1_inject_gp();
		return;
	}
	if (f && f->owner != FRAME_ROOTVISOR) {
		/* It came back to the host and this CPU held a stale translation. */
		tlb_flush(c);
		return;
	}
	log_event(CVM_EV_DENIED, CVM_R_HOST_TOUCHES_ROOTVISOR, 0, NULL, gpa, vmread(VMCS_GUEST_RIP));
	l1_refused(c);
}

static void (*const l1_exits[CVM_EXIT_REASONS])(struct pcpu *c) = {
	[EXIT_TRIPLE_FAULT]	= l1_triple_fault,
	[EXIT_EXCEPTION_NMI]	= l1_nmi,
	[EXIT_INIT]		= l1_init,
	[EXIT_SIPI]		= l1_sipi,
	[EXIT_NMI_WINDOW]	= l1_nmi_window,
	[EXIT_TASK_SWITCH]	= l1_refused,
	[EXIT_CPUID]		= l1_cpuid,
	[EXIT_GETSEC]		= l1_undefined,
	[EXIT_INVD]		= l1_invd,
	[EXIT_RSM]		= l1_undefined,
	[EXIT_VMCALL]		= host_call,
	[EXIT_CR_ACCESS]	= l1_cr_access,
	[EXIT_IO]		= l1_io,
	[EXIT_RDMSR]		= l1_rdmsr,
	[EXIT_WRMSR]		= l1_wrmsr,
	[EXIT_EPT_VIOLATION]	= l1_ept_violation,
	[EXIT_XSETBV]		= l1_xsetbv,
	/* No others can exit by the controls. */
};

void l1_handle_exit(struct pcpu *c, u32 reason)
{
	if ((reason >= EXIT_VMCLEAR && reason <= EXIT_VMXON) || reason == EXIT_INVEPT || reason == EXIT_INVVPID)
		return nested_l1_instruction(c, reason);
	if (reason >= CVM_EXIT_REASONS || !l1_exits[reason])
		rv_panic("CPU %u: exit of the host without a handler: %u, qualification %lx, rip %lx", c->id,
			 reason, vmread(VMCS_EXIT_QUALIFICATION), vmread(VMCS_GUEST_RIP));
	l1_exits[reason](c);
}
