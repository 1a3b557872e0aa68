/* SPDX-License-Identifier: LGPL-2.1-or-later */
	.code32
	.text
	.globl cvm_call
	.type cvm_call, @function
cvm_call:
	pushl	%ebx
	movl	8(%esp), %eax
	movl	12(%esp), %ebx
	movl	16(%esp), %ecx
	/* The #UD handler of stage 1 knows this address. */
	.globl cvm_call_insn
cvm_call_insn:
	vmcall
	popl	%ebx
	ret
	.section .note.GNU-stack, "", @progbits
