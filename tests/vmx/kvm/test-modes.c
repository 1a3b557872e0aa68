/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modes other than long mode: 32-bit without paging, with two levels (4 KiB and 4 MiB pages), with PAE; a hardware task switch. */
#include "l1.h"

#define CR4_PSE		BIT(4)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_LARGE	BIT(7)

u32 mode_trip(u32 cr4, u32 cr3, const void *there);
extern const u8 there_touch[], there_exit[], there_switch[], task_entry[];

static u32 *identity32(void)
{
	u32 *pd = page_alloc();

	for (u32 i = 0; i < 1024; i++)
		pd[i] = i << 22 | PTE_LARGE | PTE_P | PTE_W;
	return pd;
}

TEST(no_paging, "guest-32-bit-without-paging")
{
	u32 r[4];

	cpuid(0, 0, r);
	EXPECT_EQ(mode_trip(0, 0, there_exit), r[1]);
}

TEST(two_levels, "guest-32-bit-two-levels")
{
	u32 *pd = identity32(), *pt = page_alloc(), *page = page_alloc(), *large = page_alloc_contig(2048, 1024);

	page[0] = 0x1234;
	pt[0] = (u32)(u64)page | PTE_P | PTE_W;
	pd[512] = (u32)(u64)pt | PTE_P | PTE_W;		/* 2 GiB */
	EXPECT_EQ(mode_trip(CR4_PSE, (u32)(u64)pd, there_touch), 0x1234);
	EXPECT_EQ(page[0], 0x1235);
	EXPECT_EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	EXPECT_EQ(pd[512] & PTE_A, PTE_A);
	large = (u32 *)(((u64)large + 0x3fffff) & ~0x3fffffull);
	large[0] = 0x4321;
	pd[512] = (u32)(u64)large | PTE_LARGE | PTE_P | PTE_W;
	EXPECT_EQ(mode_trip(CR4_PSE, (u32)(u64)pd, there_touch), 0x4321);
	EXPECT_EQ(large[0], 0x4322);
	EXPECT_EQ(pd[512] & (PTE_A | PTE_D), PTE_A | PTE_D);
}

TEST(pae, "guest-32-bit-pae")
{
	u64 *pdpt = page_alloc(), *pd = page_alloc_contig(4, 1), *pt = page_alloc(), *page = page_alloc();

	for (u64 i = 0; i < 2048; i++)
		pd[i] = i << 21 | PTE_LARGE | PTE_P | PTE_W;
	for (u32 i = 0; i < 4; i++)
		pdpt[i] = (u64)(pd + 512 * i) | PTE_P;
	page[0] = 0x5678;
	pt[0] = (u64)page | PTE_P | PTE_W;
	pd[1024] = (u64)pt | PTE_P | PTE_W;		/* 2 GiB */
	EXPECT_EQ(mode_trip(CR4_PAE, (u32)(u64)pdpt, there_touch), 0x5678);
	EXPECT_EQ(page[0], 0x5679);
	EXPECT_EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	EXPECT_EQ(mode_trip(CR4_PAE, (u32)(u64)pdpt, there_exit), mode_trip(0, 0, there_exit));
}

struct tss32 {
	u32 back, stacks[6], cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt, trap;
};
_Static_assert(sizeof(struct tss32) == 104, "tss32");

static u64 tss_descriptor(const struct tss32 *t)
{
	u64 a = (u64)t;

	return 103 | (a & 0xffffff) << 16 | 0x89ull << 40 | (a >> 24 & 0xff) << 56;
}

TEST(task_switch, "guest-task-switch")
{
	struct { u16 limit; u64 base; } __attribute__((packed)) old, new;
	struct tss32 *a = page_alloc(), *b = page_alloc();
	u64 *gdt = page_alloc(), *stack = page_alloc();

	__asm__ volatile("sgdt %0" : "=m"(old));
	copy(gdt, (void *)old.base, 0x40);
	*b = (struct tss32){ .eip = (u32)(u64)task_entry, .eflags = 2, .ebx = 0x7a5c, .esp = (u32)(u64)stack + 4096, .cs = 8, .ss = 0x18,
			     .ds = 0x18, .es = 0x18, .fs = 0x18, .gs = 0x18 };
	gdt[0x50 / 8] = tss_descriptor(a);
	gdt[0x58 / 8] = tss_descriptor(b);
	new.base = (u64)gdt;
	new.limit = 0x5f;
	__asm__ volatile("lgdt %0" : : "m"(new));
	u32 got = mode_trip(0, 0, there_switch);

	__asm__ volatile("lgdt %0" : : "m"(old));
	((u64 *)old.base)[FIRST_TR / 8] &= ~BIT(41);	/* its TSS is not busy now */
	__asm__ volatile("ltr %w0" : : "r"(FIRST_TR));
	EXPECT_EQ(got, 0x7a5c);
	EXPECT(a->eip != 0);				/* saved by the jump away */
	EXPECT_EQ(b->ebx, 0x7a5c);
	EXPECT_EQ(gdt[0x58 / 8] >> 40 & 0x1f, 9);	/* left: available */
}
