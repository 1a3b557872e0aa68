/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What 64-bit L2 guests execute, in L1's address space; each ends in HLT. */
	.text
	.code64
	.macro guest name
	.globl \name
\name:
	.endm

guest g_hlt
	hlt
	jmp g_hlt
guest g_cpuid
	movl $0x4cf00d, %eax
	cpuid
	hlt
guest g_io
	movb $0x5a, %al
	outb %al, $0x80
	movw $0x1f4, %dx
	inl %dx, %eax
	leaq g_hlt(%rip), %rsi
	rep outsw
	hlt
guest g_msr
	movl $0xc0000080, %ecx
	rdmsr
	movl $0x277, %ecx
	wrmsr
	hlt
guest g_rdmsr				/* ECX comes from L1 */
	rdmsr
	hlt
guest g_vmcall
	movl $0x77, %eax
	vmcall
	hlt
guest g_host_call			/* a host call is not for guests: RAX comes from L1 */
	vmcall
	hlt
guest g_read
	movq (%rsi), %rax
	hlt
guest g_write
	movq %rax, (%rsi)
	hlt
guest g_jump
	jmp *%rsi
guest g_sti
	nop
	nop
	sti
	nop
	nop
	hlt
guest g_catch				/* an event injected at g_catch leads to the HLT */
1:	nop
2:	hlt
	.pushsection .ex_table, "a"
	.quad 1b, 2b
	.popsection
guest g_ud
	ud2
	hlt
guest g_xsetbv
	xorl %ecx, %ecx
	xorl %edx, %edx
	movl $1, %eax
	xsetbv
	hlt
guest g_invd
	invd
	hlt
guest g_cr
	movq %cr3, %rax
	movq %rax, %cr3
	movq %rax, %cr8
	hlt
guest g_dr
	movq %rbx, %dr0
	movq %dr0, %rcx
	hlt
guest g_rdtscp
	rdtscp
	hlt
guest g_vmfunc
	xorl %eax, %eax
	xorl %ecx, %ecx
1:	vmfunc
2:	hlt
	.pushsection .ex_table, "a"
	.quad 1b, 2b
	.popsection
guest g_vmx				/* RSI = memory operand; every VMX instruction in turn */
	vmclear (%rsi)
	vmlaunch
	vmptrld (%rsi)
	vmptrst (%rsi)
	vmread %rax, %rbx
	vmresume
	vmwrite %rbx, %rax
	vmxoff
	vmxon (%rsi)
	invept (%rsi), %rax
	invvpid (%rsi), %rax
	hlt
guest g_count				/* RAX: how often it ran */
1:	incq %rax
	hlt
	jmp 1b
guest g_nmi				/* for ever; its own handler counts NMIs in RBX, with an exit while they are blocked */
	outb %al, $0x80
	nop
	nop
	jmp g_nmi
guest g_nmi_handler
	incq %rbx
	outb %al, $0x81
	iretq
guest g_swap				/* all registers: each plus one */
	incq %rax
	incq %rcx
	incq %rdx
	incq %rbx
	incq %rbp
	incq %rsi
	incq %rdi
	incq %r8
	incq %r9
	incq %r10
	incq %r11
	incq %r12
	incq %r13
	incq %r14
	incq %r15
	hlt

	/* real mode; copied to low memory by the test */
	.code16
guest g_real
	movw $0x1234, %ax
	movw %ax, %ds
	movw %ds, %bx
	outb %al, $0x80
	hlt
guest g_real_end
	.code64
	.section .note.GNU-stack, "", @progbits
