/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-server.h"
#include "cvmctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define CONNECTIONS 1024u
#define IDLE_SECONDS 30u
#define EXPIRE_SECONDS 5
#define PEM_MAX 65536u
/* Nothing older than TLS 1.3 is spoken. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

/* A body as it comes in. */
struct upload {
    size_t size;
    bool too_long;
    uint8_t *body;
};

static void peer_name(struct MHD_Connection *c, char *out, size_t size) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    if (!info || getnameinfo(info->client_addr,
                             info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                      : sizeof(struct sockaddr_in),
                             out, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
        snprintf(out, size, "unknown");
}

static enum MHD_Result send_reply(struct MHD_Connection *c, struct cvm_broker_reply *reply) {
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(reply->body), reply->body, MHD_RESPMEM_MUST_FREE);
    char text[160];
    enum MHD_Result done;

    if (!r) {
        free(reply->body);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (*reply->session) {
        snprintf(text, sizeof(text), CVM_BROKER_COOKIE "=%s; Path=/kbs; Secure; HttpOnly; SameSite=Strict",
                 reply->session);
        MHD_add_response_header(r, MHD_HTTP_HEADER_SET_COOKIE, text);
    }
    if (reply->retry_after) {
        snprintf(text, sizeof(text), "%u", reply->retry_after);
        MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
    }
    done = MHD_queue_response(c, reply->status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *body) {
    struct cvm_broker_reply reply = {.status = status, .body = strdup(body)};

    return reply.body ? send_reply(c, &reply) : MHD_NO;
}

static bool take(struct upload *u, const char *data, size_t size) {
    uint8_t *p;

    if (u->too_long || size > BROKER_BODY_MAX - u->size) {
        u->too_long = true;
        return true;
    }
    p = realloc(u->body, u->size + size);
    if (!p)
        return false;
    u->body = p;
    memcpy(p + u->size, data, size);
    u->size += size;
    return true;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *part, size_t *size, void **state) {
    struct upload *u = *state;
    struct cvm_broker_reply reply;
    struct cvm_broker_request q = {.method = method, .path = url, .now = time(NULL)};
    char peer[64];

    (void)version;
    if (!u) {
        *state = calloc(1, sizeof(*u));
        return *state ? MHD_YES : MHD_NO;
    }
    if (*size) {
        bool good = take(u, part, *size);

        *size = 0;
        return good ? MHD_YES : MHD_NO;
    }
    if (u->too_long)
        return refuse(c, 413, "{\"detail\":\"the request is too long\"}");
    peer_name(c, peer, sizeof(peer));
    q.peer = peer;
    q.session = MHD_lookup_connection_value(c, MHD_COOKIE_KIND, CVM_BROKER_COOKIE);
    q.body = u->body ?: (const void *)"";
    q.size = u->size;
    if (cvm_broker_handle(data, &q, &reply) < 0) {
        free(reply.body);
        return refuse(c, 500, "{\"detail\":\"the broker failed\"}");
    }
    return send_reply(c, &reply);
}

static void on_end(void *data, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code) {
    struct upload *u = *state;

    (void)data;
    (void)c;
    (void)code;
    if (u)
        free(u->body);
    free(u);
    *state = NULL;
}

static int parse_address(const char *text, struct sockaddr_storage *ret, struct cvm_error *e) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *ai;
    char host[128];
    const char *port = strrchr(text, ':');
    size_t n = port ? (size_t)(port - text) : 0;

    if (!port || n >= sizeof(host))
        return cvm_error_set(e, -EINVAL, "'%s' is no ADDRESS:PORT", text);
    snprintf(host, sizeof(host), "%.*s", (int)n, text);
    if (*host == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        memmove(host, host + 1, n - 1);
    }
    if (getaddrinfo(host, port + 1, &hints, &ai))
        return cvm_error_set(e, -EINVAL, "'%s' is no numeric ADDRESS:PORT", text);
    memcpy(ret, ai->ai_addr, ai->ai_addrlen);
    freeaddrinfo(ai);
    return 0;
}

static int read_pem(const struct cvm_broker_store *s, const char *name, char **ret, struct cvm_error *e) {
    char path[PATH_MAX];
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", s->directory, name);
    return cvm_read_file(path, PEM_MAX, (void **)ret, &size, e);
}

/* Until a signal says that it is enough. */
static void wait_for_end(struct cvm_broker *b) {
    const struct timespec interval = {.tv_sec = EXPIRE_SECONDS};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    while (sigtimedwait(&set, NULL, &interval) < 0) {
        unsigned n = cvm_broker_expire(b, time(NULL));

        if (n)
            fprintf(stderr, "cvmctl broker serve: %u machine%s did not attest again: 'cvmctl broker log' tells which\n", n, n > 1 ? "s" : "");
    }
}

int broker_serve(struct cvm_broker *b, const struct cvm_broker_store *store, const struct broker_server_options *o,
                 struct cvm_error *e) {
    _cleanup_cvm_free_ char *key = NULL, *certificate = NULL;
    struct sockaddr_storage address;
    char url[320];
    struct MHD_Daemon *d;
    sigset_t set;
    int r;

    r = parse_address(o->listen, &address, e);
    if (r == 0)
        r = read_pem(store, "tls.key", &key, e);
    if (r == 0)
        r = read_pem(store, "tls.crt", &certificate, e);
    if (r < 0)
        return r;
    /* Before the threads begin, so that the signals come here. */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    d = MHD_start_daemon(MHD_USE_TLS | MHD_USE_EPOLL_INTERNAL_THREAD |
                             (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
                         0, NULL, NULL, on_request, b, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_HTTPS_MEM_KEY, key,
                         MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
                         MHD_OPTION_THREAD_POOL_SIZE, o->threads > 1 ? o->threads : 0, MHD_OPTION_CONNECTION_LIMIT,
                         CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, on_end,
                         NULL, MHD_OPTION_END);
    if (!d)
        return cvm_error_set(e, -EADDRINUSE, "cannot listen on %s with this key and certificate", o->listen);
    snprintf(url, sizeof(url), "https://%.*s:%u", (int)(strrchr(o->listen, ':') - o->listen), o->listen,
             MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    done(members("url", url, NULL), "Listening on %s\n", url);
    fflush(stdout);
    sd_notify(0, "READY=1");
    wait_for_end(b);
    sd_notify(0, "STOPPING=1");
    MHD_stop_daemon(d);
    return 0;
}
