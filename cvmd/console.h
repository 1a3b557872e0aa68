/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The serial console of a machine, for any number of clients at once. QEMU's pseudo terminal has one
 * reader; cvmd reads it while somebody listens and passes the bytes on over socket pairs. While
 * nobody does it is closed, and QEMU drops the output; the log file has it all the same.
 */
#ifndef CVMD_CONSOLE_H
#define CVMD_CONSOLE_H

#include "util.h"

struct console;
struct machine;

/**
 * console_attach - a stream socket that is the console
 * @ret: for the client; the caller closes its copy
 *
 * Returns 0; -ENOTTY: the machine has no console; an errno of opening it.
 */
int console_attach(struct machine *m, int *ret);
void console_free(struct console *c);

#endif
