/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that may raise #GP on values that the host chose. safe_table pairs the
 * address that may fault with the one where exception_handler() resumes. */
	.text
	.macro safe name
	.globl \name
\name:
	.endm

safe rdmsr_safe				/* u32 msr, u64 *val */
	movl %edi, %ecx
rdmsr_fault:
	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, (%rsi)
	xorl %eax, %eax
	ret

safe wrmsr_safe				/* u32 msr, u64 val */
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
wrmsr_fault:
	wrmsr
	xorl %eax, %eax
	ret

safe xsetbv_safe			/* u32 index, u64 val */
	movl %edi, %ecx
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
xsetbv_fault:
	xsetbv
	xorl %eax, %eax
	ret

safe_failed:
	movl $-5, %eax			/* -EIO */
	ret

	.section .rodata
	.balign 8
	.globl safe_table, safe_table_end
safe_table:
	.quad rdmsr_fault, safe_failed
	.quad wrmsr_fault, safe_failed
	.quad xsetbv_fault, safe_failed
safe_table_end:
	.section .note.GNU-stack, "", @progbits
