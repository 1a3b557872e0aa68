/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the bus transport share. */
#ifndef CVMCTL_TRANSPORT_BUS_H
#define CVMCTL_TRANSPORT_BUS_H

#include "client.h"
#include "transport.h"

struct bus_transport {
    struct transport t;
    sd_bus *bus;
    sd_bus_slot *signals, *owner;
    bool changed;
};

static inline struct bus_transport *bus_of(struct transport *t) {
    return (struct bus_transport *)t;
}

/* --- transport-bus-admin.c: as of transport_ops --- */
int bus_put_key(struct transport *t, const char *verb, const char *machine, const void *blob, size_t size);
int bus_enrolment(struct transport *t, const char *verb, const char *challenge, char **ret);
int bus_clients(struct transport *t, const char *verb, json_object **ret);
int bus_add_client(struct transport *t, const char *verb, const struct client_grant *g);
int bus_remove_client(struct transport *t, const char *verb, const char *id);
int bus_create_token(struct transport *t, const char *verb, const struct client_grant *g, json_object **ret);
int bus_authority(struct transport *t, const char *verb, json_object **ret);

#endif
