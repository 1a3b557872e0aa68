/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptor tables and exceptions. An exception in RootVisor is a bug: it prints and halts.
 * Two are not: an NMI, which belongs to the host, and #GP in an instruction of rv/asm.h that may raise it. */
#include "cpu/cpu.h"
#include "cpu/stacks.h"
#include "rv/rv.h"

#define VECTOR_NMI	2
#define VECTOR_DF	8
#define VECTOR_GP	13
#define VECTOR_MC	18
#define IST_NMI		1
#define IST_FAULT	2

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "tss");

struct idt_gate {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset1;
	u32 offset2, reserved;
};

struct table_register {
	u16 limit;
	u64 base;
} __attribute__((packed));

struct pcpu pcpus[CVM_MAX_CPUS];
u32 nr_pcpus;
struct cpu_stacks cpu_stacks[CVM_MAX_CPUS] __attribute__((aligned(4096)));

static struct idt_gate idt[32];
static struct tss tss[CVM_MAX_CPUS] __attribute__((aligned(128)));
static u64 gdt[CVM_MAX_CPUS][5];
static struct pcpu *gs_word[CVM_MAX_CPUS];

extern const u8 exception_entries[], vmx_enter_window[], vmx_enter_window_end[], vmx_enter_nmi[];
extern const u64 safe_table[][2], safe_table_end[][2];

u64 cpu_gdt_base(const struct pcpu *c) { return (u64)gdt[c->id]; }
u64 cpu_tss_base(const struct pcpu *c) { return (u64)&tss[c->id]; }
u64 cpu_idt_base(void) { return (u64)idt; }
u64 cpu_gs_base(const struct pcpu *c) { return (u64)&gs_word[c->id]; }

void cpu_tables_init(struct pcpu *c)
{
	struct cpu_stacks *s = &cpu_stacks[c->id];
	struct tss *t = &tss[c->id];
	u64 *g = gdt[c->id], base = (u64)t;
	struct table_register gdtr = { sizeof(gdt[0]) - 1, (u64)g };
	struct table_register idtr = { sizeof(idt) - 1, (u64)idt };

	t->ist[IST_NMI - 1] = (u64)(s->nmi + sizeof(s->nmi));
	t->ist[IST_FAULT - 1] = (u64)(s->fault + sizeof(s->fault));
	t->iomap = sizeof(*t);
	g[1] = 0x00af9b000000ffff;
	g[2] = 0x00cf93000000ffff;
	g[3] = (sizeof(*t) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	g[4] = base >> 32;
	for (u32 v = 0; v < ARRAY_SIZE(idt); v++) {
		u64 h = (u64)exception_entries + v * 16;

		idt[v] = (struct idt_gate) {
			.offset0 = (u16)h, .offset1 = (u16)(h >> 16), .offset2 = (u32)(h >> 32),
			.selector = RV_CS, .type = 0x8e,
			.ist = v == VECTOR_NMI ? IST_NMI : v == VECTOR_DF || v == VECTOR_MC ? IST_FAULT : 0 };
	}
	gs_word[c->id] = c;
	c->stack_top = s->main + sizeof(s->main);
	__asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdtr), "m"(idtr), "r"(RV_TR) : "memory");
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(RV_CS) : "rax", "memory");
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
			 : : "r"(RV_DS), "r"(0));
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, cpu_gs_base(c));
}

void exception_handler(struct trap_frame *f)
{
	if (f->vector == VECTOR_NMI) {
		this_pcpu()->nmi_arrived = true;	/* before ->kick is cleared: cpu_kick() */
		if (!__atomic_exchange_n(&this_pcpu()->kick, 0, __ATOMIC_SEQ_CST))
			this_pcpu()->nmi_pending = true;	/* the host's */
		if (f->rip >= (u64)vmx_enter_window && f->rip < (u64)vmx_enter_window_end)
			f->rip = (u64)vmx_enter_nmi;
		return;
	}
	if (f->vector == VECTOR_GP)
		for (const u64 (*e)[2] = safe_table; e < safe_table_end; e++)
			if (f->rip == (*e)[0]) {
				f->rip = (*e)[1];
				return;
			}
	rv_panic("exception %lu error %lx at %lx (cr2 %lx)\n"
		 "  rax %lx rbx %lx rcx %lx rdx %lx\n"
		 "  rsi %lx rdi %lx rbp %lx rsp %lx\n"
		 "  r8 %lx r9 %lx r10 %lx r11 %lx\n"
		 "  r12 %lx r13 %lx r14 %lx r15 %lx",
		 f->vector, f->error, f->rip, read_cr2(), f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi,
		 f->rbp, f->rsp, f->r8, f->r9, f->r10, f->r11, f->r12, f->r13, f->r14, f->r15);
}
