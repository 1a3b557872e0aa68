/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One TPM, many who ask: requests go to it one after the other, in threads; quotes are kept for a while by
 * their nonce; who asks too often is told when to come again.
 */
#ifndef CVMD_QUOTE_H
#define CVMD_QUOTE_H

#include "attest/enrolment.h"
#include "attest/evidence.h"
#include "inbox.h"

#define QUOTER_QUEUE_MAX 16 /* requests that wait */
#define QUOTER_CACHE_MAX 16 /* quotes that are kept */
#define QUOTER_CACHE_SEC 30 /* how long: a nonce window */
#define QUOTER_BURST 8      /* quotes at once, before the rate counts */

struct quoter;

struct quoter_config {
    const char *tcti;      /* of the TPM; copied */
    const char *event_log; /* path; copied */
    uint32_t per_minute;   /* new quotes; 0: no limit */
    uint64_t (*now)(void); /* CLOCK_MONOTONIC in microseconds */
};

int quoter_new(struct inbox *inbox, const struct quoter_config *config, struct quoter **ret);
void quoter_free(struct quoter *q);
CVM_DEFINE_CLEANUP(struct quoter *, quoter_free)

/* Called once, in the event loop. @r 0: @platform or @text is there, lent; else @e says what is wrong. */
typedef void (*quoter_done)(void *userdata, int r, const struct cvm_platform *platform, const char *text,
                            const struct cvm_error *e);

/**
 * quoter_quote - a quote for a nonce of 64 bytes, with the event log
 * @retry_after: seconds, with -EAGAIN
 *
 * Returns 0: @done will be called, or was; -EAGAIN: too many; -ENOMEM. With an error @done is not called.
 */
int quoter_quote(struct quoter *q, const uint8_t *nonce, quoter_done done, void *userdata,
                 uint32_t *retry_after);

/* Commands of somebody else's to the TPM, and its answers, as they are. */
struct quoter_exchange {
    size_t size;
    uint8_t bytes[1024];
};

/* In the event loop: a command into @x, first and with each answer in it. 1: carry it; 0: that was all; a negative errno ends it. */
typedef int (*quoter_step)(void *userdata, struct quoter_exchange *x);

/**
 * quoter_exchange - carry commands to the TPM, one after the other, nobody else's in between
 * @done: with what @step said last, or -EIO, -ENODEV of the TPM
 *
 * They count for no rate: no client chooses how many there are. Returns 0: @done will be called; -EAGAIN: too many wait; -ENOMEM.
 */
int quoter_exchange(struct quoter *q, quoter_step step, quoter_done done, void *userdata);

/* The two steps of enrolment on the host; their result is JSON text. The same results, -EINVAL for a bad
 * challenge. */
int quoter_endorsement(struct quoter *q, quoter_done done, void *userdata, uint32_t *retry_after);
int quoter_activate(struct quoter *q, const char *challenge, quoter_done done, void *userdata,
                    uint32_t *retry_after, struct cvm_error *e);

#endif
