/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plays RootVisor without VMX: long mode, an IDT, and an entry to the Guardian from which its
 * VMCALL comes back as #UD.
 */
	.section .multiboot, "ax"
	.balign	4
header:
	.long	0x1badb002
	.long	0x00010000		/* the addresses below are valid */
	.long	-(0x1badb002 + 0x00010000)
	.long	header, image_start, image_end, bss_end, start

	.text
	.code32
	.globl	start
start:
	mov	$stack_top, %esp
	mov	%ebx, multiboot_info
	mov	%cr4, %eax
	or	$0x40620, %eax		/* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
	mov	%eax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$7, %eax		/* XCR0: x87, SSE, AVX */
	xsetbv
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x900, %eax		/* LME, NXE */
	wrmsr
	mov	$0x80010023, %eax	/* PG, WP, NE, MP, PE */
	mov	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $long_mode

	.code64
long_mode:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	call	main
1:	hlt
	jmp	1b

/* int64_t enter(op, mailbox, entry, stack, cr3): the Guardian's RAX; `vector` tells of faults. */
	.globl	enter
enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, saved_stack(%rip)
	movl	$-1, vector(%rip)
	mov	%r8, %cr3
	mov	%rcx, %rsp
	pushq	$2
	popfq
	jmp	*%rdx

	.macro	handler n, code
	.balign	32		/* main.c counts on it */
handler_\n:
	.if	\code == 0
	pushq	$0
	.endif
	movl	$\n, vector(%rip)
	jmp	leave
	.endm
	.balign	32
	.globl	handlers
handlers:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	handler	\n, 0
	.endr
	handler	8, 1
	handler	9, 0
	.irp	n, 10, 11, 12, 13, 14
	handler	\n, 1
	.endr
	.irp	n, 15, 16
	handler	\n, 0
	.endr
	handler	17, 1
	.irp	n, 18, 19
	handler	\n, 0
	.endr

/* On the Guardian's stack: error code, RIP. */
leave:
	push	%rax
	mov	16(%rsp), %rax
	mov	%rax, fault_rip(%rip)
	pop	%rax
	/* What else the Guardian let out. */
	.irp	r, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	or	%\r, %rbx
	.endr
	mov	%rbx, leaked(%rip)
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	por	%xmm\n, %xmm0
	.endr
	movdqu	%xmm0, leaked_vector(%rip)
	mov	saved_stack(%rip), %rsp
	mov	$pml4, %ecx
	mov	%rcx, %cr3
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

	.section .rodata
gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.data
	.balign	4096
pml4:
	.quad	pdpt + 3
	.fill	511, 8, 0
pdpt:
	.set	gib, 0
	.rept	512
	.quad	(gib << 30) | 0x83
	.set	gib, gib + 1
	.endr

	.bss
	.globl	multiboot_info, vector, fault_rip, leaked, leaked_vector
multiboot_info:	.skip 8
saved_stack:	.skip 8
fault_rip:	.skip 8
leaked:		.skip 8
vector:		.skip 8
	.balign	16
leaked_vector:	.skip 16
	.skip	16384
stack_top:
	.section .note.GNU-stack, "", @progbits
