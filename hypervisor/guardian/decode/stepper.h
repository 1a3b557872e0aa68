/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries out one guest instruction whose memory operand, or one of two, is MMIO, or which
 * is INS or OUTS, as a chain of loads and stores that the host serves. Pure functions over
 * registers and guest memory; nothing of the guest is touched but by the instruction itself.
 */
#ifndef STEPPER_H
#define STEPPER_H

#include "decode/guest.h"

/* Where an operand lies: up to two pages, or a port. */
struct span {
	uint8_t size;			/* bytes; 0: no such operand */
	uint8_t first;			/* of these, in the first page */
	bool port;
	bool mmio[2];
	uint64_t gpa[2];		/* of the first byte in each page; or the port */
};

enum phase {
	PHASE_IDLE	= 0,
	PHASE_READ	= 1,
	PHASE_WRITE	= 2,
};

/* An instruction under way. */
struct pending {
	uint8_t phase;			/* enum phase */
	uint8_t pos;			/* bytes moved in this phase */
	uint16_t run;			/* elements that the host does at once (run.h); 0: none */
	struct insn insn;
	struct span read, write;
	uint64_t value;			/* read so far, or to be written */
	struct cvm_g_cpu cpu;		/* becomes the result */
};

/*
 * Starts the instruction at cpu's CS:RIP. *p is written only on success (0); then *out says
 * what comes next, and at CVM_G_STEP_DONE p->cpu holds the new registers.
 *   -EOPNOTSUPP  (with a kind: guest_fetch()) not one of the known instructions, it does not touch a->gpa (or the port), or
 *                it needs memory that is neither RAM nor the access' own kind
 *   -EINVAL      a->kind is unknown
 * bytes: NULL: one element of a string at a time; else CVM_RUN_MAX bytes for a run of them (run.h) if there is more than one.
 */
int step_begin(struct pending *p, const struct guest *g, const struct cvm_g_cpu *cpu, const struct cvm_g_access *a,
	       uint8_t *bytes, struct cvm_g_step *out);

/*
 * The last step's access is done; data: what a load gave, or of a run how many elements were done; those of INS lie in
 * bytes (cvm_g_mailbox.run). As above; -EINVAL: nothing is under way, or data is out of range. On error *p is as before.
 */
int step_continue(struct pending *p, const struct guest *g, uint64_t data, uint8_t *bytes, struct cvm_g_step *out);

#endif
