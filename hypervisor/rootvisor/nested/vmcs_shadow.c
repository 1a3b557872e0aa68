// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMCS shadowing (SDM vol. 3, 25.10): L1 reads exit information and reads and writes the
 * few guest registers that every exit needs in a shadow VMCS, without an exit. Controls are
 * never among them: they always go through vmcs12_write(). A CPU without the feature traps
 * each access as before.
 */
#include "nested/nested.h"

#define PROC2_SHADOW		BIT(14)
#define MISC_WRITE_ANY_FIELD	BIT(29)	/* VMWRITE of exit-information fields, in VMX root */
#define VMCS_VMREAD_BITMAP	0x2026
#define VMCS_VMWRITE_BITMAP	0x2028

#define NR_BRIEF_FIELDS		5u	/* all that a brief exit has come first */
static const u16 exit_fields[] = {
	VMCS_EXIT_REASON, VMCS_EXIT_QUALIFICATION, VMCS_EXIT_INTR_INFO, VMCS_IDT_VECTORING_INFO, VMCS_EXIT_INSTR_LEN,
	VMCS_EXIT_INTR_ERROR, VMCS_IDT_VECTORING_ERROR, VMCS_INSTRUCTION_INFO,
	VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_GUEST_LINEAR_ADDRESS,
};
/* Read and written here only: a field that L1 read here and wrote elsewhere would be stale. */
static const u16 guest_fields[] = {
	VMCS_GUEST_RIP, VMCS_GUEST_RSP, VMCS_GUEST_RFLAGS, VMCS_GUEST_INTERRUPTIBILITY,
	VMCS_GUEST_CS_AR, VMCS_GUEST_SS_AR, VMCS_GUEST_CS_BASE,
};

static u8 *vmread_bitmap, *vmwrite_bitmap;
static bool available;

static void open_field(u8 *bitmap, u16 enc)
{
	bitmap[enc >> 3] &= (u8)~(1 << (enc & 7));
}

void vmcs_shadow_init(void)
{
	if (!(hw_caps.proc2 >> 32 & PROC2_SHADOW) || !(hw_caps.misc & MISC_WRITE_ANY_FIELD))
		return;
	vmread_bitmap = pool_get();
	vmwrite_bitmap = pool_get();
	if (!vmread_bitmap || !vmwrite_bitmap)
		return;
	memset(vmread_bitmap, 0xff, PAGE_SIZE);
	memset(vmwrite_bitmap, 0xff, PAGE_SIZE);
	for (u32 i = 0; i < ARRAY_SIZE(exit_fields); i++)
		open_field(vmread_bitmap, exit_fields[i]);
	for (u32 i = 0; i < ARRAY_SIZE(guest_fields); i++) {
		open_field(vmread_bitmap, guest_fields[i]);
		open_field(vmwrite_bitmap, guest_fields[i]);
	}
	available = true;
}

void vmcs_shadow_fill(struct pcpu *c, struct vcpu12 *v)
{
	u64 w[ARRAY_SIZE(guest_fields)];

	if (!v->shadow_vmcs.pa)
		return;
	if (!v->vm)
		vmcs_load(c, &v->vmcs02);
	for (u32 i = 0; i < ARRAY_SIZE(guest_fields); i++)
		w[i] = v->vm ? F12(v, guest_fields[i]) : vmread(guest_fields[i]);	/* as L1 may see them */
	vmcs_load(c, &v->shadow_vmcs);
	for (u32 i = 0; i < NR_BRIEF_FIELDS; i++)
		vmwrite(exit_fields[i], F12(v, exit_fields[i]));
	for (u32 i = NR_BRIEF_FIELDS; (v->vm || !v->brief) && i < ARRAY_SIZE(exit_fields); i++)
		vmwrite(exit_fields[i], F12(v, exit_fields[i]));
	for (u32 i = 0; i < ARRAY_SIZE(guest_fields); i++)
		vmwrite(guest_fields[i], w[i]);
	vmcs_clear(c, &v->shadow_vmcs);
}

/* It stays active on this CPU until it is filled again: L1 must not run before. */
void vmcs_shadow_drain(struct pcpu *c, struct vcpu12 *v)
{
	u64 w[ARRAY_SIZE(guest_fields)];

	if (!v->shadow_vmcs.pa)
		return;
	vmcs_load(c, &v->shadow_vmcs);
	for (u32 i = 0; i < ARRAY_SIZE(guest_fields); i++)
		w[i] = vmread(guest_fields[i]);
	if (!v->vm)
		vmcs_load(c, &v->vmcs02);
	for (u32 i = 0; i < ARRAY_SIZE(guest_fields); i++) {
		if (v->vm)
			F12(v, guest_fields[i]) = w[i];
		else
			vmwrite(guest_fields[i], w[i]);
	}
}

/* vmcs01 is current before and after. */
void vmcs12_set_current(struct pcpu *c, struct vcpu12 *v)
{
	u64 proc2;

	if (c->cur12 == v)
		return;
	if (c->cur12 && c->cur12->shadow_vmcs.pa) {
		vmcs_shadow_drain(c, c->cur12);
		vmcs_clear(c, &c->cur12->shadow_vmcs);
	}
	c->cur12 = v;
	if (!available)
		return;
	if (v && !v->shadow_vmcs.pa && vmcs_alloc(&v->shadow_vmcs) == 0)
		*(u32 *)va(v->shadow_vmcs.pa) |= (u32)BIT(31);	/* shadow-VMCS indicator */
	if (v)
		vmcs_shadow_fill(c, v);
	vmcs_load(c, &c->vmcs01);
	proc2 = vmread(VMCS_PROC2_CTLS) & ~PROC2_SHADOW;
	if (v && v->shadow_vmcs.pa) {
		vmwrite(VMCS_VMREAD_BITMAP, pa(vmread_bitmap));
		vmwrite(VMCS_VMWRITE_BITMAP, pa(vmwrite_bitmap));
		vmwrite(VMCS_LINK_POINTER, v->shadow_vmcs.pa);
		vmwrite(VMCS_PROC2_CTLS, proc2 | PROC2_SHADOW);
	} else {
		vmwrite(VMCS_PROC2_CTLS, proc2);
		vmwrite(VMCS_LINK_POINTER, ~0ull);
	}
}
