/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header of the Linux/x86 boot protocol, the 64-bit entry, exception entries. */
	.section .setup, "a"
	.org 0x1f1
	.byte 1				/* setup_sects */
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, 0x66
	.ascii "HdrS"
	.word 0x020f
	.org 0x211
	.byte 1				/* LOADED_HIGH */
	.org 0x230
	.long 0x200000			/* kernel_alignment */
	.byte 0, 0			/* not relocatable */
	.word 1				/* XLF_KERNEL_64 */
	.long 2047			/* cmdline_size */
	.org 0x258
	.quad 0x1000000			/* pref_address */
	.long image_memory		/* init_size */

	.section .start, "ax"
	.org 0x200
	.globl start64
start64:
	movq $stack_top, %rsp
	movq %rsi, %rdi
	xorl %ebp, %ebp
	call test_start
1:	hlt
	jmp 1b

	.text
	.globl trap_entries
	.balign 16
trap_entries:				/* 16 bytes each */
	.irp v, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.balign 16
	.if !((\v == 8) || (\v >= 10 && \v <= 14) || (\v == 17) || (\v == 21) || (\v == 29) || (\v == 30))
	pushq $0
	.endif
	pushq $\v
	jmp trap_common
	.endr

trap_common:				/* vector, error, rip, cs, rflags, rsp, ss */
	pushq %rax
	pushq %rcx
	movq 16(%rsp), %rax
	movq %rax, trap_vector
	movq 24(%rsp), %rax
	movq %rax, trap_error
	movq 32(%rsp), %rax
	movq %rax, trap_rip
	movq trap_resume, %rcx
	testq %rcx, %rcx
	jz 2f
	movq %rcx, 32(%rsp)
	andq $~0x100, 48(%rsp)		/* no more single steps */
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq
2:	movq %rsp, %rdi
	call test_unexpected_trap

	.bss
	.balign 16
	.skip 16384
stack_top:
	.section .note.GNU-stack, "", @progbits
