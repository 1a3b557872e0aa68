/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int vmx_enter(struct gregs *regs, bool resume): see rv/pcpu.h.
 *
 * An NMI that hits RootVisor just before an entry must not wait for the next exit: between
 * vmx_enter_window and the entry, exception_handler() moves RIP to vmx_enter_nmi; what came
 * earlier, the test at its start sees. */
#define HOST_RSP		0x6c14
#define PCPU_NMI_ARRIVED	161	/* offsetof(struct pcpu, nmi_arrived): vmx/vmcs.c asserts it */

	.text
	.globl vmx_enter, vmx_exit_point, vmx_enter_window, vmx_enter_window_end, vmx_enter_nmi
vmx_enter:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi			/* regs: found again at the exit */
	movl $HOST_RSP, %eax
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
	movq 0x40(%rdi), %r8
	movq 0x48(%rdi), %r9
	movq 0x50(%rdi), %r10
	movq 0x58(%rdi), %r11
	movq 0x60(%rdi), %r12
	movq 0x68(%rdi), %r13
	movq 0x70(%rdi), %r14
	movq 0x78(%rdi), %r15
	movq 0x38(%rdi), %rdi
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
vmx_enter_window_end:
2:	movl $1, %eax			/* VMfail: no guest ran, regs hold what they held */
	popq %rdi
	jmp 3f

vmx_enter_nmi:
	movl $2, %eax
	popq %rdi
	jmp 3f

vmx_exit_point:				/* HOST_RIP; RSP = HOST_RSP */
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, 0x00(%rdi)
	movq %rcx, 0x08(%rdi)
	movq %rdx, 0x10(%rdi)
	movq %rbx, 0x18(%rdi)
	movq %rbp, 0x28(%rdi)
	movq %rsi, 0x30(%rdi)
	popq 0x38(%rdi)
	movq %r8, 0x40(%rdi)
	movq %r9, 0x48(%rdi)
	movq %r10, 0x50(%rdi)
	movq %r11, 0x58(%rdi)
	movq %r12, 0x60(%rdi)
	movq %r13, 0x68(%rdi)
	movq %r14, 0x70(%rdi)
	movq %r15, 0x78(%rdi)
	popq %rdi
	/* nothing of the guest stays in a register that RootVisor's code may speculate on */
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	cld
3:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.section .note.GNU-stack, "", @progbits
