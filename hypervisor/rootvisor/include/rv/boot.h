/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the start stage (hypervisor/start) hands over. It fills one struct rv_boot, gives its address to rv_main(), and is
 * gone: its memory stays RootVisor's and is mapped no more. rv_main() copies the block and asserts what its invariants
 * stand on; nothing else comes over, and nothing goes back.
 */
#pragma once

#include "cvm/abi.h"
#include "cvm/tpm.h"
#include "memory/mtrr.h"
#include "vmx/power.h"

/* Bytes of physical memory. */
struct boot_range {
	u64 start, size;
};

/* How a CPU of the host starts, in long mode, interrupts off: hostboot/handoff.h. Physical addresses. */
struct host_entry {
	u64 rip, rdi;
	u64 cr3;			/* identity map */
	u64 mailbox;			/* where the other CPUs wait for their way, given in RSI (0 on the boot CPU) */
};

#define BOOT_RAM_MAX	128u

struct rv_boot {
	u64 tsc_start;			/* TSC ticks when the boot loader was left */
	u64 tsc_khz;			/* not 0 */
	u64 image_start, file_bytes;	/* memory that equals the ELF file's segments: text and constants of start stage and RootVisor */
	struct boot_range pool;		/* whole pages of RAM below 4 GiB, content lost: RootVisor's */
	struct boot_range guardian;	/* checked image; of the boot module, then of RootVisor's own copy, page-aligned */
	u64 trampoline;			/* a page of RAM below 1 MiB, content lost; used only if nr_others */
	struct host_entry host;		/* in memory that is the host's */
	u32 nr_ram;			/* at least 1 */
	u32 apic_id;			/* of the CPU that runs */
	struct boot_range ram[BOOT_RAM_MAX];	/* all RAM, ascending, disjoint, not only whole pages */
	struct mtrr mtrr;		/* of the CPU that runs */
	struct power_ports power;
	u32 nr_others;			/* CPUs to be started, and their APIC ids */
	u32 others[CVM_MAX_CPUS - 1];
	char cmdline[CVM_TPM_CONFIG_MAX + 1];	/* RootVisor's own, with the final NUL */
};
extern struct rv_boot rv_boot;		/* read-only behind rv_main() */

/* RootVisor's entry. The caller runs on the stack pcpus[0].stack_top, in long mode, on any identity map of 4 GiB. */
void rv_main(const struct rv_boot *b) __attribute__((noreturn));

#define RV_VERSION	((0u << 16) | (1u << 8) | 0u)
#define RV_SVN		1u
