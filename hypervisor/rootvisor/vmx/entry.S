/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* enum vmx_result vmx_enter(struct gregs *regs, bool resume, enum vmx_result (*quick)(void)): see rv/pcpu.h.
 *
 * An NMI that hits RootVisor just before an entry must not wait for the next exit: between
 * vmx_enter_window and the entry, exception_handler() moves RIP to vmx_enter_nmi; what came
 * earlier, the test at its start sees. */
#define HOST_RSP		0x6c14
#define PCPU_NMI_ARRIVED	177	/* offsetof(struct pcpu, nmi_arrived): vmx/vmcs.c asserts it */

	.text
	.globl vmx_enter, vmx_exit_point, vmx_enter_window, vmx_enter_window_end, vmx_enter_nmi
vmx_enter:
	.irp reg, rbx,rbp,r12,r13,r14,r15
	pushq %\reg
	.endr
	pushq %rdi			/* regs, quick: found again at the exit */
	pushq %rdx
again:	movl $HOST_RSP, %eax
	vmwrite %rsp, %rax
vmx_enter_window:
	movq %gs:0, %rax
	cmpb $0, PCPU_NMI_ARRIVED(%rax)
	jne vmx_enter_nmi
	testb %sil, %sil
	movq 0x00(%rdi), %rax
	movq 0x08(%rdi), %rcx
	movq 0x10(%rdi), %rdx
	movq 0x18(%rdi), %rbx
	movq 0x28(%rdi), %rbp
	movq 0x30(%rdi), %rsi
	.irp n, 8,9,10,11,12,13,14,15
	movq 8*\n(%rdi), %r\n
	.endr
	movq 0x38(%rdi), %rdi
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
vmx_enter_window_end:
2:	movl $1, %eax			/* VMX_FAIL: regs hold what they held */
	jmp 3f

vmx_enter_nmi:
	movl $2, %eax			/* VMX_NMI */
	jmp 3f

vmx_exit_point:				/* HOST_RIP; RSP = HOST_RSP */
	pushq %rdi
	movq 16(%rsp), %rdi
	movq %rax, 0x00(%rdi)
	movq %rcx, 0x08(%rdi)
	movq %rdx, 0x10(%rdi)
	movq %rbx, 0x18(%rdi)
	movq %rbp, 0x28(%rdi)
	movq %rsi, 0x30(%rdi)
	popq 0x38(%rdi)
	.irp n, 8,9,10,11,12,13,14,15
	movq %r\n, 8*\n(%rdi)
	.endr
	/* nothing of the guest stays in a register that RootVisor's code may speculate on */
	.irp reg, eax,ecx,edx,ebx,ebp,esi,r8d,r9d,r10d,r11d,r12d,r13d,r14d,r15d
	xorl %\reg, %\reg
	.endr
	cld
	cmpq $0, (%rsp)
	je 3f
	call *(%rsp)
	movq 8(%rsp), %rdi
	movl $1, %esi
	cmpl $3, %eax			/* VMX_AGAIN */
	je again
3:	addq $16, %rsp
	.irp reg, r15,r14,r13,r12,rbp,rbx
	popq %\reg
	.endr
	ret
	.section .note.GNU-stack, "", @progbits
