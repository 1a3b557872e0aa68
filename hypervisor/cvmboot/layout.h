/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest-physical addresses below 1 MiB that cvmboot uses. Stage 1's own pages are neither
 * measured nor needed later; stage 2's lie behind the firmware component, in private RAM.
 */
#ifndef CVMBOOT_LAYOUT_H
#define CVMBOOT_LAYOUT_H

/* The other vCPUs start here in real mode, and count themselves at its end (reset.S). */
#define LAYOUT_AP_START		0x07000
#define LAYOUT_AP_COUNT		0x07ffc

/* Stage 1: bss from here (stage1.ld), stack from the top. */
#define LAYOUT_STAGE1_RAM	0x08000
#define LAYOUT_STAGE1_STACK	0x10000

/* Command line component: one page. */
#define LAYOUT_CMDLINE		0x10000
#define LAYOUT_CMDLINE_MAX	0x0fff	/* bytes without the final NUL */

/* Launch table of the unprotected variant, made by stage 1. */
#define LAYOUT_LOCAL_TABLE	0x1f000

/* Stage 2: 20000h firmware and bss, stack below 40000h, then: */
#define LAYOUT_STAGE2_BSS_END	0x38000
#define LAYOUT_MAILBOX		0x38000	/* one page; entry.S knows it */
#define LAYOUT_PAGE_TABLES	0x40000	/* PML4, PDPT, 4 page directories */
#define LAYOUT_BOOT_PARAMS	0x46000
#define LAYOUT_CMDLINE_COPY	0x47000
/* 7b000h to 80000h: the host's (cvm/boot.h). This word of it: what the other vCPUs write to KVM's MSR, plus 4 * number; 0: nothing (reset.S). */
#define LAYOUT_EOI_MSR		0x7bffc
#define LAYOUT_ACPI		0x9e000
#define LAYOUT_ACPI_SIZE	0x02000
#define LAYOUT_LOW_END		0xa0000

#define LAYOUT_1MIB		0x100000u
#define LAYOUT_4GIB		0x100000000ull
#define LAYOUT_PAGE		0x1000u

/* Low RAM ends below the PCI window of dsdt.asl. */
#define LAYOUT_LOW_TOP_MAX	0xe0000000ull
#define LAYOUT_HIGH_TOP_MAX	(1ull << 46)

#endif
