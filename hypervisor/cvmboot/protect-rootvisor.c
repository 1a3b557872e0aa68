/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "console.h"
#include "layout.h"
#include "variant.h"

void variant_probe(void)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_VERSION), 0, 0);

	if (r == CVM_CALL_NO_HYPERVISOR)
		die(R_NO_ROOTVISOR);
	if (r != (int32_t)CVM_ABI_VERSION)
		die_num(R_ABI_VERSION, "VERSION said", r);
}

/* Documentation/virt/kvm/x86/cpuid.rst, msr.rst */
#define KVM_CPUID		0x40000000u
#define KVM_FEATURE_PV_EOI	(1u << 6)
#define MSR_KVM_PV_EOI_EN	0x4b564d04u

static void cpuid(uint32_t leaf, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

void variant_eoi(void)
{
	volatile uint32_t *others = (volatile uint32_t *)LAYOUT_EOI_MSR;
	uint32_t r[4];

	*others = 0;
	cpuid(KVM_CPUID, r);
	if (r[1] != 0x4b4d564b || r[2] != 0x564b4d56 || r[3] != 0x4d)	/* "KVMKVMKVM" */
		return;
	cpuid(KVM_CPUID + 1, r);
	if (!(r[0] & KVM_FEATURE_PV_EOI))
		return;
	*others = CVM_EOI_GPA | 1;
	__asm__ volatile("wrmsr" : : "c"(MSR_KVM_PV_EOI_EN), "a"(CVM_EOI_GPA | 1), "d"(0) : "memory");
}

void variant_protect(const struct cvm_protect *p)
{
	int32_t r = cvm_call(CVM_CALL(CVM_GUEST_PROTECT), (uint32_t)(uintptr_t)p, sizeof(*p));

	if (r == CVM_CALL_NO_HYPERVISOR)
		die(R_NO_ROOTVISOR);
	die_num(R_PROTECT_FAILED, "errno", r);
}
