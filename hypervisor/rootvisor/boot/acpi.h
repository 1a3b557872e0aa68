/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI tables as the host gets them: the firmware's, with one more (CVMD) and, in the MADT, only
 * the CPU that the host runs on. ACPI 6.5, 5.2. Pure: also compiled in user space. */
#pragma once

#include "rv/types.h"
#include "vmx/power.h"

#define ACPI_CPUS_MAX	256u

struct acpi_ops {
	/* The bytes [pa, pa + size) of physical memory, or NULL if they cannot be read. */
	const u8 *(*map)(void *ctx, u64 pa, u64 size);
	void *ctx;
};

struct acpi_request {
	const u8 *rsdp;
	u32 rsdp_size;			/* 20 or 36 */
	u64 secret[2];
	u32 abi_version;
	u32 keep_apic_id;		/* the only CPU that stays enabled */
	u64 at;				/* physical address of the new tables, below 4 GiB, 16-byte aligned */
	u8 *out;			/* where to write them */
	u32 out_size;
};

struct acpi_result {
	u64 rsdp;			/* physical address of the new RSDP */
	u32 used;			/* bytes of out[] */
	u32 nr_parked;			/* enabled CPUs other than keep_apic_id */
	u32 parked[ACPI_CPUS_MAX];	/* their APIC ids */
	bool cpus_cut;			/* there are more than ACPI_CPUS_MAX */
	struct power_ports power;	/* of the FADT */
	bool power_by_memory;		/* some of these registers are no I/O ports */
};

/* 0; -EINVAL: a table is broken; -ENOSPC: out[] is too small. *error names it. */
int acpi_build(const struct acpi_ops *ops, const struct acpi_request *q, struct acpi_result *res, const char **error);
