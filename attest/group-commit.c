/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group-commit.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

void cvm_commit_init(struct cvm_commit *c) {
    *c = (struct cvm_commit){.written = 0};
    pthread_mutex_init(&c->lock, NULL);
    for (unsigned i = 0; i < 2; i++)
        pthread_cond_init(&c->done[i], NULL);
}

void cvm_commit_done(struct cvm_commit *c) {
    pthread_mutex_destroy(&c->lock);
    for (unsigned i = 0; i < 2; i++)
        pthread_cond_destroy(&c->done[i]);
}

void cvm_commit_start(struct cvm_commit *c, uint64_t next) {
    c->written = c->safe = next;
}

void cvm_commit_wrote(struct cvm_commit *c, uint64_t next) {
    pthread_mutex_lock(&c->lock);
    c->written = next;
    pthread_mutex_unlock(&c->lock);
}

void cvm_commit_break(struct cvm_commit *c) {
    pthread_mutex_lock(&c->lock);
    c->broken = true;
    pthread_mutex_unlock(&c->lock);
}

bool cvm_commit_is_broken(struct cvm_commit *c) {
    bool broken;

    pthread_mutex_lock(&c->lock);
    broken = c->broken;
    pthread_mutex_unlock(&c->lock);
    return broken;
}

/*
 * First it lets others run that are ready to: on a busy CPU they write their lines meanwhile and share the way; on an idle one
 * there are none, and nothing is waited for. Locked at the beginning, not at the end: who is woken finds the lock free.
 */
static void go(struct cvm_commit *c, int fd) {
    uint64_t written, time = ++c->times;
    bool broken;
    int r;

    c->going = true;
    c->takes = UINT64_MAX;
    pthread_mutex_unlock(&c->lock);
    sched_yield();
    pthread_mutex_lock(&c->lock);
    c->takes = written = c->written;
    pthread_mutex_unlock(&c->lock);
    r = fdatasync(fd);
    pthread_mutex_lock(&c->lock);
    c->going = false;
    /* The kernel tells an error once and then knows nothing of the pages that it lost. */
    if (r < 0)
        c->broken = true;
    else
        c->safe = written;
    broken = c->broken;
    pthread_mutex_unlock(&c->lock);
    /* Who came along is there; of those that came too late one goes next. If nobody can go any more, all must hear of it. */
    pthread_cond_broadcast(&c->done[time & 1]);
    if (broken)
        pthread_cond_broadcast(&c->done[(time + 1) & 1]);
    else
        pthread_cond_signal(&c->done[(time + 1) & 1]);
}

int cvm_commit_wait(struct cvm_commit *c, int fd, uint64_t next) {
    int r;

    pthread_mutex_lock(&c->lock);
    while (c->safe < next && !c->broken) {
        if (c->going) { /* for the one that is on its way, or the next */
            pthread_cond_wait(&c->done[(c->times + (next > c->takes)) & 1], &c->lock);
            continue;
        }
        go(c, fd);
        pthread_mutex_lock(&c->lock);
    }
    r = c->safe < next ? -EIO : 0;
    pthread_mutex_unlock(&c->lock);
    return r;
}
