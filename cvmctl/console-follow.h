/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVMCTL_CONSOLE_FOLLOW_H
#define CVMCTL_CONSOLE_FOLLOW_H

#include "cvmctl.h"

#include <sys/types.h>

struct transport;

struct console_machine {
    struct transport *transport;
    const char *name;
};

/**
 * console_follow - print a growing file until a line of it matches
 * @log:     the file, from offset @start on
 * @until:   POSIX extended regular expression, matched against each line and the unfinished last one;
 *           NULL: until the machine ends
 * @timeout: milliseconds, 0: none
 * @active:  whether the machine still runs: 1, 0; negative exit status if that cannot be told
 *
 * Returns an exit status: 0 matched (or, without @until, ended), 1 not, 2 no regular expression.
 */
int console_follow(int log, off_t start, const char *until, uint64_t timeout, int (*active)(void *userdata),
                   void *userdata);

#endif
