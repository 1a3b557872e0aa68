/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host sees of a private page and what the guest gets back, explored to the end: 3 frames, 2 protected VMs
 * with one page each that they write and read, a host that reads, writes, copies and swaps frames, keeps old
 * ciphertext, and offers any frame for any page. Who can reach which frame meanwhile is shootdown.pml's
 * matter; here a change of owner is one step, made by the code of memory/own.c.
 *
 * Asserted: the host never reads plaintext; a guest reads what it wrote last, or zeros where it wrote
 * nothing; no nonce is used twice under one key.
 *
 * MUTANT takes one rule out; tests/proof/run sees to it that each of these models is refuted.
 */

#define NO_SEAL			1
#define TAG_UNCHECKED		2	/* any ciphertext is accepted */
#define VERSION_UNCHECKED	3	/* any ciphertext of that VM and page is accepted */
#define NONCE_REUSED		4
#define NOT_ZEROED		5	/* a page's first use shows what the host left there */
#define RECORD_FORGOTTEN	6	/* a sealed page counts as never used */
#define NOT_CLEARED		7	/* a page that fails its check goes back as it is, decrypted */
#ifndef MUTANT
#define MUTANT 0
#endif

#define MAX_SEALS 3

c_decl {
\#include "memory/own.c"
};

c_state "struct frame frames[3]" "Global"
c_state "u64 host_leaf[3]" "Global"
c_state "u64 guest_leaf[3]" "Global"	/* by VM: 1, 2; frame + 1 */

/* What a page holds. ZERO and JUNK are the host's to know. */
#define ZERO		0
#define JUNK		1
#define PLAIN(v, d)	(8 + (v) * 4 + (d))		/* VM v's datum d: 0 = its zeros, 1, 2 = what it wrote */
#define CIPHER(v, d, n)	(64 + (v) * 64 + (d) * 16 + (n))	/* the same, sealed with nonce n */
#define IS_PLAIN(x)	((x) >= 8 && (x) < 64)
#define IS_CIPHER(x)	((x) >= 64)
#define VM_OF(x)	(((x) - 64) / 64)
#define DATUM_OF(x)	((((x) - 64) / 16) & 3)
#define NONCE_OF(x)	((x) & 15)

byte content[3];
byte saved;				/* one page that the host kept aside */
byte truth[3];				/* by VM: the datum that its page must have */
byte nonce[3];				/* by VM: last one used */
short used[3];				/* by VM: bit n: nonce n was used */
byte record[3];				/* by VM: nonce of the ciphertext that is out, 0 = none */
bool dead[3];

/* The Guardian. */
inline seal(v, f)
{
	if
	:: MUTANT == NONCE_REUSED && nonce[v] -> skip
	:: !(MUTANT == NONCE_REUSED && nonce[v]) -> nonce[v]++
	fi;
	assert(!(used[v] & (1 << nonce[v])));
	used[v] = used[v] | (1 << nonce[v]);
	record[v] = nonce[v];
	content[f] = CIPHER(v, content[f] & 3, nonce[v])
}

/* Decrypted with another key, nonce or place, a page is junk, not another page. */
inline unseal(v, f, good)
{
	good = (IS_CIPHER(content[f]) && VM_OF(content[f]) == v && NONCE_OF(content[f]) == record[v]) ||
	       MUTANT == TAG_UNCHECKED ||
	       (MUTANT == VERSION_UNCHECKED && IS_CIPHER(content[f]) && VM_OF(content[f]) == v);
	if
	:: IS_CIPHER(content[f]) && VM_OF(content[f]) == v -> content[f] = PLAIN(v, DATUM_OF(content[f]))
	:: !(IS_CIPHER(content[f]) && VM_OF(content[f]) == v) -> content[f] = JUNK
	fi
}

inline host_touch(f)
{
	c_code {
		Phost->v = now.frames[Phost->f].vm;
		if (now.guest_leaf[Phost->v] == Phost->f + 1)
			now.guest_leaf[Phost->v] = 0;
	};
	if
	:: dead[v] -> content[f] = ZERO
	:: !dead[v] && MUTANT != NO_SEAL -> seal(v, f)
	:: !dead[v] && MUTANT == NO_SEAL
	fi;
	c_code { own_return_end(&now.frames[Phost->f], &now.host_leaf[Phost->f], Phost->f + 1); };
	v = 0
}

inline bring_page(v, f)
{
	good = true;
	c_code {
		own_take_begin(&now.frames[Phost->f], &now.host_leaf[Phost->f]);
		own_take_end(&now.frames[Phost->f], Phost->v, 0);
	};
	if
	:: record[v] && MUTANT != RECORD_FORGOTTEN -> unseal(v, f, good); record[v] = 0
	:: !record[v] || MUTANT == RECORD_FORGOTTEN ->
		if
		:: MUTANT != NOT_ZEROED -> content[f] = PLAIN(v, 0)
		:: MUTANT == NOT_ZEROED
		fi
	fi;
	if
	:: good -> c_code {
			if (!own_map(&now.frames[Phost->f], Phost->v, 0, &now.guest_leaf[Phost->v], Phost->f + 1))
				Uerror("own_map() refused what was just taken");
		}
	:: !good ->
		if
		:: MUTANT != NOT_CLEARED -> content[f] = ZERO
		:: MUTANT == NOT_CLEARED
		fi;
		c_code { own_return_end(&now.frames[Phost->f], &now.host_leaf[Phost->f], Phost->f + 1); };
		dead[v] = true
	fi;
	good = false
}

inline any_frame(f)
{
	if
	:: f = 0
	:: f = 1
	:: f = 2
	fi
}

active proctype host()
{
	byte f, v;
	bool good;

	c_code {
		for (int i = 0; i < 3; i++)
			now.host_leaf[i] = i + 1;
	};
	do
	/* the host touches a frame: reads it, keeps it, overwrites it */
	:: atomic {
		any_frame(f);
		if
		:: c_expr { now.host_leaf[Phost->f] == 0 } && nonce[1] < MAX_SEALS && nonce[2] < MAX_SEALS -> host_touch(f)
		:: c_expr { now.host_leaf[Phost->f] != 0 }
		:: c_expr { now.host_leaf[Phost->f] == 0 } && !(nonce[1] < MAX_SEALS && nonce[2] < MAX_SEALS) -> goto next
		fi;
		assert(!IS_PLAIN(content[f]));
		if
		:: saved = content[f]
		:: content[f] = saved
		:: content[f] = JUNK
		:: content[f] = ZERO
		:: skip
		fi;
next:		f = 0
	   }

	/* a guest touches its page: reads it, writes it */
	:: atomic {
		if
		:: v = 1
		:: v = 2
		fi;
		any_frame(f);
		if
		:: !dead[v] && c_expr { now.guest_leaf[Phost->v] == 0 && now.frames[Phost->f].owner == FRAME_HOST } ->
			bring_page(v, f)
		:: !dead[v] && c_expr { now.guest_leaf[Phost->v] != 0 } ->
			c_code { Phost->f = now.guest_leaf[Phost->v] - 1; };
			assert(content[f] == PLAIN(v, truth[v]));
			if
			:: truth[v] = 1
			:: truth[v] = 2
			:: skip
			fi;
			content[f] = PLAIN(v, truth[v])
		:: else
		fi;
		f = 0; v = 0
	   }
	od
}
