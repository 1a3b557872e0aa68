/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Consoles over REST. Descriptors do not travel, so threads keep some here that look the same: a file in memory into
 * which the console's log comes as it grows, and a socket whose other end is two requests.
 */
#include "transport-rest.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NSEC 500000000
#define SETTLE_SECONDS 30

struct pump {
    struct pump *next;
    struct http *out, *in; /* @in: of a console */
    char *console;         /* "/v1/machines/NAME/console" */
    char input[256];       /* where octets are POSTed */
    int fd;                /* the file, or this end of the socket */
    uint64_t at;           /* of a file: octets so far */
    pthread_t typing;
    /* Under the lock: */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool begun, ended;
    int status; /* why it never began */
    char error[512];
};

static void set(struct pump *p, bool *flag) {
    pthread_mutex_lock(&p->lock);
    *flag = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static int on_begin(void *userdata, const char *value) {
    struct pump *p = userdata;

    if (p->in)
        snprintf(p->input, sizeof(p->input), "%s", value);
    set(p, &p->begun);
    return 0;
}

static int on_data(void *userdata, const char *data, size_t n) {
    struct pump *p = userdata;

    while (n) {
        ssize_t k = p->in ? send(p->fd, data, n, MSG_NOSIGNAL) : pwrite(p->fd, data, n, (off_t)p->at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -1;
        p->at += (uint64_t)k;
        data += k;
        n -= (size_t)k;
    }
    return 0;
}

/* From the gateway to the descriptor. A file goes on where it broke off; a terminal ends there. */
static void *output(void *userdata) {
    const struct timespec pause = {.tv_nsec = RETRY_NSEC};
    struct pump *p = userdata;
    char path[192];
    int r;

    do {
        struct http_stream s = {.path = path,
                                .accept = "application/octet-stream",
                                .want = "Console-Input",
                                .begin = on_begin,
                                .data = on_data,
                                .userdata = p};

        if (p->in)
            snprintf(path, sizeof(path), "%s", p->console);
        else
            snprintf(path, sizeof(path), "%s?from=%" PRIu64, p->console, p->at);
        r = http_follow(p->out, &s);
        if (r != 0 && !p->begun) {
            p->status = r;
            snprintf(p->error, sizeof(p->error), "%s", s.error);
        }
        if (r == EXIT_NO_DAEMON && p->begun && !p->in)
            nanosleep(&pause, NULL);
    } while (r == EXIT_NO_DAEMON && p->begun && !p->in);
    if (p->in)
        (void)shutdown(p->fd, SHUT_RDWR);
    set(p, &p->ended);
    return NULL;
}

/* From the descriptor to the gateway. */
static void *typing(void *userdata) {
    struct pump *p = userdata;
    char buf[4096];
    ssize_t n;

    while ((n = recv(p->fd, buf, sizeof(buf), 0)) > 0)
        if (http_post_bytes(p->in, p->input, buf, (size_t)n) != 0) {
            (void)shutdown(p->fd, SHUT_RDWR);
            break;
        }
    return NULL;
}

static struct pump *pump_new(struct rest_transport *t, const char *verb, const char *machine, bool console) {
    _cleanup_free_ char *escaped = http_escape(t->http, machine);
    struct pump *p = calloc(1, sizeof(*p));

    if (!p || !escaped || asprintf(&p->console, "/v1/machines/%s/console", escaped) < 0) {
        free(p);
        (void)fail(verb, EXIT_FAILED, "out of memory");
        return NULL;
    }
    p->fd = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (http_new(verb, &t->target, &p->out) != 0 || (console && http_new(verb, &t->target, &p->in) != 0))
        return NULL; /* the program ends */
    return p;
}

/* Starts the stream and waits for its first octet, or its refusal. It ends with the program. */
static int start(struct rest_transport *t, const char *verb, struct pump *p) {
    pthread_t thread;

    if (pthread_create(&thread, NULL, output, p) != 0)
        return fail(verb, EXIT_FAILED, "no thread can be started");
    pthread_detach(thread);
    pthread_mutex_lock(&p->lock);
    while (!p->begun && !p->ended)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    if (!p->begun)
        return p->status ?: EXIT_FAILED;
    p->next = t->pumps;
    t->pumps = p;
    return 0;
}

int rest_open_log(struct transport *transport, const char *verb, const char *machine, bool grows, int *fd) {
    struct rest_transport *t = rest_of(transport);
    struct pump *p = pump_new(t, verb, machine, false);
    struct http_stream s = {.accept = "application/octet-stream", .data = on_data, .userdata = p};
    _cleanup_free_ char *path = NULL;
    int r;

    if (!p)
        return EXIT_FAILED;
    p->fd = memfd_create("console", MFD_CLOEXEC);
    if (p->fd < 0 || asprintf(&path, "%.*slog", (int)(strlen(p->console) - strlen("console")), p->console) < 0)
        return fail(verb, EXIT_FAILED, "%s", strerror(errno));
    s.path = path;
    r = http_follow(p->out, &s);
    if (r != 0)
        return fail(verb, r, "%s", s.error);
    *fd = dup(p->fd);
    if (*fd < 0)
        return fail(verb, EXIT_FAILED, "%s", strerror(errno));
    /* A file's offset is shared with its duplicate, and begins at its beginning. */
    if (grows) {
        r = start(t, verb, p);
        /* It does not run: the log is all there is. */
        if (r != 0 && r != EXIT_FAILED)
            return fail(verb, r, "%s", p->error);
    }
    return 0;
}

int rest_open_console(struct transport *transport, const char *verb, const char *machine, int *fd) {
    struct rest_transport *t = rest_of(transport);
    struct pump *p = pump_new(t, verb, machine, true);
    int fds[2], r;

    if (!p)
        return EXIT_FAILED;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return fail(verb, EXIT_FAILED, "%s", strerror(errno));
    p->fd = fds[0];
    r = start(t, verb, p);
    if (r != 0) {
        close(fds[1]);
        return fail(verb, r, "%s", p->error);
    }
    if (pthread_create(&p->typing, NULL, typing, p) != 0) {
        close(fds[1]);
        return fail(verb, EXIT_FAILED, "no thread can be started");
    }
    *fd = fds[1];
    return 0;
}

void rest_settle(struct transport *t) {
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += SETTLE_SECONDS;
    for (struct pump *p = rest_of(t)->pumps; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        while (!p->ended && !p->in && pthread_cond_timedwait(&p->changed, &p->lock, &end) == 0)
            ;
        pthread_mutex_unlock(&p->lock);
    }
}

void rest_end_consoles(struct rest_transport *t) {
    for (struct pump *p = t->pumps; p; p = p->next)
        if (p->in)
            pthread_join(p->typing, NULL);
}
