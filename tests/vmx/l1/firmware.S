/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that does as L1 says. It asks for words on port PORT_IN and answers on PORT_OUT; the first
 * word is a command. 32-bit flat code without paging, at FW_GPA: the firmware component of a
 * protected VM, and the same bytes in an ordinary one.
 */
#include "firmware.h"

#define AT(label)	((label) - fw_start + FW_GPA)
#define IDT		0x28000
#define COUNTS		0x28800

	.section .rodata
	.code32
	.globl fw_start, fw_end, fw_stage1, fw_stage1_end
	.balign 16
fw_start:
	movl %eax, AT(fw_entry) + 0
	movl %ecx, AT(fw_entry) + 4
	movl %edx, AT(fw_entry) + 8
	movl %ebx, AT(fw_entry) + 12
	movl %esp, AT(fw_entry) + 16
	movl %ebp, AT(fw_entry) + 20
	movl %esi, AT(fw_entry) + 24
	movl %edi, AT(fw_entry) + 28
	movl %cr0, %eax
	movl %eax, AT(fw_entry) + 32
	movl %cr2, %eax
	movl %eax, AT(fw_entry) + 36
	movl %cr3, %eax
	movl %eax, AT(fw_entry) + 40
	movl %cr4, %eax
	movl %eax, AT(fw_entry) + 44
	movl %dr0, %eax
	movl %eax, AT(fw_entry) + 48
	movl %dr7, %eax
	movl %eax, AT(fw_entry) + 52
	movl $FW_STACK, %esp
	pushfl
	popl %eax
	movl %eax, AT(fw_entry) + 56
	sgdt AT(fw_entry) + 60
	sidt AT(fw_entry) + 68
	lgdt AT(gdtr)
	movl $AT(stubs), %eax
	movl $IDT, %edi
	movl $64, %ecx
1:	movw %ax, (%edi)
	movw $8, 2(%edi)
	movw $0x8e00, 4(%edi)
	movl %eax, %edx
	shrl $16, %edx
	movw %dx, 6(%edi)
	addl $16, %eax
	addl $8, %edi
	loop 1b
	lidt AT(idtr)
	movl %cr4, %eax
	orl $0x600, %eax		/* OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movups %xmm0, AT(fw_entry) + 80

next:	movl $FW_STACK, %esp
	inl $PORT_IN, %eax
	cmpl $FW_COMMANDS, %eax
	jae bad
	jmp *AT(table)(,%eax,4)
bad:	movl $0xbadbad, %eax
reply:	outl %eax, $PORT_OUT
	jmp next
table:	.long AT(bad), AT(read), AT(write), AT(halt), AT(hold), AT(call), AT(fill), AT(check), AT(do_cpuid)
	.long AT(do_rdmsr), AT(count), AT(sti_hlt), AT(take), AT(privileged), AT(do_wrmsr), AT(spin)
	.long AT(avx), AT(jump), AT(die), AT(exec), AT(paged), AT(toggle)

read:	inl $PORT_IN, %eax
	movl (%eax), %eax
	jmp reply
write:	inl $PORT_IN, %eax
	movl %eax, %edi
	inl $PORT_IN, %eax
	movl %eax, (%edi)
	xorl %eax, %eax
	jmp reply
halt:	hlt
	xorl %eax, %eax
	jmp reply
call:	inl $PORT_IN, %eax
	movl %eax, %esi
	inl $PORT_IN, %eax
	movl %eax, %ebx
	inl $PORT_IN, %eax
	movl %eax, %ecx
	movl %esi, %eax
	vmcall
	jmp reply
fill:	inl $PORT_IN, %eax
	movl %eax, %edi
	inl $PORT_IN, %eax
	movl %eax, %ecx
	inl $PORT_IN, %eax
	cld
	rep stosl
	xorl %eax, %eax
	jmp reply
check:	inl $PORT_IN, %eax		/* number of words that differ */
	movl %eax, %edi
	inl $PORT_IN, %eax
	movl %eax, %ecx
	inl $PORT_IN, %eax
	xorl %ebx, %ebx
1:	cmpl %eax, (%edi)
	je 2f
	incl %ebx
2:	addl $4, %edi
	loop 1b
	movl %ebx, %eax
	jmp reply
do_cpuid:
	inl $PORT_IN, %eax
	xorl %ecx, %ecx
	cpuid
	outl %eax, $PORT_OUT
	movl %ebx, %eax
	outl %eax, $PORT_OUT
	movl %ecx, %eax
	outl %eax, $PORT_OUT
	movl %edx, %eax
	jmp reply
do_rdmsr:
	inl $PORT_IN, %eax
	movl %eax, %ecx
	movl $AT(1f), AT(resume)
	rdmsr
	outl %eax, $PORT_OUT
	movl %edx, %eax
	jmp reply
do_wrmsr:
	inl $PORT_IN, %eax
	movl %eax, %ecx
	inl $PORT_IN, %eax
	xorl %edx, %edx
	movl $AT(1f), AT(resume)
	wrmsr
	xorl %eax, %eax
	jmp reply
1:	movl $0xfa17, %eax		/* it raised an exception */
	jmp reply
count:	inl $PORT_IN, %eax
	movl COUNTS(,%eax,4), %eax
	jmp reply
sti_hlt:
	sti
	hlt
	cli
	xorl %eax, %eax
	jmp reply
take:	sti
	nop
	nop
	cli
	xorl %eax, %eax
	jmp reply
toggle:	inl $PORT_IN, %eax
	movl %eax, %ecx
1:	sti
	nop
	outb %al, $PORT_HOLD
	nop
	cli
	outb %al, $PORT_HOLD
	loop 1b
	xorl %eax, %eax
	jmp reply
spin:	inl $PORT_IN, %eax		/* with interrupts masked */
	movl %eax, %ecx
1:	loop 1b
	xorl %eax, %eax
	jmp reply
jump:	inl $PORT_IN, %eax
	jmp *%eax
paged:	inl $PORT_IN, %eax
	movl %eax, %esi
	movl $FW_DIRECTORY, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x10, %eax			/* PSE */
	movl %eax, %cr4
	movl %cr0, %edi
	movl %edi, %eax
	orl $0x80000000, %eax
	movl $AT(1f), AT(resume)
	movl %eax, %cr0
	outb %al, $PORT_HOLD
	movl $0xfa17, %ebx
	movl (%esi), %ebx
1:	movl %edi, %cr0
	movl %ebx, %eax
	jmp reply
	.globl fw_exec_done
exec:	movl $AT(faulted), AT(resume)
	movl $FW_DEVICE, %ebx
	movl $FW_DEVICE, %esi
	movl $FW_DEVICE, %edi
	movl $2, %ecx
	movl $0x11223344, %eax
	movl $FW_CODE + 0x800, %ebp
	movl $FW_CODE, %edx
	jmp *%edx
fw_exec_done:
	cld
	jmp reply
faulted:
	movl $0xfa17, %eax
	jmp fw_exec_done
die:	lidt AT(no_idt)
	ud2
avx:	movl $1, %eax
	cpuid
	movl $2, %eax
	btl $28, %ecx
	jnc reply
	movl %cr4, %eax
	orl $0x40000, %eax		/* OSXSAVE */
	movl %eax, %cr4
	xorl %ecx, %ecx
	xorl %edx, %edx
	movl $7, %eax
	xsetbv
	vmovups AT(xmm), %ymm5		/* both halves: the pattern stands twice */
	hlt
	outb %al, $PORT_HOLD
	subl $32, %esp
	vmovups %ymm5, (%esp)
	movl $1, %eax
	cmpl $SECRET_XMM, (%esp)
	jne reply
	cmpl $SECRET_XMM, 28(%esp)
	jne reply
	xorl %ecx, %ecx
	xgetbv
	cmpl $7, %eax
	movl $1, %eax
	jne reply
	xorl %eax, %eax
	jmp reply
privileged:				/* each must raise #UD: how many did */
	movl COUNTS + 6 * 4, %ebp
	movl $AT(1f), AT(resume)
	vmxoff
1:	movl $AT(1f), AT(resume)
	vmfunc
1:	movl $AT(1f), AT(resume)
	getsec
1:	movl $AT(1f), AT(resume)
	vmclear AT(resume)
1:	movl $AT(1f), AT(resume)
	vmlaunch
1:	movl COUNTS + 6 * 4, %eax
	subl %ebp, %eax
	jmp reply

/* Patterns in all registers, then exits of several kinds, then: are they still there? */
hold:	movl $SECRET_STAR, %eax
	xorl %edx, %edx
	movl $0xc0000082, %ecx
	wrmsr
	movl $SECRET_KGS, %eax
	xorl %edx, %edx
	movl $0xc0000102, %ecx
	wrmsr
	movl $SECRET_DR, %eax
	movl %eax, %dr0
	movl %eax, %dr3
	movl $SECRET_CR2, %eax
	movl %eax, %cr2
	movups AT(xmm), %xmm0
	movups AT(xmm), %xmm7
	movl $SECRET_EBX, %ebx
	movl $SECRET_ECX, %ecx
	movl $SECRET_EDX, %edx
	movl $SECRET_ESI, %esi
	movl $SECRET_EDI, %edi
	movl $SECRET_EBP, %ebp
	movl $SECRET_ESP, %esp
	movl $SECRET_EAX, %eax
	outb %al, $PORT_HOLD
	inb $PORT_HOLD, %al
	hlt
	outw %ax, $PORT_HOLD
	cmpl $SECRET_EBX, %ebx
	jne 9f
	cmpl $SECRET_ECX, %ecx
	jne 9f
	cmpl $SECRET_EDX, %edx
	jne 9f
	cmpl $SECRET_ESI, %esi
	jne 9f
	cmpl $SECRET_EDI, %edi
	jne 9f
	cmpl $SECRET_EBP, %ebp
	jne 9f
	cmpl $SECRET_ESP, %esp
	jne 9f
	movb $0, %al			/* the IN gave AL; the rest is ours */
	cmpl $(SECRET_EAX & 0xffffff00), %eax
	jne 9f
	movl $FW_STACK, %esp
	subl $16, %esp
	movups %xmm7, (%esp)
	cmpl $SECRET_XMM, (%esp)
	jne 9f
	movups %xmm0, (%esp)
	cmpl $SECRET_XMM, 12(%esp)
	jne 9f
	movl %dr3, %eax
	cmpl $SECRET_DR, %eax
	jne 9f
	movl %cr2, %eax
	cmpl $SECRET_CR2, %eax
	jne 9f
	movl $0xc0000082, %ecx
	rdmsr
	cmpl $SECRET_STAR, %eax
	jne 9f
	movl $0xc0000102, %ecx
	rdmsr
	cmpl $SECRET_KGS, %eax
	jne 9f
	xorl %eax, %eax
	jmp reply
9:	movl $1, %eax
	jmp reply

common:
	pusha
	movl 32(%esp), %eax
	incl COUNTS(,%eax,4)
	cmpl $32, %eax
	jae 1f
	movl 40(%esp), %eax
	movl %eax, AT(fw_trap_eip)
	movl AT(resume), %eax
	movl %eax, 40(%esp)
	andl $~0x100, 48(%esp)		/* no single steps in what follows */
1:	popa
	addl $8, %esp
	iret

	.balign 16
stubs:
	.set vec, 0
	.rept 64
	.balign 16
	.if (vec == 8) || ((vec >= 10) && (vec <= 14)) || (vec == 17)
	.else
	pushl $0
	.endif
	pushl $vec
	jmp common
	.set vec, vec + 1
	.endr

	.balign 16
xmm:	.fill 8, 4, SECRET_XMM
gdt:	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:	.word 23
	.long AT(gdt)
no_idt:	.word 0
	.long 0
idtr:	.word 511
	.long IDT
	.balign 4
resume:	.long 0
	.globl fw_trap_eip
fw_trap_eip:	.long 0		/* of the last exception */
	.globl fw_entry
fw_entry:			/* registers at the first instruction */
	.fill 24, 4, 0xaaaaaaaa
fw_end:

/* Stage 1, at any address: PROTECT with the block at EBX (ECX bytes), then tell what came of it. */
fw_stage1:
	vmcall
	outl %eax, $PORT_STAGE1
1:	hlt
	jmp 1b
fw_stage1_end:
	.code64
	.section .note.GNU-stack, "", @progbits
