/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What cvmd says of a client. The gateway keeps it only to leave out of its lists what a client may not see, and to
 * read for it from its mirror; a refusal always comes from cvmd, which writes it down.
 */
#include "request.h"
#include "routes.h"

#include "cvmd/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Refusals a second, and at once, that one client may have cvmd write down. */
#define DENIALS_RATE 10.0
#define DENIALS_BURST 50.0
#define CLIENTS_MAX 4096u

static void access_free_one(struct access *a) {
    free(a->id);
    free(a->name);
    free(a->pattern);
    free(a);
}

void access_free(struct rest *rest) {
    while (rest->access) {
        struct access *a = rest->access;

        rest->access = a->next;
        access_free_one(a);
    }
}

/* Those that nobody refers to, when there are many. */
static void sweep(struct rest *rest) {
    unsigned n = 0;

    for (struct access **p = &rest->access; *p;) {
        struct access *a = *p;

        if (++n > CLIENTS_MAX / 2 && a->peers == 0 && !a->loading && !a->waiting && !a->denials.more && !a->denials.telling) {
            *p = a->next;
            access_free_one(a);
        } else
            p = &a->next;
    }
}

struct access *access_get(struct rest *rest, const char *id) {
    struct access *a;
    unsigned n = 0;

    for (a = rest->access; a; a = a->next, n++)
        if (strcmp(a->id, id) == 0)
            return a;
    if (n >= CLIENTS_MAX)
        sweep(rest);
    a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->id = strdup(id);
    if (!a->id) {
        access_free_one(a);
        return NULL;
    }
    a->next = rest->access;
    rest->access = a;
    return a;
}

struct load {
    struct access *access;
    unsigned generation;
};

static int on_access(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct load *l = userdata;
    struct access *a = l->access;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    const char *name, *role, *pattern;
    struct waitlist *waiting = TAKE_PTR(a->waiting);
    int r = -EIO;

    (void)ret;
    a->loading = false;
    if (!error)
        r = sd_bus_message_read(reply, "sss", &name, &role, &pattern);
    if (r >= 0) {
        int k = role_from_string(role);

        a->role = k < 0 ? ROLE_NONE : (enum role)k;
        if (free_and_strdup(&a->name, name) < 0 || free_and_strdup(&a->pattern, pattern) < 0)
            a->role = ROLE_NONE;
        a->loaded = l->generation == a->generation; /* else it has changed meanwhile: ask anew */
    }
    free(l);
    if (r >= 0) {
        waitlist_wake(&waiting);
        return 0;
    }
    log_warning("cvmd does not tell about client %s: %s", a->id, error ? error->message : strerror(-r));
    while (waiting) {
        struct waitlist *next = waiting->next;

        if (waiting->req) {
            waiting->req->waits = NULL;
            if (error)
                reply_error(waiting->req, error);
            else
                reply_errno(waiting->req, r);
        }
        free(waiting);
        waiting = next;
    }
    return 0;
}

int access_load(struct access *a, struct request *req) {
    struct load *l;
    int r;

    if (a->loaded)
        return 1;
    if (!a->loading) {
        l = malloc(sizeof(*l));
        if (!l) {
            reply_errno(req, -ENOMEM);
            return 0;
        }
        *l = (struct load){.access = a, .generation = a->generation};
        r = sd_bus_call_method_async(req->rest->bus, NULL, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "Access", on_access, l,
                                     "s", a->id);
        if (r < 0) {
            free(l);
            reply_errno(req, r);
            return 0;
        }
        a->loading = true;
    }
    (void)request_wait(req, &a->waiting);
    return 0;
}

bool access_allows(const struct access *a, enum permission p, const char *machine) {
    return a->loaded && a->pattern && grant_allows(a->role, a->pattern, p, machine);
}

void access_forget(struct rest *rest) {
    for (struct access *a = rest->access; a; a = a->next) {
        a->loaded = false;
        a->generation++;
    }
}

static void on_check(struct request *req, sd_bus_message *reply) {
    (void)reply;
    /* cvmd says yes: what the gateway remembers is old. */
    req->peer->access->loaded = false;
    if (req->reruns++ < 2)
        request_run(req);
    else
        reply_problem(req, PROBLEM_UNAVAILABLE, "the client's role changes just now");
}

/* Whether one more is worth an entry of its own. */
static bool take_denial(struct denials *d) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    d->left = d->refilled ? d->left + (double)(now - d->refilled) / 1e6 * DENIALS_RATE : DENIALS_BURST;
    if (d->left > DENIALS_BURST)
        d->left = DENIALS_BURST;
    d->refilled = now;
    if (d->left < 1) {
        d->more++;
        return false;
    }
    d->left--;
    return true;
}

static int on_told(sd_bus_message *reply, void *userdata, sd_bus_error *ret) {
    struct denials *d = userdata;

    (void)ret;
    if (sd_bus_message_is_method_error(reply, NULL))
        d->more += d->telling;
    d->telling = 0;
    return 0;
}

static void tell(struct rest *rest, struct denials *d, const char *id) {
    if (!d->more || d->telling ||
        sd_bus_call_method_async(rest->bus, NULL, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "Denied", on_told, d, "st", id, d->more) < 0)
        return;
    d->telling = d->more;
    d->more = 0;
}

void access_tick(struct rest *rest) {
    tell(rest, &rest->strangers, "");
    for (struct access *a = rest->access; a; a = a->next)
        tell(rest, &a->denials, a->id);
}

void access_deny(struct request *req, enum permission p, const char *machine) {
    sd_bus_message *m;
    int r;

    req->rest->metrics.denied++;
    if (!take_denial(&req->peer->access->denials)) {
        reply_problem(req, PROBLEM_TOO_MANY_REQUESTS, "more refusals than are written down one by one");
        return;
    }
    r = request_call_new(req, "Check", &m);
    if (r < 0)
        return;
    r = sd_bus_message_append(m, "ss", permission_to_string(p), machine ?: "");
    request_call(req, m, r, on_check);
}

static void on_stranger(struct request *req, sd_bus_message *reply) {
    (void)reply;
    reply_problem(req, PROBLEM_UNAUTHENTICATED, "%s",
                  req->peer->refused[0] ? req->peer->refused : "no client certificate was presented");
}

void access_stranger(struct request *req, enum permission p) {
    char address[INET6_ADDRSTRLEN] = "?", name[INET6_ADDRSTRLEN + 8];
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof(peer);
    sd_bus_message *m = NULL;
    int r;

    req->rest->metrics.denied++;
    req->stranger = true;
    if (!take_denial(&req->rest->strangers)) {
        on_stranger(req, NULL);
        return;
    }
    if (getpeername(req->peer->fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&peer)->sin_addr, address, sizeof(address));
    else if (peer.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, address, sizeof(address));
    snprintf(name, sizeof(name), "from:%s", address);
    r = sd_bus_message_new_method_call(req->rest->bus, &m, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "Check");
    if (r >= 0)
        r = sd_bus_message_append(m, "sss", name, permission_to_string(p), "");
    if (r < 0) {
        sd_bus_message_unref(m);
        on_stranger(req, NULL);
    } else
        request_call(req, m, 0, on_stranger);
}
