/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What launch, define and set may say of a machine, as options of the command line.
 */
#ifndef CVMCTL_MACHINE_OPTIONS_H
#define CVMCTL_MACHINE_OPTIONS_H

#include "transport.h"

/* What a machine starts, and what else it is. `set` takes the second only. */
extern const struct verb_option machine_boot_options[], machine_options[];

struct machine_request {
    json_object *options;        /* by their names on the bus */
    const char *kernel, *initrd; /* paths, NULL: none given */
    int kernel_fd, initrd_fd;
};

void machine_request_init(struct machine_request *q);
void machine_request_done(struct machine_request *q);
/* Takes one option of the two lists. -1 to go on, or the exit status. */
int machine_request_take(struct machine_request *q, const char *verb, int opt, const char *arg);
/* Opens the files, with the caller's rights. 0 or an exit status. */
int machine_request_open(struct machine_request *q, const char *verb);
bool machine_request_has(const struct machine_request *q, const char *key);

/* Opens a regular file to hand it to cvmd. 0 or an exit status. */
int open_regular(const char *verb, const char *what, const char *path, int *ret);

#endif
