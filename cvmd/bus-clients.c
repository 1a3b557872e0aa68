/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gateway's clients and their certificates: for administrators through the gateway, and org.cvmd1.Clients, for root. */
#include "bus-gateway.h"
#include "ca.h"
#include "polkit.h"

#include <errno.h>
#include <string.h>

static int append_client(void *userdata, const struct store_client *c) {
    int r = sd_bus_message_append(userdata, "(sssstt)", c->id, c->name, c->role, c->pattern, c->created, c->expires);

    return r < 0 ? r : 0;
}

static int reply_clients(sd_bus_message *call, struct manager *m) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call, &reply);

    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sssstt)");
    if (r >= 0)
        r = store_each_client(m->store, append_client, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_token(sd_bus_message *call, struct manager *m, const char *who, sd_bus_error *error) {
    const char *name, *role, *pattern;
    _cleanup_free_ char *token = NULL;
    uint64_t expires;
    uint32_t lifetime;
    struct ca *ca;
    int r = sd_bus_message_read(call, "sssu", &name, &role, &pattern, &lifetime);

    if (r >= 0)
        r = clients_authority(m, &ca, error);
    if (r >= 0)
        r = client_create_token(m, name, role, pattern, lifetime, who, &token, &expires, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "sts", token, expires, ca_fingerprint(ca));
}

static int reply_added(sd_bus_message *call, struct manager *m, bool gateway, const char *who, sd_bus_error *error) {
    const char *id, *name, *role, *pattern;
    uint64_t revision = 0;
    int r = sd_bus_message_read(call, "ssss", &id, &name, &role, &pattern);

    if (r >= 0 && gateway)
        r = sd_bus_message_read(call, "t", &revision);
    if (r >= 0)
        r = client_add(m, id, name, role, pattern, revision, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int reply_authority(sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    struct ca *ca;
    int r = clients_authority(m, &ca, error);

    return r < 0 ? r : sd_bus_reply_method_return(call, "ss", ca_certificate(ca), ca_fingerprint(ca));
}

/* --- through the gateway --- */

static int open_clients(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    int r = gateway_open(a, call, m, error);

    return r < 0 ? r : gateway_allow(a, PERMISSION_CLIENTS, NULL);
}

int gateway_list_clients(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = open_clients(&a, call, userdata, error);

    return r < 0 ? r : reply_clients(call, userdata);
}

int gateway_remove_client(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *victim;
    uint64_t revision;
    int r = open_clients(&a, call, userdata, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "st", &victim, &revision);
    if (r >= 0)
        r = client_remove(userdata, victim, revision, a.who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

int gateway_create_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = open_clients(&a, call, userdata, error);

    return r < 0 ? r : reply_token(call, userdata, a.who, error);
}

int gateway_add_client(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = open_clients(&a, call, userdata, error);

    return r < 0 ? r : reply_added(call, userdata, true, a.who, error);
}

/* It proves who the host is: no secret, but for who is a client. */
int gateway_authority(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    int r = gateway_open(&a, call, userdata, error);

    if (r >= 0)
        r = gateway_allow(&a, PERMISSION_READ, NULL);
    return r < 0 ? r : reply_authority(call, userdata, error);
}

int gateway_enrol(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *certificate = NULL;
    const char *id, *token, *csr;
    struct manager *m = userdata;
    char new_id[72];
    struct ca *ca;
    int r = gateway_check(call, m, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "sss", &id, &token, &csr);
    if (r >= 0)
        r = clients_authority(m, &ca, error);
    if (r >= 0)
        r = client_enrol(m, token, csr, &certificate, new_id, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "sss", certificate, ca_certificate(ca), new_id);
}

int gateway_certify(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *certificate = NULL, *names_or_host = NULL;
    char id[72], host[65] = "localhost";
    struct manager *m = userdata;
    const char *csr, *names;
    struct cvm_error e = {0};
    uint64_t expires;
    struct ca *ca;
    int r = gateway_check(call, m, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "ss", &csr, &names);
    if (r >= 0)
        r = clients_authority(m, &ca, error);
    if (r < 0)
        return r;
    (void)gethostname(host, sizeof(host) - 1);
    if (asprintf(&names_or_host, "%s%s%s", names, names[0] ? "" : host, names[0] ? "" : ",localhost,127.0.0.1,::1") < 0)
        return -ENOMEM;
    r = ca_sign(ca, csr, host, true, names_or_host, &certificate, id, &expires, &e);
    if (r < 0)
        return sd_bus_error_set(error, BUS_ERROR_INVALID_ARGUMENT, e.text);
    audit(m, NULL, "gateway-certified", NULL, "certificate for the gateway: %.200s", names_or_host);
    return sd_bus_reply_method_return(call, "ss", certificate, ca_certificate(ca));
}

/* --- without the gateway --- */

static int create_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = polkit_authorize(call, userdata, POLKIT_CLIENTS, NULL, create_token, userdata, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    return reply_token(call, userdata, who, error);
}

static int add_client(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = polkit_authorize(call, userdata, POLKIT_CLIENTS, NULL, add_client, userdata, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    return reply_added(call, userdata, false, who, error);
}

static int list_clients(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = polkit_authorize(call, userdata, POLKIT_CLIENTS, NULL, list_clients, userdata, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    return reply_clients(call, userdata);
}

static int remove_client(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *id;
    int r = sd_bus_message_read(call, "s", &id);

    if (r >= 0)
        r = polkit_authorize(call, userdata, POLKIT_CLIENTS, NULL, remove_client, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = client_remove(userdata, id, 0, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int authority(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    return reply_authority(call, userdata, error);
}

const sd_bus_vtable bus_clients_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("CreateToken", SD_BUS_ARGS("s", name, "s", role, "s", pattern, "u", lifetime), SD_BUS_RESULT("s", token, "t", expires, "s", authority), create_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Add", SD_BUS_ARGS("s", id, "s", name, "s", role, "s", pattern), SD_BUS_NO_RESULT, add_client, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssstt)", clients), list_clients,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, remove_client, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Authority", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", certificate, "s", sha256), authority,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};
