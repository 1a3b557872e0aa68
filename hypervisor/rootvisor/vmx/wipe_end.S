/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* void wipe_end(u64 port, u64 size, u64 value): the last that runs. Uses no memory but bss, which it
 * zeroes (less the guard pages of the stacks, which are not mapped), and the page tables. */
#define STACKS_SIZE	(7 * 4096)	/* struct cpu_stacks: a guard page, six pages */
#define CPUS		16

	.text
	.globl wipe_end
wipe_end:
	cld
	movq %rdi, %r8
	movq %rsi, %r9
	movq %rdx, %r10
	xorl %eax, %eax
	movq $image_rodata_end, %rdi
	movq $cpu_stacks, %rcx
	subq %rdi, %rcx
	rep stosb
	movl $CPUS, %edx
1:	addq $4096, %rdi
	movl $(STACKS_SIZE - 4096), %ecx
	rep stosb
	decl %edx
	jnz 1b
	movq $image_end, %rcx
	subq %rdi, %rcx
	rep stosb
	wbinvd				/* to the memory itself: caches do not outlive this */
	movl %r8d, %edx
	movl %r10d, %eax
	cmpl $2, %r9d
	je 2f
	ja 3f
	outb %al, %dx
	jmp 4f
2:	outw %ax, %dx
	jmp 4f
3:	outl %eax, %dx
4:	movl $100000000, %ecx
5:	pause
	loop 5b
	movl $0xcf9, %edx		/* still here: reset by the chipset */
	movb $2, %al
	outb %al, %dx
	movb $6, %al
	outb %al, %dx
6:	hlt
	jmp 6b
	.section .note.GNU-stack, "", @progbits
