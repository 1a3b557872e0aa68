/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points of the shoot-down protocol (rv/smp.h): nothing here, a line on a debug port in the build that tests/vmx/trace makes.
 * And one where that build looks at the page tables. */
#pragma once

#include "rv/pcpu.h"

static inline void trace_enter(struct pcpu *c) { (void)c; }	/* about to enter a guest */
static inline void trace_exit(struct pcpu *c) { (void)c; }	/* back in root operation */
static inline void trace_flush(struct pcpu *c) { (void)c; }	/* right after INVEPT of all contexts */
static inline void trace_removed(u32 world) { (void)world; }	/* a translation is out of an EPT */
static inline void trace_handover(void) { }			/* memory changes hands */
static inline void trace_kick(struct pcpu *t) { (void)t; }	/* an NMI is about to be sent */
static inline void trace_paging(void) { }			/* RootVisor's own page tables are in use */
