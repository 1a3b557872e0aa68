/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory: the pool of RootVisor's own pages, the frame table, the host's EPT (EPT01).
 * RootVisor runs with an identity map of all physical memory: pointer = physical address.
 */
#pragma once

#include "rv/own.h"

/* ---- pool.c: fixed at boot; a free list of 4 KiB pages, zeroed when handed out ---- */
void *pool_get(void);			/* NULL if exhausted */
void pool_put(void *page);		/* zeroes */
void *pool_need(u64 pages);		/* boot only, at least 1, in one piece: panics if there are none */
u64 pool_free_pages(void);
static inline u64 pa(const void *p) { return (u64)p; }
static inline void *va(u64 phys) { return (void *)phys; }

/* ---- frames.c: one frame, one owner, one guest frame number (rv/own.h) ---- */
extern u64 frames_max;			/* frames [0, frames_max) are in the table */
extern struct frame *frames;
static inline struct frame *frame_of(u64 pfn)	/* NULL beyond the table: not RAM */
{
	return pfn < frames_max ? &frames[pfn] : NULL;
}
static inline bool frame_is_host(u64 pfn)
{
	struct frame *f = frame_of(pfn);

	return f && f->owner == FRAME_HOST;
}

struct frame_counts {
	u64 ram, rootvisor, priv;
};
extern struct frame_counts frame_counts;

/* ---- ept01.c: identity map of the host. Tables are preallocated for all RAM. ---- */
void ept01_init(void);			/* everything mapped but FRAME_ROOTVISOR */
u64 ept01_pointer(void);		/* EPTP: WB, 4 levels, no A/D */
u64 *ept01_leaf(u64 pfn);		/* of one 4 KiB frame of RAM; splits a large leaf; changing it flushes nothing */
u64 ept01_leaf_of(u64 pfn);		/* what it is while the host owns the frame: RWX */
/* True if the whole 2 MiB region is mapped by one leaf or by 512 present 4 KiB leaves. */
bool ept01_region_whole(u64 pfn);

/* ---- walk.c: the host's (L1's) linear addresses, for VMX operands and call buffers ---- */
/* Copies n bytes through the page tables of vmcs01 (CR3/CR4/EFER of the current VMCS, 4-level
 * long mode). Only FRAME_HOST frames are touched. user: require U/S set on the whole walk (ring 3).
 * 0; -EFAULT: not mapped, not permitted (then *fault_la, if not NULL, is the address), -EPERM: a frame
 * that is not the host's. */
int l1_read(u64 la, void *dst, u64 n, bool user, u64 *fault_la);
int l1_write(u64 la, const void *src, u64 n, bool user, u64 *fault_la);
/* Where la leads, whoever owns that frame. Errors as above; -EPERM: for a page table. */
int l1_translate(u64 la, bool write, bool user, u64 *phys);
