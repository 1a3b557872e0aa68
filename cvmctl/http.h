/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP to a gateway, by libcurl: TLS 1.3 with a client certificate, or a unix socket.
 */
#ifndef CVMCTL_HTTP_H
#define CVMCTL_HTTP_H

#include "cvmctl.h"

struct http;

/* Where and as whom. A host's name in the file of hosts stands for the others. */
struct http_target {
    const char *url; /* https://HOST:PORT, or unix:PATH */
    const char *cacert, *cert, *key;
};

/* Fills in what ~/.config/cvmctl/hosts.conf says of the host that @t->url names, if it is no URL. 0 or an
 * exit status. */
int http_target_resolve(const char *verb, struct http_target *t);

int http_new(const char *verb, const struct http_target *target, struct http **ret);
void http_free(struct http *h);

struct http_request {
    const char *method, *path; /* path with query, escaped */
    json_object *body;         /* or NULL */
    int fd;                    /* a file as body, -1 none */
    bool if_match;             /* whatever its state is now */
};

/**
 * http_call - one request and its answer
 * @ret: the answer's JSON, NULL if it has none
 *
 * Returns 0 for an answer of class 2xx; else prints what the problem document says and returns an exit
 * status.
 */
int http_call(struct http *h, const char *verb, const struct http_request *q, json_object **ret);

/* An answer that comes while it comes. */
struct http_stream {
    const char *path;   /* with query, escaped */
    const char *accept; /* media type */
    const char *last_event_id; /* or NULL */
    const char *want;   /* a field of the answer, or NULL */
    /* The answer began, class 2xx; @value of the wanted field, "" without. May be NULL. Non-zero ends it. */
    int (*begin)(void *userdata, const char *value);
    int (*data)(void *userdata, const char *p, size_t n); /* the same */
    void *userdata;
    bool idle_ends; /* nothing for a minute means that the line is dead; nobody who reads, that it ends */
    char error[512]; /* says what is wrong if http_follow() does not return 0 */
};

/* Follows it to its end. 0, or an exit status; prints nothing. EXIT_NO_DAEMON: not reached, or broken off. */
int http_follow(struct http *h, struct http_stream *s);

/* POSTs octets. 0, or an exit status; prints nothing. */
int http_post_bytes(struct http *h, const char *path, const char *p, size_t n);

/* Escaped for a path or a query; the caller frees. NULL if out of memory. */
char *http_escape(struct http *h, const char *s);

/* Pure: the exit status for a problem's type, "/v1/problems/no-such-machine". */
int http_problem_status(const char *type);

#endif
