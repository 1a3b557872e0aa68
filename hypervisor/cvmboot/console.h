/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages on the first serial port; output only. */
#ifndef CVMBOOT_CONSOLE_H
#define CVMBOOT_CONSOLE_H

#include <stdint.h>

#include "reason.h"

void con_init(void);
void con_puts(const char *s);
void con_dec(uint32_t v);
void con_hex(uint32_t v);

/* Writes "cvmboot: TEXT\n", tells RootVisor if there is one (CVM_GUEST_STOP), halts. */
_Noreturn void die(enum reason r);

/* The same with a number behind the text, for an errno or an address. */
_Noreturn void die_num(enum reason r, const char *what, int32_t v);

#endif
