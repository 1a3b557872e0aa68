/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Protected VMs: their frames, their vCPUs' true state, their Guardians. */
#pragma once

#include "cvm/guardian.h"
#include "cvm/report.h"
#include "nested/nested.h"

#define SEALED_PAGES	512u			/* bitmap pages: 32,768 gfns each */

/* ---- upcall.c ---- */
struct guardian {
	struct vmcs vmcs;
	u64 *ept_root;
	u64 *slot_pt;				/* EPT page table of the work slots */
	struct cvm_g_mailbox *mb;
	struct vm *vm;				/* NULL: the Quoter */
	bool dead;				/* faulted: never entered again */
};
extern struct guardian quoter;

/* Makes a context from rv_boot.guardian; the Quoter's has all I/O ports open. -ENOMEM. */
int guardian_create(struct pcpu *c, struct guardian *g, struct vm *vm);
void guardian_destroy(struct pcpu *c, struct guardian *g);
/* Enters it; the current VMCS is the same afterwards. 0 or the Guardian's negative errno;
 * -EIO: it faulted, and its VM is stopped; -EAGAIN: it needs a guest page that the host must
 * map first, *need_gfn; v: the vCPU on whose behalf, NULL if no guest page may be brought. */
int guardian_call(struct pcpu *c, struct guardian *g, u32 op, struct vcpu12 *v, u64 *need_gfn);
/* The same with a block that goes into the mailbox and comes back; no trace of it stays there. */
int guardian_serve(struct pcpu *c, struct guardian *g, u32 op, void *block, u64 size);
void guardian_slot(struct pcpu *c, struct guardian *g, u64 pfn);	/* 0: takes it away again */
void guardian_map(struct guardian *g, u64 gpa, u64 phys, u64 bits);	/* panics if the pool is empty: boot only */

/* ---- pages.c ---- */
struct vm {
	u32 id, slot;				/* slot: index in vms[], as struct frame has it */
	u32 state, reason;			/* CVM_VM_*, CVM_R_* */
	u64 stop_arg[2];
	u64 *ept02;				/* root; private and shared leaves of the guest */
	struct guardian guardian;
	struct cvm_protect params;
	u8 **sealed;				/* bitmap of sealed gfns, a page of page pointers */
	u64 frames;
	u32 phase, comp;			/* PROTECT's progress */
	u64 offset;
	u64 destroy_cursor;
	u32 vcpus;				/* that were bound to it */
	u32 enrolled;				/* by APIC id */
	u64 eptp12;				/* of its last entry: further vCPUs come with it */
	u8 launch_digest[CVM_DIGEST_SIZE];
	u64 rollback;				/* epoch << 32 | count; 0: not counted */
	struct cvm_stats stats;
};
extern struct vm vms[CVM_MAX_VMS + 1];		/* [0] unused */

struct vm *vm_alloc(const struct cvm_protect *p);	/* NULL: no slot, or too little memory in the pool */
void vm_free_tables(struct vm *vm);
struct vm *vm_by_id(u32 id);
void vm_stop(struct vm *vm, u32 reason, u64 arg0, u64 arg1);	/* idempotent */
u64 vm_destroy(struct pcpu *c, struct vm *vm);	/* one bounded round; frames left */

bool vm_gfn_is_ram(const struct vm *vm, u64 gfn);
/* Makes gfn present in EPT02, and what the host offers with it. 0; -EAGAIN: the host must map it (writable) first; -EPERM: the
 * VM was stopped. keep: that many pages from gfn on keep what they hold (PROTECT's components) instead of zero or unseal. */
int vm_bring_page(struct pcpu *c, struct vm *vm, u64 eptp12, u64 gfn, u64 keep);
void *vm_page(struct vm *vm, u64 gfn);		/* private and present, else NULL */

/* ept02.c */
u64 *ept_entry(u64 *root, u64 gpa, bool create);	/* level-1 entry; NULL: absent / pool exhausted */

/* ---- protect.c, protect_check.c ---- */
int protect_check(const struct cvm_protect *p);	/* pure */

/* ---- run.c ---- */
enum pending_kind {
	PENDING_NONE,			/* asynchronous exit: RIP must come back as it was shown */
	PENDING_SKIP,			/* HLT and the like: done when RIP moved */
	PENDING_IN, PENDING_OUT, PENDING_RDMSR, PENDING_WRMSR,
	PENDING_STEP,			/* the Guardian's step */
	PENDING_PAGE,			/* a page that the host must map */
};
#define NR_SWITCHED_MSRS 8u
struct pvcpu {
	struct gregs regs;		/* true registers while L1 runs */
	u64 cr2, dr[4], dr6, xcr0, msr[NR_SWITCHED_MSRS];
	u8 *xsave;			/* page */
	struct {
		u64 cr2, dr[4], dr6, xcr0, msr[NR_SWITCHED_MSRS];
		u32 pkru;
	} l1;
	u32 number;			/* of the vCPU */
	enum pending_kind pending;
	u64 shown_rip, shown_len;
	u32 size;			/* of the pending access */
	struct cvm_g_step step;
	bool step_pio;
	u64 redeliver_info, redeliver_error, redeliver_len;
	u64 cr8;
};

void pv_init_features(void);
int pv_create(struct pcpu *c, struct vcpu12 *v, struct vm *vm);	/* canonical entry state */
void pv_free(struct vcpu12 *v);
void pv_before_entry(struct vcpu12 *v);	void pv_answer(struct pcpu *c, s64 result);	/* of a guest's VMCALL: RAX, and on */
/* Back to KVM with a neutral VMCS12: reason and the rest of the exit information in f[]. */
void pv_reflect(struct pcpu *c, struct vcpu12 *v, u32 reason, enum pending_kind pending, u32 decoy, u32 len);
void pv_neutral_operands(struct vcpu12 *v);	/* qualification and address that say nothing */
void pv_reflect_page(struct pcpu *c, struct vcpu12 *v, u64 gfn);
u8 *pv_host_memory(const struct vcpu12 *v, u64 gpa);
void pv_reflect_stopped(struct pcpu *c, struct vcpu12 *v);
/* vm_stop() of a vCPU whose true state is in the hardware. */
void pv_stop(struct pcpu *c, struct vcpu12 *v, u32 reason, u64 a, u64 b);
/* WRMSR of the guest, whose true state is in the hardware; false: not one of those that it may write so, or a value that they do not take. */
bool pv_set_msr(struct pvcpu *p, u32 msr, u64 val);
void pv_switch_out(struct pcpu *c, struct pvcpu *p);
void pv_switch_in(struct pcpu *c, struct pvcpu *p);

/* ---- exits.c, step.c, cpuid.c, msr.c, guest_call.c ---- */
void pv_decode(struct pcpu *c, struct vcpu12 *v, const struct cvm_g_access *access);
void pv_step_done(struct pcpu *c, struct vcpu12 *v, u64 data);
void pv_present_step(struct pcpu *c, struct vcpu12 *v);
void pv_cpuid(struct pcpu *c, struct vcpu12 *v);
void pv_msr(struct pcpu *c, struct vcpu12 *v);
void pv_guest_call(struct pcpu *c, struct vcpu12 *v);
int vm_report(struct pcpu *c, struct vm *vm, struct vcpu12 *v, u32 requester, const u8 *user_data, void *out, u64 *need_gfn);

/* XCR0 bits a protected guest may set: what the CPU has, less AMX. */
extern u64 xcr0_allowed;
/* All of these components, to and from a 64-aligned area of up to 4 KiB; XCR0 must be xcr0_allowed. */
void xstate_save(u8 *area);
void xstate_restore(const u8 *area);

/* ---- report.c: the Quoter's answers ---- */
extern struct cvm_g_quoter quoter_says;			/* digests, report key, secret, the TPM */
extern u64 platform_features;			/* CVM_F_* */
