/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layout.h"
#include "mem.h"
#include "variant.h"

const char variant_name[] = "UNPROTECTED";

void variant_launch_info(struct cvm_launch_table *t)
{
	memcpy(t, (const void *)LAYOUT_LOCAL_TABLE, sizeof(*t));
}
