/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI tables as the host gets them: the firmware's, with CVMD, with CVML and a TPM2 that names its log, if there is
 * one, and, in the MADT, the mailbox by which the other CPUs are started. ACPI 6.5, 5.2. Pure: also compiled in user space. */
#pragma once

#include "start/acpi.h"

struct acpi_request {
	const u8 *rsdp;
	u32 rsdp_size;			/* 20 or 36 */
	u64 secret[2];
	u32 abi_version;
	const u8 *log;			/* the Quoter's event log; log_size 0: none, and no table CVML */
	u32 log_size;
	u64 mailbox;			/* physical address, 0 = none */
	u64 at;				/* physical address of the new tables, below 4 GiB, 16-byte aligned */
	u8 *out;			/* where to write them */
	u32 out_size;
};

struct acpi_built {
	u64 rsdp;			/* physical address of the new RSDP */
	u32 used;			/* bytes of out[] */
	u32 log_merged;			/* entries of the firmware's event log that were taken over */
};

/* 0; -EINVAL: a table is broken; -ENOSPC: out[] is too small. *error names it. */
int acpi_build(const struct acpi_ops *ops, const struct acpi_request *q, struct acpi_built *res, const char **error);
