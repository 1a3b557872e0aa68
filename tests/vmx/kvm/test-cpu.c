/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUID, MSRs, control registers. */
#include "l1.h"

#define CR0_TS		BIT(3)
#define CR0_EM		BIT(2)
#define CR0_MP		BIT(1)
#define CR4_TSD		BIT(2)
#define CR4_OSXSAVE	BIT(18)
#define MSR_STAR	0xc0000081u
#define MSR_SFMASK	0xc0000084u
#define MSR_TSC_AUX	0xc0000103u
#define NONCANONICAL	0x8000000000000000ull

TEST(cpuid_basic, "guest-cpuid")
{
	u32 a[4], b[4], r[4];

	cpuid(0, 0, a);
	EXPECT(a[0] >= 0xd);
	EXPECT_EQ(a[1], 0x756e6547);				/* Genu ntel ineI */
	EXPECT_EQ(a[2], 0x6c65746e);
	EXPECT_EQ(a[3], 0x49656e69);
	cpuid(1, 0, r);
	EXPECT(r[2] & BIT(31));					/* a hypervisor */
	EXPECT_EQ(r[1] >> 24, 0);				/* the initial APIC id */
	EXPECT(!(r[2] & BIT(5)));				/* no VMX */
	EXPECT_EQ(!!(r[2] & BIT(27)), !!(read_cr4() & CR4_OSXSAVE));
	cpuid(0x40000000, 0, r);
	EXPECT_EQ(r[1], 0x4b4d564b);				/* KVMK VMKV M */
	cpuid(a[0] + 1, 0, r);					/* beyond: as the last one, or zero */
	cpuid(0x80000000, 0, b);
	EXPECT(b[0] >= 0x80000008);
	cpuid(0x80000008, 0, r);
	EXPECT((r[0] & 0xff) >= 36 && (r[0] & 0xff) <= 52);
	EXPECT_EQ(r[0] >> 8 & 0xff, 48);
}

TEST(cpuid_osxsave, "guest-cpuid-follows-cr4")
{
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & BIT(26)))
		SKIP_TEST("needs XSAVE");
	EXPECT_EQ(try_write_cr4(read_cr4() | CR4_OSXSAVE), NO_TRAP);
	cpuid(1, 0, r);
	EXPECT(r[2] & BIT(27));
	EXPECT_EQ(try_xsetbv(0, 3), NO_TRAP);
	cpuid(0xd, 0, r);
	EXPECT_EQ(r[1], 576);					/* the area for XCR0 = 3 */
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_OSXSAVE), NO_TRAP);
	cpuid(1, 0, r);
	EXPECT(!(r[2] & BIT(27)));
	EXPECT_EQ(try_xsetbv(0, 3), UD);
}

static void keeps(u32 msr, u64 value)
{
	u64 old, v;

	about("MSR", msr);
	EXPECT_EQ(try_rdmsr(msr, &old), NO_TRAP);
	EXPECT_EQ(try_wrmsr(msr, value), NO_TRAP);
	EXPECT_EQ(try_rdmsr(msr, &v), NO_TRAP);
	EXPECT_EQ(v, value);
	EXPECT_EQ(try_wrmsr(msr, old), NO_TRAP);
	about(NULL, 0);
}

TEST(msr_values, "guest-msr-values")
{
	keeps(MSR_STAR, 0x0018001012345678ull);
	keeps(0xc0000082, 0xffffffff81000000ull);		/* LSTAR */
	keeps(0xc0000083, 0xffffffff81000010ull);		/* CSTAR */
	keeps(MSR_SFMASK, 0x47700);
	keeps(MSR_FS_BASE, 0x123456000ull);
	keeps(MSR_GS_BASE, 0xffff888000001000ull);
	keeps(MSR_KERNEL_GS_BASE, 0xffff888000002000ull);
	keeps(MSR_SYSENTER_CS, 0x10);
	keeps(MSR_SYSENTER_ESP, 0xffffffff82000000ull);
	keeps(MSR_SYSENTER_EIP, 0xffffffff82000010ull);
	keeps(MSR_PAT, 0x0007040600070401ull);
	keeps(MSR_TSC_AUX, 0x77);
	keeps(0x200, 0xe0000006);				/* MTRR_PHYSBASE0 */
}

TEST(msr_faults, "guest-msr-faults")
{
	static const struct { u32 msr; u64 value; } bad[] = {
		{ 0xc0000082, NONCANONICAL }, { MSR_FS_BASE, NONCANONICAL }, { MSR_GS_BASE, NONCANONICAL },
		{ MSR_KERNEL_GS_BASE, NONCANONICAL }, { MSR_PAT, 2 }, { MSR_PAT, 0x0800000000000000ull },
		{ MSR_EFER, 0x2000000 }, { MSR_EFER, 0 }, { 0x00000123, 1 }, { 0xc0001234, 1 }, { 0x40000123, 1 } };
	static const u32 none[] = { 0x00000123, 0xc0001234, 0x00001fff, 0x480 };
	u64 v;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		about("MSR", bad[i].msr);
		EXPECT_EQ(try_wrmsr(bad[i].msr, bad[i].value), GP);
		EXPECT_EQ(last_trap.error, 0);
	}
	for (u32 i = 0; i < ARRAY_SIZE(none); i++) {
		about("MSR, read", none[i]);
		EXPECT_EQ(try_rdmsr(none[i], &v), GP);
	}
}

TEST(efer, "guest-efer")
{
	u64 old = rdmsr(MSR_EFER);

	EXPECT_EQ(old & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
	EXPECT_EQ(try_wrmsr(MSR_EFER, old ^ 1), NO_TRAP);	/* SCE */
	EXPECT_EQ(rdmsr(MSR_EFER), old ^ 1);
	EXPECT_EQ(try_wrmsr(MSR_EFER, old ^ BIT(11)), NO_TRAP);	/* NXE */
	EXPECT_EQ(rdmsr(MSR_EFER), old ^ BIT(11));
	EXPECT_EQ(try_wrmsr(MSR_EFER, old), NO_TRAP);
}

TEST(cr0, "guest-cr0")
{
	u64 old = read_cr0(), v = 0;

	EXPECT_EQ(try_write_cr0(old & ~CR0_PE), GP);		/* PG without PE */
	EXPECT_EQ(try_write_cr0((old & ~CR0_CD) | CR0_NW), GP);
	EXPECT_EQ(try_write_cr0(old | BIT(32)), GP);
	EXPECT_EQ(read_cr0(), old);
	EXPECT_EQ(try_write_cr0(old | CR0_TS), NO_TRAP);
	EXPECT_EQ(read_cr0(), old | CR0_TS);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: fnop\n2:\n" EX(1b, 2b) : : : "memory");
	EXPECT_EQ(last_trap.code, TRAP(7));			/* #NM */
	__asm__ volatile("clts");
	EXPECT_EQ(read_cr0(), old & ~CR0_TS);
	EXPECT_EQ(try_write_cr0((old & ~CR0_MP) | CR0_EM), NO_TRAP);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: fnop\n2:\n" EX(1b, 2b) : : : "memory");
	EXPECT_EQ(last_trap.code, TRAP(7));
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: pxor %%xmm0, %%xmm0\n2:\n" EX(1b, 2b) : : : "memory");
	EXPECT_EQ(last_trap.code, UD);
	EXPECT_EQ(try_write_cr0(old), NO_TRAP);
	__asm__ volatile("lmsw %w0" : : "r"((u32)old | 8));	/* TS */
	EXPECT_EQ(read_cr0(), old | CR0_TS);
	__asm__ volatile("clts; smsw %0" : "=r"(v));
	EXPECT_EQ(v & 0xffff, old & 0xffff & ~CR0_TS);
	/* caches off and on */
	EXPECT_EQ(try_write_cr0(old | CR0_CD), NO_TRAP);
	EXPECT_EQ(read_cr0(), old | CR0_CD);
	EXPECT_EQ(try_write_cr0(old), NO_TRAP);
}

TEST(cr4, "guest-cr4")
{
	u64 old = read_cr4(), ro = win_map(3, (u64)page_alloc(), PTE_P);
	u32 r[4];

	EXPECT_EQ(try_write_cr4(old & ~CR4_PAE), GP);		/* not in long mode */
	EXPECT_EQ(try_write_cr4(old | BIT(15)), GP);		/* reserved */
	EXPECT_EQ(try_write_cr4(old | BIT(40)), GP);
	EXPECT_EQ(try_write_cr4(old | CR4_VMXE), GP);		/* not offered */
	EXPECT_EQ(read_cr4(), old);
	EXPECT_EQ(try_write_cr4(old ^ CR4_TSD), NO_TRAP);
	EXPECT_EQ(read_cr4(), old ^ CR4_TSD);
	(void)tsc();						/* ring 0 may */
	EXPECT_EQ(try_write_cr4(old), NO_TRAP);
	/* CR0.WP */
	EXPECT_EQ(try_write(ro, 1), PF);
	EXPECT_EQ(try_write_cr0(read_cr0() & ~CR0_WP), NO_TRAP);
	EXPECT_EQ(try_write(ro, 1), NO_TRAP);
	EXPECT_EQ(try_write_cr0(read_cr0() | CR0_WP), NO_TRAP);
	cpuid(7, 0, r);
	EXPECT_EQ(try_write_cr4(old | BIT(20)), r[1] & BIT(7) ? NO_TRAP : GP);	/* SMEP */
	EXPECT_EQ(try_write_cr4(old | BIT(21)), r[1] & BIT(20) ? NO_TRAP : GP);	/* SMAP */
	EXPECT_EQ(try_write_cr4(old | BIT(16)), r[1] & BIT(0) ? NO_TRAP : GP);	/* FSGSBASE */
	EXPECT_EQ(try_write_cr4(old | BIT(11)), r[2] & BIT(2) ? NO_TRAP : GP);	/* UMIP */
	EXPECT_EQ(try_write_cr4(old), NO_TRAP);
}

TEST(cr8, "guest-cr8")
{
	u64 v;

	apic_init();
	for (u64 i = 0; i < 16; i++) {
		__asm__ volatile("mov %0, %%cr8" : : "r"(i));
		__asm__ volatile("mov %%cr8, %0" : "=r"(v));
		EXPECT_EQ(v, i);
		EXPECT_EQ(APIC(0x80), i << 4);
	}
	__asm__ volatile("mov %0, %%cr8" : : "r"(0ull));
}

TEST(no_vmx, "guest-has-no-vmx")
{
	u64 page = (u64)page_alloc();

	EXPECT_EQ(vmxon(page), UD);
	EXPECT_EQ(vmxoff(), UD);
	EXPECT_EQ(vmclear(page), UD);
	EXPECT_EQ(vmptrld(page), UD);
	EXPECT_EQ(invept(2, (u64[2]){ 0, 0 }), UD);
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: vmfunc\n2:\n" EX(1b, 2b) : : "a"(0), "c"(0) : "memory");
	EXPECT_EQ(last_trap.code, UD);
	EXPECT_EQ(try_getsec(), UD);
	EXPECT_EQ(try_invd(), NO_TRAP);
}

TEST(hypercalls, "guest-hypercalls-of-kvm")
{
	struct call c = { .rax = 1 };				/* KVM_HC_VAPIC_POLL_IRQ */

	EXPECT_EQ(vmcall(&c), NO_TRAP);
	EXPECT_EQ(c.rax, 0);
	c.rax = 0x7777;
	EXPECT_EQ(vmcall(&c), NO_TRAP);
	EXPECT_EQ(c.rax, (u64)-1000);				/* KVM_ENOSYS */
}
