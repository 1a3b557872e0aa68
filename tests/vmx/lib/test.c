/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

u64 trap_vector, trap_error, trap_rip, trap_resume;
extern const u8 trap_entries[];

static struct { u64 lo, hi; } idt[32];

static void put(char ch)
{
	outb(0xe9, (u8)ch);
	for (u32 i = 0; i < 100000 && !(inb(0x3fd) & 0x20); i++)
		cpu_relax();
	outb(0x3f8, (u8)ch);
}

void test_print(const char *s)
{
	while (*s)
		put(*s++);
}

void test_print_hex(u64 v)
{
	test_print("0x");
	for (int i = 60; i >= 0; i -= 4)
		if (v >> i || !i)
			put("0123456789abcdef"[v >> i & 15]);
}

static void __attribute__((noreturn)) finish(const char *status)
{
	test_print("TEST ");
	test_print(test_name);
	test_print(" ");
	test_print(status);
	test_print("\n");
	for (u32 i = 0; i < 1000000 && !(inb(0x3fd) & 0x40); i++)
		cpu_relax();
	for (const char *s = "Shutdown"; *s; s++)
		outb(0x8900, (u8)*s);
	halt_forever();
}

void test_success(void)
{
	finish("SUCCESS");
}

void test_skip(const char *why)
{
	test_print(why);
	test_print("\n");
	finish("SKIP");
}

void test_fail(const char *file, int line, const char *what, u64 got)
{
	test_print(file);
	test_print(":");
	test_print_hex((u64)line);
	test_print(": ");
	test_print(what);
	test_print(": got ");
	test_print_hex(got);
	test_print("\n");
	finish("FAILURE");
}

void test_unexpected_trap(void)
{
	test_print("unexpected exception ");
	test_print_hex(trap_vector);
	test_print(" error ");
	test_print_hex(trap_error);
	test_print(" at ");
	test_print_hex(trap_rip);
	test_print("\n");
	finish("ERROR");
}

u32 e820_type(const u8 *boot_params, u64 addr)
{
	for (u32 i = 0; i < boot_params[0x1e8]; i++) {
		const u8 *e = boot_params + 0x2d0 + 20 * i;
		u64 start = *(const u64 *)e, size = *(const u64 *)(e + 8);

		if (addr >= start && addr - start < size)
			return *(const u32 *)(e + 16);
	}
	return 0;
}

void test_start(const u8 *boot_params)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };

	for (u64 v = 0; v < ARRAY_SIZE(idt); v++) {
		u64 h = (u64)trap_entries + 16 * v;

		idt[v].lo = (h & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
		idt[v].hi = h >> 32;
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
	test_main(boot_params);
	test_success();
}
