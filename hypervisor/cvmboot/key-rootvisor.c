/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "console.h"
#include "variant.h"

#define ENOENT	2

bool variant_key_get(struct cvm_key *key)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_KEY_GET), (uint32_t)(uintptr_t)key, sizeof(*key));

	if (r < 0 && r != -ENOENT)
		die_num(R_KEY_FAILED, "errno", r);
	return r == 0;
}
