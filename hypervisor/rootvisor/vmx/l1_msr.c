/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MSRs that the host does not reach directly. */
#include "rv/rv.h"
#include "vmx/vmx.h"

#define APIC_BASE_ENABLES	(BIT(10) | BIT(11))
#define XSS_PT			BIT(8)
#define READ	1u
#define WRITE	2u

enum policy {
	NESTED,			/* as nested_cap_msr() says; writes fault */
	APIC_BASE,
	IGNORE,			/* the write has no effect: RootVisor relies on the value */
	XSS,			/* without the Intel PT state, which XRSTORS would load */
	DENY,			/* #GP and an event */
};

static const struct msr_rule {
	u32 first, last, exits;
	enum policy policy;
} rules[] = {
	{ MSR_TSC, MSR_TSC, WRITE, IGNORE },		/* reports tell RootVisor's uptime by it */
	{ MSR_APIC_BASE, MSR_APIC_BASE, WRITE, APIC_BASE },
	{ MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, READ | WRITE, NESTED },
	{ MSR_TSC_ADJUST, MSR_TSC_ADJUST, WRITE, IGNORE },
	{ 0x79, 0x79, WRITE, IGNORE },			/* microcode update: would change the CPU under us */
	{ 0x9b, 0x9b, READ | WRITE, DENY },		/* IA32_SMM_MONITOR_CTL */
	{ 0x150, 0x150, WRITE, DENY },			/* voltage mailbox: faults on demand */
	/* EPT01's types come from the MTRRs; the MTRRs themselves only matter to root mode. */
	{ 0x200, 0x23f, WRITE, IGNORE },
	{ 0x250, 0x250, WRITE, IGNORE },
	{ 0x258, 0x259, WRITE, IGNORE },
	{ 0x268, 0x26f, WRITE, IGNORE },
	{ 0x2ff, 0x2ff, WRITE, IGNORE },
	/* PEBS and BTS store to linear addresses, in root mode too, where linear is physical. */
	{ 0x3f1, 0x3f2, WRITE, DENY },
	{ 0x600, 0x600, WRITE, DENY },
	{ MSR_VMX_BASIC, MSR_VMX_VMFUNC, READ | WRITE, NESTED },
	{ 0x492, 0x493, READ | WRITE, DENY },		/* newer VMX capabilities: not offered */
	/* Their output is physical: it would pass by EPT. */
	{ 0x560, 0x561, WRITE, DENY },			/* Intel PT */
	{ 0x570, 0x572, WRITE, DENY },
	{ 0x580, 0x587, WRITE, DENY },
	{ MSR_XSS, MSR_XSS, WRITE, XSS },
	{ 0x17d0, 0x17d1, WRITE, DENY },		/* hardware feedback interface */
};

static const struct msr_rule *rule_of(u32 msr)
{
	for (u32 i = 0; i < ARRAY_SIZE(rules); i++)
		if (msr >= rules[i].first && msr <= rules[i].last)
			return &rules[i];
	return NULL;
}

/* SDM vol. 3, 25.6.9: read bitmap for 0-1fffh at 0, write bitmap at 800h. */
void l1_msr_bitmap(u8 *bitmap)
{
	for (u32 i = 0; i < ARRAY_SIZE(rules); i++)
		for (u32 msr = rules[i].first; msr <= rules[i].last; msr++) {
			if (rules[i].exits & READ)
				bitmap[msr / 8] |= (u8)(1u << msr % 8);
			if (rules[i].exits & WRITE)
				bitmap[0x800 + msr / 8] |= (u8)(1u << msr % 8);
		}
}

void l1_rdmsr(struct pcpu *c)
{
	u32 msr = (u32)c->regs.r[R_RCX];
	const struct msr_rule *rule = rule_of(msr);
	u64 v;

	/* No rule: outside the bitmap's ranges, where no MSR exists. */
	if (!rule || rule->policy != NESTED || !nested_cap_msr(msr, &v))
		return l1_inject_gp();
	c->regs.r[R_RAX] = (u32)v;
	c->regs.r[R_RDX] = v >> 32;
	guest_skip_instruction();
}

/* The APIC may change its mode, never its place: RootVisor's memory could be shadowed by it. */
static bool write_apic_base(u64 v)
{
	u64 now = rdmsr(MSR_APIC_BASE);

	if (v == now)
		return true;
	if ((v ^ now) & ~APIC_BASE_ENABLES)
		return false;
	return wrmsr_safe(MSR_APIC_BASE, v) == 0;
}

void l1_wrmsr(struct pcpu *c)
{
	u32 msr = (u32)c->regs.r[R_RCX];
	u64 v = (u32)c->regs.r[R_RAX] | c->regs.r[R_RDX] << 32;
	const struct msr_rule *rule = rule_of(msr);

	if (!rule || rule->policy == NESTED)
		return l1_inject_gp();
	if (rule->policy == IGNORE || (rule->policy == APIC_BASE && write_apic_base(v)) ||
	    (rule->policy == XSS && !(v & XSS_PT) && wrmsr_safe(MSR_XSS, v) == 0))
		return guest_skip_instruction();
	log_event(CVM_EV_DENIED, CVM_R_BAD_MSR, 0, NULL, msr, v);
	l1_inject_gp();
}
