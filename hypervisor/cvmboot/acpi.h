/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's ACPI tables: ours, since QEMU's AML would be host code in the guest kernel. Pure.
 */
#ifndef CVMBOOT_ACPI_H
#define CVMBOOT_ACPI_H

#include <stdint.h>

#include "reason.h"

/* I/O ports of the PIIX4 power management block once pm_init has placed it. */
#define ACPI_PM_BASE	0x600

#define ACPI_MAX_VCPUS	64u

/*
 * acpi_build - RSDP, XSDT, FADT, FACS, MADT and DSDT, in this order from @buf on
 * @buf, @size: the area, zeroed by the caller; @gpa: its address in the guest, 64-aligned
 * @dsdt, @dsdt_size: complete DSDT
 * @vcpus: processors with APIC ids 0..vcpus-1; more than ACPI_MAX_VCPUS are not listed
 * @mailbox: where all but the first wait for the kernel (ACPI 6.5, 5.2.12.19); 0: they wait for a SIPI
 *
 * Source: ACPI 6.5, 5.2. Returns R_OK, the RSDP stands at @gpa; R_ACPI if @size is too small.
 */
enum reason acpi_build(uint8_t *buf, uint32_t size, uint32_t gpa, const uint8_t *dsdt,
		       uint32_t dsdt_size, uint32_t vcpus, uint32_t mailbox);

#endif
