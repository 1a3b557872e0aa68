/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EXECUTE_H
#define EXECUTE_H

#include "decode/stepper.h"

/* All is read (p->value): computes what goes to registers (p->cpu), and what to memory (p->value).
 * Clears p->write if nothing is to be written after all. */
void insn_execute(struct pending *p);

/* All is written, of a string n elements: index registers, count, RIP. */
void insn_retire(struct pending *p, uint64_t n);

#endif
