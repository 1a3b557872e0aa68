/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include "log.h"
#include "manager.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>

/* QEMU looks once a second whether its terminal is open: input sent before must not be lost. */
#define LINGER_USEC 5000000u
#define INPUT_MAX 65536u

struct client {
    struct client *next;
    struct console *console;
    sd_event_source *source;
    int fd;
};

struct console {
    sd_event *event;
    char *path;
    sd_event_source *source, *linger;
    int fd; /* -1 while closed */
    struct client *clients;
    char *input; /* not yet taken by the terminal */
    size_t input_size;
};

static void console_close(struct console *c) {
    c->source = sd_event_source_disable_unref(c->source);
    close_fdp(&c->fd);
    free(c->input);
    c->input = NULL;
    c->input_size = 0;
}

static void client_free(struct client *k) {
    struct client **p = &k->console->clients;

    while (*p != k)
        p = &(*p)->next;
    *p = k->next;
    sd_event_source_disable_unref(k->source);
    close_fdp(&k->fd);
    free(k);
}

void console_free(struct console *c) {
    if (!c)
        return;
    while (c->clients)
        client_free(c->clients);
    console_close(c);
    sd_event_source_disable_unref(c->linger);
    sd_event_unref(c->event);
    free(c->path);
    free(c);
}

static int on_linger(sd_event_source *source, uint64_t usec, void *userdata) {
    struct console *c = userdata;

    (void)source;
    (void)usec;
    if (!c->clients)
        console_close(c);
    return 0;
}

static void linger(struct console *c) {
    int r;

    if (c->clients)
        return;
    if (!c->linger)
        r = sd_event_add_time_relative(c->event, &c->linger, CLOCK_MONOTONIC, LINGER_USEC, 0, on_linger, c);
    else {
        r = sd_event_source_set_time_relative(c->linger, LINGER_USEC);
        if (r >= 0)
            r = sd_event_source_set_enabled(c->linger, SD_EVENT_ONESHOT);
    }
    if (r < 0)
        console_close(c);
}

static int flush_input(struct console *c) {
    while (c->input_size) {
        ssize_t n = write(c->fd, c->input, c->input_size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        c->input_size -= (size_t)n;
        memmove(c->input, c->input + n, c->input_size);
    }
    return sd_event_source_set_io_events(c->source, EPOLLIN | (c->input_size ? EPOLLOUT : 0));
}

/* Guest to clients. A client that does not read in time misses bytes; the guest never waits for it. */
static int on_terminal(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct console *c = userdata;
    char buf[4096];

    (void)source;
    if (revents & EPOLLOUT)
        (void)flush_input(c);
    if (revents & EPOLLIN) {
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n > 0) {
            for (struct client *k = c->clients; k; k = k->next)
                (void)send(k->fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
            return 0;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        revents |= EPOLLHUP;
    }
    if (revents & (EPOLLHUP | EPOLLERR)) { /* QEMU is gone */
        while (c->clients)
            client_free(c->clients);
        console_close(c);
    }
    return 0;
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct client *k = userdata;
    struct console *c = k->console;
    char buf[4096], *p;
    ssize_t n;

    (void)source;
    (void)revents;
    n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        client_free(k);
        linger(c);
        return 0;
    }
    if (c->input_size + (size_t)n > INPUT_MAX)
        return 0; /* the guest does not read: as on a real line, what is too much is lost */
    p = realloc(c->input, c->input_size + (size_t)n);
    if (!p)
        return 0;
    memcpy(p + c->input_size, buf, (size_t)n);
    c->input = p;
    c->input_size += (size_t)n;
    return flush_input(c);
}

static int console_open(struct console *c) {
    struct termios t;
    int r;

    if (c->fd >= 0)
        return 0;
    c->fd = open(c->path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (c->fd < 0)
        return -errno;
    if (tcgetattr(c->fd, &t) == 0) {
        cfmakeraw(&t);
        (void)tcsetattr(c->fd, TCSANOW, &t);
    }
    r = sd_event_add_io(c->event, &c->source, c->fd, EPOLLIN, on_terminal, c);
    if (r < 0)
        close_fdp(&c->fd);
    return r;
}

static int console_new(struct machine *m) {
    struct console *c;

    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->fd = -1;
    c->event = sd_event_ref(m->manager->event);
    c->path = strdup(m->console_path);
    m->console = c;
    return c->path ? 0 : -ENOMEM;
}

int console_attach(struct machine *m, int *ret) {
    struct client *k;
    int fds[2], r;

    if (!m->console_path)
        return -ENOTTY;
    if (!m->console || !m->console->path) {
        console_free(TAKE_PTR(m->console));
        r = console_new(m);
        if (r < 0)
            return r;
    }
    r = console_open(m->console);
    if (r < 0)
        return r;

    k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        free(k);
        return -errno;
    }
    k->fd = fds[0];
    k->console = m->console;
    k->next = m->console->clients;
    m->console->clients = k;
    r = sd_event_add_io(m->manager->event, &k->source, k->fd, EPOLLIN, on_client, k);
    if (r < 0) {
        client_free(k);
        close(fds[1]);
        return r;
    }
    *ret = fds[1];
    return 0;
}
