/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMX_TEST_ACPI_H
#define VMX_TEST_ACPI_H

#include "test.h"

static inline u8 acpi_sum(const u8 *p, u32 n)
{
	u8 s = 0;

	while (n--)
		s = (u8)(s + *p++);
	return s;
}

/* The table of this signature by the RSDP that boot_params name; NULL if there is none. */
static inline const u8 *acpi_find(const u8 *boot_params, const char *signature)
{
	const u8 *rsdp = (const u8 *)*(const u64 *)(boot_params + 0x070);
	const u8 *rsdt;
	u32 n;

	CHECK(rsdp);
	CHECK_EQ(acpi_sum(rsdp, 20), 0);
	rsdt = (const u8 *)(u64)*(const u32 *)(rsdp + 16);
	n = *(const u32 *)(rsdt + 4);
	CHECK_EQ(acpi_sum(rsdt, n), 0);
	for (u32 at = 36; at < n; at += 4) {
		const u8 *t = (const u8 *)(u64)*(const u32 *)(rsdt + at);

		if (*(const u32 *)t == *(const u32 *)signature)
			return t;
	}
	return NULL;
}

#endif
