/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stage 2's first and last instructions. Entered in the canonical state of cvm/boot.h: the GDT
 * is empty, so segments stay as they are until our own table is loaded.
 */
#define CODE32	0x08
#define CODE64	0x10	/* Linux's __BOOT_CS */
#define DATA	0x18	/* Linux's __BOOT_DS */

	.section .text.entry, "ax"
	.code32
	.globl stage2_entry
stage2_entry:
	cli
	cld
	movl	$0x40000, %esp		/* CVM_FW_STACK */
	movl	%eax, %ebx		/* APIC id; 0 on the first vCPU */
	lgdt	gdt_pointer
	ljmpl	$CODE32, $1f
1:	movl	$DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	testl	%ebx, %ebx
	jnz	other_vcpu
	movl	$stage2_bss_start, %edi
	movl	$stage2_bss_size, %ecx
	xorl	%eax, %eax
	rep stosb
	call	stage2_main
2:	hlt
	jmp	2b

	.text
/* void enter_kernel(uint32_t pml4, uint32_t entry, uint32_t boot_params) */
	.globl enter_kernel
	.type enter_kernel, @function
enter_kernel:
	movl	4(%esp), %eax
	movl	8(%esp), %edi
	movl	12(%esp), %esi
	movl	%eax, %cr3
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER: LME */
	movl	$0x100, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$0x80000031, %eax	/* PG, NE, ET, PE */
	movl	%eax, %cr0
	ljmpl	$CODE64, $3f
	.code64
3:	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	movl	%edi, %edi		/* clear the upper halves */
	movl	%esi, %esi
	jmp	*%rdi

/* Another vCPU, without a stack: waits for the page tables, then in 64-bit mode at the mailbox (ACPI 6.5, 5.2.12.19) for the kernel. */
#define MAILBOX		0x38000
	.code32
other_vcpu:
	pause
	movl	others_may_go, %eax
	testl	%eax, %eax
	jz	other_vcpu
	movl	%eax, %cr3
	movl	$0x20, %eax
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	movl	$0x100, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$0x80000031, %eax
	movl	%eax, %cr0
	ljmpl	$CODE64, $4f
	.code64
4:	pause
	cmpw	$1, MAILBOX
	jne	4b
	cmpl	%ebx, MAILBOX + 4
	jne	4b
	movq	MAILBOX + 8, %rax
	movw	$0, MAILBOX
	jmp	*%rax

	.bss
	.globl others_may_go
	.balign 4
others_may_go:
	.long	0

	.section .rodata
	.balign 8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
	.section .note.GNU-stack, "", @progbits
