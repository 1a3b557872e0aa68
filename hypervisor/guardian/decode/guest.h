/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's memory as one of its instructions sees it: registers, segments, page tables. */
#ifndef GUEST_H
#define GUEST_H

#include "cvm/guardian.h"
#include "decode/insn.h"

/* Guest-physical memory. A page of the window that is not mapped stops the operation and
 * starts it anew, so whoever reads here must be able to run twice. */
struct guest {
	uint8_t *base;			/* guest-physical 0 */
	uint64_t size;			/* bytes */
	uint32_t nr_ram;		/* 0: unknown */
	const struct cvm_ram_range *ram;
};

/* Functions below return 0, a negative errno, or GUEST_FAULT: the guest gets *x. */
#define GUEST_FAULT	1

struct guest_exception {
	uint8_t vector;
	bool has_error;
	uint32_t error_code;
	uint64_t cr2;
};

#define ACCESS_WRITE	1u
#define ACCESS_FETCH	2u

enum cpu_mode guest_mode(const struct cvm_g_cpu *cpu);

/* Is all of the page private RAM, as far as is known? */
bool guest_is_ram(const struct guest *g, uint64_t gpa);

/* n bytes at gpa inside one page, or NULL if that is not in RAM or the window. */
uint8_t *guest_bytes(const struct guest *g, uint64_t gpa, size_t n);

/* Segment check and base (SDM vol. 3, 5.3; vol. 1, 3.3.7.1). size: bytes of the access. */
int guest_linear(const struct cvm_g_cpu *cpu, enum segment seg, uint64_t offset, unsigned size, unsigned access,
		 uint64_t *linear, struct guest_exception *x);

/*
 * Walks the guest's page tables for one byte (SDM vol. 3, 4.3-4.6): none, 32-bit, PAE or
 * 4-level. Sets accessed and dirty flags as the CPU would.
 *   -EOPNOTSUPP  5-level paging, or a table that is not in RAM
 */
int guest_translate(const struct guest *g, const struct cvm_g_cpu *cpu, uint64_t linear, unsigned access,
		    uint64_t *gpa, struct guest_exception *x);

/* The instruction at CS:RIP. Errors as guest_translate(); -(EOPNOTSUPP | enum cvm_refused << 16) as insn_parse(). */
int guest_fetch(const struct guest *g, const struct cvm_g_cpu *cpu, struct insn *in, struct guest_exception *x);

/* Register n of `size` bytes. rex: which byte registers 4-7 are. Writing 4 bytes clears the
 * upper half, writing 1 or 2 keeps the rest. */
uint64_t reg_get(const struct cvm_g_cpu *cpu, unsigned n, unsigned size, bool rex);
void reg_set(struct cvm_g_cpu *cpu, unsigned n, unsigned size, bool rex, uint64_t v);

/* Offset of the (non-string) memory operand, without the segment. */
uint64_t guest_offset(const struct cvm_g_cpu *cpu, const struct insn *in);

#endif
