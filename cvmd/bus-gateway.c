/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.cvmd1.Gateway: what cvmd-rest asks in the name of its clients. Only the gateway's user may call; each method
 * names the client first, and cvmd decides whether that one may. The gateway's own word gives no power.
 */
#include "bus-gateway.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

int bus_caller_uid(sd_bus_message *call, uid_t *uid, sd_bus_error *error) {
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    int r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);

    if (r >= 0)
        r = sd_bus_creds_get_euid(creds, uid);
    return r < 0 ? sd_bus_error_setf(error, BUS_ERROR_DENIED, "the bus does not tell who asks: %s", strerror(-r)) : 0;
}

/* A dynamic user exists only while the gateway runs: looked up at each change of who asks. */
static bool is_gateway(struct manager *m, uid_t uid) {
    char buf[4096];
    struct passwd pw, *found = NULL;

    if (m->gateway_uid_known && m->gateway_uid == uid)
        return true;
    if (getpwnam_r(m->config->gateway_user, &pw, buf, sizeof(buf), &found) != 0 || !found || found->pw_uid != uid)
        return false;
    m->gateway_uid = uid;
    m->gateway_uid_known = true;
    return true;
}

int gateway_check(sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    uid_t uid;
    int r = bus_caller_uid(call, &uid, error);

    if (r < 0)
        return r;
    if (is_gateway(m, uid))
        return 0;
    audit(m, NULL, "denied", NULL, "%s denied: user %u is not the gateway", sd_bus_message_get_member(call), uid);
    return sd_bus_error_setf(error, BUS_ERROR_DENIED, "this interface is for the user '%s'", m->config->gateway_user);
}

void asked_done(struct asked *a) {
    free(a->who);
}

int gateway_open(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    int r;

    *a = (struct asked){.call = call, .error = error, .manager = m, .key = "", .digest = ""};
    r = gateway_check(call, m, error);
    return r < 0 ? r : sd_bus_message_read(call, "s", &a->id);
}

int gateway_open_keyed(struct asked *a, sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    int r = gateway_open(a, call, m, error);

    return r < 0 ? r : sd_bus_message_read(call, "ss", &a->key, &a->digest);
}

int gateway_allow(struct asked *a, enum permission p, const char *machine) {
    int r = client_authorize(a->manager, a->id, p, machine, sd_bus_message_get_member(a->call), &a->client, a->error);

    if (r < 0)
        return r;
    a->who = client_describe(&a->client);
    return a->who ? 0 : -ENOMEM;
}

int gateway_open_machine(struct asked *a, sd_bus_message *call, struct manager *m, enum permission p, const char **name,
                         sd_bus_error *error) {
    int r = gateway_open(a, call, m, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "s", name);
    return r < 0 ? r : gateway_allow(a, p, *name);
}

int gateway_check_revision(const struct asked *a, const char *name, uint64_t revision) {
    const struct machine *k = manager_find(a->manager, name);

    if (!k)
        return sd_bus_error_setf(a->error, BUS_ERROR_NO_SUCH_MACHINE, "there is no machine '%.64s'", name);
    if (revision && revision != k->revision)
        return sd_bus_error_setf(a->error, BUS_ERROR_CHANGED, "machine '%s' has changed", name);
    return 0;
}

/* --- what a client is --- */

static int method_access(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    struct asked a;
    int r = gateway_open(&a, call, userdata, error);

    if (r < 0)
        return r;
    r = client_find(a.manager, a.id, &a.client);
    if (r < 0 && r != -EINVAL)
        return sd_bus_error_set(error, BUS_ERROR_STORE, "the store cannot be read");
    return sd_bus_reply_method_return(call, "sss", a.client.name, role_to_string(a.client.role), a.client.pattern);
}

static int method_check(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *permission, *machine;
    int p, r;

    r = gateway_open(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "ss", &permission, &machine);
    if (r < 0)
        return r;
    p = permission_from_string(permission);
    if (p < 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "there is no permission '%.32s'", permission);
    r = gateway_allow(&a, (enum permission)p, machine[0] ? machine : NULL);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int method_denied(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    uint64_t n;
    int r = gateway_open(&a, call, userdata, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "t", &n);
    if (r < 0)
        return r;
    if (client_find(a.manager, a.id, &a.client) >= 0)
        a.who = client_describe(&a.client);
    audit(a.manager, NULL, "denied", a.who ?: "nobody", "%" PRIu64 " more calls denied than are written down one by one", n);
    return sd_bus_reply_method_return(call, NULL);
}

const sd_bus_vtable bus_gateway_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Access", SD_BUS_ARGS("s", client), SD_BUS_RESULT("s", name, "s", role, "s", pattern), method_access, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("s", client, "s", permission, "s", machine), SD_BUS_NO_RESULT, method_check, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Denied", SD_BUS_ARGS("s", client, "t", count), SD_BUS_NO_RESULT, method_denied, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Create", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "a{sv}", options), SD_BUS_RESULT("s", kind, "s", operation), gateway_create, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Define", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "a{sv}", options), SD_BUS_RESULT("s", kind, "s", operation),
                            gateway_define, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("s", client, "s", machine, "t", revision, "a{sv}", options), SD_BUS_RESULT("s", kind, "s", operation, "b", done), gateway_set, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Act", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", action, "s", machine, "t", revision, "b", force), SD_BUS_RESULT("s", kind, "s", operation), gateway_act, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("s", client, "s", machine), SD_BUS_RESULT("h", file), gateway_open_log, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenConsole", SD_BUS_ARGS("s", client, "s", machine), SD_BUS_RESULT("h", console, "h", log), gateway_open_console, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("s", client, "s", machine, "ay", nonce), SD_BUS_RESULT("ay", report), gateway_report, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Evidence", SD_BUS_ARGS("s", client, "s", machine, "ay", nonce), SD_BUS_RESULT("s", evidence), gateway_evidence, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("PutKey", SD_BUS_ARGS("s", client, "s", machine, "ay", blob), SD_BUS_NO_RESULT, gateway_put_key, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ImportImage", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "s", kind, "h", file, "s", image), SD_BUS_RESULT("s", kind, "s", operation), gateway_import_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("DeleteImage", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", image), SD_BUS_RESULT("s", kind, "s", operation), gateway_delete_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CollectImages", SD_BUS_ARGS("s", client, "s", key, "s", digest), SD_BUS_RESULT("s", kind, "s", operation), gateway_collect_images, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AuditExport", SD_BUS_ARGS("s", client, "t", from, "t", to), SD_BUS_RESULT("h", file), gateway_audit_export, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AuditInclusion", SD_BUS_ARGS("s", client, "t", index), SD_BUS_RESULT("s", entry, "as", proof, "s", checkpoint), gateway_audit_inclusion, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", client, "s", operation), SD_BUS_NO_RESULT, gateway_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Events", SD_BUS_ARGS("s", client, "t", after, "s", machine, "u", limit), SD_BUS_RESULT("t", last, "b", more, "a" BUS_AUDIT_ENTRY, entries), gateway_events, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListClients", SD_BUS_ARGS("s", client), SD_BUS_RESULT("a(sssstt)", clients), gateway_list_clients, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AddClient", SD_BUS_ARGS("s", client, "s", id, "s", name, "s", role, "s", pattern, "t", revision), SD_BUS_NO_RESULT, gateway_add_client, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Authority", SD_BUS_ARGS("s", client), SD_BUS_RESULT("s", certificate, "s", sha256), gateway_authority, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("RemoveClient", SD_BUS_ARGS("s", client, "s", id, "t", revision), SD_BUS_NO_RESULT, gateway_remove_client, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CreateToken", SD_BUS_ARGS("s", client, "s", name, "s", role, "s", pattern, "u", lifetime), SD_BUS_RESULT("s", token, "t", expires, "s", authority), gateway_create_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("s", client), SD_BUS_NO_RESULT, gateway_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Endorsement", SD_BUS_ARGS("s", client), SD_BUS_RESULT("s", endorsement), gateway_endorsement, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ActivateCredential", SD_BUS_ARGS("s", client, "s", challenge), SD_BUS_RESULT("s", response), gateway_activate, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Enrol", SD_BUS_ARGS("s", peer, "s", token, "s", csr), SD_BUS_RESULT("s", certificate, "s", authority, "s", id), gateway_enrol, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Certify", SD_BUS_ARGS("s", csr, "s", names), SD_BUS_RESULT("s", certificate, "s", authority), gateway_certify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("ClientsChanged", "", 0),
    SD_BUS_SIGNAL("AuditAppended", "", 0),
    SD_BUS_VTABLE_END,
};
