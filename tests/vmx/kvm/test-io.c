/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port and memory-mapped I/O in all widths, strings, forms of instructions that KVM's emulator takes. */
#include "l1.h"

#define PORT_BYTES	0x5000
#define PORT_SUM	0x5004
#define MMIO		0xd0000000ull

static u32 in_sum(void) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((u16)PORT_SUM)); return v; }

static u32 sum_of(const u8 *p, u32 n)
{
	u32 s = 0;

	while (n--)
		s = s * 31 + *p++;
	return s;
}

TEST(ports, "guest-port-io")
{
	u64 v = 0x1122334455667788ull;

	in_sum();
	__asm__ volatile("inb %w1, %b0" : "+a"(v) : "d"(PORT_BYTES));
	EXPECT_EQ(v, 0x1122334455667700ull);
	__asm__ volatile("inw %w1, %w0" : "+a"(v) : "d"(PORT_BYTES));
	EXPECT_EQ(v, 0x1122334455660201ull);
	__asm__ volatile("inl %w1, %k0" : "+a"(v) : "d"(PORT_BYTES));
	EXPECT_EQ(v, 0x06050403);				/* the upper half is cleared */
	in_sum();
	__asm__ volatile("outb %%al, %w0; outw %%ax, %w0; outl %%eax, %w0" : : "d"(PORT_BYTES), "a"(0x44332211));
	EXPECT_EQ(in_sum(), sum_of((const u8[]){ 0x11, 0x11, 0x22, 0x11, 0x22, 0x33, 0x44 }, 7));
}

TEST(strings, "guest-string-io")
{
	u8 *page = page_alloc_contig(3, 1);
	u64 at, n;

	in_sum();
	at = (u64)page + 4096 - 50;
	n = 100;						/* over the edge of a page */
	__asm__ volatile("cld; rep insb" : "+D"(at), "+c"(n) : "d"(PORT_BYTES) : "memory");
	EXPECT_EQ(n, 0);
	EXPECT_EQ(at, (u64)page + 4096 + 50);
	for (u32 i = 0; i < 100; i++)
		EXPECT_EQ(page[4096 - 50 + i], i);
	in_sum();
	at = (u64)page + 4096 - 50;
	n = 50;
	__asm__ volatile("rep outsw" : "+S"(at), "+c"(n) : "d"(PORT_BYTES) : "memory");
	EXPECT_EQ(in_sum(), sum_of(page + 4096 - 50, 100));
	at = (u64)page + 4096 + 16;
	n = 10;							/* downwards */
	__asm__ volatile("std; rep insl; cld" : "+D"(at), "+c"(n) : "d"(PORT_BYTES) : "memory");
	EXPECT_EQ(at, (u64)page + 4096 + 16 - 40);
	EXPECT_EQ(*(u32 *)(page + 4096 + 16), 0x03020100);
	EXPECT_EQ(*(u32 *)(page + 4096 - 20), 0x27262524);
	at = (u64)page;
	n = 2000;						/* more than KVM takes at once */
	in_sum();
	__asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(PORT_BYTES) : "memory");
	EXPECT_EQ(n, 0);
	EXPECT_EQ(page[7999], 7999 & 0xff);
	/* the second page is not there: the first part is done, then the fault */
	at = win_map(40, (u64)page, PTE_P | PTE_W) + 4092;
	win_map(41, 0, 0);
	n = 8;
	last_trap.code = NO_TRAP;
	__asm__ volatile("1: rep insb\n2:\n" EX(1b, 2b) : "+D"(at), "+c"(n) : "d"(PORT_BYTES) : "memory");
	EXPECT_EQ(last_trap.code, PF);
	EXPECT(n == 4 || n == 8);			/* how much of it KVM counts as done */
	EXPECT(last_trap.cr2 == WIN + 40 * 4096 + 4092 || last_trap.cr2 == WIN + 41 * 4096);	/* and what it says of it */
}

TEST(mmio, "guest-mmio")
{
	volatile u8 *b = (volatile u8 *)MMIO;
	volatile u16 *w = (volatile u16 *)MMIO;
	volatile u32 *d = (volatile u32 *)MMIO;
	volatile u64 *q = (volatile u64 *)MMIO;
	u64 v = ~0ull, old;
	s64 sign;

	*q = 0x8877665544332291ull;
	EXPECT_EQ(*b, 0x91);
	EXPECT_EQ(*w, 0x2291);
	EXPECT_EQ(*d, 0x44332291);
	EXPECT_EQ(*q, 0x8877665544332291ull);
	b[9] = 0x77;
	w[5] = 0x5566;
	EXPECT_EQ(q[1] & 0xffffffff, 0x55667700);
	__asm__ volatile("movb (%1), %b0" : "+r"(v) : "r"(b));
	EXPECT_EQ(v, 0xffffffffffffff91ull);
	__asm__ volatile("movzbl (%1), %k0" : "=r"(v) : "r"(b));
	EXPECT_EQ(v, 0x91);
	__asm__ volatile("movsbq (%1), %0" : "=r"(sign) : "r"(b));
	EXPECT_EQ(sign, (s64)0xffffffffffffff91ull);
	__asm__ volatile("movslq (%1), %0" : "=r"(sign) : "r"(b));
	EXPECT_EQ(sign, 0x44332291);
	__asm__ volatile("movl $0x12345678, (%0)" : : "r"(d) : "memory");
	__asm__ volatile("orl $0x87000000, (%0); andb $0x0f, (%0); addw $1, 2(%0); incl (%0); notb 1(%0)" : : "r"(d) : "memory", "cc");
	EXPECT_EQ(*d, 0x9735a909);
	v = 0xaaaa;
	__asm__ volatile("xchgw %w0, (%1)" : "+r"(v) : "r"(d) : "memory");
	EXPECT_EQ(v, 0xa909);
	old = 0x9735aaaa;
	__asm__ volatile("lock; cmpxchgl %k2, (%1)" : "+a"(old) : "r"(d), "r"(0x11111111) : "memory", "cc");
	EXPECT_EQ(*d, 0x11111111);
	__asm__ volatile("pushq (%1); popq %0" : "=r"(v) : "r"(q));
	EXPECT_EQ((u32)v, 0x11111111);
	__asm__ volatile("testb $0x10, (%1); setnz %b0" : "=r"(v) : "r"(b) : "cc");
	EXPECT_EQ(v & 0xff, 1);
	__asm__ volatile("btsl $3, (%0)" : : "r"(d) : "memory", "cc");
	EXPECT_EQ(*d, 0x11111119);
}

TEST(mmio_strings, "guest-mmio-strings")
{
	u8 *page = page_alloc();
	u64 from, to, n;

	for (u32 i = 0; i < 64; i++)
		page[i] = (u8)(i * 3);
	from = (u64)page;
	to = MMIO + 100;
	n = 64;
	__asm__ volatile("cld; rep movsb" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
	EXPECT_EQ(n, 0);
	from = MMIO + 100;
	to = (u64)page + 1000;
	n = 16;
	__asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
	EXPECT_EQ(compare(page, page + 1000, 64), 0);
	to = MMIO + 200;
	n = 4;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0x0102030405060708ull) : "memory");
	EXPECT_EQ(*(volatile u64 *)(MMIO + 224), 0x0102030405060708ull);
	/* on a page's edge: half memory, half device, it is not */
	EXPECT_EQ(*(volatile u32 *)(MMIO + 4095 - 3), 0);
	EXPECT_EQ(*(volatile u8 *)(MMIO + 4096), 0xff);		/* nobody answers */
}
