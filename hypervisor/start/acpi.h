/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What RootVisor must know of the firmware's ACPI tables: the other CPUs, and the ports that end the
 * run. ACPI 6.5, 5.2. Pure: also compiled in user space. */
#pragma once

#include "vmx/power.h"

#define ACPI_CPUS_MAX	256u
#define ACPI_HEADER	36u		/* bytes of every table's head */
#define ACPI_RSDP1	20u		/* bytes of the RSDP: ACPI 1.0, and later */
#define ACPI_RSDP2	36u
#define ACPI_MADT_FIRST	44u		/* its first entry */

struct acpi_ops {
	/* The bytes [pa, pa + size) of physical memory, or NULL if they cannot be read. */
	const u8 *(*map)(void *ctx, u64 pa, u64 size);
	void *ctx;
};

struct acpi_result {
	u32 nr_others;			/* enabled CPUs other than the one that stays */
	u32 others[ACPI_CPUS_MAX];	/* their APIC ids */
	bool cpus_cut;			/* there are more than ACPI_CPUS_MAX */
	struct power_ports power;	/* of the FADT */
	bool power_by_memory;		/* some of these registers are no I/O ports */
};

/* rsdp: of size 20 or 36. own_apic_id: of the CPU that is not listed. 0; -EINVAL: a table is broken, *error names it. */
int acpi_read(const struct acpi_ops *ops, const u8 *rsdp, u32 rsdp_size, u32 own_apic_id, struct acpi_result *res,
	      const char **error);

/* Parts that hostboot uses, too. */
u8 acpi_sum(const u8 *p, u32 n);
/* False: broken, or it names neither. Else the addresses of RSDT and XSDT, 0 = none. */
bool acpi_roots(const u8 *rsdp, u32 rsdp_size, u64 *rsdt, u64 *xsdt);
/* The table there with this signature, at least `min` bytes and a right checksum, or NULL. */
const u8 *acpi_table(const struct acpi_ops *ops, u64 pa, const char *signature, u32 min, u32 *size);

/* One CPU of the MADT m: its entry starts at `at`, its flags at `flags`. */
struct acpi_cpu {
	u32 at, id, flags;
};
/* The next one, from cpu->at on (the caller moves it on by the entry's length). 1; 0: no more; -EINVAL: broken. */
int acpi_madt_cpu(const u8 *m, u32 size, struct acpi_cpu *cpu);
