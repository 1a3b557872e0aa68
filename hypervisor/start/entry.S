/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the boot loader (Multiboot2, 32-bit, unpaged) to start_main() in long mode, on a first
 * identity map of 4 GiB. RootVisor has its own (rootvisor/cpu/paging.c).
 */
#define MB2_MAGIC	0xe85250d6

	.section .multiboot2, "a"
	.balign 8
mb2_header:
	.long MB2_MAGIC, 0, mb2_header_end - mb2_header
	.long -(MB2_MAGIC + (mb2_header_end - mb2_header))
	.balign 8
	.word 6, 0			/* modules on page boundaries */
	.long 8
	.balign 8
	.word 0, 0
	.long 8
mb2_header_end:

	.text
	.code32
	.globl start_entry
start_entry:
	cli
	cld
	movl $start_stack_top, %esp
	movl %eax, %ebp			/* magic */
	movl %ebx, %esi			/* Multiboot2 information */

	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	andl $((1 << 29) | (1 << 20)), %edx
	cmpl $((1 << 29) | (1 << 20)), %edx
	jne no_long_mode

	/* PML4 -> PDPT -> 4 page directories of 2 MiB pages, all present, writable */
	movl $(start_pdpt + 3), start_pml4
	movl $(start_pd + 3), %eax
	movl $start_pdpt, %edi
	movl $4, %ecx
1:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	loop 1b
	movl $0x83, %eax
	movl $start_pd, %edi
	movl $2048, %ecx
2:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 2b

	movl $start_pml4, %eax
	movl $entry64, %ebx
	jmp enter_long_mode

no_long_mode:
	movl $no_long_mode_text, %esi
	movl $0xb8000, %edi
3:	lodsb
	testb %al, %al
	jz 4f
	movb $0x4f, %ah
	stosw
	movw $0x3f8, %dx
	outb %al, %dx
	movl $100000, %ecx
5:	loop 5b				/* slower than the line */
	jmp 3b
4:	hlt
	jmp 4b

	.code64
entry64:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl $start_stack_top, %esp	/* zero-extends */
	movl %ebp, %edi
	movl %esi, %esi
	xorl %ebp, %ebp
	call start_main
	ud2

	.section .rodata
no_long_mode_text:
	.asciz "ROOTVISOR PANIC: this CPU has no long mode with no-execute pages"

	.bss
	.globl start_pdpt
	.balign 4096
start_pml4:	.skip 4096
start_pdpt:	.skip 4096
start_pd:	.skip 4 * 4096
start_stack:	.skip 32768
start_stack_top:
	.section .note.GNU-stack, "", @progbits
