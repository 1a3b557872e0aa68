/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inline wrappers of privileged instructions. None of them hides a fault: what may
 * fault on values that the host chose is named *_safe. */
#pragma once

#include "rv/types.h"

/* What comes back in EDX:EAX, and goes there. */
#define RV_READ64(insn, ...) ({ \
	u32 lo_, hi_; \
	__asm__ volatile(insn : "=a"(lo_), "=d"(hi_) : __VA_ARGS__); \
	(u64)hi_ << 32 | lo_; })
#define RV_WRITE64(insn, c, v) __asm__ volatile(insn : : "c"(c), "a"((u32)(v)), "d"((u32)((v) >> 32)) : "memory")

static inline u64 rdmsr(u32 msr) { return RV_READ64("rdmsr", "c"(msr)); }
static inline void wrmsr(u32 msr, u64 val) { RV_WRITE64("wrmsr", msr, val); }
static inline u64 xgetbv(u32 i) { return RV_READ64("xgetbv", "c"(i)); }
static inline void xsetbv(u32 i, u64 v) { RV_WRITE64("xsetbv", i, v); }
static inline u64 rdtsc(void) { return RV_READ64("rdtsc"); }

/* 0, or -EIO if the access raised #GP: safe_table pairs the address that may fault with the one where exception_handler() resumes. */
#define RV_SAFE(insn)	"1:" insn "; .pushsection .rodata.safe, \"a\"; .quad 1b, %l[fault]; .popsection"
static inline int rdmsr_safe(u32 msr, u64 *val)
{
	u32 lo, hi;

	__asm__ goto(RV_SAFE("rdmsr") : "=a"(lo), "=d"(hi) : "c"(msr) : : fault);
	*val = (u64)hi << 32 | lo;
	return 0;
fault:
	return -EIO;
}
#define RV_WRITE64_SAFE(insn) \
	static inline int insn##_safe(u32 c, u64 v) \
	{ \
		__asm__ goto(RV_SAFE(#insn) : : "c"(c), "a"((u32)v), "d"((u32)(v >> 32)) : "memory" : fault); \
		return 0; \
	fault: \
		return -EIO; \
	}
RV_WRITE64_SAFE(wrmsr)
RV_WRITE64_SAFE(xsetbv)

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(subleaf));
}

static inline u32 cpu_phys_bits(void)	/* MAXPHYADDR; every 64-bit CPU has the leaf */
{
	u32 r[4];

	cpuid(0x80000008, 0, r);
	return r[0] & 0xff;
}

#define RV_PORT(s, type) \
	static inline void out##s(u16 port, type v) { __asm__ volatile("out" #s " %0, %1" : : "a"(v), "Nd"(port)); } \
	static inline type in##s(u16 port) { type v; __asm__ volatile("in" #s " %1, %0" : "=a"(v) : "Nd"(port)); return v; }
RV_PORT(b, u8)
RV_PORT(w, u16)
RV_PORT(l, u32)

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

static inline void cpu_relax(void) { __asm__ volatile("pause"); }
static inline void __attribute__((noreturn)) halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* VMX instructions on a physical address: false = VMfail. */
#define RV_VMX_POINTER(insn) \
	static inline bool insn(const u64 *pa) \
	{ \
		bool ok; \
		__asm__ volatile(#insn " %1" : "=@cca"(ok) : "m"(*pa) : "memory", "cc"); \
		return ok; \
	}
RV_VMX_POINTER(vmxon)
RV_VMX_POINTER(vmclear)
RV_VMX_POINTER(vmptrld)

static inline u64 vmread(u64 field) { u64 v; __asm__ volatile("vmread %1, %0" : "=rm"(v) : "r"(field) : "cc"); return v; }

static inline void vmread_to(u64 field, u64 *v) { __asm__ volatile("vmread %1, %0" : "=m"(*v) : "r"(field) : "cc"); }

static inline void vmwrite(u64 field, u64 v) { __asm__ volatile("vmwrite %1, %0" : : "r"(field), "rm"(v) : "cc"); }
/* From memory also if the compiler knows the value: one instruction less. */
static inline void vmwrite_from(u64 field, const u64 *v) { __asm__ volatile("vmwrite %1, %0" : : "r"(field), "m"(*v) : "cc"); }

#define RV_INVALIDATE(insn, type, a, b) \
	__asm__ volatile(insn " %0, %1" : : "m"(*(const u64 (*)[2])(u64 [2]) { a, b }), "r"(type) : "memory", "cc")
static inline void invept(u64 type, u64 eptp) { RV_INVALIDATE("invept", type, eptp, 0); }
static inline void invvpid(u64 type, u64 vpid, u64 la) { RV_INVALIDATE("invvpid", type, vpid, la); }

/* cpu/string.S or compiler-called helpers */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

static inline void clear_page(void *p)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0ull) : "memory");
}
