/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request on its way through a handler. A handler either answers (reply_...()), or starts a call or joins a
 * waitlist and returns: the request is suspended then until it is answered or its handler runs again.
 */
#ifndef CVMD_REST_REQUEST_H
#define CVMD_REST_REQUEST_H

#include "problem.h"
#include "rest.h"

#include "parse.h"
#include "routes-match.h"

#define PARAMS_MAX PATH_PARAMS_MAX

struct route;

struct request {
    struct rest *rest;
    struct peer *peer;
    struct MHD_Connection *connection;
    const struct route *route;
    char *params[PARAMS_MAX]; /* decoded */
    char *url;                /* for the problem's "instance" */
    char *body;               /* NUL-terminated */
    size_t body_size;
    struct upload *upload;
    uint64_t content_length; /* UINT64_MAX: chunked */
    char key[IDEMPOTENCY_KEY_MAX + 1];

    struct MHD_Response *response;
    struct shared *shared; /* instead */
    unsigned status;

    bool suspended, running;
    bool again;    /* suspended before its body, and not called since */
    bool stranger; /* 401, whatever cvmd says */
    unsigned reruns;
    sd_bus_slot *slot;
    void (*on_reply)(struct request *req, sd_bus_message *reply);
    struct waitlist *waits; /* the entry of a waitlist that is this request's */
    struct follower *follower;
    struct stream *stream;
    struct request *next_keyed;
    char *machine; /* that a call is about, for its continuation */
    uint64_t started;
};

/* A response that is sent more than once. */
struct shared {
    struct MHD_Response *response;
    unsigned refs;
};
void shared_unref(struct shared *s);

/* Requests that wait for the same thing. */
struct waitlist {
    struct waitlist *next;
    struct request *req; /* NULL: it is gone */
};
/* Suspends; woken by waitlist_wake(), which runs the handler again. */
int request_wait(struct request *req, struct waitlist **list);
void waitlist_wake(struct waitlist **list);

/* The answer: exactly one of these. They take what is given, and resume the request if it is suspended. */
void reply_response(struct request *req, unsigned status, struct MHD_Response *response);
void reply_shared(struct request *req, unsigned status, struct shared *s); /* takes a reference of its own */
void reply_json(struct request *req, unsigned status, json_object *o);
/* @type, such as "text/plain"; @text is copied. */
void reply_text(struct request *req, unsigned status, const char *type, const char *text, size_t size);
void reply_empty(struct request *req, unsigned status);
void reply_problem(struct request *req, enum problem p, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What cvmd, or the bus, says. */
void reply_error(struct request *req, const sd_bus_error *error);
void reply_errno(struct request *req, int r);
/* 202 with Location of an operation, by its id. */
void reply_accepted(struct request *req, const char *kind, const char *id, const char *machine);

/* A response with JSON text; NULL if out of memory. */
struct MHD_Response *response_from_json(json_object *o, const char *type);

/**
 * request_call - call a method of org.cvmd1.Gateway, naming the client first
 * @r: what appending to the message came to; a negative errno is answered, and nothing is called
 * @on_reply: runs with the answer; errors are answered by reply_error()
 *
 * The message is made by request_call_new(), to which the caller appends; request_call() takes it.
 */
int request_call_new(struct request *req, const char *member, sd_bus_message **ret);
void request_call(struct request *req, sd_bus_message *m, int r,
                  void (*on_reply)(struct request *req, sd_bus_message *reply));

/* For @on_reply: 204, whatever came; 200 with the JSON text that came. */
void reply_done(struct request *req, sd_bus_message *reply);
void reply_document(struct request *req, sd_bus_message *reply);

/* Authorize, then run the handler; or once more. In server.c. */
void request_run(struct request *req);
void request_free(struct request *req);

/* Query and header fields; NULL if absent. */
const char *request_query(struct request *req, const char *name);
const char *request_header(struct request *req, const char *name);
/* ?limit=; answers 400 itself and returns negative. */
int request_limit(struct request *req, uint32_t *limit);
int request_cursor(struct request *req, char kind, char key[CURSOR_KEY_MAX + 1], bool *present);
/* Refuses query parameters that a route does not know: a mistyped filter must not select everything. */
int request_check_query(struct request *req, const char *const *known);
/* Refuses a value of a query parameter that is none of @values: the same reason. Absent is well. Answers 400 itself and returns negative. */
int request_check_value(struct request *req, const char *name, const char *const *values);
/* The body as one JSON object, with members only of @known (NULL: any); answers itself and returns negative. */
int request_json(struct request *req, const char *const *known, json_object **ret);
/* Appends key and digest of the request to a message: what cvmd remembers of an Idempotency-Key. */
int request_append_key(struct request *req, sd_bus_message *m);
/* If-Match on what may be changed: 428 if absent. @revision: 0 for "*". Answers itself and returns negative. */
int request_if_match(struct request *req, uint64_t current, uint64_t *revision);

#endif
