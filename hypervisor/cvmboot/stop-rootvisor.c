/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "cvm/abi.h"
#include "variant.h"

void variant_stop(enum reason r)
{
	cvm_call(CVM_CALL(CVM_GUEST_STOP), 0, (uint32_t)r);
}
