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

/* --- transport-rest-console.c: as of transport_ops --- */
int rest_open_log(struct transport *t, const char *verb, const char *machine, bool grows, int *fd);
int rest_open_console(struct transport *t, const char *verb, const char *machine, int *fd);
void rest_settle(struct transport *t);
/* Sends what was typed, and forgets the rest. */
void rest_end_consoles(struct rest_transport *t);

#endif
