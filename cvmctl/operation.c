/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations of cvmd: begun by a call, ended some time later. */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A signal that got lost must not make anybody wait for ever. */
#define LOOK_USEC (2u * 1000000u)

static const char *text(json_object *p, const char *key) {
    return json_object_get_string(json_object_object_get(p, key));
}

static int end_of(const char *verb, json_object *p, bool *ended) {
    const char *state = text(p, "State");
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int status;

    *ended = strcmp(state, "pending") != 0 && strcmp(state, "running") != 0;
    if (!*ended || strcmp(state, "done") == 0)
        return 0;
    sd_bus_error_set(&error, text(p, "Error"), text(p, "Message"));
    status = client_fail(verb, -EIO, &error);
    sd_bus_error_free(&error);
    return status;
}

/* Something came, whatever it was: the next look tells. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    (void)m;
    (void)error;
    *(bool *)userdata = true;
    return 0;
}

static int wait_signal(const char *verb, sd_bus *bus, bool *came) {
    *came = false;
    for (;;) {
        int r = sd_bus_process(bus, NULL);

        if (r < 0)
            return client_fail(verb, r, NULL);
        if (*came)
            return 0;
        if (r > 0)
            continue;
        r = sd_bus_wait(bus, LOOK_USEC);
        if (r < 0 && r != -EINTR)
            return client_fail(verb, r, NULL);
        if (r == 0)
            return 0;
    }
}

int client_operation(const char *verb, sd_bus *bus, sd_bus_message *m) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *changes = NULL, *owner = NULL;
    bool came = false, ended = false;
    const char *path;
    int r;

    r = sd_bus_add_match(bus, &changes,
                         "type='signal',sender='org.cvmd1',path_namespace='/org/cvmd1/operation',"
                         "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
                         on_signal, &came);
    if (r >= 0)
        r = sd_bus_add_match(bus, &owner,
                             "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='org.cvmd1'",
                             on_signal, &came);
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(m, true);
    if (r >= 0)
        r = sd_bus_call(bus, m, UINT64_MAX, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return client_fail(verb, r, &error);
    for (;;) {
        _cleanup_json_ json_object *p = NULL;

        r = client_properties(verb, bus, path, "org.cvmd1.Operation", &p);
        if (r == 0)
            r = end_of(verb, p, &ended);
        if (r != 0 || ended)
            return r;
        r = wait_signal(verb, bus, &came);
        if (r != 0)
            return r;
    }
}

int client_operation_call(const char *verb, sd_bus *bus, const char *member, const char *types, ...) {
    _cleanup_message_ sd_bus_message *m = NULL;
    va_list ap;
    int r;

    r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Manager", member);
    if (r >= 0) {
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
    }
    return r < 0 ? client_fail(verb, r, NULL) : client_operation(verb, bus, m);
}
