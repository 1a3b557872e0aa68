/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

struct letter {
    struct letter *next;
    void (*fn)(void *data);
    void *data;
};

/* A thousand machines that start at boot must not be a thousand threads. */
#define THREADS_MAX 32u

struct inbox {
    pthread_mutex_t lock;
    struct letter *first, **last;
    sd_event_source *source;
    int fd;
    unsigned jobs, threads; /* main thread only, as what follows: not finished; of these in a thread */
    struct letter *waiting, **behind; /* jobs without a thread, in order */
};

struct job {
    struct inbox *inbox;
    int (*work)(void *data);
    void (*done)(void *data, int r);
    void *data;
    int r;
};

static int on_letters(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct inbox *b = userdata;
    struct letter *l;
    uint64_t n;

    (void)source;
    (void)revents;
    if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return -errno;
    pthread_mutex_lock(&b->lock);
    l = b->first;
    b->first = NULL;
    b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
    while (l) {
        struct letter *next = l->next;

        l->fn(l->data);
        free(l);
        l = next;
    }
    return 0;
}

int inbox_new(sd_event *event, struct inbox **ret) {
    _cleanup_(inbox_freep) struct inbox *b = NULL;
    int r;

    b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    pthread_mutex_init(&b->lock, NULL);
    b->last = &b->first;
    b->behind = &b->waiting;
    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (b->fd < 0)
        return -errno;
    r = sd_event_add_io(event, &b->source, b->fd, EPOLLIN, on_letters, b);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(b);
    return 0;
}

static void job_done(void *data);

/* Letters go unread, but a thread must not write to an inbox that is gone. */
static void drain(struct inbox *b) {
    uint64_t n;

    (void)!read(b->fd, &n, sizeof(n));
    pthread_mutex_lock(&b->lock);
    while (b->first) {
        struct letter *l = b->first;

        b->first = l->next;
        if (l->fn == job_done)
            b->threads--;
        free(l->data);
        free(l);
    }
    b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
}

void inbox_free(struct inbox *b) {
    if (!b)
        return;
    sd_event_source_unref(b->source);
    while (drain(b), b->threads)
        (void)poll(&(struct pollfd){.fd = b->fd, .events = POLLIN}, 1, 10);
    while (b->waiting) {
        struct letter *l = b->waiting;

        b->waiting = l->next;
        free(l->data);
        free(l);
    }
    close_fdp(&b->fd);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static void post(struct inbox *b, struct letter *l) {
    uint64_t one = 1;

    pthread_mutex_lock(&b->lock);
    l->next = NULL;
    *b->last = l;
    b->last = &l->next;
    pthread_mutex_unlock(&b->lock);
    if (write(b->fd, &one, sizeof(one)) < 0)
        return; /* the counter is full, so the loop will look anyway */
}

int inbox_post(struct inbox *b, void (*fn)(void *data), void *data) {
    struct letter *l = malloc(sizeof(*l));

    if (!l)
        return -ENOMEM;
    *l = (struct letter){.fn = fn, .data = data};
    post(b, l);
    return 0;
}

/* The letter was made before the thread, so that delivering the outcome cannot fail. */
static void *job_thread(void *data) {
    struct letter *l = data;
    struct job *j = l->data;

    j->r = j->work(j->data);
    post(j->inbox, l);
    return NULL;
}

static int start(struct inbox *b, struct letter *l) {
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attr, job_thread, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0)
        return -EAGAIN;
    b->threads++;
    return 0;
}

static void job_done(void *data) {
    struct job *j = data;
    struct inbox *b = j->inbox;

    b->jobs--;
    b->threads--;
    j->done(j->data, j->r);
    free(j);
    while (b->waiting && b->threads < THREADS_MAX) {
        struct letter *l = b->waiting, *next = l->next; /* the thread reuses the link */

        if (start(b, l) < 0)
            return; /* the next one that ends tries again */
        b->waiting = next;
        if (!b->waiting)
            b->behind = &b->waiting;
    }
}

int inbox_run(struct inbox *b, int (*work)(void *data), void (*done)(void *data, int r), void *data) {
    _cleanup_free_ struct letter *l = NULL;
    _cleanup_free_ struct job *j = NULL;

    l = malloc(sizeof(*l));
    j = malloc(sizeof(*j));
    if (!l || !j)
        return -EAGAIN;
    *j = (struct job){.inbox = b, .work = work, .done = done, .data = data};
    *l = (struct letter){.fn = job_done, .data = j};
    if (b->threads < THREADS_MAX && !b->waiting) {
        if (start(b, l) < 0)
            return -EAGAIN;
    } else {
        *b->behind = l;
        b->behind = &l->next;
    }
    l = NULL;
    j = NULL;
    b->jobs++;
    return 0;
}

unsigned inbox_jobs(struct inbox *b) {
    return b->jobs;
}
