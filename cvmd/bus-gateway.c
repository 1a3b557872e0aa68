/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.cvmd1.Gateway: what cvmd-rest asks in the name of its clients. Only the gateway's user may call; each method
 * names the client first, and cvmd decides whether that one may. The gateway's own word gives no power.
 * org.cvmd1.Clients, for root: the same clients.
 */
#include "bus.h"
#include "ca.h"
#include "clients.h"
#include "log.h"
#include "manager.h"
#include "reason.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#define KEY_KEEP_USEC (24ull * 3600u * 1000000u)

/* --- who calls --- */

static int caller_uid(sd_bus_message *call, uid_t *uid, sd_bus_error *error) {
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

static int check_gateway(sd_bus_message *call, struct manager *m, sd_bus_error *error) {
    uid_t uid;
    int r = caller_uid(call, &uid, error);

    if (r < 0)
        return r;
    if (is_gateway(m, uid))
        return 0;
    audit(m, NULL, "denied", NULL, "%s denied: user %u is not the gateway", sd_bus_message_get_member(call), uid);
    return sd_bus_error_setf(error, BUS_ERROR_DENIED, "this interface is for the user '%s'", m->config->gateway_user);
}

/* Gateway, then client. @machine NULL: about none. @who: the caller frees. */
static int authorize(sd_bus_message *call, struct manager *m, const char *id, enum permission p, const char *machine,
                     struct client *client, char **who, sd_bus_error *error) {
    int r = check_gateway(call, m, error);

    if (r >= 0)
        r = client_authorize(m, id, p, machine, sd_bus_message_get_member(call), client, error);
    if (r < 0)
        return r;
    *who = client_describe(client);
    return *who ? 0 : -ENOMEM;
}

/* --- idempotency keys --- */

struct replay {
    const char *digest;
    struct manager *manager;
    bool again; /* what was remembered is no more */
    sd_bus_message *call;
    sd_bus_error *error;
};

static int replay(void *userdata, const struct store_key *k) {
    struct replay *p = userdata;
    int r;

    if (strcmp(k->digest, p->digest) != 0)
        return sd_bus_error_setf(p->error, BUS_ERROR_KEY_REUSED, "the key was used for another request");
    r = sd_bus_reply_method_return(p->call, "ss", k->kind, k->operation);
    return r < 0 ? r : 1;
}

/* Returns 1: answered as the first time; 0: go on. */
static int answered(sd_bus_message *call, struct manager *m, const char *client, const char *key, const char *digest,
                    sd_bus_error *error) {
    struct replay p = {.digest = digest, .call = call, .error = error};

    return key[0] ? store_get_key(m->store, client, key, replay, &p) : 0;
}

static void keep_key(struct manager *m, const char *client, const char *key, const char *digest, const char *kind,
                     const char *what) {
    uint64_t now = now_usec(CLOCK_REALTIME);
    int r;

    (void)store_expire_keys(m->store, now - KEY_KEEP_USEC);
    r = store_put_key(m->store, &(struct store_key){.client = client,
                                                     .key = key,
                                                     .digest = digest,
                                                     .kind = kind,
                                                     .operation = what,
                                                     .created = now});
    if (r < 0)
        log_error("An idempotency key of %s %s cannot be kept: %s", kind, what, strerror(-r));
}

static int reply_operation(sd_bus_message *call, struct manager *m, const char *client, const char *key,
                           const char *digest, int r, const struct operation *op) {
    const char *kind;

    if (r < 0)
        return r;
    kind = operation_kind_to_string(op->kind);
    if (key[0])
        keep_key(m, client, key, digest, kind, op->id);
    return sd_bus_reply_method_return(call, "ss", kind, op->id);
}

/* --- what clients are --- */

static int method_access(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    struct manager *m = userdata;
    struct client c;
    const char *id;
    int r = check_gateway(call, m, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "s", &id);
    if (r < 0)
        return r;
    r = client_find(m, id, &c);
    if (r < 0 && r != -EINVAL)
        return sd_bus_error_set(error, BUS_ERROR_STORE, "the store cannot be read");
    return sd_bus_reply_method_return(call, "sss", c.name, role_to_string(c.role), c.pattern);
}

static int method_check(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *id, *permission, *machine;
    struct manager *m = userdata;
    struct client c;
    int p, r;

    r = sd_bus_message_read(call, "sss", &id, &permission, &machine);
    if (r < 0)
        return r;
    p = permission_from_string(permission);
    if (p < 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "there is no permission '%.32s'", permission);
    r = authorize(call, m, id, (enum permission)p, machine[0] ? machine : NULL, &c, &who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

/* --- machines --- */

/* A path names any file of the host, a bridge any of its networks: for who may do everything. */
static int check_reach(const struct client *c, const struct machine_options *o, sd_bus_error *error) {
    if (strcmp(c->pattern, "*") == 0)
        return 0;
    if (o->disks && (o->disks[0] == '/' || strstr(o->disks, "\n/")))
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "disks by path are for an admin of all machines; import an image");
    if (o->network && strncmp(o->network, "bridge:", 7) == 0)
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "bridges are for an admin of all machines");
    return 0;
}

static int method_create(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    const char *id, *key, *digest, *name;
    struct manager *m = userdata;
    struct operation *op = NULL;
    struct client c;
    int r;

    options_init(&o);
    r = sd_bus_message_read(call, "ssss", &id, &key, &digest, &name);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_DEFINE, name, &c, &who, error);
    if (r >= 0)
        r = bus_read_options(call, &o, error);
    if (r >= 0)
        r = check_reach(&c, &o, error);
    if (r < 0)
        return r;
    r = answered(call, m, id, key, digest, error);
    if (r != 0)
        return r;
    r = manager_launch(m, name, &o, who, &op, error);
    return reply_operation(call, m, id, key, digest, r, op);
}

/* No operation stands for it: what a key is remembered by is the machine's name. Returns 1: answered; 0: go on. */
static int replay_define(void *userdata, const struct store_key *k) {
    struct replay *p = userdata;
    const struct machine *machine;
    _cleanup_free_ char *path = NULL;
    int r;

    if (strcmp(k->digest, p->digest) != 0)
        return sd_bus_error_setf(p->error, BUS_ERROR_KEY_REUSED, "the key was used for another request");
    machine = manager_find(p->manager, k->operation);
    if (!machine) { /* it came to nothing, or is deleted */
        p->again = true;
        return 0;
    }
    if (machine->defining)
        return sd_bus_error_setf(p->error, BUS_ERROR_BUSY, "machine '%s' is being defined", machine->name);
    r = machine_path(machine, &path);
    if (r >= 0)
        r = sd_bus_reply_method_return(p->call, "o", path);
    return r < 0 ? r : 1;
}

static int method_define(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *key, *digest, *name;
    struct replay p = {.call = call, .manager = m, .error = error};
    struct client c;
    int r;

    options_init(&o);
    r = sd_bus_message_read(call, "ssss", &id, &key, &digest, &name);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_DEFINE, name, &c, &who, error);
    if (r >= 0)
        r = bus_read_options(call, &o, error);
    if (r >= 0)
        r = check_reach(&c, &o, error);
    if (r < 0)
        return r;
    p.digest = digest;
    r = key[0] ? store_get_key(m->store, id, key, replay_define, &p) : 0;
    if (r != 0 && !p.again)
        return r;
    r = manager_define(m, name, &o, call, who, error);
    if (r >= 0 && key[0] && !p.again)
        keep_key(m, id, key, digest, "define", name);
    return r < 0 ? r : 1; /* answered with the machine's object when its files are there */
}

/* Whether the machine is still what the client saw; 0: any. */
static int check_revision(struct manager *m, const char *name, uint64_t revision, sd_bus_error *error) {
    const struct machine *k = manager_find(m, name);

    if (!k)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_MACHINE, "there is no machine '%.64s'", name);
    if (revision && revision != k->revision)
        return sd_bus_error_setf(error, BUS_ERROR_CHANGED, "machine '%s' has changed", name);
    return 0;
}

static int method_set(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *name;
    struct client c;
    uint64_t revision;
    int r;

    options_init(&o);
    r = sd_bus_message_read(call, "sst", &id, &name, &revision);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_DEFINE, name, &c, &who, error);
    if (r >= 0)
        r = bus_read_options(call, &o, error);
    if (r >= 0)
        r = check_reach(&c, &o, error);
    if (r >= 0)
        r = check_revision(m, name, revision, error);
    if (r >= 0)
        r = manager_set_properties(m, name, &o, call, who, error);
    return r < 0 ? r : 1; /* answered when libvirt has what applies at once */
}

typedef int (*verb_fn)(struct manager *m, const char *name, const char *who, struct operation **ret, sd_bus_error *error);

static const struct action {
    const char *name;
    enum permission permission;
    verb_fn fn; /* NULL: stop */
} actions[] = {
    {"start", PERMISSION_CONTROL, manager_start_machine}, {"stop", PERMISSION_CONTROL, NULL},
    {"kill", PERMISSION_CONTROL, manager_kill},           {"pause", PERMISSION_CONTROL, manager_pause},
    {"resume", PERMISSION_CONTROL, manager_resume},       {"reboot", PERMISSION_CONTROL, manager_reboot},
    {"delete", PERMISSION_DEFINE, manager_delete},
};

static int method_act(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *id, *key, *digest, *name, *machine;
    const struct action *a = NULL;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    struct operation *op = NULL;
    uint64_t revision;
    struct client c;
    int r, force;

    r = sd_bus_message_read(call, "sssss", &id, &key, &digest, &name, &machine);
    if (r >= 0)
        r = sd_bus_message_read(call, "tb", &revision, &force);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(actions) && !a; i++)
        if (strcmp(actions[i].name, name) == 0)
            a = &actions[i];
    if (!a)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "there is no action '%.32s'", name);
    r = authorize(call, m, id, a->permission, machine, &c, &who, error);
    if (r >= 0)
        r = answered(call, m, id, key, digest, error);
    if (r != 0)
        return r;
    r = check_revision(m, machine, revision, error);
    if (r >= 0)
        r = a->fn ? a->fn(m, machine, who, &op, error) : manager_stop(m, machine, force, who, &op, error);
    return reply_operation(call, m, id, key, digest, r, op);
}

static int method_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    struct manager *m = userdata;
    const char *id, *name;
    struct client c;
    int r;

    r = sd_bus_message_read(call, "ss", &id, &name);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_CONSOLE, name, &c, &who, error);
    if (r >= 0)
        r = bus_machine_log(m, name, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

/* Both ends of a console: what it prints, from the beginning, and where input goes. */
static int method_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_close_ int console = -1, log = -1;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *name;
    struct client c;
    int r;

    r = sd_bus_message_read(call, "ss", &id, &name);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_CONSOLE, name, &c, &who, error);
    if (r >= 0)
        r = bus_machine_log(m, name, &log, error);
    if (r >= 0)
        r = bus_machine_console(m, name, who, &console, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "hh", console, log);
}

static int method_report(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    struct cvm_report report;
    const char *id, *name;
    struct client c;
    const void *nonce;
    size_t size;
    int r;

    r = sd_bus_message_read(call, "ss", &id, &name);
    if (r >= 0)
        r = sd_bus_message_read_array(call, 'y', &nonce, &size);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_REPORT, name, &c, &who, error);
    if (r >= 0)
        r = check_revision(m, name, 0, error);
    if (r >= 0)
        r = bus_machine_report(manager_find(m, name), nonce, size, &report, error);
    if (r >= 0)
        r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', &report, sizeof(report));
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_evidence(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *name;
    struct client c;
    const void *nonce;
    size_t size;
    int r;

    r = sd_bus_message_read(call, "ss", &id, &name);
    if (r >= 0)
        r = sd_bus_message_read_array(call, 'y', &nonce, &size);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_REPORT, name, &c, &who, error);
    if (r >= 0)
        r = check_revision(m, name, 0, error);
    return r < 0 ? r : bus_send_evidence(manager_find(m, name), call, nonce, size, error);
}

/* --- images, operations --- */

static int method_import_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *id, *key, *digest, *name, *kind, *image;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    struct operation *op = NULL;
    struct client c;
    int r, fd;

    r = sd_bus_message_read(call, "sssss", &id, &key, &digest, &name, &kind);
    if (r >= 0)
        r = sd_bus_message_read(call, "hs", &fd, &image);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_IMAGES, NULL, &c, &who, error);
    if (r >= 0)
        r = answered(call, m, id, key, digest, error);
    if (r != 0)
        return r;
    if (!digest_is_valid(image))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "no digest");
    r = manager_import_image(m, name, kind, fd, image, who, &op, error);
    return reply_operation(call, m, id, key, digest, r, op);
}

static int method_delete_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *id, *key, *digest, *image;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    struct operation *op = NULL;
    struct client c;
    int r;

    r = sd_bus_message_read(call, "ssss", &id, &key, &digest, &image);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_IMAGES, NULL, &c, &who, error);
    if (r >= 0)
        r = answered(call, m, id, key, digest, error);
    if (r != 0)
        return r;
    if (!digest_is_valid(image))
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_IMAGE, "there is no image '%.100s'", image);
    r = manager_delete_image(m, image, who, &op, error);
    return reply_operation(call, m, id, key, digest, r, op);
}

static int method_collect_images(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *id, *key, *digest;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    struct operation *op = NULL;
    struct client c;
    int r;

    r = sd_bus_message_read(call, "sss", &id, &key, &digest);
    if (r >= 0)
        r = authorize(call, m, id, PERMISSION_IMAGES, NULL, &c, &who, error);
    if (r >= 0)
        r = answered(call, m, id, key, digest, error);
    if (r != 0)
        return r;
    r = manager_collect_images(m, who, &op, error);
    return reply_operation(call, m, id, key, digest, r, op);
}

static int method_cancel(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *operation;
    struct operation *op;
    enum permission p;
    struct client c;
    int r;

    r = sd_bus_message_read(call, "ss", &id, &operation);
    if (r < 0)
        return r;
    op = manager_find_operation(m, operation);
    p = !op || op->machine ? PERMISSION_CONTROL : PERMISSION_IMAGES;
    if (op && (op->kind == OPERATION_LAUNCH || op->kind == OPERATION_DELETE))
        p = PERMISSION_DEFINE;
    r = authorize(call, m, id, op ? p : PERMISSION_READ, op ? op->machine : NULL, &c, &who, error);
    if (r < 0)
        return r;
    if (!op)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OPERATION, "there is no operation '%.64s'", operation);
    r = operation_cancel(op, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

/* --- events --- */

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

static int method_events(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *id, *machine;
    struct reading d = {0};
    uint64_t after, end = 0;
    struct client c;
    uint32_t limit;
    int r;

    r = sd_bus_message_read(call, "stsu", &id, &after, &machine, &limit);
    if (r >= 0 && (limit < 1 || limit > 10000))
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "limit must be 1 to 10000");
    /* Reading what concerns one's own machines needs any role; what is left out is not refused. */
    if (r >= 0)
        r = authorize(call, m, id, machine[0] ? PERMISSION_AUDIT : PERMISSION_READ, machine[0] ? machine : NULL, &c, &who,
                      error);
    if (r < 0)
        return r;
    audit_pull(m);
    r = store_last_audit(m->store, &end);
    if (r < 0)
        return sd_bus_error_set(error, BUS_ERROR_STORE, "the audit log cannot be read");
    d.last = after > end ? end : after;
    d.client = &c;
    /* How far the page goes stands before the entries: it is read twice. */
    if (after < end)
        r = store_each_audit(m->store, after, machine[0] ? machine : NULL, limit, read_event, &d);
    if (r >= 0)
        r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append(reply, "tb", d.seen < limit && d.last < end ? end : d.last, (int)(d.seen == limit));
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', BUS_AUDIT_ENTRY);
    if (r >= 0 && d.seen) {
        d = (struct reading){.reply = reply, .client = &c};
        r = store_each_audit(m->store, after, machine[0] ? machine : NULL, limit, read_event, &d);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* The whole log, of all machines: for who may read that. */
static int method_audit_export(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    uint64_t from, to;
    struct client c;
    const char *id;
    int r;

    r = sd_bus_message_read(call, "stt", &id, &from, &to);
    if (r >= 0)
        r = authorize(call, userdata, id, PERMISSION_AUDIT, NULL, &c, &who, error);
    if (r >= 0)
        r = bus_audit_export(userdata, from, to, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

static int method_audit_inclusion(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct client c;
    const char *id;
    uint64_t index;
    int r;

    r = sd_bus_message_read(call, "st", &id, &index);
    if (r >= 0)
        r = authorize(call, userdata, id, PERMISSION_AUDIT, NULL, &c, &who, error);
    return r < 0 ? r : bus_audit_prove(call, userdata, index, error);
}

/* --- clients and certificates --- */

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

static int method_list_clients(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct client c;
    const char *id;
    int r = sd_bus_message_read(call, "s", &id);

    if (r >= 0)
        r = authorize(call, userdata, id, PERMISSION_CLIENTS, NULL, &c, &who, error);
    return r < 0 ? r : reply_clients(call, userdata);
}

static int method_remove_client(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *id, *victim;
    struct client c;
    int r = sd_bus_message_read(call, "ss", &id, &victim);

    if (r >= 0)
        r = authorize(call, userdata, id, PERMISSION_CLIENTS, NULL, &c, &who, error);
    if (r >= 0)
        r = client_remove(userdata, victim, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
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

static int method_create_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct client c;
    const char *id;
    int r = sd_bus_message_read(call, "s", &id);

    if (r >= 0)
        r = authorize(call, userdata, id, PERMISSION_CLIENTS, NULL, &c, &who, error);
    return r < 0 ? r : reply_token(call, userdata, who, error);
}

static int method_enrol(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *certificate = NULL;
    const char *id, *token, *csr;
    struct manager *m = userdata;
    char new_id[72];
    struct ca *ca;
    int r = check_gateway(call, m, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "sss", &id, &token, &csr);
    if (r >= 0)
        r = clients_authority(m, &ca, error);
    if (r >= 0)
        r = client_enrol(m, token, csr, &certificate, new_id, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "sss", certificate, ca_certificate(ca), new_id);
}

static int method_certify(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *certificate = NULL, *names_or_host = NULL;
    char id[72], host[65] = "localhost";
    struct manager *m = userdata;
    const char *csr, *names;
    struct cvm_error e = {0};
    uint64_t expires;
    struct ca *ca;
    int r = check_gateway(call, m, error);

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

/* --- root's own --- */

static int check_root(sd_bus_message *call, struct manager *m, char **who, sd_bus_error *error) {
    uid_t uid;
    int r = caller_uid(call, &uid, error);

    if (r < 0)
        return r;
    if (uid != 0) {
        audit(m, NULL, "denied", NULL, "%s denied: user %u is not root", sd_bus_message_get_member(call), uid);
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "only root may do this");
    }
    *who = strdup("uid 0");
    return *who ? 0 : -ENOMEM;
}

static int root_create_token(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = check_root(call, userdata, &who, error);

    return r < 0 ? r : reply_token(call, userdata, who, error);
}

static int root_add(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const char *id, *name, *role, *pattern;
    _cleanup_free_ char *who = NULL;
    int r = check_root(call, userdata, &who, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "ssss", &id, &name, &role, &pattern);
    if (r >= 0)
        r = client_add(userdata, id, name, role, pattern, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int root_list(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r = check_root(call, userdata, &who, error);

    return r < 0 ? r : reply_clients(call, userdata);
}

static int root_remove(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *id;
    int r = check_root(call, userdata, &who, error);

    if (r >= 0)
        r = sd_bus_message_read(call, "s", &id);
    if (r >= 0)
        r = client_remove(userdata, id, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int root_authority(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct ca *ca;
    int r = check_root(call, userdata, &who, error);

    if (r >= 0)
        r = clients_authority(userdata, &ca, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "ss", ca_certificate(ca), ca_fingerprint(ca));
}

const sd_bus_vtable bus_gateway_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Access", SD_BUS_ARGS("s", client), SD_BUS_RESULT("s", name, "s", role, "s", pattern), method_access, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("s", client, "s", permission, "s", machine), SD_BUS_NO_RESULT, method_check, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Create", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "a{sv}", options), SD_BUS_RESULT("s", kind, "s", operation), method_create, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Define", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "a{sv}", options), SD_BUS_RESULT("o", machine),
                            method_define, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("s", client, "s", machine, "t", revision, "a{sv}", options), SD_BUS_NO_RESULT, method_set, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Act", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", action, "s", machine, "t", revision, "b", force), SD_BUS_RESULT("s", kind, "s", operation), method_act, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("s", client, "s", machine), SD_BUS_RESULT("h", file), method_open_log, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenConsole", SD_BUS_ARGS("s", client, "s", machine), SD_BUS_RESULT("h", console, "h", log), method_open_console, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("s", client, "s", machine, "ay", nonce), SD_BUS_RESULT("ay", report), method_report, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Evidence", SD_BUS_ARGS("s", client, "s", machine, "ay", nonce), SD_BUS_RESULT("s", evidence), method_evidence, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ImportImage", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", name, "s", kind, "h", file, "s", image), SD_BUS_RESULT("s", kind, "s", operation), method_import_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("DeleteImage", SD_BUS_ARGS("s", client, "s", key, "s", digest, "s", image), SD_BUS_RESULT("s", kind, "s", operation), method_delete_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CollectImages", SD_BUS_ARGS("s", client, "s", key, "s", digest), SD_BUS_RESULT("s", kind, "s", operation), method_collect_images, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AuditExport", SD_BUS_ARGS("s", client, "t", from, "t", to), SD_BUS_RESULT("h", file), method_audit_export, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("AuditInclusion", SD_BUS_ARGS("s", client, "t", index), SD_BUS_RESULT("s", entry, "as", proof, "s", checkpoint), method_audit_inclusion, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", client, "s", operation), SD_BUS_NO_RESULT, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Events", SD_BUS_ARGS("s", client, "t", after, "s", machine, "u", limit), SD_BUS_RESULT("t", last, "b", more, "a" BUS_AUDIT_ENTRY, entries), method_events, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListClients", SD_BUS_ARGS("s", client), SD_BUS_RESULT("a(sssstt)", clients), method_list_clients, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("RemoveClient", SD_BUS_ARGS("s", client, "s", id), SD_BUS_NO_RESULT, method_remove_client, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CreateToken", SD_BUS_ARGS("s", client, "s", name, "s", role, "s", pattern, "u", lifetime), SD_BUS_RESULT("s", token, "t", expires, "s", authority), method_create_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Enrol", SD_BUS_ARGS("s", peer, "s", token, "s", csr), SD_BUS_RESULT("s", certificate, "s", authority, "s", id), method_enrol, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Certify", SD_BUS_ARGS("s", csr, "s", names), SD_BUS_RESULT("s", certificate, "s", authority), method_certify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("ClientsChanged", "", 0),
    SD_BUS_SIGNAL("AuditAppended", "", 0),
    SD_BUS_VTABLE_END,
};

const sd_bus_vtable bus_clients_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("CreateToken", SD_BUS_ARGS("s", name, "s", role, "s", pattern, "u", lifetime), SD_BUS_RESULT("s", token, "t", expires, "s", authority), root_create_token, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Add", SD_BUS_ARGS("s", id, "s", name, "s", role, "s", pattern), SD_BUS_NO_RESULT, root_add, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssstt)", clients), root_list,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Remove", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, root_remove, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Authority", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", certificate, "s", sha256), root_authority,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

void bus_clients_changed(struct manager *m) {
    sd_bus *bus;

    BUS_FOREACH(bus, m)
        (void)sd_bus_emit_signal(bus, BUS_MANAGER_PATH, BUS_GATEWAY_INTERFACE, "ClientsChanged", NULL);
}

void bus_audit_appended(struct manager *m) {
    sd_bus *bus;

    BUS_FOREACH(bus, m)
        (void)sd_bus_emit_signal(bus, BUS_MANAGER_PATH, BUS_GATEWAY_INTERFACE, "AuditAppended", NULL);
}
