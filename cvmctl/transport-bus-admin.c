/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system bus: keys, the host's TPM, the clients of the REST interface. */
#include "transport-bus.h"

#include <stdarg.h>
#include <string.h>

/* A method of any object. 0, or prints and returns an exit status. */
static int call(struct transport *t, const char *verb, const char *path, const char *interface, const char *member,
                sd_bus_message **reply, const char *types, ...) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    va_list ap;
    int r;

    r = sd_bus_message_new_method_call(bus_of(t)->bus, &m, "org.cvmd1", path, interface, member);
    if (r >= 0 && types) {
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
    }
    if (r >= 0)
        r = sd_bus_call(bus_of(t)->bus, m, CLIENT_TIMEOUT_USEC, &error, reply);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

int bus_put_key(struct transport *t, const char *verb, const char *machine, const void *blob, size_t size) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    _cleanup_free_ char *path = NULL;
    int r = client_machine_path(verb, bus_of(t)->bus, machine, &path);

    if (r != 0)
        return r;
    r = sd_bus_message_new_method_call(bus_of(t)->bus, &m, "org.cvmd1", path, "org.cvmd1.Machine", "PutKey");
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', blob, size);
    if (r >= 0)
        r = sd_bus_call(bus_of(t)->bus, m, CLIENT_TIMEOUT_USEC, &error, NULL);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

int bus_enrolment(struct transport *t, const char *verb, const char *challenge, char **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *text;
    int r = challenge ? call(t, verb, "/org/cvmd1/host", "org.cvmd1.Host", "ActivateCredential", &reply, "s", challenge)
                      : call(t, verb, "/org/cvmd1/host", "org.cvmd1.Host", "GetEndorsement", &reply, NULL);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "s", &text);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = strdup(text);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

#define CLIENTS "/org/cvmd1", "org.cvmd1.Clients"

int bus_clients(struct transport *t, const char *verb, json_object **ret) {
    static const char *const keys[] = {"id", "name", "role", "machines", "created", "expires"};
    _cleanup_message_ sd_bus_message *reply = NULL;
    int r = call(t, verb, CLIENTS, "List", &reply, NULL);

    if (r != 0)
        return r;
    r = client_read_structs(reply, keys, ELEMENTSOF(keys), ret);
    return r < 0 ? client_fail(verb, r, NULL) : 0;
}

int bus_add_client(struct transport *t, const char *verb, const struct client_grant *g) {
    return call(t, verb, CLIENTS, "Add", NULL, "ssss", g->id, g->name, g->role, g->machines);
}

int bus_remove_client(struct transport *t, const char *verb, const char *id) {
    return call(t, verb, CLIENTS, "Remove", NULL, "s", id);
}

int bus_create_token(struct transport *t, const char *verb, const struct client_grant *g, json_object **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *token, *authority;
    uint64_t expires;
    int r = call(t, verb, CLIENTS, "CreateToken", &reply, "sssu", g->name, g->role, g->machines, g->lifetime);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "sts", &token, &expires, &authority);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = members("token", token, "authority_sha256", authority, NULL);
    json_object_object_add(*ret, "expires", json_object_new_uint64(expires));
    return 0;
}

int bus_authority(struct transport *t, const char *verb, json_object **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *certificate, *sha256;
    int r = call(t, verb, CLIENTS, "Authority", &reply, NULL);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "ss", &certificate, &sha256);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = members("certificate", certificate, "sha256", sha256, NULL);
    return 0;
}
