/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NMIs of the host reach the host, once each and at once, whether they hit it or RootVisor. */
#include "test.h"

#define LAPIC		0xfee00000ull
#define IOAPIC		0xfec00000ull
#define ICR_NMI		0x4400u
#define PIT_DIVISOR	500u		/* 0.4 ms */

static volatile u64 seen;

/* Keeps all registers; the IRET unblocks NMIs. */
__asm__(".text; .balign 16; nmi_entry: incq seen(%rip); iretq");
extern const u8 nmi_entry[];

static void install(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr;
	u64 *gate, h = (u64)nmi_entry;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	gate = (u64 *)idtr.base + 2 * 2;
	gate[0] = (h & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
	gate[1] = h >> 32;
}

/* To itself, by IPI. */
static void send_one(void)
{
	*(volatile u32 *)(LAPIC + 0x310) = *(volatile u32 *)(LAPIC + 0x20);
	*(volatile u32 *)(LAPIC + 0x300) = ICR_NMI;
	for (volatile u32 n = 1000; n && !seen; n--)
		;
	CHECK_EQ(seen, 1);
}

static void ioapic_write(u32 reg, u32 v)
{
	*(volatile u32 *)IOAPIC = reg;
	*(volatile u32 *)(IOAPIC + 0x10) = v;
}

/* The PIT's interrupt as NMI, periodically: at whatever instruction it hits. */
static void start_timer(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	for (u32 pin = 0; pin <= 2; pin += 2) {		/* 0, or 2 as on PCs */
		ioapic_write(0x11 + 2 * pin, *(volatile u32 *)(LAPIC + 0x20));
		ioapic_write(0x10 + 2 * pin, 0x400);	/* NMI, edge, physical */
	}
	outb(0x43, 0x34);
	outb(0x40, PIT_DIVISOR & 0xff);
	outb(0x40, PIT_DIVISOR >> 8);
}

/* Time that n more NMIs take. exits: keep the CPU in RootVisor most of it. */
static u64 wait_for(u64 n, bool exits)
{
	u64 start = seen, t, end = rdtsc() + 2000000000ull;
	u32 r[4];

	while (seen == start)
		CHECK(rdtsc() < end);
	start = seen;
	t = rdtsc();
	while (seen < start + n) {
		CHECK(rdtsc() < end);
		for (u32 i = 0; exits && i < 50; i++)
			cpuid(0, 0, r);
	}
	return rdtsc() - t;
}

void test_main(const u8 *boot_params)
{
	u64 quiet, busy;

	(void)boot_params;
	install();
	*(volatile u32 *)(LAPIC + 0xf0) |= 0x100;
	send_one();
	start_timer();
	quiet = wait_for(200, false);
	busy = wait_for(200, true);
	test_print("200 NMIs: without exits ");
	test_print_hex(quiet);
	test_print(", with ");
	test_print_hex(busy);
	test_print("\n");
	/* none is lost: the same number in the same time, but for one round of exits */
	CHECK(busy < quiet + quiet / 20);
}
