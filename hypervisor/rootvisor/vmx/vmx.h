/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside vmx/. */
#pragma once

#include "rv/rv.h"
#include "trace.h"

/* The lock is dropped already. First say "in a guest", then look for requests: tlb_shootdown() does it the other way round. */
static inline void vmcs_about_to_enter(struct pcpu *c, bool in_guest)
{
	__atomic_exchange_n(&c->in_guest, in_guest, __ATOMIC_SEQ_CST);
	if (c->tlb_seen != tlb_gen)
		tlb_flush(c);
	trace_enter(c);
}

/* Writes 0 to these fields of the current VMCS. */
static inline void vmcs_zero(const u16 *fields, u32 n)
{
	for (u32 i = 0; i < n; i++)
		vmwrite(fields[i], 0);
}

/* vmcs01.c: builds the host's VMCS; it is current afterwards. */
void vmcs01_init(struct pcpu *c, const struct host_entry *e);

/* l1_cpuid.c, l1_msr.c, l1_cr.c, l1_io.c: handlers of one exit */
void l1_cpuid(struct pcpu *c);
void l1_rdmsr(struct pcpu *c);
void l1_wrmsr(struct pcpu *c);
void l1_cr_access(struct pcpu *c);
void l1_io(struct pcpu *c);
void l1_init(struct pcpu *c);		/* l1_init.c */
void l1_sipi(struct pcpu *c);
/* Sets the bits of MSRs that exit in a zeroed 4 KiB bitmap. */
void l1_msr_bitmap(u8 *bitmap);

/* The bits of CR4 that are RootVisor's: what the host writes there only shows in the shadow. */
#define CR4_SMXE		BIT(14)
#define CR4_LA57		BIT(12)
#define CR4_OWNED		(CR4_VMXE | CR4_SMXE | CR4_LA57)

static inline void l1_inject_gp(void) { guest_inject_exception(13, true, 0); }
static inline void l1_inject_ud(void) { guest_inject_exception(6, false, 0); }
