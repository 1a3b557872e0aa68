/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that RootVisor could protect but for the place, or too many CPUs: fallback=native starts the host all the same. */
#include "acpi.h"

void test_main(const u8 *boot_params)
{
	CHECK(!acpi_find(boot_params, "CVMD"));
	CHECK(acpi_find(boot_params, "FACP"));
	/* nobody is there to take it */
	CHECK_EQ(TRY("vmcall", : : "a"(0) : "rbx", "rcx", "rdx", "r11", "memory"), VECTOR_UD);
}
