/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: who is at the other end, and for how long he is waited for. Whoever sends slowly, reads slowly or not
 * at all meets a deadline that no trickle of bytes puts off; and before a listener is full, those that have been
 * idle longest are let go.
 */
#include "request.h"
#include "tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RESPONSE_USEC (120u * 1000000u)

void peer_phase(struct peer *p, enum phase phase, uint64_t bytes) {
    const struct limits *l = &p->rest->limits;
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    if (phase == PHASE_BODY && p->phase == PHASE_BODY) {
        /* More bytes, more time; the start stays. */
        p->deadline = p->since + l->body_usec + bytes / l->rate * 1000000u;
        return;
    }
    p->phase = phase;
    p->since = now;
    switch (phase) {
    case PHASE_IDLE:
        p->deadline = now + l->header_usec;
        break;
    case PHASE_BODY:
        p->deadline = now + l->body_usec + bytes / l->rate * 1000000u;
        break;
    case PHASE_RESPONSE:
        p->deadline = now + RESPONSE_USEC;
        break;
    case PHASE_CALL: /* cvmd's own time-out ends it */
    case PHASE_STREAM:
        p->deadline = UINT64_MAX;
        break;
    }
}

static void cut(struct peer *p) {
    /* libmicrohttpd sees the end of the connection and closes it. */
    (void)shutdown(p->fd, SHUT_RDWR);
    p->deadline = UINT64_MAX;
}

/* The one that has been without a request for longest. */
static void evict(struct rest *rest) {
    struct peer *oldest = NULL;

    for (struct peer *p = rest->peers; p; p = p->next)
        if (p->phase == PHASE_IDLE && p->deadline != UINT64_MAX && (!oldest || p->since < oldest->since))
            oldest = p;
    if (oldest) {
        cut(oldest);
        rest->metrics.evicted++;
    }
}

void peers_tick(struct rest *rest) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    for (struct peer *p = rest->peers; p; p = p->next)
        if (now > p->deadline) {
            cut(p);
            rest->metrics.timed_out++;
        }
}

void peer_notify(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code) {
    const union MHD_ConnectionInfo *info;
    struct listener *l = cls;
    struct rest *rest = l->rest;
    struct peer *p;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        p = calloc(1, sizeof(*p));
        if (!p || !info) {
            free(p);
            return; /* its first request is refused */
        }
        p->rest = rest;
        p->fd = info->connect_fd;
        p->tls = l->tls;
        p->next = rest->peers;
        if (p->next)
            p->next->prev = p;
        rest->peers = p;
        rest->nr_peers++;
        rest->metrics.connections++;
        peer_phase(p, PHASE_IDLE, 0);
        *context = p;
        if (rest->nr_peers > rest->limits.connections * 7 / 8)
            evict(rest);
        return;
    }
    p = *context;
    if (!p)
        return;
    if (p->prev)
        p->prev->next = p->next;
    else
        rest->peers = p->next;
    if (p->next)
        p->next->prev = p->prev;
    rest->nr_peers--;
    if (p->access)
        p->access->peers--;
    free(p);
    *context = NULL;
}

void peer_identify(struct peer *p, struct MHD_Connection *c) {
    char id[96] = "";

    p->identified = true;
    if (p->tls) {
        if (tls_identify(c, id, sizeof(id), p->refused, sizeof(p->refused)) < 0)
            return;
    } else {
        struct ucred cred;
        socklen_t size = sizeof(cred);

        if (getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0) {
            snprintf(p->refused, sizeof(p->refused), "the socket does not tell who is at its other end");
            return;
        }
        snprintf(id, sizeof(id), "uid:%u", cred.uid);
    }
    p->access = access_get(p->rest, id);
    if (p->access)
        p->access->peers++;
}
