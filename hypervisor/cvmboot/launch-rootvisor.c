/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "console.h"
#include "variant.h"

const char variant_name[] = "protected";

void variant_launch_info(struct cvm_launch_table *t)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_LAUNCH_INFO), (uint32_t)(uintptr_t)t, sizeof(*t));

	if (r < 0)
		die_num(R_LAUNCH_INFO, "errno", r);
}
