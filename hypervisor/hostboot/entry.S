/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first instruction of the host, and its jump into Linux: see handoff.h. */
#define E_RIP		0
#define E_RSI		8
#define E_CR3		16
#define E_GDT		24
#define E_GDT_LIMIT	32

	.section .entry, "ax"
	.globl hostboot_entry
hostboot_entry:
	cli
	cld
	testq %rsi, %rsi
	jnz wait_for_host
	leaq stack_top(%rip), %rsp
	xorl %ebp, %ebp
	call hostboot_main
	ud2

/* ACPI 6.5, 5.2.12.19: command (16 bits; 1 = wake up), flags, APIC id, where to go. Uses no stack. */
wait_for_host:
	pause
	cmpw $1, (%rsi)
	jne wait_for_host
	cmpl %edx, 4(%rsi)
	jne wait_for_host
	movq 8(%rsi), %rax
	movw $0, (%rsi)
	jmp *%rax

	.text
/* void linux_enter(const struct linux_entry *e): the 64-bit boot protocol */
	.globl linux_enter
	.hidden linux_enter
linux_enter:
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

	.bss
	.balign 16
	.skip 16384
stack_top:
	.section .note.GNU-stack, "", @progbits
