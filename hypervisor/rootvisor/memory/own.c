/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contracts in ACSL, proven by tests/proof. */
#include "rv/own.h"

/*@ requires \valid_read(f) && \valid(host_leaf) && \separated(f, host_leaf) && f->owner == FRAME_HOST;
    assigns *host_leaf;
    ensures *host_leaf == 0; */
void own_take_begin(const struct frame *f, u64 *host_leaf)
{
	*host_leaf = 0;
}

/*@ requires \valid(f) && f->owner == FRAME_HOST && vm != 0;
    assigns *f;
    ensures f->owner == FRAME_PRIVATE && f->vm == vm && f->gfn == gfn; */
void own_take_end(struct frame *f, u8 vm, u32 gfn)
{
	*f = (struct frame){ .owner = FRAME_PRIVATE, .vm = vm, .gfn = gfn };
}

/*@ requires \valid_read(f) && \valid(guest_leaf) && \separated(f, guest_leaf);
    assigns *guest_leaf;
    ensures \result <==> f->owner == FRAME_PRIVATE && f->vm == vm && f->gfn == gfn && \old(*guest_leaf) == 0;
    ensures \result ==> *guest_leaf == leaf;
    ensures !\result ==> *guest_leaf == \old(*guest_leaf); */
bool own_map(const struct frame *f, u8 vm, u32 gfn, u64 *guest_leaf, u64 leaf)
{
	if (f->owner != FRAME_PRIVATE || f->vm != vm || f->gfn != gfn || *guest_leaf)
		return false;
	*guest_leaf = leaf;
	return true;
}

/*@ requires \valid(f) && \valid(host_leaf) && \separated(f, host_leaf) && f->owner == FRAME_PRIVATE;
    assigns f->owner, f->vm, f->epoch, *host_leaf;
    ensures f->owner == FRAME_HOST;
    ensures f->vm == 0;
    ensures *host_leaf == leaf; */
void own_return_end(struct frame *f, u64 *host_leaf, u64 leaf)
{
	f->owner = FRAME_HOST;
	f->vm = 0;
	f->epoch = 0;
	*host_leaf = leaf;
}
