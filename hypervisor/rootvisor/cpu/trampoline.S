/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Into long mode. And the start of another CPU: copied to a page below 1 MiB, where its SIPI sends it; from there to
 * ap_main() in long mode on the final page tables. */
#define MSR_EFER	0xc0000080

	.text
	.globl trampoline_start, trampoline_end, enter_long_mode
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

/* To %ebx in long mode, with the page tables at %eax: also for the start stage. */
enter_long_mode:
	movl %eax, %cr3
	movl $(1 << 5), %eax		/* CR4.PAE */
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $((1 << 8) | (1 << 11)), %eax	/* LME, NXE */
	wrmsr
	movl $0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	lgdt boot_gdtr
	ljmp $8, $long_mode

	.code64
long_mode:
	movl %ebx, %ebx
	jmp *%rbx
ap_entry64:
	movq ap_pcpu, %rdi
	movq ap_stack, %rsp
	xorl %ebp, %ebp
	call ap_main
	ud2

	.section .rodata
	.balign 8
boot_gdt:				/* accessed bits set: the CPU must not write here */
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cf9b000000ffff	/* 32-bit code */
boot_gdtr:
	.word 4 * 8 - 1
	.long boot_gdt
	.section .note.GNU-stack, "", @progbits
