/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image header, entry point and page tables of the Guardian (cvm/guardian.h).
 * Assembled from numbers, not from the header's C structs: image.c checks them.
 */
	.section .header, "a"
	.globl	guardian_header
guardian_header:
	.quad	0x3147564355		/* CVM_G_MAGIC */
	.long	1			/* CVM_ABI_VERSION */
	.long	1			/* svn: raise it with every security fix */
	.quad	guardian_file_size
	.quad	guardian_memory_size
	.quad	guardian_text_size
	.quad	guardian_rodata_size
	.quad	guardian_entry
	.quad	guardian_stack_top
	.quad	guardian_pml4
	.quad	guardian_fs

/* RDI = operation, RSI = mailbox; the answer goes out in RAX. Neither keys in vector
 * registers nor addresses in the others leave with it. */
	.text
	.globl	guardian_entry
	.type	guardian_entry, @function
guardian_entry:
	call	guardian_main
	movslq	%eax, %rax
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pxor	%xmm\n, %xmm\n
	.endr
	.irp	r, ebx, ecx, edx, esi, edi, ebp, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\r, %\r
	.endr
	vmcall
	ud2
	.size	guardian_entry, . - guardian_entry

/*
 * Identity map of [0, 1 TiB) by 1 GiB pages (SDM vol. 3, 4.5.4), supervisor, no execute but
 * in the first. Accessed and dirty are set beforehand: the processor need not write here.
 */
	.set	TABLE, 0x23		/* P RW A */
	.set	PAGE_1G, 0xe3		/* P RW A D PS */
	.set	NX, 1 << 63

	.section .page_table, "a"
	.balign	4096
	.globl	guardian_pml4
guardian_pml4:
	.quad	guardian_pdpt + TABLE
	.quad	guardian_pdpt + 4096 + TABLE
	.fill	510, 8, 0
guardian_pdpt:
	.quad	PAGE_1G
	.set	gib, 1
	.rept	1023
	.quad	(gib << 30) | PAGE_1G | NX
	.set	gib, gib + 1
	.endr

	.section .note.GNU-stack, "", @progbits
