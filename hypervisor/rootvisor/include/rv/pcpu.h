/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each CPU owns: its registers of the running context, its VMCSs, its counters. */
#pragma once

#include "cvm/abi.h"
#include "rv/asm.h"
#include "rv/print.h"

/* General-purpose registers in encoding order; RSP lives in the VMCS (slot 4 is scratch). */
struct gregs {
	u64 r[16];
};
enum { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI, R_R8 };

/* A hardware VMCS. */
struct vmcs {
	u64 pa;
	bool launched;
	struct pcpu *on;		/* the CPU on which it may be active: only that one may load or clear it */
	struct pcpu *host_of;		/* the CPU that its host state names */
};

struct vcpu12;		/* nested/nested.h: a VMCS12 of L1 and what stands behind it */

struct pcpu {
	u32 id;
	u32 apic_id;
	struct gregs regs;		/* of the context that ran last, L1 or L2 */
	struct vmcs *current;		/* loaded on this CPU */
	struct vmcs vmcs01;		/* the host (L1) */
	bool nmi_pending;		/* an NMI hit RootVisor: inject it into L1 */
	volatile bool nmi_arrived;	/* one hit since pcpu_run() looked: vmx_enter() turns back */

	/* nested VMX state of L1 on this CPU */
	bool vmxon;			/* L1 is in VMX operation */
	bool in_l2;			/* the context that exited was a VM of L1 */
	u64 vmxon_ptr;
	struct vcpu12 *cur12;		/* current VMCS12, NULL = none */
	u64 cr4_shadow_vmxe;

	struct cvm_stats stats;		/* exits of L1 */
	u8 *host_xsave;			/* 8 KiB, 64-aligned: scratch for switching extended state */
	u8 *stack_top;
	void *msr_bitmap01;
	bool sipi_wait;			/* L1 waits for a SIPI: no instruction, no translation */
	bool init_pending;		/* an INIT came in VMX operation of L1 */

	/* rv/smp.h; written by this CPU, but `kick` */
	volatile u32 in_guest;		/* in VMX non-root operation, or past the point of looking at tlb_gen */
	volatile u32 kick;		/* an NMI of RootVisor's own is on the way */
	volatile u64 tlb_seen;		/* the generation that the last INVEPT of everything served */
} __attribute__((aligned(64)));

extern struct pcpu pcpus[CVM_MAX_CPUS];
extern u32 nr_pcpus;
static inline struct pcpu *this_pcpu(void)
{
	struct pcpu *p;

	__asm__("mov %%gs:0, %0" : "=r"(p));	/* GS base points at a word that holds the address */
	return p;
}

/* vmx/entry.S. Enters the current VMCS with these registers and comes back at its next exit.
 * resume: VMRESUME instead of VMLAUNCH. quick, if not NULL: called at an exit; on VMX_AGAIN the VMCS that is current then is entered
 * by VMRESUME, else that is the result. */
enum vmx_result {
	VMX_EXIT,		/* to be handled */
	VMX_FAIL,		/* VMfail: no guest ran */
	VMX_NMI,		/* one came before the entry (c->nmi_arrived): no guest ran */
	VMX_AGAIN,
	VMX_DONE,		/* an exit that quick handled */
};
enum vmx_result vmx_enter(struct gregs *regs, bool resume, enum vmx_result (*quick)(void));

/* vmx/vmcs.c */
static inline void vmcs_switch(struct pcpu *c, struct vmcs *v)	/* VMPTRLD; it is this CPU's already */
{
	if (!vmptrld(&v->pa))
		rv_panic("VMPTRLD of %lx failed", v->pa);
	c->current = v;
}
static inline void vmcs_load(struct pcpu *c, struct vmcs *v)	/* the same of any, unless current */
{
	if (c->current == v)
		return;
	RV_BUG_ON(v->on && v->on != c);
	v->on = c;
	vmcs_switch(c, v);
}
int vmcs_alloc(struct vmcs *v);				/* takes a pool page, VMCLEARs it */
void vmcs_clear(struct pcpu *c, struct vmcs *v);	/* VMCLEAR; not launched any more */
/* Of the current VMCS, these fields. */
struct vmcs_value { u64 field, value; };
static inline void vmcs_set(const struct vmcs_value *v, u32 n)
{
	for (u32 i = 0; i < n; i++)
		vmwrite(v[i].field, v[i].value);
}
#define VMCS_SET(...) vmcs_set((const struct vmcs_value []) { __VA_ARGS__ }, ARRAY_SIZE(((const struct vmcs_value []) { __VA_ARGS__ })))
/* Its guest state: flat segments (CS 8, data 10h), RFLAGS 2, CR4.VMXE too, the rest quiet. */
struct vmcs_flat {
	u64 code_ar, cr0, cr3, cr4, efer, rip, rsp;
};
void vmcs_init_flat(const struct vmcs_flat *s);
/* Loads, flushes what tlb_shootdown() wants flushed, enters, tracks launched. quick: for vmx_enter(), once v is launched. */
enum vmx_result vmcs_run(struct pcpu *c, struct vmcs *v, struct gregs *regs, enum vmx_result (*quick)(void));

static inline void count_exit(struct pcpu *c, u32 reason)
{
	c->stats.exits++;
	c->stats.by_reason[(reason & 0xffff) < CVM_EXIT_REASONS ? reason & 0xffff : 0]++;
}

/* vmx/run.c: never returns */
void pcpu_run(struct pcpu *c) __attribute__((noreturn));	/* with the lock held */

/* vmx/l1_exits.c: one exit of the host. nested/ hangs its own handlers in by link. */
void l1_handle_exit(struct pcpu *c, u32 reason);
/* Of the guest of the current VMCS, host or VM: */
void guest_skip_instruction(void);		/* RIP over the exiting instruction, and what comes with that */
u64 gpr_read(const struct pcpu *c, u32 n);	/* of RSP, too */
void gpr_write(struct pcpu *c, u32 n, u64 val);
void guest_single_step(void);			/* the trap that the CPU would raise behind it */
void guest_requeue_event(void);		/* vmx/run.c: what the exit interrupted goes on at the next entry */
void guest_inject_exception(u32 vector, bool has_error, u32 error);	/* current VMCS's guest; in real mode: without the error */
