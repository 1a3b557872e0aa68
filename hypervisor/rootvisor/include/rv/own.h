/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns a frame, and how that changes. Pure: entries of the frame table, of EPT01 and of an EPT02
 * are handed in, nothing else is touched; tests/proof proves the contracts of memory/own.c and explores
 * what several CPUs make of them.
 *
 * Both ways have two steps, with a flush of every CPU between them: the old mapping goes, no CPU
 * can hold it any more, then the new owner gets the frame.
 */
#pragma once

#include "rv/types.h"

enum frame_owner {
	FRAME_HOST	= 0,		/* in EPT01, RWX */
	FRAME_ROOTVISOR	= 1,		/* RootVisor and Guardians: never in EPT01 */
	FRAME_PRIVATE	= 2,		/* of VM `vm`, at guest frame `gfn`: not in EPT01 */
	FRAME_NOT_RAM	= 3,		/* MMIO, holes, firmware tables: in EPT01, never private */
};

struct frame {
	u32 gfn;
	u16 epoch;			/* host-owned: last shadow epoch in which an EPT02 mapped it */
	u8 vm, owner;			/* slot in vms[], 0 unless private; enum frame_owner */
};
_Static_assert(sizeof(struct frame) == 8, "frame");

/* Host to VM, first step: out of the host's EPT. The host must own it. */
void own_take_begin(const struct frame *f, u64 *host_leaf);
/* Second: no CPU can reach it through EPT01 or any EPT02 of others now. */
void own_take_end(struct frame *f, u8 vm, u32 gfn);

/* Into the VM's EPT02. False, and nothing changed, unless the frame is private to that VM at that gfn and
 * there is no leaf yet. */
bool own_map(const struct frame *f, u8 vm, u32 gfn, u64 *guest_leaf, u64 leaf);

/* VM to host. The leaf in EPT02 is gone, every CPU has flushed, and the content is fit for the host
 * (sealed or zero). */
void own_return_end(struct frame *f, u64 *host_leaf, u64 leaf);
