/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that runs firmware.S, ordinary or protected, with L1 in KVM's part. */
#ifndef L1_PROTECTED_H
#define L1_PROTECTED_H

#include "firmware.h"
#include "l1.h"

#define VM_PAGES	124u		/* of RAM, from guest-physical 0 to the bounce area */
#define VM_BYTES	(VM_PAGES * 4096u)
_Static_assert(FW_DEVICE >> 12 == 0xd0000, "VM_MMIO");
#define VM_MMIO		0xd0000000u	/* a device of L1's making */
#define STAGE1_GPA	0x1000u
#define BLOCK_GPA	0x2000u
#define LIE		0x41424344u
#define AT_COMMAND	0x30000u	/* not an exit reason: it waits for the next command */
#define STAGE1_DONE	0x30001u	/* PROTECT came back, result in ->stage1 */

struct vm1 {
	struct l2 g;
	u8 *ram;			/* VM_PAGES frames of L1 */
	u64 hpa[VM_PAGES];		/* what EPT12 maps */
	bool waiting;			/* at IN of the next command */
	u32 queue[8], queued, taken;
	u32 answer[8], answers;
	u32 stage1;
	u32 id;				/* of the protected VM, 0 = ordinary */
	u64 hlts, holds, faults;	/* exits seen */
	volatile u64 irqs[256];		/* of those, the host's interrupts, by vector */
	u64 mmio_gpa, mmio_value, mmio_rip;
	u32 hold_in;
	bool dirty_entry;		/* garbage in all registers at PROTECT */
	bool end_at_interrupt;		/* vm1_run() returns at an external interrupt of L1 */
	bool windows;			/* at_exit() serves interrupt windows */
	bool no_mmio;			/* do not answer as a device */
	bool lies;			/* LIE is the answer to CPUID and RDMSR */
	u8 *bounce;			/* CVM_BOUNCE_SIZE bytes, from its first fault on */
	bool no_bounce, no_string;	/* no memory for it; strings are not served */
	u32 string_most;		/* elements of a string that are served at once; 0: all */
	u64 strings;			/* string exits served */
	u32 string_ins, string_outs;	/* bytes */
	u8 string_out[4096];		/* of OUTS */
	u64 msr_exits;
	void (*at_exit)(struct vm1 *vm, u32 reason);
};

u8 string_byte(u32 n);		/* byte n that INS gets */
void vm1_create(struct vm1 *vm);		/* memory, EPT12, VMCS (current); not started */
void vm1_block(struct cvm_protect *p);		/* a block as it should be */
/* Runs stage 1 with that block. 0: protected and waiting for a command; else the errno that the guest got. */
s32 vm1_protect(struct vm1 *vm, const struct cvm_protect *p);
s32 vm1_protect_at(struct vm1 *vm, u32 gpa, u32 size);	/* block already in guest memory */
/* Starts stage 1 and runs it: STAGE1_DONE, AT_COMMAND, or an exit that L1 does not serve. */
u32 vm1_stage1(struct vm1 *vm, u32 gpa, u32 size);
void vm1_find_id(struct vm1 *vm);		/* of the newest VM */
void vm1_start_protected(struct vm1 *vm);	/* create, protect, REQUIRE */
void vm1_start_ordinary(struct vm1 *vm);	/* the control */
void vm1_select(struct vm1 *vm);		/* VMPTRLD */
u32 vm1_run(struct vm1 *vm);			/* AT_COMMAND, STAGE1_DONE or an exit reason that L1 does not serve */
/* Runs one command of n words. 0: done, answers in vm->answer; else the exit reason that ended it. */
u32 vm1_command(struct vm1 *vm, u32 n, const u32 *words);
#define CMD(vm, ...) vm1_command(vm, sizeof((u32[]){ __VA_ARGS__ }) / 4, (const u32[]){ __VA_ARGS__ })
/* Up to 15 bytes of code for FW_EXEC, which vm1_exec() also runs. 0: it came back; else the exit reason that ended it. */
void vm1_place(struct vm1 *vm, const u8 *code, u32 n);
u32 vm1_exec(struct vm1 *vm, const u8 *code, u32 n);
void vm1_map(struct vm1 *vm, u32 gfn, u64 hpa);	/* EPT12; hpa 0 unmaps */
u8 *vm1_frame(struct vm1 *vm, u32 gfn);		/* as the host sees it */
struct cvm_vm_info vm1_info(struct vm1 *vm);
void vm1_destroy(struct vm1 *vm);
void destroy_all(void);				/* what earlier tests left */

#endif
