/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What start stage and RootVisor (secret, event log) hand over to hostboot, in ordinary host memory. Nothing comes back. */
#pragma once

#include "start/memmap.h"
#include "cvm/guardian.h"

#define HANDOFF_CMDLINE	2048u		/* with the final NUL; COMMAND_LINE_SIZE of Linux on x86 */

/*
 * hostboot is entered at its first byte, wherever it lies, in long mode on an identity map of 4 GiB at least (and of
 * all RAM, if `protected`), interrupts off, RDI = this block, RSI = 0. The other CPUs enter there too, with RSI = the
 * mailbox and EDX = their APIC id, and wait at the mailbox until the host wants them.
 */
struct host_handoff {
	struct memmap e820;		/* what the host is told */
	struct memmap free;		/* RAM in which nothing lies yet */
	u64 kernel, kernel_size;	/* bzImage: physical address, bytes */
	u64 initrd, initrd_size;	/* 0, 0 if none */
	char cmdline[HANDOFF_CMDLINE];
	u8 rsdp[36];
	u32 rsdp_size;			/* 0 if the loader gave none; 20 (ACPI 1.0) or 36 */
	u32 protected;			/* 0: fallback=native, the firmware's ACPI tables stay as they are */
	u32 abi_version, reserved;	/* for CVMD */
	u64 secret[2];			/* for CVMD */
	u32 tpm_log_size;		/* 0: nothing was extended */
	u8 tpm_log[CVM_G_TPM_LOG];	/* the Quoter's event log */
	u64 mailbox;			/* a zeroed page: ACPI's multiprocessor wakeup mailbox. 0: one CPU */
};
