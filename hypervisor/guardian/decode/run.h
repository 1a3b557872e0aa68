/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * REP INS and REP OUTS, a run of elements as one step: they cross a page of the host's, which is read and written once.
 */
#ifndef RUN_H
#define RUN_H

#include "decode/stepper.h"

/*
 * Elements of p's instruction, the first of which was translated, that go at once: those up to the end of its page, of the
 * segment, and of CVM_RUN_MAX. 0: one by one. So is what needs care: an element on two pages, single steps, a VM whose
 * bounce area is its RAM.
 */
unsigned run_length(const struct pending *p, const struct guest *g, uint32_t vcpu);

/* bytes: CVM_RUN_MAX of them, in the order of the port: REP OUTS fills them, with zeroes behind. Errors as step_begin(). */
int run_begin(const struct pending *p, const struct guest *g, uint8_t *bytes, struct cvm_g_step *out);

/* The host did that many of them. -EINVAL: it cannot have. Errors as step_continue(). */
int run_end(struct pending *p, const struct guest *g, uint64_t done, uint8_t *bytes, struct cvm_g_step *out);

#endif
