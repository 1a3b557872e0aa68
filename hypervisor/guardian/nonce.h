/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nonces of sealed pages: a counter that ends rather than repeats. Proven by tests/proof. */
#ifndef GUARDIAN_NONCE_H
#define GUARDIAN_NONCE_H

#include <stdbool.h>
#include <stdint.h>

/*@ requires \valid(counter);
    assigns *counter;
    ensures \result <==> \old(*counter) < UINT64_MAX;
    ensures \result ==> *counter == \old(*counter) + 1;
    ensures !\result ==> *counter == \old(*counter); */
static inline bool nonce_next(uint64_t *counter)
{
	if (*counter == UINT64_MAX)
		return false;
	++*counter;
	return true;
}

#endif
