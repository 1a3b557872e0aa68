/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that a boot loader takes for Linux: setup header and 64-bit entry
 * (Documentation/x86/boot.rst), then traps, ring 3 and VM entry. */
#include "callee.h"

#define FIRST_TR	0x30
#define OWN_REGS	0
#define OWN_RSP		8
#define OWN_GUARD	16
#define OWN_SIZE	32		/* twice the distance of two TRs */

	.section .setup, "a", @progbits
setup:
	.org 0x1f1
	.byte 1				/* setup_sects: 2 * 512 bytes in all */
	.org 0x1f4
	.long l1_syssize
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, header_end - . - 1	/* jump: its length gives the header's size */
	.ascii "HdrS"
	.word 0x020f			/* version */
	.org 0x211
	.byte 1				/* loadflags: LOADED_HIGH */
	.org 0x22c
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x200000			/* kernel_alignment */
	.byte 0				/* not relocatable */
	.byte 0
	.word 1				/* xloadflags: XLF_KERNEL_64 */
	.long 2047			/* cmdline_size */
	.org 0x258
	.quad PREF_ADDRESS
	.long l1_init_size
	.long 0
header_end:

	.section .head, "ax"
	.org 0x200			/* 64-bit entry point; RSI = boot_params */
	.globl l1_entry
l1_entry:
	cli
	cld
	leaq stack_top(%rip), %rsp
	movq %rsi, %rdi
	call l1_main
1:	hlt
	jmp 1b

	.text
	.code64
/* ---- traps: 256 stubs of 16 bytes ---- */
	.globl trap_stubs
	.balign 16
trap_stubs:
	.set vec, 0
	.rept 256
	.balign 16
	.if (vec == 8) || ((vec >= 10) && (vec <= 14)) || (vec == 17) || (vec == 21)
	.else
	pushq $0
	.endif
	pushq $vec
	jmp trap_common
	.set vec, vec + 1
	.endr

trap_common:
	pushq %r15
	pushq %r14
	pushq %r13
	pushq %r12
	pushq %r11
	pushq %r10
	pushq %r9
	pushq %r8
	pushq %rdi
	pushq %rsi
	pushq %rbp
	pushq $0			/* slot of RSP */
	pushq %rbx
	pushq %rdx
	pushq %rcx
	pushq %rax
	cld
	movq %rsp, %rdi
	call trap_handler
	testb $3, 152(%rsp)		/* CS of the interrupted context */
	jnz user_back
	popq %rax
	popq %rcx
	popq %rdx
	popq %rbx
	addq $8, %rsp
	popq %rbp
	popq %rsi
	popq %rdi
	popq %r8
	popq %r9
	popq %r10
	popq %r11
	popq %r12
	popq %r13
	popq %r14
	popq %r15
	addq $16, %rsp
	iretq

	.macro load_gprs base		/* all but RSP; base register last */
	movq 0x00(\base), %rax
	movq 0x08(\base), %rcx
	movq 0x10(\base), %rdx
	movq 0x18(\base), %rbx
	movq 0x28(\base), %rbp
	movq 0x30(\base), %rsi
	movq 0x40(\base), %r8
	movq 0x48(\base), %r9
	movq 0x50(\base), %r10
	movq 0x58(\base), %r11
	movq 0x60(\base), %r12
	movq 0x68(\base), %r13
	movq 0x70(\base), %r14
	movq 0x78(\base), %r15
	movq 0x38(\base), \base
	.endm

/* void user_enter(u64 regs[16], u64 rip, u64 rsp): ring 3 until its first trap. */
	.globl user_enter
user_enter:
	save_callee
	movq %rsp, user_rsp(%rip)
	pushq $0x23			/* SS */
	pushq %rdx
	pushq $2
	pushq $0x2b			/* CS */
	pushq %rsi
	load_gprs %rdi
	iretq
user_back:
	movq user_rsp(%rip), %rsp
	restore_callee
	ret

	/* What this CPU (by TR, see traps.c) keeps: GO_*. Leaves the flags alone. */
	.macro own slot, slot32
	str \slot32
	leaq own_state - 2 * FIRST_TR(, \slot, 2), \slot
	.endm

/* void run_guarded(void (*fn)(void)): comes back also by abort_guarded(). */
	.globl run_guarded, abort_guarded
run_guarded:
	save_callee
	own %rax, %eax
	movq %rsp, OWN_GUARD(%rax)
	call *%rdi
abort_guarded:
	own %rax, %eax
	movq OWN_GUARD(%rax), %rsp
	restore_callee
	ret

/* ---- VM entry: u32 vmx_go(u64 regs[16], u32 how) ----
 * how: 0 VMLAUNCH, 1 VMRESUME, 2 VMLAUNCH behind MOV SS. 0: an exit came; 1: VMfailInvalid; 2: VMfailValid;
 * 3: the instruction trapped. */
	.globl vmx_go, vmx_exit
vmx_go:
	save_callee
	own %rax, %eax
	movq %rdi, OWN_REGS(%rax)
	movq %rsp, OWN_RSP(%rax)
	movl %ss, %eax
	movl %eax, go_ss(%rip)
	cmpl $1, %esi
	je 2f
	ja 5f
	load_gprs %rdi
1:	vmlaunch
	jmp 3f
5:	load_gprs %rdi
	movw go_ss(%rip), %ss
6:	vmlaunch
	jmp 3f
2:	load_gprs %rdi
4:	vmresume
3:	movl $1, %eax
	jc 7f
	movl $2, %eax
	jz 7f
	movl $3, %eax
7:	own %rcx, %ecx
	movq OWN_RSP(%rcx), %rsp
	restore_callee
	ret
8:	movl $3, %eax
	jmp 7b
	.pushsection .ex_table, "a"
	.quad 1b, 8b, 4b, 8b, 6b, 8b
	.popsection

vmx_exit:				/* RSP = the exit stack */
	pushq %rdi
	own %rdi, %edi
	movq OWN_REGS(%rdi), %rdi
	movq %rax, 0x00(%rdi)
	movq %rcx, 0x08(%rdi)
	movq %rdx, 0x10(%rdi)
	movq %rbx, 0x18(%rdi)
	movq %rbp, 0x28(%rdi)
	movq %rsi, 0x30(%rdi)
	popq 0x38(%rdi)
	movq %r8, 0x40(%rdi)
	movq %r9, 0x48(%rdi)
	movq %r10, 0x50(%rdi)
	movq %r11, 0x58(%rdi)
	movq %r12, 0x60(%rdi)
	movq %r13, 0x68(%rdi)
	movq %r14, 0x70(%rdi)
	movq %r15, 0x78(%rdi)
	xorl %eax, %eax
	own %rcx, %ecx
	movq OWN_RSP(%rcx), %rsp
	restore_callee
	ret

/* Where another CPU arrives from the mailbox: smp.c names its stack. */
	.globl smp_entry
smp_entry:
	cli
	cld
	movq smp_stack(%rip), %rsp
	xorl %ebp, %ebp
	call smp_main
	ud2

	.bss
	.balign 16
	.skip 65536
stack_top:
	.skip 16384
	.globl exit_stack_top, trap_stack_top
exit_stack_top:
	.skip 16384
trap_stack_top:
	.balign 8
user_rsp:	.skip 8
go_ss:		.skip 8
own_state:	.skip 16 * OWN_SIZE
	.section .note.GNU-stack, "", @progbits
