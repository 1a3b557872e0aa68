/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fallback=native gives the bare machine: all its memory, VMX, no CVMD. */
#include "acpi.h"
#include "withheld.h"

#define IMAGE	0x4000000ull

static u64 vmxon_region[512] __attribute__((aligned(4096)));

/* The other half of l1's caps-withheld: what is not offered there is what this machine has. */
static void check_withheld(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(withheld); i++) {
		u64 v;

		CHECK_EQ(try_rdmsr(withheld[i].msr, &v), NO_TRAP);
		bool has = v >> withheld[i].bit & 1;

		test_print(has ? "bare CPU has " : "bare CPU has no ");
		test_print(withheld[i].what);
		test_print("\n");
		CHECK(has || withheld[i].rare);
	}
}

void test_main(const u8 *boot_params)
{
	u64 basic, fc;

	CHECK(!acpi_find(boot_params, "CVMD"));
	CHECK(acpi_find(boot_params, "FACP"));
	CHECK_EQ(e820_type(boot_params, IMAGE), 1);
	CHECK_EQ(try_read(IMAGE), NO_TRAP);
	CHECK_EQ(read_cr4() & CR4_VMXE, 0);
	CHECK_EQ(try_rdmsr(MSR_FEATURE_CONTROL, &fc), NO_TRAP);
	CHECK_EQ(try_rdmsr(MSR_VMX_BASIC, &basic), NO_TRAP);
	if ((fc & 5) != 5)
		test_skip("the firmware left VMX off");
	check_withheld();
	/* Only root operation that nobody else holds lets us in with the CPU's own revision. */
	write_cr0(read_cr0() | CR0_NE);
	write_cr4(read_cr4() | CR4_VMXE);
	*(u32 *)vmxon_region = (u32)basic;
	u64 region = (u64)vmxon_region;

	CHECK(vmxon(&region));
}
