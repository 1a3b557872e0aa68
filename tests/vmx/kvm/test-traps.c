/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exceptions, their error codes, segments. */
#include "l1.h"

#define DE	TRAP(0)
#define BP	TRAP(3)
#define NP	TRAP(11)
#define SS	TRAP(12)
#define AC	TRAP(17)
#define PTE_RESERVED	BIT(51)
#define PTE_NX		BIT(63)

#define TRY(insn, ...) ({ \
	last_trap.code = NO_TRAP; \
	last_trap.error = 0; \
	__asm__ volatile("1: " insn "\n2:\n" EX(1b, 2b) : : __VA_ARGS__ : "memory", "cc", "rax", "rdx"); \
	last_trap.code; })

TEST(simple, "guest-exceptions")
{
	u64 v;

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: divl %0\n2:\n" EX(1b, 2b) : : "r"(0), "a"(1), "d"(0) : "memory");
	EXPECT_EQ(last_trap.code, DE);
	EXPECT_EQ(TRY("ud2", "i"(0)), UD);
	EXPECT_EQ(try_read(0x8000000000000000ull, &v), GP);	/* not canonical */
	EXPECT_EQ(last_trap.error, 0);
	EXPECT_EQ(TRY("movq (%0), %%rax", "b"(0x8000000000000000ull)), GP);
	__asm__ volatile("pushq %%rbp; movq %0, %%rbp\n 1: movq (%%rbp), %%rax\n2: popq %%rbp\n" EX(1b, 2b)
			 : : "r"(0x8000000000000000ull) : "memory", "rax");
	EXPECT_EQ(last_trap.code, SS);
}

TEST(selectors, "guest-selector-errors")
{
	EXPECT_EQ(TRY("movl %0, %%ds", "r"(0xff8)), GP);	/* beyond the GDT */
	EXPECT_EQ(last_trap.error, 0xff8);
	EXPECT_EQ(TRY("movl %0, %%ss", "r"(0x10)), GP);		/* code */
	EXPECT_EQ(last_trap.error, 0x10);
	EXPECT_EQ(TRY("movl %0, %%ss", "r"(0x23)), GP);		/* RPL is not CPL */
	EXPECT_EQ(last_trap.error, 0x20);
	EXPECT_EQ(TRY("ltr %w0", "r"(0x18)), GP);		/* no TSS */
	EXPECT_EQ(last_trap.error, 0x18);
	EXPECT_EQ(TRY("ltr %w0", "r"(FIRST_TR)), GP);		/* busy */
	EXPECT_EQ(TRY("lldt %w0", "r"(0)), NO_TRAP);
	EXPECT_EQ(TRY("int $0xf0", "i"(0)), NO_TRAP);		/* vector 240: L1's handler took it */
}

TEST(descriptors, "guest-absent-segments")
{
	struct { u16 limit; u64 base; } __attribute__((packed)) old, new;
	u64 *gdt = page_alloc();
	u64 limit = 0, rights = 0;
	bool ok;

	__asm__ volatile("sgdt %0" : "=m"(old));
	copy(gdt, (void *)old.base, old.limit + 1u);
	gdt[60] = 0x00cf13000000ffff;				/* data, not present */
	gdt[61] = 0x00c0f3000000ffff;				/* ring-3 data, limit 64 KiB of pages */
	new.base = (u64)gdt;
	new.limit = 64 * 8 - 1;
	__asm__ volatile("lgdt %0" : : "m"(new));
	EXPECT_EQ(TRY("movl %0, %%fs", "r"(60 * 8)), NP);
	EXPECT_EQ(last_trap.error, 60 * 8);
	EXPECT_EQ(TRY("movl %0, %%ss", "r"(60 * 8)), SS);
	EXPECT_EQ(last_trap.error, 60 * 8);
	EXPECT_EQ(TRY("movl %0, %%fs", "r"(61 * 8 + 3)), NO_TRAP);
	__asm__ volatile("lsl %2, %0; setz %1" : "+r"(limit), "=r"(ok) : "r"(61ull * 8) : "cc");
	EXPECT(ok);
	EXPECT_EQ(limit, 0xfffffff);
	__asm__ volatile("lar %2, %0; setz %1" : "+r"(rights), "=r"(ok) : "r"(61ull * 8) : "cc");
	EXPECT(ok);
	EXPECT_EQ(rights & 0xff00, 0xf300);
	__asm__ volatile("movl %0, %%fs" : : "r"(0x18));
	__asm__ volatile("lgdt %0" : : "m"(old));
}

TEST(page_faults, "guest-page-fault-errors")
{
	u64 pa = (u64)page_alloc(), la, v, efer = rdmsr(MSR_EFER);

	la = win_map(8, 0, 0);
	EXPECT_EQ(try_read(la + 0x123, &v), PF);
	EXPECT_EQ(last_trap.error, 0);
	EXPECT_EQ(last_trap.cr2, la + 0x123);
	EXPECT_EQ(try_write(la + 0x321, 1), PF);
	EXPECT_EQ(last_trap.error, 2);
	EXPECT_EQ(last_trap.cr2, la + 0x321);
	la = win_map(8, pa, PTE_P);
	EXPECT_EQ(try_read(la, &v), NO_TRAP);
	EXPECT_EQ(try_write(la, 1), PF);
	EXPECT_EQ(last_trap.error, 3);
	la = win_map(8, pa, PTE_P | PTE_W | PTE_RESERVED);
	EXPECT_EQ(try_read(la, &v), PF);
	EXPECT_EQ(last_trap.error, 9);
	EXPECT_EQ(try_write(la, 1), PF);
	EXPECT_EQ(last_trap.error, 11);
	*(u8 *)pa = 0xc3;
	EXPECT_EQ(try_wrmsr(MSR_EFER, efer | BIT(11)), NO_TRAP);
	la = win_map(8, pa, PTE_P | PTE_W | PTE_NX);
	EXPECT_EQ(try_exec(la), PF);
	EXPECT_EQ(last_trap.error, 0x11);
	EXPECT_EQ(last_trap.cr2, la);
	la = win_map(8, pa, PTE_P | PTE_W);
	EXPECT_EQ(try_exec(la), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_EFER, efer), NO_TRAP);
	la = win_map(8, pa, PTE_P | PTE_W | PTE_NX);		/* reserved without NXE */
	EXPECT_EQ(try_read(la, &v), PF);
	EXPECT_EQ(last_trap.error, 9);
}

/* Ring 3 executes these bytes; how it ended is in user_trap. */
static void user(const u8 *code, u32 n, u64 regs[16])
{
	u8 *page = page_alloc();
	u64 at = win_map(16, (u64)page, PTE_P | PTE_U | PTE_W), stack = win_map(17, (u64)page_alloc(), PTE_P | PTE_U | PTE_W);

	copy(page, code, n);
	user_enter(regs, at, stack + 4096);
	__asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" : : : "memory", "cc");	/* AC, if it set that */
}
#define USER(regs, ...) user((const u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }), regs)

TEST(ring3, "guest-ring3-faults")
{
	u64 regs[16] = { 0 }, supervisor = win_map(18, (u64)page_alloc(), PTE_P | PTE_W);

	USER(regs, 0xcd, 0x80);				/* int 80h */
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	USER(regs, 0xcd, 0x81);				/* its gate is ring 0's */
	EXPECT_EQ(user_trap.code, GP);
	EXPECT_EQ(user_trap.error, 0x81 * 8 + 2);
	USER(regs, 0xf4);				/* hlt */
	EXPECT_EQ(user_trap.code, GP);
	USER(regs, 0xee);				/* out: IOPL 0, no bitmap */
	EXPECT_EQ(user_trap.code, GP);
	USER(regs, 0x0f, 0x20, 0xc0);			/* mov cr0, rax */
	EXPECT_EQ(user_trap.code, GP);
	USER(regs, 0x0f, 0x32);				/* rdmsr */
	EXPECT_EQ(user_trap.code, GP);
	USER(regs, 0x0f, 0xa2, 0xcd, 0x80);		/* cpuid */
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	USER(regs, 0x0f, 0x01, 0xc1, 0xcd, 0x80);	/* vmcall: KVM refuses ring 3 */
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	EXPECT_EQ(user_trap.regs[RAX], (u64)-1);	/* KVM_EPERM */
	regs[RBX] = supervisor;
	USER(regs, 0x48, 0x8b, 0x03);			/* mov rax, [rbx] */
	EXPECT_EQ(user_trap.code, PF);
	EXPECT_EQ(user_trap.error, 5);
	USER(regs, 0x48, 0x89, 0x03);
	EXPECT_EQ(user_trap.error, 7);
	USER(regs, 0xff, 0xe3);				/* jmp rbx */
	EXPECT_EQ(user_trap.code, PF);
	regs[RBX] = win_map(19, 0, 0);
	USER(regs, 0x48, 0x8b, 0x03);
	EXPECT_EQ(user_trap.error, 4);
	EXPECT_EQ(user_trap.cr2, regs[RBX]);
	USER(regs, 0x48, 0x89, 0x03);
	EXPECT_EQ(user_trap.error, 6);
	EXPECT_EQ(try_write_cr4(read_cr4() | BIT(2)), NO_TRAP);
	USER(regs, 0x0f, 0x31);				/* rdtsc with TSD */
	EXPECT_EQ(user_trap.code, GP);
	EXPECT_EQ(try_write_cr4(read_cr4() & ~BIT(2)), NO_TRAP);
	USER(regs, 0x0f, 0x31, 0xcd, 0x80);
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	/* alignment checks: pushf; or [rsp], AC; popf; mov eax, [rsp+1] */
	EXPECT_EQ(try_write_cr0(read_cr0() | BIT(18)), NO_TRAP);
	USER(regs, 0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d, 0x8b, 0x44, 0x24, 0xf1);
	EXPECT_EQ(user_trap.code, AC);
	EXPECT_EQ(try_write_cr0(read_cr0() & ~BIT(18)), NO_TRAP);
}

#define MSR_STAR	0xc0000081u
#define MSR_LSTAR	0xc0000082u
#define MSR_SFMASK	0xc0000084u

extern const u8 fast_syscall[], fast_sysenter[];
__asm__(".text\nfast_syscall: movq %r11, %rbx; pushfq; popq %r12; sysretq\n"	/* on the user's stack */
	"fast_sysenter: movq %rsp, %rbx; movq %rsi, %rdx; movq %rdi, %rcx; sysexitq\n");

TEST(fast_calls, "guest-syscall-sysenter")
{
	u64 regs[16] = { 0 }, efer = rdmsr(MSR_EFER);

	USER(regs, 0x0f, 0x05);				/* without SCE */
	EXPECT_EQ(user_trap.code, UD);
	EXPECT_EQ(try_wrmsr(MSR_EFER, efer | 1), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_STAR, 0x0018001000000000ull), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_LSTAR, (u64)fast_syscall), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_SFMASK, RFLAGS_CF), NO_TRAP);
	USER(regs, 0xf9, 0x0f, 0x05, 0xcd, 0x80);	/* stc; syscall; int 80h */
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	EXPECT_EQ(user_trap.regs[RCX], WIN + 16 * 4096 + 3);
	EXPECT(user_trap.regs[RBX] & RFLAGS_CF);	/* R11: the flags before */
	EXPECT(!(user_trap.regs[12] & RFLAGS_CF));	/* masked within */
	EXPECT_EQ(try_wrmsr(MSR_EFER, efer), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_SYSENTER_CS, 0), NO_TRAP);
	USER(regs, 0x0f, 0x34);
	EXPECT_EQ(user_trap.code, GP);
	EXPECT_EQ(try_wrmsr(MSR_SYSENTER_CS, 0x10), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_SYSENTER_EIP, (u64)fast_sysenter), NO_TRAP);
	EXPECT_EQ(try_wrmsr(MSR_SYSENTER_ESP, 0x77777000), NO_TRAP);
	regs[RSI] = WIN + 16 * 4096 + 2;		/* where SYSEXIT goes */
	regs[RDI] = WIN + 18 * 4096 - 64;
	USER(regs, 0x0f, 0x34, 0xcd, 0x80);
	EXPECT_EQ(user_trap.code, TRAP(0x80));
	EXPECT_EQ(user_trap.regs[RBX], 0x77777000);
}

/* kvmguests puts a handler into each of these pages, which no EPT maps before the guest gets there: it goes over a DIV and counts. KVM
 * does not intercept that one, so the CPU delivers it while it is in the guest. */
#define COLD_GPA	0x3000000ull
#define COLD_STEP	0x10000u
#define COLD_HANDLERS	16u

TEST(cold_handler, "guest-handler-on-untouched-page")
{
	static u64 own[512] __attribute__((aligned(16)));
	struct { u16 limit; u64 base; } __attribute__((packed)) old, r = { sizeof(own) - 1, (u64)own };
	u64 ran, before, after;

	__asm__ volatile("sidt %0" : "=m"(old));
	copy(own, (void *)old.base, sizeof(own));
	__asm__ volatile("lidt %0" : : "m"(r));
	for (u32 i = 0; i < COLD_HANDLERS; i++) {
		u64 h = COLD_GPA + i * COLD_STEP;

		own[0] = (h & 0xffff) | 0x10 << 16 | 0x8eull << 40 | (h >> 16 & 0xffff) << 48;
		own[1] = h >> 32;
		__asm__ volatile("movq %%rsp, %%rbx; xorl %%eax, %%eax; xorl %%ecx, %%ecx; divl %%ecx; movq %%rsp, %%rcx; movq %%rbx, %%rsp"
				 : "=a"(ran), "=b"(before), "=c"(after) : "d"(0) : "memory", "cc");
		about("page", i);
		EXPECT_EQ(ran, 1);
		EXPECT_EQ(after, before);	/* delivered once */
	}
	about(NULL, 0);
	__asm__ volatile("lidt %0" : : "m"(old));
}
