/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way from other threads into the event loop, and threads for what blocks. All state of cvmd
 * belongs to the main thread; a thread works on data of its own and posts the outcome.
 */
#ifndef CVMD_INBOX_H
#define CVMD_INBOX_H

#include "util.h"

struct inbox;

int inbox_new(sd_event *event, struct inbox **ret);
/* Waits for the threads; @done is not called any more. */
void inbox_free(struct inbox *b);
CVM_DEFINE_CLEANUP(struct inbox *, inbox_free)

/**
 * inbox_post - have @fn(@data) called in the event loop; any thread, kept in order
 * @data: from malloc(); @fn frees it, or inbox_free() if it comes first
 *
 * Returns 0 or -ENOMEM.
 */
int inbox_post(struct inbox *b, void (*fn)(void *data), void *data);

/**
 * inbox_run - call @work(@data) in a thread, then @done(@data, result) in the event loop
 *
 * At most 32 at once, the others wait their turn. Returns 0; -EAGAIN: no thread (then neither is called).
 */
int inbox_run(struct inbox *b, int (*work)(void *data), void (*done)(void *data, int r), void *data);

/* What has not finished. */
unsigned inbox_jobs(struct inbox *b);

#endif
