/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "console.h"
#include "variant.h"

void variant_probe(void)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_VERSION), 0, 0);

	if (r == CVM_CALL_NO_HYPERVISOR)
		die(R_NO_ROOTVISOR);
	if (r != (int32_t)CVM_ABI_VERSION)
		die_num(R_ABI_VERSION, "VERSION said", r);
}

void variant_protect(const struct cvm_protect *p)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_PROTECT), (uint32_t)(uintptr_t)p, sizeof(*p));

	if (r == CVM_CALL_NO_HYPERVISOR)
		die(R_NO_ROOTVISOR);
	die_num(R_PROTECT_FAILED, "errno", r);
}
