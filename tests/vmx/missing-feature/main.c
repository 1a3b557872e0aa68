/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Must never run: RootVisor refuses to start. */
#include "test.h"

void test_main(const u8 *boot_params)
{
	(void)boot_params;
	test_fail(__FILE__, __LINE__, "the host was started on a CPU that lacks a feature", 0);
}
