/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Progress of long work, on standard error: a bar with bytes or pages and the time that is left on a
 * terminal, a line every tenth of the way elsewhere, nothing with --quiet or --json.
 */
#ifndef CVMCTL_PROGRESS_H
#define CVMCTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *title;
    bool tty, silent, drawn;
    uint64_t begun, drawn_at; /* CLOCK_MONOTONIC, microseconds */
    uint64_t first;           /* done when it was first seen: what the pace is computed from */
    bool seen;
    unsigned tenth; /* last one told as a line */
};

void progress_begin(struct progress *p, const char *title);
/* @total 0: not known. @unit: "bytes", "pages", other words as they are. */
void progress_update(struct progress *p, uint64_t done, uint64_t total, const char *unit);
/* Clears the bar. */
void progress_end(struct progress *p);

/* "12.3 MiB of 1.0 GiB", "40 of 100 pages"; "" if there is nothing to tell. */
void progress_text(uint64_t done, uint64_t total, const char *unit, char *buf, size_t size);
/* Seconds left at the pace so far, -1 if there is none yet. @elapsed: microseconds for @done - @first. */
int64_t progress_left(uint64_t done, uint64_t first, uint64_t total, uint64_t elapsed);
/* The bar without escapes, at most @width columns: title, bar, percent, amount, time left. */
void progress_line(const char *title, uint64_t done, uint64_t total, const char *unit, int64_t left,
                   unsigned width, char *buf, size_t size);

#endif
