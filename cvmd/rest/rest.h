/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gateway: one thread, one event loop, in which libmicrohttpd and D-Bus take turns. Nothing blocks: a request
 * that waits for cvmd is suspended, and resumed by the answer.
 */
#ifndef CVMD_REST_REST_H
#define CVMD_REST_REST_H

#include "cvmd/roles.h"
#include "cvmd/util.h"

#include <json-c/json.h>
#include <microhttpd.h>
#include <stdbool.h>

CVM_DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

#define CVMD_NAME "org.cvmd1"
#define CVMD_PATH "/org/cvmd1"
#define CVMD_GATEWAY "org.cvmd1.Gateway"
#define CALL_TIMEOUT_USEC (25u * 1000000u)

struct limits {
    unsigned connections;       /* of one listener */
    unsigned connections_of_ip; /* of one TCP address */
    uint64_t body;              /* bytes of a JSON body */
    uint64_t upload;            /* bytes of an image */
    size_t memory;              /* bytes libmicrohttpd may use for a connection: request line and fields */
    uint64_t header_usec;       /* from connecting or the end of the last request to a request's last header byte */
    uint64_t body_usec;         /* for a body, and a response, at any size; */
    uint64_t rate;              /* more by one second for each so many bytes of a body */
    unsigned followers;         /* of /v1/events */
};

#define LISTENERS_MAX 8

struct listener {
    struct rest *rest;
    struct MHD_Daemon *daemon;
    sd_event_source *source, *again; /* @again: turns without a new event */
    int fd;
    bool tls, kicked;
};

struct metrics {
    uint64_t requests[6];  /* by first digit of the status */
    uint64_t durations[9]; /* cumulative buckets, metrics.c */
    uint64_t duration_sum; /* microseconds */
    uint64_t connections, evicted, timed_out, denied, events, calls, call_errors;
};

struct mirror;
struct access;
struct feed;
struct peer;
struct tls;
struct upload;
struct stream;
struct request;

/* What may still be told to cvmd one by one; refilled with time. */
struct denials {
    double left;
    uint64_t refilled;
    uint64_t more, telling; /* beyond that: not told yet; being told */
};

struct rest {
    sd_event *event;
    sd_bus *bus;
    struct limits limits;
    struct listener listeners[LISTENERS_MAX];
    unsigned nr_listeners;
    struct tls *tls; /* NULL: no TCP listener, or not ready */
    const char *upload_directory;
    struct mirror *mirror;
    struct access *access; /* by client */
    struct denials strangers;
    struct feed *feeds;
    struct peer *peers; /* all connections */
    unsigned nr_peers, nr_followers;
    sd_event_source *tick;
    struct metrics metrics;
    struct stream *streams;
    struct request *keyed; /* under way, with an Idempotency-Key */
    uint64_t started;  /* CLOCK_REALTIME */
    unsigned inflight; /* requests under way */
    bool stopping;
};

/* --- server.c --- */
/* Serve on a listening socket, which stays the caller's. */
int server_listen(struct rest *rest, int fd, bool tls, struct cvm_error *e);
/* libmicrohttpd has something to do: a suspended connection was resumed. */
void server_kick(struct rest *rest);
/* No new connections; suspended requests are answered 503. */
void server_stop(struct rest *rest);
void server_free(struct rest *rest);

/* --- access.c --- */
struct access {
    struct access *next;
    char *id; /* "uid:N" or "cert:SHA256"; what cvmd knows the client by */
    char *name;
    enum role role;
    char *pattern;
    bool loaded, loading;
    unsigned generation;
    struct waitlist *waiting;
    struct denials denials;
    unsigned peers; /* that refer to it */
};
struct request;
/* The client of a request; NULL: anonymous. */
struct access *access_get(struct rest *rest, const char *id);
/* Returns 1: known; 0: @req waits and its handler runs again. */
int access_load(struct access *a, struct request *req);
bool access_allows(const struct access *a, enum permission p, const char *machine);
/* Once a second: have cvmd write down how many were denied that it was not told of one by one. */
void access_tick(struct rest *rest);
/* Have cvmd deny, and write it down. */
void access_deny(struct request *req, enum permission p, const char *machine);
/* 401 for who is nobody; cvmd writes it down, with his address. */
void access_stranger(struct request *req, enum permission p);
/* cvmd changed its clients, or came anew. */
void access_forget(struct rest *rest);
void access_free(struct rest *rest);

/* --- peer.c --- */
enum phase { PHASE_IDLE, PHASE_BODY, PHASE_CALL, PHASE_RESPONSE, PHASE_STREAM };
struct peer {
    struct peer *next, *prev;
    struct rest *rest;
    struct access *access; /* NULL while anonymous */
    bool tls, identified;
    int fd;
    enum phase phase;
    uint64_t deadline; /* CLOCK_MONOTONIC; UINT64_MAX: none */
    uint64_t since;    /* when it was last of use */
    char refused[128]; /* why its certificate does not count */
};
void peer_notify(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code);
void peer_phase(struct peer *p, enum phase phase, uint64_t bytes);
/* Cut off whoever is too slow. */
void peers_tick(struct rest *rest);
/* Fills in peer->access. */
void peer_identify(struct peer *p, struct MHD_Connection *c);

#endif
