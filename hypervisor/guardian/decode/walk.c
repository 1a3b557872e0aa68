/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's page tables (SDM vol. 3, chapter 4). */
#include <linux/errno.h>

#include "decode/alu.h"
#include "decode/guest.h"

#define CR0_PE		(1ull << 0)
#define CR0_WP		(1ull << 16)
#define CR0_PG		(1ull << 31)
#define CR4_PSE		(1ull << 4)
#define CR4_PAE		(1ull << 5)
#define CR4_LA57	(1ull << 12)
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)
#define EFER_LMA	(1ull << 10)
#define EFER_NXE	(1ull << 11)

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_U		(1ull << 2)
#define PTE_A		(1ull << 5)
#define PTE_D		(1ull << 6)
#define PTE_PS		(1ull << 7)
#define PTE_NX		(1ull << 63)
#define PTE_ADDR	0x000ffffffffff000ull

#define PF_P		(1u << 0)
#define PF_W		(1u << 1)
#define PF_U		(1u << 2)
#define PF_RSVD		(1u << 3)
#define PF_I		(1u << 4)
#define VECTOR_PF	14

struct walk {
	const struct guest *g;
	const struct cvm_g_cpu *cpu;
	uint64_t linear;
	unsigned access;
	bool user;
	bool pae;			/* 8-byte entries, 9 bits a level */
	uint8_t *entry[4];		/* those passed, for the accessed flag */
	unsigned nr;
	uint64_t rights;		/* PTE_W, PTE_U of all; PTE_NX of any */
};

static bool is_user(const struct cvm_g_cpu *cpu)
{
	if (!(cpu->cr0 & CR0_PE))
		return false;
	return cpu->rflags & FLAG_VM || (cpu->seg_ar[SEG_SS] >> 5 & 3) == 3;
}

static int page_fault(const struct walk *w, uint32_t why, struct guest_exception *x)
{
	bool nx = w->pae && w->cpu->efer & EFER_NXE;

	*x = (struct guest_exception){ .vector = VECTOR_PF, .has_error = true, .error_code = why, .cr2 = w->linear };
	if (w->access & ACCESS_WRITE)
		x->error_code |= PF_W;
	if (w->user)
		x->error_code |= PF_U;
	if (w->access & ACCESS_FETCH && (nx || w->cpu->cr4 & CR4_SMEP))
		x->error_code |= PF_I;
	return GUEST_FAULT;
}

/* Reads the entry once: other vCPUs may change it. */
static int load(struct walk *w, uint64_t table, unsigned index, uint64_t *e)
{
	uint8_t *p = guest_bytes(w->g, table + index * (w->pae ? 8 : 4), w->pae ? 8 : 4);

	if (!p)
		return -EOPNOTSUPP;
	w->entry[w->nr++] = p;
	*e = w->pae ? __atomic_load_n((uint64_t *)p, __ATOMIC_RELAXED)
		    : __atomic_load_n((uint32_t *)p, __ATOMIC_RELAXED);
	return 0;
}

static bool reserved_set(const struct walk *w, uint64_t e, unsigned level, bool large)
{
	if (!w->pae)
		return large && e & 1ull << 21;
	if (e & PTE_NX && !(w->cpu->efer & EFER_NXE))
		return true;
	if (e & PTE_PS && level == 4)
		return true;
	if (!(w->cpu->efer & EFER_LMA) && e & ~PTE_NX & ~0x000fffffffffffffull)
		return true;
	/* Bit 12 is PAT, those up to the page's size must be clear. */
	return large && e & ((1ull << (level == 3 ? 30 : 21)) - 1) & ~0x1fffull;
}

static int check(const struct walk *w, struct guest_exception *x)
{
	const struct cvm_g_cpu *cpu = w->cpu;
	bool user_page = w->rights & PTE_U;

	if (w->user && !user_page)
		return page_fault(w, PF_P, x);
	if (w->access & ACCESS_WRITE && !(w->rights & PTE_W) && (w->user || cpu->cr0 & CR0_WP))
		return page_fault(w, PF_P, x);
	if (w->access & ACCESS_FETCH) {
		if (w->rights & PTE_NX || (!w->user && user_page && cpu->cr4 & CR4_SMEP))
			return page_fault(w, PF_P, x);
	} else if (!w->user && user_page && cpu->cr4 & CR4_SMAP && !(cpu->rflags & FLAG_AC)) {
		return page_fault(w, PF_P, x);
	}
	return 0;
}

static void set_flags(const struct walk *w, unsigned i, uint64_t flags)
{
	/* Not written without need: the page may be one that the guest shares with the CPU's walker only. */
	if (w->pae) {
		uint64_t *p = (uint64_t *)w->entry[i];

		if ((__atomic_load_n(p, __ATOMIC_RELAXED) & flags) != flags)
			__atomic_fetch_or(p, flags, __ATOMIC_SEQ_CST);
	} else {
		uint32_t *p = (uint32_t *)w->entry[i];

		if ((__atomic_load_n(p, __ATOMIC_RELAXED) & flags) != flags)
			__atomic_fetch_or(p, (uint32_t)flags, __ATOMIC_SEQ_CST);
	}
}

/* From the table of `level` down to the leaf. */
static int descend(struct walk *w, uint64_t table, unsigned level, uint64_t *gpa, struct guest_exception *x)
{
	unsigned bits = w->pae ? 9 : 10;

	for (;; level--) {
		unsigned shift = 12 + bits * (level - 1);
		uint64_t e, mask = (1ull << shift) - 1;
		bool large;
		int r = load(w, table, w->linear >> shift & ((1u << bits) - 1), &e);

		if (r)
			return r;
		if (!(e & PTE_P))
			return page_fault(w, 0, x);
		large = e & PTE_PS && (w->pae ? level == 2 || level == 3 : level == 2 && w->cpu->cr4 & CR4_PSE);
		if (reserved_set(w, e, level, large))
			return page_fault(w, PF_P | PF_RSVD, x);
		w->rights = (w->rights & e & (PTE_W | PTE_U)) | ((w->rights | e) & PTE_NX);
		if (level > 1 && !large) {
			table = e & PTE_ADDR;
			continue;
		}
		r = check(w, x);
		if (r)
			return r;
		*gpa = (e & PTE_ADDR & ~mask) | (w->linear & mask);
		if (!w->pae && large)	/* PSE-36: bits 39:32 stand in 20:13 */
			*gpa = (e & 0xffc00000u) | (e >> 13 & 0xff) << 32 | (w->linear & mask);
		return 0;
	}
}

int guest_translate(const struct guest *g, const struct cvm_g_cpu *cpu, uint64_t linear, unsigned access,
		    uint64_t *gpa, struct guest_exception *x)
{
	struct walk w = { .g = g, .cpu = cpu, .linear = linear, .access = access, .user = is_user(cpu),
			  .rights = PTE_W | PTE_U };
	unsigned first = 0;
	uint64_t e;
	int r;

	if (!(cpu->cr0 & CR0_PG)) {
		*gpa = (uint32_t)linear;
		return 0;
	}
	if (!(cpu->cr4 & CR4_PAE)) {
		r = descend(&w, cpu->cr3 & 0xfffff000u, 2, gpa, x);
	} else if (cpu->efer & EFER_LMA) {
		if (cpu->cr4 & CR4_LA57)
			return -EOPNOTSUPP;
		w.pae = true;
		r = descend(&w, cpu->cr3 & PTE_ADDR, 4, gpa, x);
	} else {
		w.pae = true;
		r = load(&w, cpu->cr3 & 0xffffffe0u, linear >> 30 & 3, &e);
		if (r)
			return r;
		if (!(e & PTE_P))
			return page_fault(&w, 0, x);
		first = 1;		/* a PDPTE has neither rights nor an accessed flag */
		r = descend(&w, e & PTE_ADDR, 2, gpa, x);
	}
	if (r)
		return r;
	for (unsigned i = first; i < w.nr; i++)
		set_flags(&w, i, PTE_A | (i == w.nr - 1 && access & ACCESS_WRITE ? PTE_D : 0));
	return 0;
}
