/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* void linux_enter_native(const struct linux_entry *e): the 64-bit boot protocol without VMX.
 * Runs at most once, on the boot CPU, on RootVisor's stack until the jump. */
#define E_RIP		0
#define E_RSI		8
#define E_CR3		16
#define E_GDT		24
#define E_GDT_LIMIT	32

	.text
	.globl linux_enter_native
linux_enter_native:
	cli
	cld
	movq E_RIP(%rdi), %rax
	movq E_RSI(%rdi), %rsi
	movq E_CR3(%rdi), %rcx
	movq E_GDT(%rdi), %rdx
	movl E_GDT_LIMIT(%rdi), %ebx
	subq $16, %rsp
	movw %bx, 6(%rsp)
	movq %rdx, 8(%rsp)
	lgdt 6(%rsp)
	movl $0x20, %edx		/* CR4: PAE alone */
	movq %rdx, %cr4
	movq %rcx, %cr3			/* identity, like the map in use */
	movl $0x18, %edx
	movl %edx, %ds
	movl %edx, %es
	movl %edx, %ss
	movl %edx, %fs
	movl %edx, %gs
	pushq $0x10
	pushq %rax
	lretq
	.section .note.GNU-stack, "", @progbits
