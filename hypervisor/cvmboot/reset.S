/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fixed places of the ROM: reset vector, way to 32-bit code, decoy table, descriptor. */
#define ROM		0xffff0000
#define CODE32		0x08
#define DATA32		0x10

/* ---- reset vector: CS base is FFFF0000h until the first far jump (SDM vol. 3, 10.1.4) ---- */
	.section .reset, "ax"
	.code16
	.globl reset_vector
reset_vector:
	jmp	real_mode
	.balign 16, 0x90

/*
 * The linker places this section at the start of the ROM, so a distance from rom_base is an
 * offset in the 64 KiB segment.
 */
	.section .text.entry, "ax"
	.code16
rom_base:
	.globl real_mode
real_mode:
	cli
	cld
	lgdtl	%cs:(gdt_pointer - rom_base)
	lidtl	%cs:(idt_pointer - rom_base)
	movl	$0x00000031, %eax	/* PE, ET, NE */
	movl	%eax, %cr0
	ljmpl	$CODE32, $flat

	.code32
flat:
	movl	$DATA32, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$stage1_stack, %esp
	xorl	%eax, %eax
	movl	%eax, %cr4
	movl	$stage1_bss_start, %edi
	movl	$stage1_bss_size, %ecx
	rep stosb
	call	stage1_main
1:	hlt
	jmp	1b

/* ---- another vCPU: copied to LAYOUT_AP_START, where its SIPI sends it; asks to join until the VM is protected ---- */
#define AP_COUNT	0x7ffc
#define EOI_MSR		0x7bffc		/* layout.h */
#define MSR_KVM_PV_EOI	0x4b564d04
#define GUEST_ENROL	0x43560087
	.code16
	.globl ap_start, ap_end
ap_start:
	cli
	cld
	lgdtl	%cs:(ap_gdt_pointer - ap_start)
	movl	$0x00000031, %eax
	movl	%eax, %cr0
	ljmpl	$CODE32, $ap_flat
	.balign 4
ap_gdt_pointer:
	.word	3 * 8 - 1
	.long	gdt
ap_end:
	.code32
ap_flat:
	movl	$DATA32, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx		/* APIC id */
	movl	EOI_MSR, %eax
	testl	%eax, %eax
	jz	1f
	leal	(%eax,%ebx,4), %eax	/* its own word */
	xorl	%edx, %edx
	movl	$MSR_KVM_PV_EOI, %ecx
	wrmsr
1:	lock incl AP_COUNT
1:	inb	$0x61, %al		/* an exit: the host may run something else meanwhile */
	movl	$GUEST_ENROL, %eax
	vmcall
	cmpl	$-11, %eax		/* -EAGAIN: PROTECT is under way */
	je	1b
2:	hlt
	jmp	2b

/* ---- exceptions: #UD at VMCALL means that nobody is there to answer it ---- */
	.altmacro
	.macro vector n
vector_\n:
	.if	(\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21)
	.else
	pushl	$0			/* where others have an error code */
	.endif
	pushl	$\n
	jmp	exception
	.endm
	.set	i, 0
	.rept	22
	vector	%i
	.set	i, i + 1
	.endr

exception:
	cmpl	$6, (%esp)
	jne	1f
	cmpl	$cvm_call_insn, 8(%esp)
	jne	1f
	movl	$-1000, %eax		/* CVM_CALL_NO_HYPERVISOR */
	addl	$3, 8(%esp)		/* over the VMCALL */
	addl	$8, %esp
	iretl
1:	popl	%eax
	popl	%ecx
	pushl	(%esp)
	pushl	%eax
	call	stage1_exception

	.balign 8
/* Accessed bits are set: the CPU cannot write them to a ROM. */
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
	.balign 8
idt:
	.macro gate n
	.word	vector_\n - rom_base, CODE32, 0x8e00, ROM >> 16
	.endm
	.set	i, 0
	.rept	22
	gate	%i
	.set	i, i + 1
	.endr
idt_pointer:
	.word	. - idt - 1
	.long	idt

/* ---- struct cvm_rom_descriptor (cvm/boot.h) ---- */
	.section .descriptor, "a"
	.long	0x31574643		/* CVM_ROM_DESC_MAGIC */
	.long	1			/* CVM_ABI_VERSION */
	.long	firmware_start - ROM
	.long	firmware_image_size	/* by the linker script */
	.long	firmware_page_size
	.fill	11, 4, 0

/* ---- decoy table (cvm/boot.h): 13 slots of 16 bytes ---- */
	.section .decoy, "a"
	.macro slot bytes:vararg
	.byte	\bytes
	.balign 16, 0xcc
	.endm
	.balign 16
	slot	0x8a, 0x07
	slot	0x66, 0x8b, 0x07
	slot	0x8b, 0x07
	slot	0x88, 0x07
	slot	0x66, 0x89, 0x07
	slot	0x89, 0x07
	slot	0x90
	slot	0xf3, 0x6c
	slot	0x66, 0xf3, 0x6d
	slot	0xf3, 0x6d
	slot	0xf3, 0x6e
	slot	0x66, 0xf3, 0x6f
	slot	0xf3, 0x6f
	.section .note.GNU-stack, "", @progbits
