/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host finds CVMD in its ACPI tables, in memory that it may read, beside the firmware's. */
#include "acpi.h"
#include "cvm/abi.h"

void test_main(const u8 *boot_params)
{
	const struct cvm_acpi_table *t = (const struct cvm_acpi_table *)acpi_find(boot_params, "CVMD");

	CHECK(t);
	CHECK_EQ(e820_type(boot_params, (u64)t), 3);
	CHECK_EQ(*(const u32 *)(t->acpi_header + 4), sizeof(*t));
	CHECK_EQ(acpi_sum((const u8 *)t, sizeof(*t)), 0);
	CHECK_EQ(t->abi_version, CVM_ABI_VERSION);
	CHECK(t->secret[0] && t->secret[1] && t->secret[0] != t->secret[1]);
	CHECK(acpi_find(boot_params, "FACP"));
	CHECK(acpi_find(boot_params, "APIC"));
}
