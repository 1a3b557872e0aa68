/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CR0, CR4 and XCR0: the host's own, but for the bits that VMX operation needs. */
#include "test.h"

#define CR0_AM		BIT(18)
#define CR4_TSD		BIT(2)
#define CR4_LA57	BIT(12)
#define CR4_SMXE	BIT(14)

static u64 try_cr0(u64 v) { return TRY("movq %0, %%cr0", : : "r"(v) : "r11", "memory"); }
static u64 try_cr4(u64 v) { return TRY("movq %0, %%cr4", : : "r"(v) : "r11", "memory"); }
static u64 try_xcr0(u32 i, u64 v)
{
	return TRY("xsetbv", : : "c"(i), "a"((u32)v), "d"((u32)(v >> 32)) : "r11", "memory");
}

void test_main(const u8 *boot_params)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	u32 r[4];

	(void)boot_params;
	/* NE: what is written is read back */
	CHECK_EQ(try_cr0(cr0 & ~CR0_NE), NO_TRAP);
	CHECK_EQ(read_cr0(), cr0 & ~CR0_NE);
	CHECK_EQ(try_cr0(cr0 | CR0_NE | CR0_AM), NO_TRAP);
	CHECK_EQ(read_cr0(), cr0 | CR0_NE | CR0_AM);
	CHECK_EQ(try_cr0((cr0 & ~(CR0_NE | CR0_PE))), VECTOR_GP);	/* PG without PE */
	CHECK_EQ(try_cr0((cr0 & ~CR0_NE) | CR0_NW), VECTOR_GP);
	CHECK_EQ(try_cr0((cr0 & ~(CR0_NE | CR0_PG))), VECTOR_GP);	/* in 64-bit mode */
	CHECK_EQ(read_cr0(), cr0 | CR0_NE | CR0_AM);

	/* VMXE is off for the host until it sets it */
	CHECK_EQ(cr4 & CR4_VMXE, 0);
	CHECK_EQ(try_cr4(cr4 | CR4_VMXE | CR4_TSD), NO_TRAP);
	CHECK_EQ(read_cr4(), cr4 | CR4_VMXE | CR4_TSD);
	CHECK_EQ(try_cr4(cr4), NO_TRAP);
	CHECK_EQ(read_cr4(), cr4);
	CHECK_EQ(try_cr4(cr4 | CR4_SMXE), VECTOR_GP);
	CHECK_EQ(try_cr4(cr4 | CR4_LA57), VECTOR_GP);
	CHECK_EQ(try_cr4(cr4 | CR4_VMXE | BIT(31)), VECTOR_GP);
	CHECK_EQ(try_cr4((cr4 | CR4_VMXE) & ~CR4_PAE), VECTOR_GP);
	CHECK_EQ(read_cr4(), cr4);

	/* VMXON without VMXE */
	CHECK_EQ(TRY("vmxon %0", : : "m"(cr0) : "r11", "memory", "cc"), VECTOR_UD);

	/* XCR0 */
	CHECK_EQ(try_xcr0(0, 1), VECTOR_UD);		/* OSXSAVE off */
	write_cr4(cr4 | CR4_OSXSAVE);
	cpuid(0xd, 0, r);
	CHECK_EQ(try_xcr0(0, 3), NO_TRAP);
	CHECK_EQ(xgetbv(0), 3);
	CHECK_EQ(try_xcr0(0, 0), VECTOR_GP);		/* x87 is not optional */
	CHECK_EQ(try_xcr0(0, 4), VECTOR_GP);		/* AVX without SSE */
	CHECK_EQ(try_xcr0(0, BIT(62) | 1), VECTOR_GP);
	CHECK_EQ(try_xcr0(1, 1), VECTOR_GP);
	CHECK_EQ(xgetbv(0), 3);
	if (r[0] & 4) {
		CHECK_EQ(try_xcr0(0, 7), NO_TRAP);
		CHECK_EQ(xgetbv(0), 7);
	}
}
