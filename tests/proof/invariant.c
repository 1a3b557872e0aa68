/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What RootVisor does to frame table, EPT01 and EPT02s keeps one invariant, for any number of frames, VMs and pages:
 * no frame is mapped by two owners, and no private frame is in the host's EPT. The functions below are the
 * sequences of vm/pages.c with memory/own.c's real code; Frama-C's WP proves each line of their contracts.
 *
 * A leaf is a number that is zero or present. Which frame it names is kept beside it in a ghost
 * of its own, because that is a matter of bits.
 */
#include "guardian/nonce.h"
#include "memory/own.c"

#define FRAMES	4096
#define VMS	17
#define GFNS	4096

struct frame frames[FRAMES];
u64 host[FRAMES];		/* EPT01's leaves */
u64 guest[VMS][GFNS];		/* EPT02s' leaves */
u32 named[VMS][GFNS];		/* the frame that a present leaf of an EPT02 names */
u64 counter;			/* of nonces */
u64 issued[FRAMES];		/* nonces given out, the first `seals` of them */
u32 seals;

/*@ predicate host_sees_its_own =
      \forall integer p; 0 <= p < FRAMES ==>
        (frames[p].owner == FRAME_PRIVATE || frames[p].owner == FRAME_ROOTVISOR) ==> host[p] == 0;

    predicate guest_sees_its_own =
      \forall integer v, g; 0 <= v < VMS && 0 <= g < GFNS && guest[v][g] != 0 ==>
        named[v][g] < FRAMES && frames[named[v][g]].owner == FRAME_PRIVATE &&
        frames[named[v][g]].vm == v && frames[named[v][g]].gfn == g;

    predicate private_is_placed =
      \forall integer p; 0 <= p < FRAMES && frames[p].owner == FRAME_PRIVATE ==>
        0 < frames[p].vm < VMS && frames[p].gfn < GFNS;

    predicate sound = host_sees_its_own && guest_sees_its_own && private_is_placed;

    // What it means: one frame, one owner, one guest frame number.
    lemma one_owner:
      sound ==> \forall integer v, g, w, k;
        0 <= v < VMS && 0 <= g < GFNS && 0 <= w < VMS && 0 <= k < GFNS &&
        guest[v][g] != 0 && guest[w][k] != 0 && named[v][g] == named[w][k] ==> v == w && g == k;

    lemma not_the_host_too:
      sound ==> \forall integer v, g;
        0 <= v < VMS && 0 <= g < GFNS && guest[v][g] != 0 ==> host[named[v][g]] == 0;

    predicate nonces_differ =
      seals <= FRAMES && (\forall integer i; 0 <= i < seals ==> issued[i] <= counter) &&
      (\forall integer i, j; 0 <= i < j < seals ==> issued[i] != issued[j]);
*/

/* vm_bring_page(): take_frame(), then the leaf */
/*@ requires pfn < FRAMES && 0 < vm < VMS && gfn < GFNS && leaf != 0 && sound;
    assigns frames[pfn], host[pfn], guest[vm][gfn], named[vm][gfn];
    ensures sound;
    ensures \old(frames[pfn].owner) != FRAME_HOST ==> frames[pfn] == \old(frames[pfn]) && host[pfn] == \old(host[pfn]); */
void bring_page(u32 pfn, u8 vm, u32 gfn, u64 leaf)
{
	if (guest[vm][gfn])
		return;
	if (frames[pfn].owner != FRAME_HOST)
		return;
	own_take_begin(&frames[pfn], &host[pfn]);
	/*@ assert sound; */		/* holds while the CPUs flush, too */
	own_take_end(&frames[pfn], vm, gfn);
	/*@ assert sound; */		/* while the page is cleared or unsealed */
	if (own_map(&frames[pfn], vm, gfn, &guest[vm][gfn], leaf))
		named[vm][gfn] = pfn;
}

/* The same where unsealing fails: the frame goes back, no leaf was made. */
/*@ requires pfn < FRAMES && 0 < vm < VMS && gfn < GFNS && leaf != 0 && sound;
    requires guest[vm][gfn] == 0;
    assigns frames[pfn], host[pfn];
    ensures sound && guest[vm][gfn] == 0; */
void bring_page_fails(u32 pfn, u8 vm, u32 gfn, u64 leaf)
{
	if (frames[pfn].owner != FRAME_HOST)
		return;
	own_take_begin(&frames[pfn], &host[pfn]);
	own_take_end(&frames[pfn], vm, gfn);
	own_return_end(&frames[pfn], &host[pfn], leaf);
}

/* vm_host_touch() */
/*@ requires pfn < FRAMES && leaf != 0 && sound;
    assigns frames[pfn], host[pfn], guest[0 .. VMS - 1][0 .. GFNS - 1];
    ensures sound;
    ensures \old(frames[pfn].owner) == FRAME_PRIVATE ==> frames[pfn].owner == FRAME_HOST && host[pfn] == leaf;
    ensures \old(frames[pfn].owner) != FRAME_PRIVATE ==> frames[pfn] == \old(frames[pfn]) && host[pfn] == \old(host[pfn]); */
void host_touch(u32 pfn, u64 leaf)
{
	u32 gfn;
	u8 vm;

	if (frames[pfn].owner != FRAME_PRIVATE)
		return;
	vm = frames[pfn].vm;
	gfn = frames[pfn].gfn;
	if (guest[vm][gfn] && named[vm][gfn] == pfn)
		guest[vm][gfn] = 0;
	/*@ assert sound; */
	own_return_end(&frames[pfn], &host[pfn], leaf);
}

/* guardian_seal() */
/*@ requires nonces_differ && seals < FRAMES;
    assigns counter, seals, issued[seals];
    ensures nonces_differ; */
void seal(void)
{
	if (!nonce_next(&counter))
		return;
	issued[seals] = counter;
	seals++;
}
