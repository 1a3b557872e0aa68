/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start of another CPU: copied to a page below 1 MiB, where its SIPI sends it; from there to
 * ap_main() in long mode on the final page tables. */

	.text
	.globl trampoline_start, trampoline_end
	.code16
trampoline_start:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdtr - trampoline_start
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x18, $ap_entry32
	.balign 4
trampoline_gdtr:
	.word 4 * 8 - 1
	.long boot_gdt
trampoline_end:

	.code32
ap_entry32:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl ap_cr3, %eax
	movl $ap_entry64, %ebx
	jmp enter_long_mode

	.code64
ap_entry64:
	movq ap_pcpu, %rdi
	movq ap_stack, %rsp
	xorl %ebp, %ebp
	call ap_main
	ud2
	.section .note.GNU-stack, "", @progbits
