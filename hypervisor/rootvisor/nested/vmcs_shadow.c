// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMCS shadowing (SDM vol. 3, 25.10): L1 reads exit information and reads and writes the
 * few guest registers that every exit needs in a shadow VMCS, without an exit. Controls are
 * never among them: they always go through vmcs12_write().
 */
#include "nested/nested.h"

#define VMCS_VMREAD_BITMAP	0x2026
#define VMCS_VMWRITE_BITMAP	0x2028

#define NR_EXIT_QUIET	2u	/* of exit_fields: what differs between exits with SHOWS_QUIET */
#define NR_EXIT_BRIEF	4u	/* what there is with SHOWS_BRIEF; else all */
static const u16 exit_fields[] = {
	VMCS_EXIT_REASON, VMCS_EXIT_INSTR_LEN, VMCS_EXIT_INTR_INFO, VMCS_IDT_VECTORING_INFO,
	VMCS_EXIT_QUALIFICATION, VMCS_EXIT_INTR_ERROR, VMCS_IDT_VECTORING_ERROR, VMCS_INSTRUCTION_INFO,
	VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_GUEST_LINEAR_ADDRESS,
};
/*
 * The first NR_GUEST_BRIEF are read and written here only: a field that L1 read here and wrote elsewhere would be stale. The
 * others are only read here; writing one ends that: vmcs_shadow_close().
 */
#define NR_GUEST_BRIEF	3u
static const u16 guest_fields[] = {
	VMCS_GUEST_RIP, VMCS_GUEST_RFLAGS, VMCS_GUEST_INTERRUPTIBILITY,
	VMCS_GUEST_CS_AR, VMCS_GUEST_SS_AR, VMCS_GUEST_CS_BASE,
	VMCS_GUEST_CS_SEL, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CR0, VMCS_GUEST_CR3, VMCS_GUEST_CR4,
	VMCS_GUEST_DS_SEL, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR, VMCS_GUEST_DS_BASE,
	VMCS_GUEST_ES_SEL, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR, VMCS_GUEST_ES_BASE,
};

static const u8 nr_guest[] = { [SHOWS_BRIEF] = NR_GUEST_BRIEF, [SHOWS_QUIET] = NR_GUEST_BRIEF, [SHOWS_EXIT] = 6, [SHOWS_MMIO] = ARRAY_SIZE(guest_fields) };

static u8 vmread_bitmap[ARRAY_SIZE(nr_guest)][PAGE_SIZE] __attribute__((aligned(4096))), vmwrite_bitmap[PAGE_SIZE] __attribute__((aligned(4096)));

/* A bitmap that opens the first n of these fields, too. */
static void open_fields(u8 *bitmap, const u16 *enc, u32 n)
{
	for (u32 i = 0; i < n; i++)
		bitmap[enc[i] >> 3] &= (u8)~(1 << (enc[i] & 7));
}

void vmcs_shadow_init(void)
{
	memset(vmread_bitmap, 0xff, sizeof(vmread_bitmap));
	memset(vmwrite_bitmap, 0xff, sizeof(vmwrite_bitmap));
	open_fields(vmwrite_bitmap, guest_fields, NR_GUEST_BRIEF);
	for (u32 i = 0; i < ARRAY_SIZE(nr_guest); i++) {
		open_fields(vmread_bitmap[i], exit_fields, i <= SHOWS_QUIET ? NR_EXIT_BRIEF : ARRAY_SIZE(exit_fields));
		open_fields(vmread_bitmap[i], guest_fields, nr_guest[i]);
	}
}

void vmcs_shadow_close(void)
{
	vmwrite(VMCS_VMREAD_BITMAP, pa(vmread_bitmap[SHOWS_BRIEF]));
}

static inline __attribute__((always_inline)) void fill(struct pcpu *c, struct vcpu12 *v, bool vm, u32 exits, u32 guests)
{
	if (!vm && c->current != &v->vmcs02)
		vmcs_switch(c, &v->vmcs02);
	for (u32 i = 0; !vm && i < guests; i++)		/* else they are there: as L1 may see them */
		vmread_to(guest_fields[i], &F12(v, guest_fields[i]));
	vmcs_switch(c, &v->shadow_vmcs);
	for (u32 i = 0; i < exits; i++)
		vmwrite_from(exit_fields[i], &F12(v, exit_fields[i]));
	for (u32 i = 0; i < guests; i++)
		vmwrite_from(guest_fields[i], &F12(v, guest_fields[i]));
	if (!vmclear(&v->shadow_vmcs.pa))
		rv_panic("VMCLEAR of %lx failed", v->shadow_vmcs.pa);
	vmcs_switch(c, &c->vmcs01);
	if (exits > NR_EXIT_QUIET)
		vmwrite(VMCS_VMREAD_BITMAP, pa(vmread_bitmap[v->shows]));
}

/* quiet: an ordinary guest's exit, and the last was it, too. */
void vmcs_shadow_fill(struct pcpu *c, struct vcpu12 *v, bool quiet)
{
	if (quiet)
		fill(c, v, false, NR_EXIT_QUIET, NR_GUEST_BRIEF);
	else if (v->shows <= SHOWS_QUIET)
		fill(c, v, v->vm, NR_EXIT_BRIEF, NR_GUEST_BRIEF);	/* in a straight line */
	else
		fill(c, v, v->vm, ARRAY_SIZE(exit_fields), nr_guest[v->shows]);
}

/* It stays active on this CPU until it is filled again: L1 must not run before. */
void vmcs_shadow_drain(struct pcpu *c, struct vcpu12 *v)
{
	vmcs_switch(c, &v->shadow_vmcs);
	for (u32 i = 0; i < NR_GUEST_BRIEF; i++)
		vmread_to(guest_fields[i], &F12(v, guest_fields[i]));
	vmcs_switch(c, &v->vmcs02);
	for (u32 i = 0; !v->vm && i < NR_GUEST_BRIEF; i++)
		vmwrite_from(guest_fields[i], &F12(v, guest_fields[i]));
}

/* vmcs01 is current before and after. */
void vmcs12_set_current(struct pcpu *c, struct vcpu12 *v)
{
	u64 proc2;

	if (c->cur12 == v)
		return;
	if (c->cur12) {
		vmcs_shadow_drain(c, c->cur12);
		vmcs_clear(c, &c->cur12->shadow_vmcs);
	}
	c->cur12 = v;
	if (v)
		vmcs_shadow_fill(c, v, false);
	vmcs_load(c, &c->vmcs01);
	proc2 = vmread(VMCS_PROC2_CTLS) & ~PROC2_SHADOW;
	vmwrite(VMCS_VMWRITE_BITMAP, pa(vmwrite_bitmap));
	vmwrite(VMCS_LINK_POINTER, v ? v->shadow_vmcs.pa : ~0ull);
	vmwrite(VMCS_PROC2_CTLS, v ? proc2 | PROC2_SHADOW : proc2);
}
