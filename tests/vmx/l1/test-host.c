/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host may do to its own CPU, and what RootVisor refuses it. */
#include "l1.h"

#define CR4_SMXE	BIT(14)
#define CR4_LA57	BIT(12)

TEST(xsetbv, "host-xsetbv")
{
	u64 cr4 = read_cr4();
	u32 r[4];

	EXPECT_EQ(try_xsetbv(0, 1), UD);		/* CR4.OSXSAVE = 0 */
	REQUIRE_EQ(try_write_cr4(cr4 | CR4_OSXSAVE), NO_TRAP);
	cpuid(0xd, 0, r);
	EXPECT_EQ(try_xsetbv(0, 0), GP);		/* x87 cannot be off */
	EXPECT_EQ(try_xsetbv(0, 4 | 1), GP);		/* AVX without SSE */
	EXPECT_EQ(try_xsetbv(1, 1), GP);		/* no XCR1 */
	EXPECT_EQ(try_xsetbv(0, 1ull << 63 | 1), GP);
	EXPECT_EQ(try_xsetbv(0, 0x20 | 7), GP);		/* AVX-512 in part */
	EXPECT_EQ(try_xsetbv(0, 3), NO_TRAP);
	EXPECT_EQ(try_xsetbv(0, r[0] & 7), NO_TRAP);
	EXPECT_EQ(try_xsetbv(0, 1), NO_TRAP);
	EXPECT_EQ(try_write_cr4(cr4), NO_TRAP);
}

TEST(cr4, "host-cr4-owned-bits")
{
	u64 cr4 = read_cr4();

	EXPECT_EQ(try_write_cr4(cr4 | CR4_SMXE), GP);
	EXPECT_EQ(try_write_cr4(cr4 | CR4_LA57), GP);
	EXPECT_EQ(try_write_cr4(cr4 | BIT(30)), GP);
	EXPECT_EQ(try_write_cr4(cr4 & ~CR4_PAE), GP);
	EXPECT_EQ(read_cr4(), cr4);
	EXPECT_EQ(cr4 & CR4_VMXE, 0);			/* RootVisor's own VMXE does not show */
	EXPECT_EQ(try_write_cr4(cr4 | CR4_VMXE), NO_TRAP);
	EXPECT_EQ(read_cr4(), cr4 | CR4_VMXE);
	EXPECT_EQ(try_write_cr4(cr4), NO_TRAP);
	EXPECT_EQ(read_cr4(), cr4);
}

TEST(cr0, "host-cr0-bits")
{
	u64 cr0 = read_cr0();

	EXPECT_EQ(try_write_cr0(cr0 & ~CR0_NE), NO_TRAP);	/* may read as clear */
	EXPECT_EQ(read_cr0() & CR0_NE, 0);
	EXPECT_EQ(try_write_cr0(cr0), NO_TRAP);
	EXPECT_EQ(read_cr0(), cr0);
	EXPECT_EQ(try_write_cr0(cr0 & ~CR0_PE), GP);
	EXPECT_EQ(try_write_cr0(cr0 & ~BIT(31)), GP);		/* paging off in 64-bit code */
	EXPECT_EQ(try_write_cr0(cr0 | CR0_NW), GP);
	EXPECT_EQ(try_write_cr0(cr0 | BIT(32)), GP);
	EXPECT_EQ(read_cr0(), cr0);
}

TEST(msr, "host-msr-refused")
{
	static const u32 refused[] = { MSR_FEATURE_CONTROL, MSR_VMX_BASIC, MSR_VMX_TRUE_ENTRY, MSR_VMX_VMFUNC, 0x9b, 0x560, 0x561,
				       0x570, 0x571, 0x572, 0x580 };
	u64 apic = rdmsr(MSR_APIC_BASE), v, mark = event_mark();

	for (u32 i = 0; i < ARRAY_SIZE(refused); i++) {
		about("MSR", refused[i]);
		EXPECT_EQ(try_wrmsr(refused[i], 0), GP);
	}
	about(NULL, 0);
	EXPECT(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_MSR) >= 7);
	EXPECT_EQ(try_rdmsr(0x9b, &v), GP);
	/* the APIC onto RootVisor */
	if (machine.nr_rootvisor)
		EXPECT_EQ(try_wrmsr(MSR_APIC_BASE, (apic & 0xfff) | machine.rootvisor[0].start), GP);
	EXPECT_EQ(rdmsr(MSR_APIC_BASE), apic);
	EXPECT_EQ(try_wrmsr(0x4b564d00, 0), GP);
	EXPECT_EQ(try_rdmsr(0xc0002000, &v), GP);
}

TEST(instructions, "host-instructions")
{
	u64 *p = page_alloc();

	EXPECT_EQ(try_getsec(), UD);
	*p = 0x1d;
	EXPECT_EQ(try_invd(), NO_TRAP);
	EXPECT_EQ(*p, 0x1d);			/* nothing written was lost */
}

TEST(vmx_leaves, "host-vmxoff-leaves-cr4-free")
{
	vmx_start();
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_VMXE), GP);
	EXPECT_EQ(vmxoff(), 0);
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_VMXE), NO_TRAP);
}
