/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exception entries of RootVisor: one frame layout (struct trap_frame) for all of them. */
	.text
	.balign 16
	.globl exception_entries
exception_entries:			/* 16 bytes each, 32 of them */
	.irp v, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.balign 16
	.if !((\v == 8) || (\v >= 10 && \v <= 14) || (\v == 17) || (\v == 21) || (\v == 29) || (\v == 30))
	pushq $0			/* the CPU pushes no error code */
	.endif
	pushq $\v
	jmp exception_common
	.endr

	.balign 16
exception_common:
	.irp reg, rax,rcx,rdx,rbx,rbp,rsi,rdi,r8,r9,r10,r11,r12,r13,r14,r15
	pushq %\reg
	.endr
	movq %rsp, %rdi
	cld
	call exception_handler
	.irp reg, r15,r14,r13,r12,r11,r10,r9,r8,rdi,rsi,rbp,rbx,rdx,rcx,rax
	popq %\reg
	.endr
	addq $16, %rsp
	iretq
	.section .note.GNU-stack, "", @progbits
