/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU under RootVisor: console, descriptor tables, page tables, the other CPUs. */
#pragma once

#include "rv/pcpu.h"

/* Selectors of RootVisor's own GDT. */
#define RV_CS	0x08
#define RV_DS	0x10
#define RV_TR	0x18

/* print.c */
void console_init(void);

/* tables.c: GDT, TSS, IDT, GS base of this CPU. Interrupts stay off for ever. */
void cpu_tables_init(struct pcpu *c);
u64 cpu_gdt_base(const struct pcpu *c);
u64 cpu_tss_base(const struct pcpu *c);
u64 cpu_idt_base(void);
u64 cpu_gs_base(const struct pcpu *c);

/* What the exception entries push. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
void exception_handler(struct trap_frame *f);

/* paging.c: the final identity map out of pool pages, of all RAM and 4 GiB at least: RootVisor's text read-execute,
 * rodata read-only, all else read-write, no-execute; no page below each stack, and none of the start stage. */
void paging_init(void);

/* smp.c: brings every CPU but this one (rv_boot.others) into VMX root operation, where it takes no INIT and no SIPI: the
 * host cannot run code on it outside RootVisor. Panics if one does not answer. */
void smp_start(void);
void smp_release(void);			/* they make their vmcs01 and enter the host's first program */

/* Enables VMX on this CPU (CR0/CR4 fixed bits, FEATURE_CONTROL) and enters root operation. */
void cpu_vmxon(struct pcpu *c);
