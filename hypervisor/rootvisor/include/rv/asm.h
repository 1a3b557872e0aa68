/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inline wrappers of privileged instructions. None of them hides a fault: what may
 * fault on values that the host chose goes through cpu/safe.S. */
#pragma once

#include "rv/types.h"

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((u64)hi << 32) | lo;
}

static inline void wrmsr(u32 msr, u64 val)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

/* 0, or -EIO if the access raised #GP (cpu/safe.S). */
int rdmsr_safe(u32 msr, u64 *val);
int wrmsr_safe(u32 msr, u64 val);
int xsetbv_safe(u32 index, u64 val);

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((u64)hi << 32) | lo;
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(subleaf));
}

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

#define RV_CRN(n) \
	static inline u64 read_cr##n(void) { u64 v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); return v; } \
	static inline void write_cr##n(u64 v) { __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
RV_CRN(0)
RV_CRN(2)
RV_CRN(3)
RV_CRN(4)

#define RV_DRN(n) \
	static inline u64 read_dr##n(void) { u64 v; __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v)); return v; } \
	static inline void write_dr##n(u64 v) { __asm__ volatile("mov %0, %%dr" #n : : "r"(v)); }
RV_DRN(0)
RV_DRN(1)
RV_DRN(2)
RV_DRN(3)
RV_DRN(6)

static inline u64 xgetbv(u32 i)
{
	u32 lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(i));
	return ((u64)hi << 32) | lo;
}

static inline void xsetbv(u32 i, u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(i), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline void cpu_relax(void) { __asm__ volatile("pause"); }
static inline void __attribute__((noreturn)) halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* VMX instructions on a physical address: false = VMfail. */
#define RV_VMX_POINTER(insn) \
	static inline bool insn(u64 pa) \
	{ \
		bool ok; \
		__asm__ volatile(#insn " %1" : "=@cca"(ok) : "m"(pa) : "memory", "cc"); \
		return ok; \
	}
RV_VMX_POINTER(vmxon)
RV_VMX_POINTER(vmclear)
RV_VMX_POINTER(vmptrld)

static inline u64 vmread(u64 field)
{
	u64 v;

	__asm__ volatile("vmread %1, %0" : "=rm"(v) : "r"(field) : "cc");
	return v;
}

static inline void vmwrite(u64 field, u64 v)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "rm"(v) : "cc");
}

static inline void invept(u64 type, u64 eptp)
{
	struct { u64 eptp, zero; } d = { eptp, 0 };

	__asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}

static inline void invvpid(u64 type, u64 vpid, u64 la)
{
	struct { u64 vpid, la; } d = { vpid, la };

	__asm__ volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}

/* cpu/string.S or compiler-called helpers */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

static inline void clear_page(void *p)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0ull) : "memory");
}
