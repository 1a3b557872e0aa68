/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ACPI table CVMD, by which host root learns RootVisor's call secret (cvm/abi.h).
 */
#ifndef CVMD_ACPI_TABLE_H
#define CVMD_ACPI_TABLE_H

#include "attest/util.h"

#define ACPI_TABLE_PATH "/sys/firmware/acpi/tables/CVMD"

/**
 * acpi_table_parse - pure: bytes of the table to version and secret
 * @buf, @size: the bytes
 *
 * Returns 0; -EBADMSG: wrong signature, length, or checksum (ACPI 6.5, 5.2.6).
 */
int acpi_table_parse(const void *buf, size_t size, uint32_t *abi, uint64_t secret[2], struct cvm_error *e);

/* The same from a file. -ENOENT: no such table, so no RootVisor; -EACCES: not root. */
int acpi_table_read(const char *path, uint32_t *abi, uint64_t secret[2], struct cvm_error *e);

#endif
