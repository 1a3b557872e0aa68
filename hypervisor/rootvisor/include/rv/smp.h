/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several CPUs: the lock, and the shoot-down of translations. docs/architecture.md tells the protocol.
 *
 * All of RootVisor runs under one lock, taken after each exit and dropped before each entry; Guardians run under it, too.
 * Outside are only entry and exit themselves and the NMI handler.
 */
#pragma once

#include "rv/asm.h"
#include "rv/pcpu.h"

struct ticket_lock {
	volatile u32 next, serving;
};
extern struct ticket_lock the_lock;

static inline void rv_lock(void)
{
	u32 ticket = __atomic_fetch_add(&the_lock.next, 1, __ATOMIC_ACQUIRE);

	while (the_lock.serving != ticket)
		cpu_relax();
}

static inline void rv_unlock(void)
{
	__atomic_store_n(&the_lock.serving, the_lock.serving + 1, __ATOMIC_RELEASE);
}

/* Counts requests to forget translations. Written under the lock. */
extern volatile u64 tlb_gen;

/* Whose EPT: a CPU in one of them uses no translation of the other, and flushes before it gets there. */
enum tlb_world { TLB_L1, TLB_L2 };
/* Whoever takes a translation out of an EPT says so ... */
void tlb_removed(enum tlb_world w);
/* ... then calls this: when it returns, every CPU in that world has flushed, and the others will before they enter
 * anything. Panics if a CPU does not answer. */
void tlb_shootdown(void);
/* ... and asserts this where memory changes hands: nothing was removed since, and nobody holds an old translation. */
bool tlb_settled(void);
/* INVEPT of all contexts on this CPU; acknowledges tlb_gen. */
void tlb_flush(struct pcpu *c);

/* An NMI to a CPU in a guest, so that it exits. NMI handler and NMI exits tell it from the host's by ->kick. */
void cpu_kick(struct pcpu *t);
/* After an NMI exit: handles the NMI as if it had hit RootVisor, and unblocks NMIs. */
static inline void nmi_exit(void) { __asm__ volatile("int $2" : : : "memory"); }
/* The other CPUs come to a halt in root operation, for good; wait: when it returns. */
void smp_stop_others(bool wait);
