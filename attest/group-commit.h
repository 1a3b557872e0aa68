/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bringing a file's lines to the disk for many threads at once: one goes, for all lines that are written by then.
 * A thread that waits is woken once, when its line is there; the lock is never held while the disk or a thread works.
 */
#ifndef CVM_ATTEST_GROUP_COMMIT_H
#define CVM_ATTEST_GROUP_COMMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct cvm_commit {
    pthread_mutex_t lock;
    pthread_cond_t done[2]; /* waited for by those whom an odd, an even way to the disk takes along */
    bool going;             /* a thread is on its way */
    bool broken;            /* a line did not get there: nothing does any more */
    uint64_t times;         /* how often a thread went, this time included */
    uint64_t takes;         /* number of the first line that the one on its way leaves behind */
    uint64_t written;       /* of the next line */
    uint64_t safe;          /* of the first one that may not be on the disk yet */
};

void cvm_commit_init(struct cvm_commit *c);
void cvm_commit_done(struct cvm_commit *c);

/* @next: number of the next line; those before are on the disk. Before threads begin. */
void cvm_commit_start(struct cvm_commit *c, uint64_t next);

/* Lines before @next are written. The file's one writer says so. */
void cvm_commit_wrote(struct cvm_commit *c, uint64_t next);

/* A line was written in part. */
void cvm_commit_break(struct cvm_commit *c);
bool cvm_commit_is_broken(struct cvm_commit *c);

/**
 * cvm_commit_wait - until lines before @next, which are written, are on the disk
 * @fd: the file
 *
 * Returns 0, or -EIO: one did not get there, and no later one will be told to be.
 */
int cvm_commit_wait(struct cvm_commit *c, int fd, uint64_t next);

#endif
