/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The smallest bzImage that shows life: its real-mode part greets on COM1 and echoes what comes in; 'q' powers
 * off, 'r' resets. Boots on QEMU's -kernel with SeaBIOS in an instant, also without hardware virtualization.
 * Header: Linux Documentation/x86/boot.rst, protocol 2.12.
 */
	.code16
	.globl	_start
_start:
	.org	0x1f1
	.byte	1			/* setup_sects */
	.word	0			/* root_flags */
	.long	1			/* syssize, 16 bytes */
	.word	0, 0, 0			/* ram_size, vid_mode, root_dev */
	.word	0xaa55			/* boot_flag */
entry:	.byte	0xeb, code - 0x202	/* jump */
	.ascii	"HdrS"
	.word	0x020c			/* version */
	.long	0			/* realmode_swtch */
	.word	0, 0			/* start_sys_seg, kernel_version */
	.byte	0, 1			/* type_of_loader, loadflags: LOADED_HIGH */
	.word	0x8000			/* setup_move_size */
	.long	0x100000, 0, 0, 0	/* code32_start, ramdisk_image, ramdisk_size, bootsect_kludge */
	.word	0			/* heap_end_ptr */
	.byte	0, 0			/* ext_loader_ver, ext_loader_type */
	.long	0, 0x7fffffff		/* cmd_line_ptr, initrd_addr_max */
	.long	0x1000			/* kernel_alignment */
	.byte	0, 12			/* relocatable_kernel, min_alignment */
	.word	1			/* xloadflags: KERNEL_64 */
	.long	2047, 0			/* cmdline_size, hardware_subarch */
	.quad	0			/* hardware_subarch_data */
	.long	0, 0			/* payload_offset, payload_length */
	.quad	0, 0x100000		/* setup_data, pref_address */
	.long	0x1000, 0		/* init_size, handover_offset */
code:
	cli
	push	%cs
	pop	%ds
	mov	$(greeting - entry), %si
1:	lodsb
	test	%al, %al
	jz	echo
	call	put
	jmp	1b
echo:	mov	$0x3fd, %dx
1:	pause
	in	%dx, %al
	test	$1, %al
	jz	1b
	mov	$0x3f8, %dx
	in	%dx, %al
	call	put
	cmp	$'q', %al
	je	off
	cmp	$'r', %al
	je	reset
	jmp	echo
off:	mov	$0x604, %dx		/* PM1a_CNT of the PIIX4 where SeaBIOS puts it: SLP_EN, S5 */
	mov	$0x2000, %ax
	out	%ax, %dx
reset:	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b
put:	push	%ax
	mov	$0x3fd, %dx
1:	in	%dx, %al
	test	$0x20, %al
	jz	1b
	pop	%ax
	mov	$0x3f8, %dx
	out	%al, %dx
	ret
greeting: .asciz "\r\nmini-kernel: ready\r\n"
	.org	0x400
	.fill	4096, 1, 0xf4		/* the protected-mode part, never entered */
