/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L1 out of long mode and back, with what it does there: 32-bit code without paging on an IDT (test-legacy.c's) whose gates lead to
 * the entries here. */
#include "callee.h"

#define CR0_PE		1
#define CR0_NE		0x20
#define CR0_PG		0x80000000
#define EFER		0xc0000080
#define EFER_LME	0x100
	.text
	.code64
/* u32 legacy_trip(void (*there)(void)): its EAX, or 100h | vector if it trapped. */
	.globl legacy_trip
legacy_trip:
	save_callee
	movq %rsp, saved_rsp
	sidt saved_idt
	movl %edi, %ebx
	ljmp *to32
in64:	lidt saved_idt
	movl $0x18, %ecx
	movl %ecx, %ds
	movl %ecx, %es
	movl %ecx, %ss
	movq saved_rsp, %rsp
	restore_callee
	ret

	.code32
in32:	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl saved_rsp, %esp
	lidt legacy_idt
	movl %cr0, %eax
	andl $~CR0_PG, %eax
	movl %eax, %cr0			/* compatibility mode ends with paging */
	movl $EFER, %ecx
	rdmsr
	andl $~EFER_LME, %eax
	wrmsr
	call *%ebx
back32:	movl %eax, %ebx
	movl saved_rsp, %esp
	ltr legacy_tr
	movl $EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $(CR0_PG | CR0_NE | CR0_PE), %eax
	movl %eax, %cr0
	movl %ebx, %eax
	ljmp $0x10, $in64

	.globl legacy_ud, legacy_gp, legacy_real_gp, legacy_real_gp_end
legacy_ud:
	movl $0x106, %eax
	jmp back32
legacy_gp:
	movl $0x10d, %eax
	jmp back32
/* #GP in real mode; copied to low memory. The stack holds what the CPU pushed: IP, CS, FLAGS, of two bytes each. */
legacy_real_gp:
	movl saved_rsp, %eax
	subl %esp, %eax
	shll $16, %eax
	movb $0x0d, %al
	movb $0x01, %ah
	movl %cr0, %ecx
	orl $CR0_PE, %ecx
	movl %ecx, %cr0
	ljmp $0x08, $back32
legacy_real_gp_end:

/* ---- what is done there ---- */
	.macro there name
	.globl \name
\name:
	.endm
there there_nothing
	xorl %eax, %eax
	ret
	/* Through a code segment that would be 64-bit code in long mode: here it is 16-bit code. */
there there_vmresume
	ljmp $0x10, $1f
	.code16
1:	vmresume
	ud2
	.code32
there there_vmlaunch
	ljmp $0x10, $1f
	.code16
1:	vmlaunch
	ud2
	.code32
there there_task_jump
	ljmp $0x128, $0
there there_task_gate			/* the gate of #BP names a task */
	int3
	xorl %eax, %eax
	ret
there there_ud
	ud2
	/* Long mode on, with a bit that RootVisor owns changed, too. */
	.macro long_mode_on
	movl $EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG, %eax
	xorl $CR0_NE, %eax
	movl %eax, %cr0
	movl $0x5a, %eax
	.endm
there there_long_in_long_segment	/* 32-bit code with the L bit, which counts in long mode only */
	ljmp $0x120, $1f
1:	long_mode_on
	jmp back32
there there_long_with_16_bit_task
	movw $0x128, %ax
	ltr %ax
	long_mode_on
	jmp back32
there there_real
	lidt legacy_ivt
	movl %cr0, %eax
	andl $~CR0_PE, %eax
	movl %eax, %cr0			/* CS stays as it is: 32-bit code from 0 */
	movl saved_rsp, %esp
	movl $0x9b, %ecx
	rdmsr				/* IA32_SMM_MONITOR_CTL: refused */
	movl %cr0, %ecx
	orl $CR0_PE, %ecx
	movl %ecx, %cr0
	ljmp $0x08, $back32

	.data
	.balign 8
to32:	.long in32
	.word 0x08
	.balign 8
saved_rsp: .quad 0
saved_idt: .skip 10
	.section .note.GNU-stack, "", @progbits
