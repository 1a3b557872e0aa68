/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The canonical entry state, made by hand, as RootVisor makes it in a protected VM. */
	.code32
	.text
	.globl enter_stage2
	.type enter_stage2, @function
enter_stage2:
	cld
	lidt	no_table
	lgdt	no_table
	movl	$0x40000, %esp		/* CVM_FW_STACK */
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	.byte	0xe9			/* jmp CVM_FW_ENTRY */
	.long	0x20000 - 4 - .

	.section .rodata
no_table:
	.word	0
	.long	0
	.section .note.GNU-stack, "", @progbits
