/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host (L1) made of tests: RootVisor starts it in place of Linux. Each TEST() runs with
 * interrupts masked, in 64-bit ring 0, on an identity map of the first 4 GiB, outside VMX
 * operation, with a fresh page arena, and may leave anything behind.
 */
#ifndef L1_H
#define L1_H

#include "cvm/boot.h"
#include "cvm/key.h"
#include "cvm/report.h"
#include "rv/types.h"
#include "rv/vmcs.h"

#define ESTALE	116	/* handed on by RootVisor, which makes none itself */

/* What RootVisor has no use for, or refuses (SDM vol. 3, appendix A; 25.8.3) */
#define PIN_PREEMPTION_TIMER	BIT(6)
#define PROC_TPR_SHADOW		BIT(21)
#define PROC_MTF		BIT(27)
#define PROC2_DESC_TABLE	BIT(2)
#define PROC2_VMFUNC		BIT(13)
#define PROC2_EPT_VE		BIT(18)
#define EXIT_LOAD_PERF_GLOBAL	BIT(12)
#define ENTRY_SMM		BIT(10)
#define ENTRY_DUAL_MONITOR	BIT(11)
#define ENTRY_LOAD_PERF_GLOBAL	BIT(13)
#define INTR_TYPE_SW_INT	4u
#define INTR_TYPE_PRIV_EXC	5u
#define INTR_TYPE_SW_EXC	6u

/* ---- CPUs: smp.c ---- */
#define CPUS_MAX	16u
#define FIRST_TR	0x30u			/* of CPU 0; each has the next but one entry of the GDT */
u32 cpu_id(void);
u32 smp_start(void);				/* brings up all CPUs; how many, or SKIP_TEST if there is one */
void smp_give(u32 cpu, void (*fn)(void *arg), void *arg);	/* runs it there, with interrupts masked */
void smp_wait(u32 cpu);				/* until it is done */
void smp_all(void (*fn)(void *arg), void *args, u64 size);	/* on each CPU, this one too, with args + CPU * size */
void smp_barrier(void);				/* in what smp_all() runs: until all got here */
void smp_clean(void);				/* all done, and out of VMX operation */
void smp_wake(u32 apic_id);			/* sends it to smp_entry; by mailbox, or by SIPI */
extern const u8 smp_entry[];
void relax(void);				/* in a loop that waits for another CPU */
void smp_vmx_start(void);			/* VMXON on this CPU, if it is not the first one */
u64 smp_exit_stack(u32 cpu);
#define APIC(reg)	(*(volatile u32 *)(0xfee00000ull + (reg)))
#define ICR_NMI		0x400u
void apic_init(void);				/* of this CPU: on, nothing masked by priority */
void apic_send(u32 cpu, u32 what);		/* a vector, ICR_NMI; edge, physical */
static inline void apic_eoi(void) { APIC(0xb0) = 0; }

/* ---- tests and their outcome ---- */
enum status { SUCCESS, SKIP, ERROR, FAILURE };	/* the most severe one is kept */
struct test {
	const char *name;
	void (*run)(void);
};
#define TEST(id, text) \
	static void id(void); \
	static const struct test test_##id __attribute__((section(".tests"), used, aligned(16))) = { text, id }; \
	static void id(void)

void expect(const char *file, int line, const char *what, u64 got, u64 want);
void note(enum status s, const char *file, int line, const char *text);
void abort_guarded(void) __attribute__((noreturn));	/* ends the test */
#define EXPECT_EQ(got, want) expect(__FILE__, __LINE__, #got, (u64)(got), (u64)(want))
#define EXPECT(c)	expect(__FILE__, __LINE__, #c, !!(c), 1)
#define FAIL(text)	note(FAILURE, __FILE__, __LINE__, text)
#define BROKEN(text)	do { note(ERROR, __FILE__, __LINE__, text); abort_guarded(); } while (0)
#define SKIP_TEST(text)	do { note(SKIP, __FILE__, __LINE__, text); abort_guarded(); } while (0)
/* The test cannot go on if this fails. */
#define REQUIRE_EQ(got, want) do { u64 g_ = (u64)(got), w_ = (u64)(want); \
	expect(__FILE__, __LINE__, #got, g_, w_); if (g_ != w_) abort_guarded(); } while (0)
/* Names what the EXPECTs that follow are about; NULL: nothing. */
void about(const char *name, u64 value);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* %s %d %u %x %lx %lu */

/* ---- memory ---- */
void *page_alloc(void);				/* zeroed; the arena is emptied between tests */
void arena_reset(void);
u64 arena_mark(void);
void arena_release(u64 mark);			/* all that was taken since arena_mark() */
void *page_alloc_contig(u64 pages, u64 align);
void zero(void *p, u64 n);
void copy(void *to, const void *from, u64 n);
int compare(const void *a, const void *b, u64 n);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* 512 pages of linear space whose mappings tests choose. */
#define WIN		0x8000000000ull
#define PTE_P		1ull
#define PTE_W		2ull
#define PTE_U		4ull
u64 win_map(u32 slot, u64 pa, u64 flags);	/* linear address; flags 0 unmaps */
void paging_init(void);
void paging_use(void);				/* another CPU */

/* ---- traps ---- */
#define NO_TRAP		0u
#define TRAP(vector)	(0x100u | (vector))
#define UD		TRAP(6)
#define GP		TRAP(13)
#define PF		TRAP(14)
extern struct trap {
	u32 code;		/* TRAP(vector), NO_TRAP */
	u64 error, cr2;
} last_traps[];
#define last_trap	last_traps[cpu_id()]
struct trap_frame {
	u64 regs[16], vector, error, rip, cs, rflags, rsp, ss;
};
extern bool (*trap_hook)(struct trap_frame *f);	/* sees each trap first; true: it has dealt with it */
void traps_init(u32 cpu);
/* The instruction at label `at` may trap: execution goes on at label `to`. */
#define EX(at, to)	".pushsection .ex_table,\"a\"\n.quad " #at "," #to "\n.popsection\n"
u32 try_read(u64 la, u64 *v);			/* 8 bytes; NO_TRAP or TRAP() */
u32 try_write(u64 la, u64 v);
u32 try_exec(u64 la);
u32 try_rdmsr(u32 msr, u64 *v);
u32 try_wrmsr(u32 msr, u64 v);
u32 try_xsetbv(u32 index, u64 v);
u32 try_write_cr0(u64 v);
u32 try_write_cr4(u64 v);
u32 try_getsec(void);
u32 try_invd(void);
extern struct user_trap {			/* how ring 3 ended */
	u32 code;
	u64 error, cr2, regs[16];
} user_trap;
void set_ring0_stack(u64 rsp);			/* for traps out of ring 3 */
void user_enter(u64 regs[16], u64 rip, u64 rsp);
void run_guarded(void (*fn)(void));
extern volatile u64 interrupts[][256];		/* that L1's own IDT received, by CPU and vector */
u64 external_interrupts(void);			/* of this CPU, all vectors */
extern bool nmi_expected;			/* NMIs are counted too; else they are an error */

/* ---- machine ---- */
#define RANGES_MAX	16u
extern struct machine {
	u64 secret[2];				/* from the ACPI table CVMD */
	u64 ram_top;
	struct { u64 start, end; } rootvisor[RANGES_MAX];	/* reserved ranges within RAM */
	u32 nr_rootvisor;
	const char *cmdline;
	volatile u8 *mailbox;			/* where the other CPUs wait; NULL: there are none */
	u32 apic_ids[CPUS_MAX], nr_cpus;	/* of the MADT, this CPU first */
} machine;
void machine_init(const u8 *boot_params);
const char *machine_option(const char *name);	/* value behind name=, NULL if absent */
u64 number(const char *s);			/* decimal; 0 for NULL */
void machine_off(void) __attribute__((noreturn));
static inline void out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 in8(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u64 tsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
#define CRN(n) \
	static inline u64 read_cr##n(void) { u64 v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); return v; }
CRN(0)
CRN(3)
CRN(4)

/* ---- calls to RootVisor ---- */
struct call {
	u64 rax, rbx, rcx, rdx, rsi, rdi;	/* rax: result */
};
u32 vmcall(struct call *c);			/* NO_TRAP or TRAP() */
s64 host_call(u32 nr, u64 arg, void *buf, u64 size);	/* with the secret */
u64 event_mark(void);				/* sequence number of the next event */
/* The first event from `mark` on with that type and reason; NULL: none. */
const struct cvm_event *event_find(u64 mark, u32 type, u32 reason);
u64 events_counted(u64 mark, u32 type, u32 reason);

/* ---- VMX instructions: 0, or one of these, or TRAP() ---- */
#define FAIL_INVALID	1u
#define FAIL_VALID	2u
u32 vmxon(u64 pa);
u32 vmxoff(void);
u32 vmclear(u64 pa);
u32 vmptrld(u64 pa);
u32 vmptrst(u64 *pa);
u32 vmread_to(u64 field, u64 *v);
u32 vmread_mem(u64 field, u64 la);
u32 vmwrite_to(u64 field, u64 v);
u32 vmwrite_mem(u64 field, u64 la);
u32 invept(u64 type, const void *desc);
u32 invvpid(u64 type, const void *desc);
u32 vmlaunch(void);				/* that is expected to fail */
u32 vmresume(void);
u32 vmx_go(u64 regs[16], u32 how);
extern u8 vmx_exit[], exit_stack_top[], trap_stack_top[];
u64 vmread(u64 field);				/* must work */
void vmwrite(u64 field, u64 v);
u32 instruction_error(void);

/* ---- VMX environment and L2 guests ---- */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
void vmx_start(void);				/* VMXON with a fresh region */
void vmx_stop(void);				/* VMCLEAR of all that l2_* made, VMXOFF */
void l2_forget(void);				/* what l2_* made is not to be cleared */
u64 vmx_region(void);				/* physical address of a page with the revision id */
extern u64 vmxon_region;

#define EPT_LEAF	(EPT_RWX | EPT_MT_WB)
#define EPTP_BITS	0x1eull			/* WB, 4 levels */
void ept_map(u64 *root, u64 gpa, u64 hpa, u64 bits);	/* 4 KiB leaf; bits 0 unmaps */
u64 *ept_leaf(u64 *root, u64 gpa);		/* entry, made if absent */
u64 *ept_identity(void);			/* the first 4 GiB, 2 MiB leaves */

struct l2 {
	u64 vmcs;
	u64 *ept;
	u64 regs[16];
	bool launched;
	u32 how;				/* result of the last vmx_go() */
	struct trap trap;			/* that the guest, or the entry, took in L1's IDT */
};
/* A 64-bit guest in L1's own address space that starts at rip; its VMCS is current. */
void l2_init(struct l2 *g, const void *rip);
void l2_flat(struct l2 *g, u64 rip);		/* changes it to flat 32-bit without paging */
void l2_real(struct l2 *g, u64 rip);		/* to real mode at 0:rip */
/* Enters it. Exit reason; VM_FAILED: no exit came, see g->how. */
#define VM_FAILED	0x10000u
u32 l2_run(struct l2 *g);
void l2_skip(void);				/* RIP over the exiting instruction */
/* From CPU to CPU: it is this one's from now on (VMPTRLD, this CPU's host state), until it drops it (VMCLEAR). */
void l2_adopt(struct l2 *g);
void l2_drop(struct l2 *g);

#endif
