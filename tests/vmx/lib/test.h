/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A test runs in place of Linux: ring 0, long mode, identity map of 4 GiB, no interrupts.
 * It ends by test_success(), test_skip() or a failing CHECK().
 */
#ifndef VMX_TEST_H
#define VMX_TEST_H

#include "rv/asm.h"
#include "rv/types.h"
#include "rv/vmcs.h"

extern const char test_name[];		/* set by the runner */
void test_main(const u8 *boot_params);	/* the test */

void test_print(const char *s);
void test_print_hex(u64 v);
void test_success(void) __attribute__((noreturn));
void test_skip(const char *why) __attribute__((noreturn));
void test_fail(const char *file, int line, const char *what, u64 got) __attribute__((noreturn));
void test_start(const u8 *boot_params);
void test_unexpected_trap(void);

#define CHECK(c)	do { if (!(c)) test_fail(__FILE__, __LINE__, #c, 0); } while (0)
#define CHECK_EQ(a, b)	do { u64 a_ = (u64)(a); if (a_ != (u64)(b)) test_fail(__FILE__, __LINE__, #a " == " #b, a_); } while (0)

extern u64 trap_vector, trap_error, trap_rip, trap_resume;
#define NO_TRAP		0xffull
#define VECTOR_DB	1ull
#define VECTOR_UD	6ull
#define VECTOR_GP	13ull
#define VECTOR_PF	14ull

/* Runs one statement of assembly. The vector of the exception that it raised, or NO_TRAP. */
#define TRY(text, ...) ({ \
	trap_vector = NO_TRAP; \
	__asm__ volatile("leaq 1f(%%rip), %%r11; movq %%r11, trap_resume(%%rip); " text "; 1: movq $0, trap_resume(%%rip)" \
			 __VA_ARGS__); \
	trap_vector; })

static inline u64 try_rdmsr(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;
	u64 t = TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : "r11", "memory");

	*v = (u64)hi << 32 | lo;
	return t;
}

static inline u64 try_wrmsr(u32 msr, u64 v)
{
	return TRY("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "r11", "memory");
}

static inline u64 try_read(u64 addr)
{
	u64 v;

	return TRY("movq (%1), %0", : "=r"(v) : "r"(addr) : "r11", "memory");
}

static inline u64 try_write(u64 addr, u64 v)
{
	return TRY("movq %0, (%1)", : : "r"(v), "r"(addr) : "r11", "memory");
}

/* e820 of the zero page: the type at this address, 0 if none. */
u32 e820_type(const u8 *boot_params, u64 addr);

#endif
