/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmicrohttpd in the event loop, and the way of a request from its first line to its answer.
 */
#include "events.h"
#include "metrics.h"
#include "routes.h"
#include "stream.h"
#include "tls.h"
#include "upload.h"

#include "cvmd/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* So many bytes behind a refusal are still read, so that the client comes to hear it. */
#define FORGET_MAX (1 << 20)

/* So many messages of the bus are read for one request: what comes faster than it is read must not hold requests up for good. */
#define BUS_MESSAGES_MAX 10000u

/* The request line was read. What is returned comes back as *con_cls. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection) {
    struct listener *l = cls;
    struct request *req = calloc(1, sizeof(*req));

    if (!req)
        return NULL;
    req->rest = l->rest;
    req->connection = connection;
    req->started = now_usec(CLOCK_MONOTONIC);
    req->url = strdup(uri);
    req->rest->inflight++;
    return req;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why) {
    struct request *req = *con_cls;

    (void)cls;
    (void)connection;
    (void)why;
    if (!req)
        return;
    req->rest->inflight--;
    if (req->peer)
        peer_phase(req->peer, PHASE_IDLE, 0);
    if (req->status)
        metrics_count(req->rest, req->status, now_usec(CLOCK_MONOTONIC) - req->started);
    request_free(req);
    *con_cls = NULL;
}

static enum MHD_Result queue(struct request *req) {
    enum MHD_Result r;

    if (!req->response && !req->shared)
        return MHD_NO; /* out of memory: the connection ends */
    if (!req->follower && !req->stream)
        peer_phase(req->peer, PHASE_RESPONSE, 0);
    else
        peer_phase(req->peer, PHASE_STREAM, 0);
    if (req->shared)
        return MHD_queue_response(req->connection, req->status, req->shared->response);
    r = MHD_queue_response(req->connection, req->status, req->response);
    MHD_destroy_response(TAKE_PTR(req->response));
    return r;
}

static int find_route(struct request *req, const char *method) {
    _cleanup_free_ char *path = strndup(req->url, strcspn(req->url, "?"));
    char allow[64];
    int r;

    if (!path)
        return -ENOMEM;
    r = route_find(method, path, &req->route, req->params, allow, sizeof(allow));
    if (r == -ENOENT)
        reply_problem(req, PROBLEM_NOT_FOUND, "there is no such path");
    else if (r == -EINVAL)
        reply_problem(req, PROBLEM_BAD_REQUEST, "the path is not encoded well");
    else if (r == -ENOTSUP) {
        reply_problem(req, PROBLEM_METHOD_NOT_ALLOWED, "this path takes %s", allow);
        if (req->response)
            MHD_add_response_header(req->response, MHD_HTTP_HEADER_ALLOW, allow);
    } else if (r < 0)
        reply_errno(req, r);
    return r;
}

/* One request under a key of a client at a time. */
static int claim_key(struct request *req) {
    for (struct request *other = req->rest->keyed; other; other = other->next_keyed)
        if (other->peer->access == req->peer->access && strcmp(other->key, req->key) == 0) {
            reply_problem(req, PROBLEM_IN_PROGRESS, "a request with this key is not answered yet");
            return -EBUSY;
        }
    req->next_keyed = req->rest->keyed;
    req->rest->keyed = req;
    return 0;
}

/* Answers what can be told from the fields alone, before a body is read. */
static int check_fields(struct request *req) {
    const char *length = request_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *type = request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *key = request_header(req, "Idempotency-Key");
    uint64_t max = req->route->body == BODY_UPLOAD ? req->rest->limits.upload : req->rest->limits.body;
    bool patch = strcmp(req->route->method, "PATCH") == 0;

    if (req->content_length != UINT64_MAX && req->content_length > max) {
        reply_problem(req, PROBLEM_TOO_LARGE, "a body of %s bytes; at most %llu are taken", length, (unsigned long long)max);
        return -EFBIG;
    }
    if (req->content_length && req->route->body == BODY_JSON && !media_type_is(type, "application/json") &&
        !(patch && media_type_is(type, "application/merge-patch+json"))) {
        reply_problem(req, PROBLEM_MEDIA_TYPE, "send application/json%s", patch ? " or application/merge-patch+json" : "");
        return -EINVAL;
    }
    if ((req->route->body == BODY_UPLOAD || req->route->body == BODY_BYTES) && !media_type_is(type, "application/octet-stream")) {
        reply_problem(req, PROBLEM_MEDIA_TYPE, "send application/octet-stream");
        return -EINVAL;
    }
    if (key && parse_idempotency_key(key, req->key) < 0) {
        reply_problem(req, PROBLEM_BAD_REQUEST, "Idempotency-Key must be 1 to %u visible characters", IDEMPOTENCY_KEY_MAX);
        return -EINVAL;
    }
    return key ? claim_key(req) : 0;
}

/* Who asks, may he; then the route's handler. Runs again when what it waited for is there. */
void request_run(struct request *req) {
    const struct route *route = req->route;
    struct access *a = req->peer->access;
    const char *machine;

    if (route->open) {
        route->handler(req);
        return;
    }
    if (!a) {
        access_stranger(req, route->permission);
        return;
    }
    if (access_load(a, req) == 0)
        return;
    machine = route->machine ? req->params[0] : NULL;
    if (!route->by_cvmd && !access_allows(a, route->permission, machine)) {
        access_deny(req, route->permission, machine);
        return;
    }
    if (a->role == ROLE_NONE) {
        access_deny(req, route->permission, machine);
        return;
    }
    route->handler(req);
}

/*
 * What cvmd said before a request came counts for it: libmicrohttpd takes requests that come while it runs, and the event loop
 * gets to the bus only afterwards. Not to be called by what the bus calls.
 */
static void hear_bus(struct rest *rest) {
    for (unsigned n = 0; n < BUS_MESSAGES_MAX && sd_bus_process(rest->bus, NULL) > 0; n++)
        ;
}

/*
 * An answer before the body was read ends the connection; a client that is still sending then finds it broken and may never
 * read the answer. So what is short is read to its end first, and forgotten. A client that asked (Expect) sends nothing.
 */
static bool answer_early(struct request *req) {
    return req->response && (req->content_length > FORGET_MAX || request_header(req, MHD_HTTP_HEADER_EXPECT));
}

static enum MHD_Result begin(struct request *req, const char *method) {
    const char *length = request_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int r;

    req->running = true;
    req->content_length = length ? strtoull(length, NULL, 10) : request_header(req, MHD_HTTP_HEADER_TRANSFER_ENCODING) ? UINT64_MAX : 0;
    if (!req->peer->identified)
        peer_identify(req->peer, req->connection);
    r = find_route(req, method);
    if (r >= 0)
        r = check_fields(req);
    if (r >= 0 && req->route->body == BODY_UPLOAD) {
        /* Gigabytes are not taken from somebody whom cvmd will refuse. */
        struct access *a = req->peer->access;

        if (a && a->loaded && !access_allows(a, req->route->permission, NULL))
            access_deny(req, req->route->permission, NULL);
        else if (!a)
            request_run(req);
        else if ((r = upload_new(req->rest, &req->upload)) < 0)
            reply_problem(req, r == -ENOSPC ? PROBLEM_STORAGE : PROBLEM_INTERNAL, "no place for the upload: %s", strerror(-r));
    }
    peer_phase(req->peer, PHASE_BODY, req->content_length == UINT64_MAX ? 0 : req->content_length);
    if (answer_early(req))
        return queue(req);
    req->again = req->suspended;
    return MHD_YES;
}

static void take_body(struct request *req, const char *data, size_t size) {
    char *p;
    int r;

    if (req->upload) {
        peer_phase(req->peer, PHASE_BODY, upload_size(req->upload) + size);
        r = upload_write(req->upload, data, size);
        if (r == -EFBIG)
            reply_problem(req, PROBLEM_TOO_LARGE, "at most %llu bytes are taken", (unsigned long long)req->rest->limits.upload);
        else if (r < 0)
            reply_problem(req, r == -ENOSPC || r == -EDQUOT ? PROBLEM_STORAGE : PROBLEM_INTERNAL, "the upload cannot be kept: %s",
                          strerror(-r));
        return;
    }
    if (size > req->rest->limits.body - req->body_size) {
        reply_problem(req, PROBLEM_TOO_LARGE, "at most %llu bytes are taken", (unsigned long long)req->rest->limits.body);
        return;
    }
    p = realloc(req->body, req->body_size + size + 1);
    if (!p) {
        reply_errno(req, -ENOMEM);
        return;
    }
    memcpy(p + req->body_size, data, size);
    req->body = p;
    req->body_size += size;
    p[req->body_size] = 0;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls) {
    struct request *req = *con_cls;
    const union MHD_ConnectionInfo *info;

    (void)cls;
    (void)url;
    (void)version;
    if (!req || !req->url)
        return MHD_NO;
    if (!req->peer) {
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        req->peer = info ? info->socket_context : NULL;
        return req->peer ? begin(req, method) : MHD_NO;
    }
    /* What was suspended in its first call is called once more before its body. */
    if (req->again && !*size && !req->suspended) {
        req->again = false;
        return answer_early(req) ? queue(req) : MHD_YES;
    }
    if (*size) {
        req->again = false;
        /* What comes behind a refusal is read and forgotten: the client hears the answer then. */
        if (!req->response)
            take_body(req, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (req->response || req->shared)
        return queue(req);
    if (req->suspended)
        return MHD_YES;
    if (req->rest->stopping) {
        reply_problem(req, PROBLEM_UNAVAILABLE, "the gateway is about to end");
        return queue(req);
    }
    if (req->upload && !upload_digest(req->upload)[0] && upload_finish(req->upload) < 0)
        reply_errno(req, -EIO);
    else {
        hear_bus(req->rest);
        request_run(req);
    }
    return (req->response || req->shared) && !req->suspended ? queue(req) : MHD_YES;
}

/* --- the event loop --- */

static void run(struct listener *l) {
    MHD_UNSIGNED_LONG_LONG timeout;
    unsigned turns = 0;

    l->kicked = false;
    do
        MHD_run(l->daemon);
    while (++turns < 16 && MHD_get_timeout(l->daemon, &timeout) == MHD_YES && timeout == 0);
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    (void)source;
    (void)fd;
    (void)revents;
    run(userdata);
    return 0;
}

static int on_again(sd_event_source *source, void *userdata) {
    (void)source;
    run(userdata);
    return 0;
}

/* Before the loop sleeps: libmicrohttpd's own idea of when it wants to run again. */
static int on_prepare(sd_event_source *source, void *userdata) {
    struct listener *l = userdata;
    MHD_UNSIGNED_LONG_LONG timeout;
    bool again;

    (void)source;
    /* Its idle time-outs are not used (peer.c has its own): only what it has ready counts. */
    again = l->kicked || (MHD_get_timeout(l->daemon, &timeout) == MHD_YES && timeout == 0);
    return sd_event_source_set_enabled(l->again, again ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void server_kick(struct rest *rest) {
    for (unsigned i = 0; i < rest->nr_listeners; i++) {
        struct listener *l = &rest->listeners[i];

        /* It does not tell of what was resumed by itself. */
        l->kicked = true;
        (void)sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
    }
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_mhd_log(void *cls, const char *fmt, va_list ap) {
    char text[256];

    (void)cls;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = 0;
    fprintf(stderr, SD_DEBUG "libmicrohttpd: %s\n", cvm_defang(text));
}

int server_listen(struct rest *rest, int fd, bool tls, struct cvm_error *e) {
    struct listener *l = &rest->listeners[rest->nr_listeners];
    struct MHD_OptionItem options[20];
    const union MHD_DaemonInfo *info;
    unsigned n = 0;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    int r;

    if (rest->nr_listeners == LISTENERS_MAX)
        return cvm_error_set(e, -E2BIG, "more than %u sockets", LISTENERS_MAX);
    l->rest = rest;
    l->fd = fd;
    l->tls = tls;
#define OPTION(o, v, p) options[n++] = (struct MHD_OptionItem){.option = (o), .value = (intptr_t)(v), .ptr_value = (void *)(p)}
    OPTION(MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL);
    OPTION(MHD_OPTION_LISTEN_SOCKET, fd, NULL);
    OPTION(MHD_OPTION_CONNECTION_LIMIT, rest->limits.connections, NULL);
    OPTION(MHD_OPTION_PER_IP_CONNECTION_LIMIT, rest->limits.connections_of_ip, NULL);
    OPTION(MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL);
    OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, rest->limits.memory, NULL);
    OPTION(MHD_OPTION_CONNECTION_MEMORY_INCREMENT, 4096, NULL);
    OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    OPTION(MHD_OPTION_NOTIFY_CONNECTION, peer_notify, l);
    OPTION(MHD_OPTION_NOTIFY_COMPLETED, on_completed, l);
    OPTION(MHD_OPTION_URI_LOG_CALLBACK, on_uri, l);
    if (tls) {
        OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, tls_key(rest->tls));
        OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, tls_certificate(rest->tls));
        OPTION(MHD_OPTION_HTTPS_MEM_TRUST, 0, tls_authority(rest->tls));
        OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES);
    }
    OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
    l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!l->daemon)
        return cvm_error_set(e, -EIO, "libmicrohttpd does not take the %s socket", tls ? "TLS" : "unix");
    info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return cvm_error_set(e, -EIO, "libmicrohttpd has no epoll here");
    r = sd_event_add_io(rest->event, &l->source, info->epoll_fd, EPOLLIN, on_event, l);
    if (r >= 0)
        r = sd_event_source_set_prepare(l->source, on_prepare);
    if (r >= 0)
        r = sd_event_add_defer(rest->event, &l->again, on_again, l);
    if (r >= 0)
        r = sd_event_source_set_priority(l->again, SD_EVENT_PRIORITY_IDLE); /* always pending: it would starve the others */
    if (r >= 0)
        r = sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
    if (r < 0)
        return cvm_error_set(e, r, "the event loop does not take the socket: %s", strerror(-r));
    rest->nr_listeners++;
    return 0;
}

void server_stop(struct rest *rest) {
    rest->stopping = true;
    for (unsigned i = 0; i < rest->nr_listeners; i++)
        (void)MHD_quiesce_daemon(rest->listeners[i].daemon);
    events_end(rest);
    streams_end(rest);
    server_kick(rest);
}

void server_free(struct rest *rest) {
    for (unsigned i = 0; i < rest->nr_listeners; i++) {
        struct listener *l = &rest->listeners[i];

        sd_event_source_disable_unref(l->source);
        sd_event_source_disable_unref(l->again);
        MHD_stop_daemon(l->daemon);
    }
    rest->nr_listeners = 0;
}
