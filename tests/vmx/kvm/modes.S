/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Out of long mode and back: 32-bit code with the paging mode that test-modes.c asks for, and a task switch. */
	.text
	.code64
	.globl mode_trip, mode_saved
/* u32 mode_trip(u32 cr4, u32 cr3, void (*there)(void)): runs that 32-bit code with these, paging on unless cr3 is 0; its EAX. */
mode_trip:
	pushq %rbx
	pushq %rbp
	movq %rsp, mode_rsp
	movq %cr4, %rax
	movl %eax, mode_cr4
	movq %cr3, %rax
	movl %eax, mode_cr3
	movl %edi, %ebx			/* CR4 */
	movl %esi, %ebp			/* CR3 */
	movl %edx, %edi
	ljmp *to32
	.section .data
	.balign 8
to32:	.long in32
	.word 0x08
	.balign 8
mode_rsp: .quad 0
mode_cr4: .long 0
mode_cr3: .long 0
mode_saved: .long 0
	.text
	.code32
in32:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl mode_rsp, %esp
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0			/* compatibility mode ends with paging */
	movl $0xc0000080, %ecx
	rdmsr
	andl $~0x100, %eax
	wrmsr
	movl %ebx, %cr4
	testl %ebp, %ebp
	jz 1f
	movl %ebp, %cr3
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
1:	call *%edi
	movl %eax, %ebx
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl mode_cr4, %eax
	movl %eax, %cr4
	movl mode_cr3, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	ljmp $0x10, $in64
	.code64
in64:	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %ebx, %eax
	movq mode_rsp, %rsp
	popq %rbp
	popq %rbx
	ret

	.code32
	/* 32-bit code: a word through the page at MODE_LA, read, written, and what exits. */
	.globl there_touch, there_switch, there_exit
there_touch:
	movl 0x80000000, %eax
	addl $1, 0x80000000
	ret
there_exit:
	xorl %eax, %eax
	cpuid
	movl %ebx, %ecx
	movb $3, %al
	movw $0x5000, %dx
	outb %al, %dx
	movl %ecx, %eax
	ret

	/* Jump to another task and back: the descriptors are test-modes.c's. */
there_switch:
	pushl %ebx
	movw $0x50, %ax
	ltr %ax
	ljmp $0x58, $0
	.globl switch_back
switch_back:				/* the first task goes on here, behind its jump */
	popl %ebx
	movl mode_saved, %eax
	ret
	.globl task_entry
task_entry:
	movl %ebx, mode_saved		/* loaded from its TSS */
	ljmp $0x50, $0
	.section .note.GNU-stack, "", @progbits
