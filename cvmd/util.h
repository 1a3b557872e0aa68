/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clean-up attributes and small helpers of the daemon, on top of libcvmattest's.
 */
#ifndef CVMD_UTIL_H
#define CVMD_UTIL_H

#include "attest/util.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#define TAKE_PTR(p)                                                                                          \
    ({                                                                                                       \
        __typeof__(p) _taken = (p);                                                                          \
        (p) = NULL;                                                                                          \
        _taken;                                                                                              \
    })

static inline void close_fdp(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline int take_fd(int *fd) {
    int r = *fd;

    *fd = -1;
    return r;
}

#define _cleanup_free_ _cleanup_(cvm_freep)
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_ _cleanup_(sd_bus_error_free)

/* Microseconds of a clock. */
static inline uint64_t now_usec(clockid_t clock) {
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* A number for the next version of something: it grows, and by the clock, so that another process does not use it again. */
static inline uint64_t next_revision(uint64_t last) {
    uint64_t now = now_usec(CLOCK_REALTIME);

    return now > last ? now : last + 1;
}

/* Copies @s over *@p, which it frees; NULL clears. Returns 0 or -ENOMEM (then *@p is unchanged). */
int free_and_strdup(char **p, const char *s);

/* The usual text form of a UUID (RFC 9562, section 4) and back; -EINVAL if @s is none. */
#define UUID_STRING_MAX 37
char *uuid_to_string(const uint8_t uuid[16], char out[UUID_STRING_MAX]);
int uuid_from_string(const char *s, uint8_t uuid[16]);

/**
 * uuid7_make - a UUID of version 7 (RFC 9562, section 5.7) that is greater than the last one
 * @ms: since 1970; a clock that went back does not make the ids go back
 * @last: the greatest so far, zeroes if none
 * @random: 10 fresh bytes
 */
void uuid7_make(uint64_t ms, const uint8_t last[16], const uint8_t random[10], uint8_t out[16]);

/* Whole small file (at most 64 KiB, /proc and /sys too) as a string without final newline. */
int read_line_file(const char *path, char **ret);

#endif
