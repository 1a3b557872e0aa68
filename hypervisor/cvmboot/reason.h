/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why cvmboot stops: the number goes to CVM_GUEST_STOP, the text to the serial port.
 * Numbers are part of the security log, so they never change their meaning.
 */
#ifndef CVMBOOT_REASON_H
#define CVMBOOT_REASON_H

enum reason {
	R_OK			= 0,
	R_NO_FWCFG		= 1,
	R_NO_DMA		= 2,
	R_DMA_FAILED		= 3,
	R_FWCFG_DIR		= 4,
	R_NO_E820		= 5,
	R_BAD_E820		= 6,
	R_NO_KERNEL		= 7,
	R_NOT_BZIMAGE		= 8,
	R_OLD_PROTOCOL		= 9,
	R_NO_64BIT_ENTRY	= 10,
	R_BAD_HEADER		= 11,
	R_KERNEL_CUT		= 12,
	R_BAD_SETUP_DATA	= 13,
	R_CMDLINE_TOO_LONG	= 14,
	R_BAD_CMDLINE		= 15,
	R_TOO_LITTLE_RAM	= 16,
	R_INITRD_TOO_BIG	= 17,
	R_NO_ROOTVISOR		= 18,
	R_ABI_VERSION		= 19,
	R_PROTECT_FAILED	= 20,
	R_LAUNCH_INFO		= 21,
	R_BAD_LAUNCH_TABLE	= 22,
	R_NO_PM			= 23,
	R_ACPI			= 24,
	R_EXCEPTION		= 25,
	R_NO_LONG_MODE		= 26,
	R_BAD_KEY_OPTION	= 27,
	R_KEY_NO_INITRD		= 28,
	R_NO_KEY		= 29,
	R_KEY_FAILED		= 30,
	R_NO_VCPUS		= 31,
	R_TOO_MANY_VCPUS	= 32,
	R_MAX
};

/* Text without the leading "cvmboot: ". Never NULL. */
const char *reason_text(enum reason r);

#endif
