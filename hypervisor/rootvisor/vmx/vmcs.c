/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu/cpu.h"
#include "rv/rv.h"
#include "vmx/vmx.h"

extern const u8 vmx_exit_point[];
_Static_assert(offsetof(struct pcpu, nmi_arrived) == 177, "vmx/entry.S");

int vmcs_alloc(struct vmcs *v)
{
	u32 *page = pool_get();

	if (!page)
		return -ENOMEM;
	*page = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	*v = (struct vmcs) { .pa = pa(page) };
	if (!vmclear(&v->pa))
		rv_panic("VMCLEAR of %lx failed", v->pa);
	return 0;
}

void vmcs_clear(struct pcpu *c, struct vmcs *v)
{
	RV_BUG_ON(v->on && v->on != c);
	if (!vmclear(&v->pa))
		rv_panic("VMCLEAR of %lx failed", v->pa);
	v->launched = false;
	v->on = NULL;
	if (c->current == v)
		c->current = NULL;
}

static void init_host_state(struct pcpu *c)
{
	static const u16 zero[] = {
		VMCS_HOST_FS_SEL, VMCS_HOST_GS_SEL, VMCS_HOST_FS_BASE, VMCS_HOST_SYSENTER_CS,
		VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP };

	vmcs_zero(zero, ARRAY_SIZE(zero));
	VMCS_SET({ VMCS_HOST_CR0, read_cr0() }, { VMCS_HOST_CR3, read_cr3() }, { VMCS_HOST_CR4, read_cr4() },
		 { VMCS_HOST_CS_SEL, RV_CS }, { VMCS_HOST_SS_SEL, RV_DS }, { VMCS_HOST_DS_SEL, RV_DS },
		 { VMCS_HOST_ES_SEL, RV_DS }, { VMCS_HOST_TR_SEL, RV_TR }, { VMCS_HOST_GS_BASE, cpu_gs_base(c) },
		 { VMCS_HOST_TR_BASE, cpu_tss_base(c) }, { VMCS_HOST_GDTR_BASE, cpu_gdt_base(c) },
		 { VMCS_HOST_IDTR_BASE, cpu_idt_base() }, { VMCS_HOST_EFER, rdmsr(MSR_EFER) },
		 { VMCS_HOST_PAT, rdmsr(MSR_PAT) }, { VMCS_HOST_RIP, (u64)vmx_exit_point });
}

enum vmx_result vmcs_run(struct pcpu *c, struct vmcs *v, struct gregs *regs, enum vmx_result (*quick)(void))
{
	enum vmx_result r;

	vmcs_load(c, v);
	if (v->host_of != c) {
		init_host_state(c);
		v->host_of = c;
	}
	vmcs_about_to_enter(c, !c->sipi_wait);
	r = vmx_enter(regs, v->launched, v->launched ? quick : NULL);
	trace_exit(c);
	c->in_guest = 0;
	/* A failed entry (bit 31 of the reason) leaves the launch state clear. */
	if (r == VMX_EXIT && !v->launched)
		v->launched = !(vmread(VMCS_EXIT_REASON) & EXIT_REASON_FAILED);
	return r;
}

/* Everything that a fresh context has in common; what is not set here is the caller's. */
void vmcs_init_flat(const struct vmcs_flat *s)
{
	static const u16 zero[] = {
		VMCS_PF_MASK, VMCS_PF_MATCH, VMCS_CR3_TARGET_COUNT, VMCS_EXIT_MSR_STORE_COUNT,
		VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_INTR_INFO, VMCS_TSC_OFFSET,
		VMCS_GUEST_DEBUGCTL, VMCS_GUEST_LDTR_SEL, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT,
		VMCS_GUEST_TR_SEL, VMCS_GUEST_TR_BASE, VMCS_GUEST_GDTR_BASE, VMCS_GUEST_GDTR_LIMIT,
		VMCS_GUEST_IDTR_BASE, VMCS_GUEST_IDTR_LIMIT, VMCS_GUEST_SYSENTER_CS, VMCS_GUEST_SYSENTER_ESP,
		VMCS_GUEST_SYSENTER_EIP, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY,
		VMCS_GUEST_PENDING_DBG };

	vmcs_zero(zero, ARRAY_SIZE(zero));
	for (u32 i = 0; i < 6; i++) {
		vmwrite(VMCS_GUEST_ES_SEL + 2 * i, i == 1 ? 8 : 0x10);
		vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, 0xffffffff);
		vmwrite(VMCS_GUEST_ES_AR + 2 * i, i == 1 ? s->code_ar : 0xc093);
		vmwrite(VMCS_GUEST_ES_BASE + 2 * i, 0);
	}
	VMCS_SET({ VMCS_GUEST_LDTR_AR, 0x10000 }, { VMCS_GUEST_TR_AR, 0x8b }, { VMCS_GUEST_TR_LIMIT, 0xffff },
		 { VMCS_GUEST_PAT, 0x0007040600070406ull /* reset value */ }, { VMCS_GUEST_DR7, 0x400 },
		 { VMCS_LINK_POINTER, ~0ull }, { VMCS_GUEST_CR0, s->cr0 }, { VMCS_GUEST_CR3, s->cr3 },
		 { VMCS_GUEST_CR4, s->cr4 | CR4_VMXE }, { VMCS_GUEST_EFER, s->efer }, { VMCS_GUEST_RIP, s->rip },
		 { VMCS_GUEST_RSP, s->rsp }, { VMCS_GUEST_RFLAGS, 2 });
}
