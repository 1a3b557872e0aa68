/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the REST transport share. */
#ifndef CVMCTL_TRANSPORT_REST_H
#define CVMCTL_TRANSPORT_REST_H

#include "http.h"
#include "transport.h"

struct pump;

struct rest_transport {
    struct transport t;
    struct http *http;
    struct http_target target;
    struct pump *pumps;
};

static inline struct rest_transport *rest_of(struct transport *t) {
    return (struct rest_transport *)t;
}

/**
 * rest_request - one request; fmt is the path with query, escaped
 * @if_match: whatever the object is now
 * @ret: the answer's JSON, NULL if it has none
 *
 * Returns 0, or prints and returns an exit status.
 */
int rest_request(struct rest_transport *t, const char *verb, const char *method, json_object *body, bool if_match,
                 json_object **ret, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
/* "2026-11-21T06:30:00.123456Z" as microseconds since 1970, 0 if it is none. */
uint64_t rest_parse_time(const char *s);

/* --- transport-rest-admin.c: as of transport_ops --- */
int rest_put_key(struct transport *t, const char *verb, const char *machine, const void *blob, size_t size);
int rest_enrolment(struct transport *t, const char *verb, const char *challenge, char **ret);
int rest_clients(struct transport *t, const char *verb, json_object **ret);
int rest_add_client(struct transport *t, const char *verb, const struct client_grant *g);
int rest_remove_client(struct transport *t, const char *verb, const char *id);
int rest_create_token(struct transport *t, const char *verb, const struct client_grant *g, json_object **ret);
int rest_authority(struct transport *t, const char *verb, json_object **ret);

/* --- transport-rest-console.c: as of transport_ops --- */
int rest_open_log(struct transport *t, const char *verb, const char *machine, bool grows, int *fd);
int rest_open_console(struct transport *t, const char *verb, const char *machine, int *fd);
void rest_settle(struct transport *t);
/* Sends what was typed, and forgets the rest. */
void rest_end_consoles(struct rest_transport *t);

#endif
