/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEER_ADDRESS "unix:path=/run/cvmd.sock" /* of cvmd.socket: for root, with or without a bus */

static int open_address(const char *address, sd_bus **ret) {
    return setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) < 0 ? -errno : sd_bus_open_system(ret);
}

int client_connect(const char *verb, sd_bus **ret) {
    _cleanup_bus_ sd_bus *bus = NULL;
    int r;

    if (arg_host)
        return fail(verb, EXIT_REFUSED, "this is for the host itself, not over --host");
    if (arg_bus_address)
        r = open_address(arg_bus_address, &bus);
    else {
        r = sd_bus_open_system(&bus);
        if (r < 0 && open_address(PEER_ADDRESS, &bus) >= 0)
            r = 0;
    }
    if (r < 0)
        return fail(verb, EXIT_NO_DAEMON, "the system bus cannot be reached: %s (is dbus running?)",
                    strerror(-r));
    *ret = bus;
    bus = NULL;
    return 0;
}

int client_fail(const char *verb, int r, const sd_bus_error *error) {
    const char *text;
    int status;

    if (!sd_bus_error_is_set(error))
        return fail(verb, EXIT_NO_DAEMON, "the talk with cvmd broke off: %s; see 'systemctl status cvmd'",
                    strerror(-r));
    text = error->message ?: error->name;
    status = error_status(error->name);
    if (status == EXIT_NO_DAEMON)
        return fail(verb, status, "cvmd does not answer: %s; see 'systemctl status cvmd'", text);
    if (strcmp(error->name, SD_BUS_ERROR_ACCESS_DENIED) == 0)
        return fail(verb, status, "the bus does not let you: be root (%s)", text);
    return fail(verb, status, "%s", text);
}

int client_call(const char *verb, sd_bus *bus, const char *member, uint64_t timeout, sd_bus_message **reply,
                const char *types, ...) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    va_list ap;
    int r;

    r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Manager", member);
    if (r >= 0 && types) {
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
    }
    if (r >= 0)
        r = sd_bus_call(bus, m, timeout, &error, reply);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

static int read_bytes(sd_bus_message *m, json_object **ret) {
    _cleanup_free_ char *hex = NULL;
    const void *p;
    size_t size;
    int r;

    r = sd_bus_message_read_array(m, 'y', &p, &size);
    if (r < 0)
        return r;
    hex = malloc(2 * size + 1);
    if (!hex)
        return -ENOMEM;
    *ret = json_object_new_string(cvm_hex_encode(p, size, hex));
    return 0;
}

/* a{s*} becomes an object, any other array an array. */
static int read_array(sd_bus_message *m, const char *contents, json_object **ret) {
    _cleanup_json_ json_object *o = NULL;
    bool dict = contents[0] == '{';
    int r;

    if (strcmp(contents, "y") == 0)
        return read_bytes(m, ret);
    o = dict ? json_object_new_object() : json_object_new_array();
    r = sd_bus_message_enter_container(m, 'a', contents);
    if (r < 0)
        return r;
    for (;;) {
        const char *key = NULL;
        json_object *value;

        r = sd_bus_message_at_end(m, false);
        if (r != 0)
            break;
        if (dict) {
            r = sd_bus_message_enter_container(m, 'e', NULL);
            if (r >= 0)
                r = sd_bus_message_read_basic(m, contents[1], &key);
            if (r < 0)
                return r;
        }
        r = client_read_value(m, &value);
        if (r < 0)
            return r;
        if (!dict)
            json_object_array_add(o, value);
        else {
            json_object_object_add(o, key, value);
            r = sd_bus_message_exit_container(m);
            if (r < 0)
                return r;
        }
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *ret = o;
    o = NULL;
    return 0;
}

int client_read_value(sd_bus_message *m, json_object **ret) {
    const char *contents, *s;
    uint64_t t;
    uint32_t u;
    char type;
    int r, b;

    r = sd_bus_message_peek_type(m, &type, &contents);
    if (r < 0)
        return r;
    switch (type) {
    case 's':
    case 'o':
        r = sd_bus_message_read_basic(m, type, &s);
        *ret = r >= 0 ? json_object_new_string(s) : NULL;
        return r;
    case 'b':
        r = sd_bus_message_read_basic(m, 'b', &b);
        *ret = r >= 0 ? json_object_new_boolean(b) : NULL;
        return r;
    case 'u':
        r = sd_bus_message_read_basic(m, 'u', &u);
        *ret = r >= 0 ? json_object_new_uint64(u) : NULL;
        return r;
    case 't':
        r = sd_bus_message_read_basic(m, 't', &t);
        *ret = r >= 0 ? json_object_new_uint64(t) : NULL;
        return r;
    case 'v':
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0)
            r = client_read_value(m, ret);
        return r < 0 ? r : sd_bus_message_exit_container(m);
    case 'a':
        return read_array(m, contents, ret);
    default: /* a later cvmd may have properties that this cvmctl does not read */
        *ret = NULL;
        return sd_bus_message_skip(m, NULL);
    }
}

int client_read_structs(sd_bus_message *m, const char *const *keys, size_t n, json_object **ret) {
    _cleanup_json_ json_object *all = json_object_new_array();
    const char *contents;
    char type;
    int r;

    r = sd_bus_message_peek_type(m, &type, &contents);
    if (r > 0)
        r = sd_bus_message_enter_container(m, type, contents);
    while (r > 0 && (r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
        json_object *o;

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
            return r;
        o = json_object_new_object();

        json_object_array_add(all, o);
        for (size_t i = 0; r > 0 && i < n; i++) {
            json_object *v = NULL;

            /* A later cvmd may send more members, an earlier one fewer. */
            if (sd_bus_message_at_end(m, false) > 0)
                break;
            r = client_read_value(m, &v);
            if (r < 0)
                return r;
            json_object_object_add(o, keys[i], v);
            r = 1;
        }
        while (r > 0 && sd_bus_message_at_end(m, false) == 0)
            r = sd_bus_message_skip(m, NULL);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    if (r < 0)
        return r;
    *ret = all;
    all = NULL;
    return 0;
}

int client_properties(const char *verb, sd_bus *bus, const char *path, const char *interface,
                      json_object **ret) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *reply = NULL, *m = NULL;
    int r;

    r = sd_bus_message_new_method_call(bus, &m, "org.cvmd1", path, "org.freedesktop.DBus.Properties",
                                       "GetAll");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", interface);
    if (r >= 0)
        r = sd_bus_call(bus, m, CLIENT_TIMEOUT_USEC, &error, &reply);
    if (r >= 0)
        r = read_array(reply, "{sv}", ret);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

int client_machine_path(const char *verb, sd_bus *bus, const char *name, char **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *path;
    int r;

    r = client_call(verb, bus, "GetMachine", CLIENT_TIMEOUT_USEC, &reply, "s", name);
    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = strdup(path);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

int client_machine(const char *verb, sd_bus *bus, const char *name, json_object **ret) {
    _cleanup_free_ char *path = NULL;
    int r;

    r = client_machine_path(verb, bus, name, &path);
    return r ?: client_properties(verb, bus, path, "org.cvmd1.Machine", ret);
}
