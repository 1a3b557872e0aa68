/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a machine costs the host: CPU time and resident memory of its QEMU, from /proc.
 */
#ifndef CVMD_USAGE_H
#define CVMD_USAGE_H

#include "util.h"

#include <sys/types.h>

struct usage {
    uint64_t cpu_nsec; /* user and system, all threads, since QEMU's start */
    uint64_t resident; /* bytes */
};

/**
 * usage_read - of the QEMU that runs a machine
 * @uuid: of the machine
 * @pid: what was found the last time, 0 at first; kept by the caller
 *
 * Returns 0; -ESRCH: no such process, @ret is zeros; another negative errno.
 */
int usage_read(const char *uuid, pid_t *pid, struct usage *ret);

/* Pure: what /proc/PID/stat says, @hz and @page_size of the system. -EBADMSG. */
int usage_parse_stat(const char *line, uint64_t hz, uint64_t page_size, struct usage *ret);

#endif
