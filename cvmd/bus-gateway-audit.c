/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Gateway: the audit log, as events and as a whole. */
#include "bus-gateway.h"

#include <errno.h>

struct reading {
    sd_bus_message *reply; /* NULL: only to see how far it goes */
    const struct client *client;
    uint64_t last;
    uint32_t seen;
};

static int read_event(void *userdata, const struct store_audit *a) {
    struct reading *d = userdata;

    d->last = a->id;
    d->seen++;
    if (!d->reply || !grant_allows(d->client->role, d->client->pattern, PERMISSION_AUDIT, a->machine))
        return 0;
    return bus_append_audit(d->reply, a);
}

int gateway_events(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_(asked_done) struct asked a;
    uint64_t after, end = 0;
    struct reading d = {0};
    const char *machine;
    uint32_t limit;
    struct store *s;
    int r;

    r = gateway_open(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "tsu", &after, &machine, &limit);
    if (r < 0)
        return r;
    if (limit < 1 || limit > 10000)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "limit must be 1 to 10000");
    if (!machine[0])
        machine = NULL;
    /* Reading what concerns one's own machines needs any role; what is left out is not refused. */
    r = gateway_allow(&a, machine ? PERMISSION_AUDIT : PERMISSION_READ, machine);
    if (r < 0)
        return r;
    audit_pull(a.manager);
    s = a.manager->store;
    r = store_last_audit(s, &end);
    if (r < 0)
        return sd_bus_error_set(error, BUS_ERROR_STORE, "the audit log cannot be read");
    d.last = after > end ? end : after;
    d.client = &a.client;
    /* How far the page goes stands before the entries: it is read twice. */
    if (after < end)
        r = store_each_audit(s, after, machine, limit, read_event, &d);
    if (r >= 0)
        r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append(reply, "tb", d.seen < limit && d.last < end ? end : d.last, (int)(d.seen == limit));
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', BUS_AUDIT_ENTRY);
    if (r >= 0 && d.seen) {
        d = (struct reading){.reply = reply, .client = &a.client};
        r = store_each_audit(s, after, machine, limit, read_event, &d);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* The whole log, of all machines: for who may read that. */
int gateway_audit_export(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    _cleanup_close_ int fd = -1;
    uint64_t from, to;
    int r;

    r = gateway_open(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "tt", &from, &to);
    if (r >= 0)
        r = gateway_allow(&a, PERMISSION_AUDIT, NULL);
    if (r >= 0)
        r = bus_audit_export(a.manager, from, to, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

int gateway_audit_inclusion(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    uint64_t index;
    int r;

    r = gateway_open(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "t", &index);
    if (r >= 0)
        r = gateway_allow(&a, PERMISSION_AUDIT, NULL);
    return r < 0 ? r : bus_audit_prove(call, a.manager, index, error);
}
