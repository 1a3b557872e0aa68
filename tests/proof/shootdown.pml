/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who can reach a frame, explored to the end: 2 CPUs with their TLBs, 3 frames, 2 protected VMs, a host that
 * touches and offers any frame at any time and runs either VM on either CPU. The frame table, EPT01 and the EPT02s
 * change by RootVisor's own code (memory/own.c, compiled into the checker); the model adds what that code
 * relies on: RootVisor's lock and the shoot-down protocol.
 *
 * Asserted at every access that a table or a TLB lets through: the frame belongs to him who makes it, at
 * that guest frame number. And nobody waits for ever (no invalid end state). What the pages hold: sealing.pml.
 *
 * MUTANT takes one rule out; tests/proof/run sees to it that each of these models is refuted.
 */

#define NO_WAIT			1	/* goes on before the other CPU has flushed */
#define NO_LOCAL_FLUSH		2
#define NO_FLUSH_AT_RETURN	3
#define OWNER_UNCHECKED		4	/* takes a frame from whoever has it */
#define NO_ANSWER		5	/* a CPU that waits for the lock does not flush */
#define HAND_OVER_FIRST		6	/* the VM gets the frame, then the CPUs flush */
#define ENTRY_UNFLUSHED		7	/* a CPU enters a guest with its generation behind */
#ifndef MUTANT
#define MUTANT 0
#endif

c_decl {
\#include "memory/own.c"
};

c_state "struct frame frames[3]" "Global"
c_state "u64 host_leaf[3]" "Global"
c_state "u64 guest_leaf[3]" "Global"	/* by VM: 1, 2; frame + 1 */

byte tlb_host[2];			/* by CPU; bit f: a translation to frame f */
byte tlb_guest[6];			/* [cpu * 3 + vm]: frame + 1 */
bool stale[2];				/* this CPU's generation is behind: it must flush */
#define NOBODY 2
byte lock = NOBODY;			/* RootVisor's */
#define HOST 0
byte mode[2];				/* who runs on the CPU: HOST or a VM's number */

inline flush(c)
{
	tlb_host[c] = 0;
	tlb_guest[c * 3 + 1] = 0;
	tlb_guest[c * 3 + 2] = 0;
	stale[c] = false
}

/* A VM exit. In root operation a CPU uses no translation of a guest; while it waits for the lock it answers. */
inline enter_root(c)
{
	do
	:: atomic { lock == NOBODY -> lock = c; break }
	:: d_step { MUTANT != NO_ANSWER && stale[c] -> flush(c) }
	od
}

inline leave(c)
{
	d_step {
		if
		:: MUTANT != ENTRY_UNFLUSHED && stale[c] -> flush(c)
		:: else
		fi;
		lock = NOBODY
	}
}

/* Every CPU drops its translations; done when it returns. The other one is kicked out of its guest by NMI. */
inline shoot_down(c)
{
	d_step {
		stale[1 - c] = true;
		if
		:: MUTANT != NO_LOCAL_FLUSH -> flush(c)
		:: else
		fi
	};
	if
	:: MUTANT != NO_WAIT -> !stale[1 - c]
	:: MUTANT == NO_WAIT
	fi
}

/* vm_host_touch() */
inline host_touch(c, f)
{
	if
	:: d_step { c_expr { now.frames[Pcpu->f].owner == FRAME_PRIVATE } ->
		c_code {
			Pcpu->v = now.frames[Pcpu->f].vm;
			if (now.guest_leaf[Pcpu->v] == Pcpu->f + 1)
				now.guest_leaf[Pcpu->v] = 0;
		}
	   };
		if
		:: MUTANT != NO_FLUSH_AT_RETURN -> shoot_down(c)
		:: MUTANT == NO_FLUSH_AT_RETURN
		fi;
		d_step {
			c_code { own_return_end(&now.frames[Pcpu->f], &now.host_leaf[Pcpu->f], Pcpu->f + 1); };
			v = 0
		}
	:: c_expr { now.frames[Pcpu->f].owner != FRAME_PRIVATE }
	fi
}

/* vm_bring_page(): guest v misses its page, and the host offers frame f for it. */
inline bring_page(c, f)
{
	if
	:: d_step { c_expr { now.guest_leaf[Pcpu->v] == 0 } &&
	   (MUTANT == OWNER_UNCHECKED || c_expr { now.frames[Pcpu->f].owner == FRAME_HOST }) ->
		c_code { own_take_begin(&now.frames[Pcpu->f], &now.host_leaf[Pcpu->f]); };
	   };
		if
		:: d_step { MUTANT == HAND_OVER_FIRST ->
			c_code { own_take_end(&now.frames[Pcpu->f], Pcpu->v, 0); } }
		:: MUTANT != HAND_OVER_FIRST
		fi;
		shoot_down(c);
		d_step {
			c_code {
				own_take_end(&now.frames[Pcpu->f], Pcpu->v, 0);
				if (!own_map(&now.frames[Pcpu->f], Pcpu->v, 0, &now.guest_leaf[Pcpu->v], Pcpu->f + 1))
					Uerror("own_map() refused what was just taken");
			}
		}
	:: c_expr { now.guest_leaf[Pcpu->v] != 0 } ||
	   (MUTANT != OWNER_UNCHECKED && c_expr { now.frames[Pcpu->f].owner != FRAME_HOST })
	fi
}

inline any_frame(f)
{
	if
	:: f = 0
	:: f = 1
	:: f = 2
	fi
}

proctype cpu(byte me)
{
	byte f, v, t;

	do
	/* an NMI of the shoot-down protocol arrives: out, flush, back */
	:: d_step { stale[me] && MUTANT != ENTRY_UNFLUSHED -> flush(me) }
	:: d_step { stale[me] && MUTANT == ENTRY_UNFLUSHED -> stale[me] = false }

	/* ---- the host runs ---- */
	:: atomic { mode[me] == HOST -> any_frame(f) };
		if
		:: d_step {		/* the access goes through */
			c_expr { now.host_leaf[Pcpu->f] != 0 } || (tlb_host[me] & (1 << f)) ->
			assert(c_expr { now.frames[Pcpu->f].owner == FRAME_HOST });
			if
			:: c_expr { now.host_leaf[Pcpu->f] != 0 } -> tlb_host[me] = tlb_host[me] | (1 << f)
			:: else
			fi;
			f = 0
		   }
		:: c_expr { now.host_leaf[Pcpu->f] == 0 } && !(tlb_host[me] & (1 << f)) ->	/* EPT violation */
			enter_root(me);
			host_touch(me, f);
			leave(me);
			f = 0
		fi
	:: atomic { mode[me] == HOST && !stale[me] ->			/* VMRESUME of either VM */
			if
			:: mode[me] = 1
			:: mode[me] = 2
			fi
		}

	/* ---- a guest runs ---- */
	:: d_step { mode[me] != HOST -> mode[me] = HOST }	/* any exit to KVM */
	:: atomic { mode[me] != HOST -> v = mode[me]; any_frame(f) };
		if
		:: d_step {
			c_expr { now.guest_leaf[Pcpu->v] != 0 } || tlb_guest[me * 3 + v] ->
			if
			:: tlb_guest[me * 3 + v] -> t = tlb_guest[me * 3 + v] - 1
			:: else -> c_code { Pcpu->t = now.guest_leaf[Pcpu->v] - 1; }; tlb_guest[me * 3 + v] = t + 1
			fi;
			assert(c_expr { now.frames[Pcpu->t].owner == FRAME_PRIVATE && now.frames[Pcpu->t].vm == Pcpu->v });
			t = 0; f = 0; v = 0
		   }
		:: c_expr { now.guest_leaf[Pcpu->v] == 0 } && !tlb_guest[me * 3 + v] ->
			enter_root(me);
			bring_page(me, f);
			leave(me);
			v = 0; f = 0
		fi
	od
}

init {
	atomic {
		c_code {
			for (int i = 0; i < 3; i++)
				now.host_leaf[i] = i + 1;
		};
		run cpu(0);
		run cpu(1)
	}
}
