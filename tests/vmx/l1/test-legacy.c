/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host that leaves long mode. RootVisor expects none, and must stand it: whatever state the host's CPU is in, an entry takes it. */
#include "l1.h"

#define SPARE		(0x120u / 8)	/* of the GDT: there_long_in_long_segment; the next one: a TSS */
#define CODE_D_AND_L	0x00ef9b000000ffffull
#define TSS_TYPE(t)	((u64)(0x80 | (t)) << 40)
#define BUSY		BIT(41)
#define LOW_CODE	0x4000u

u32 legacy_trip(void (*there)(void));
extern const u8 legacy_ud[], legacy_gp[], legacy_real_gp[], legacy_real_gp_end[], g_cpuid[];
void there_nothing(void), there_vmresume(void), there_vmlaunch(void), there_task_jump(void), there_task_gate(void), there_ud(void),
	there_long_in_long_segment(void), there_long_with_16_bit_task(void), there_real(void);

struct table_register { u16 limit; u64 base; } __attribute__((packed));
struct table_register legacy_idt, legacy_ivt;
u16 legacy_tr;
static u64 idt32[32] __attribute__((aligned(16)));
static struct l2 g;

static u64 *gdt(void)
{
	struct table_register r;

	__asm__ volatile("sgdt %0" : "=m"(r));
	return (u64 *)r.base;
}

static void gate(u32 vector, const u8 *handler)
{
	u64 h = (u64)handler;

	idt32[vector] = (h & 0xffff) | 0x08 << 16 | 0x8eull << 40 | (h >> 16) << 48;
}

static u64 tss_descriptor(void *tss, u32 type, u32 limit)
{
	u64 a = (u64)tss;

	return limit | (a & 0xffffff) << 16 | TSS_TYPE(type) | (a >> 24 & 0xff) << 56;
}

static u32 trip(void (*there)(void))
{
	u32 r;

	zero(idt32, sizeof(idt32));
	gate(6, legacy_ud);
	gate(13, legacy_gp);
	idt32[3] = 0x128 << 16 | 0x85ull << 40;			/* a task */
	legacy_idt = (struct table_register){ sizeof(idt32) - 1, (u64)idt32 };
	gdt()[SPARE] = CODE_D_AND_L;
	__asm__ volatile("str %0" : "=r"(legacy_tr));
	gdt()[legacy_tr / 8] &= ~BUSY;				/* it is loaded again there */
	r = legacy_trip(there);
	gdt()[SPARE] = gdt()[SPARE + 1] = 0;
	return r;
}

TEST(legacy, "host-legacy-mode")
{
	EXPECT_EQ(trip(there_nothing), 0);
	EXPECT_EQ(trip(there_ud), UD);
	EXPECT_EQ(trip(there_nothing), 0);
}

/* In compatibility mode VMX instructions are #UD; here, where the L bit of CS says nothing, they are, too: the exit would find
 * a CPU that cannot go on in 64-bit mode. */
TEST(legacy_vmx, "host-legacy-mode-enters-guest")
{
	vmx_start();
	l2_init(&g, g_cpuid);
	EXPECT_EQ(trip(there_vmlaunch), UD);
	EXPECT_EQ(l2_run(&g), EXIT_CPUID);
	l2_skip();
	EXPECT_EQ(trip(there_vmresume), UD);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

/* A task switch exits whatever the controls say. SDM vol. 3, 26.1.2. */
TEST(legacy_task, "host-task-switch")
{
	u32 *tss = page_alloc();

	gdt()[SPARE + 1] = tss_descriptor(tss, 9, 103);
	EXPECT_EQ(trip(there_task_jump), GP);
	gdt()[SPARE + 1] = tss_descriptor(tss, 9, 103);
	EXPECT_EQ(trip(there_task_gate), GP);
}

/* SDM vol. 3, 10.8.5: what must not be so when long mode is activated. */
TEST(legacy_long, "host-long-mode-activated-wrongly")
{
	EXPECT_EQ(trip(there_long_in_long_segment), GP);
	gdt()[SPARE + 1] = tss_descriptor(page_alloc(), 1, 43);
	EXPECT_EQ(trip(there_long_with_16_bit_task), GP);
}

/* No exception has an error code there: IP, CS and FLAGS are all that is pushed. */
TEST(legacy_real, "host-real-mode-gp")
{
	u32 ivt[32];

	copy((void *)(u64)LOW_CODE, legacy_real_gp, (u64)(legacy_real_gp_end - legacy_real_gp));
	for (u32 i = 0; i < ARRAY_SIZE(ivt); i++)
		ivt[i] = LOW_CODE >> 4 << 16;
	copy((void *)(u64)(LOW_CODE + 0x800), ivt, sizeof(ivt));
	legacy_ivt = (struct table_register){ 0x3ff, LOW_CODE + 0x800 };
	EXPECT_EQ(trip(there_real), 6 << 16 | GP);
}
