/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For assembly: the registers that a function called from C gives back as they were. */
	.macro save_callee
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm
	.macro restore_callee
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	.endm
