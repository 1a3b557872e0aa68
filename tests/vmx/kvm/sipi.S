/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a SIPI to smp_entry: real mode, long mode at once, with the tables and the GDT of the CPU that sent it (sipi.c).
 * Copied to SIPI_PAGE. */
#define AT(label)	((label) - sipi_start)

	.section .rodata
	.globl sipi_start, sipi_end, sipi_gdtr, sipi_cr3
	.code16
	.balign 16
sipi_start:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl AT(sipi_gdtr)
	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl AT(sipi_cr3), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax		/* LME */
	wrmsr
	movl %cr0, %eax
	andl $0x9fffffff, %eax		/* CD, NW */
	orl $0x80000021, %eax		/* PG, NE, PE */
	movl %eax, %cr0
	ljmpl $0x10, $sipi_long
	.balign 8
sipi_gdtr:	.word 0
	.long 0
	.balign 8
sipi_cr3:	.long 0
sipi_end:

	.text
	.code64
sipi_long:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	jmp smp_entry
	.section .note.GNU-stack, "", @progbits
