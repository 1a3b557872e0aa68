/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUID as the host sees it, and what an exit leaves behind for a single-stepping host. */
#include "test.h"

enum { EAX, EBX, ECX, EDX };

static void get(u32 leaf, u32 sub, u32 r[4])
{
	cpuid(leaf, sub, r);
}

void test_main(const u8 *boot_params)
{
	u32 r[4];
	u64 at;

	(void)boot_params;
	get(1, 0, r);
	CHECK(r[ECX] & BIT(5));				/* VMX stays: KVM wants it */
	CHECK_EQ(r[ECX] & (BIT(2) | BIT(4) | BIT(6) | BIT(15)), 0);	/* DTES64, DS-CPL, SMX, PDCM */
	CHECK_EQ(r[EDX] & BIT(21), 0);			/* debug store */
	CHECK_EQ(r[ECX] & BIT(27), 0);			/* OSXSAVE follows CR4 */
	write_cr4(read_cr4() | CR4_OSXSAVE);
	get(1, 0, r);
	CHECK(r[ECX] & BIT(27));
	get(7, 0, r);
	CHECK_EQ(r[EBX] & (BIT(2) | BIT(25)), 0);	/* SGX, PT */
	CHECK_EQ(r[ECX] & (BIT(5) | BIT(16) | BIT(30)), 0);
	get(0xa, 0, r);
	CHECK_EQ(r[EAX] | r[EBX] | r[ECX] | r[EDX], 0);
	get(0x12, 0, r);
	CHECK_EQ(r[EAX], 0);
	get(0x14, 0, r);
	CHECK_EQ(r[EAX], 0);

	/* the single-step trap comes behind CPUID, not two instructions later */
	CHECK_EQ(TRY("pushfq; orq $0x100, (%%rsp); popfq; cpuid; nop; nop", : : "a"(0), "c"(0)
		     : "r11", "rbx", "rdx", "memory"), VECTOR_DB);
	at = trap_rip;
	CHECK_EQ(*(const u8 *)(at - 2), 0x0f);
	CHECK_EQ(*(const u8 *)(at - 1), 0xa2);
	CHECK_EQ(TRY("getsec", : : "a"(0) : "r11", "rbx", "memory"), VECTOR_UD);
	CHECK_EQ(TRY("rsm", : : : "r11", "memory"), VECTOR_UD);
	CHECK_EQ(TRY("vmcall", : : "a"(0x12345678) : "r11", "memory"), VECTOR_UD);
	CHECK_EQ(TRY("vmfunc", : : "a"(0), "c"(0) : "r11", "memory"), VECTOR_UD);
	CHECK_EQ(TRY("invd", : : : "r11", "memory"), NO_TRAP);
}
