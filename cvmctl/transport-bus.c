/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system bus: org.cvmd1, documented in docs/dbus.md.
 */
#include "transport-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *prefix, *interface, *get;
} kinds[OBJECT_KINDS] = {
    [OBJECT_HOST] = {"/org/cvmd1/host", "org.cvmd1.Host", NULL},
    [OBJECT_MACHINE] = {"/org/cvmd1/machine/", "org.cvmd1.Machine", "GetMachine"},
    [OBJECT_IMAGE] = {"/org/cvmd1/image/", "org.cvmd1.Image", "GetImage"},
    [OBJECT_OPERATION] = {"/org/cvmd1/operation/", "org.cvmd1.Operation", "GetOperation"},
};

static void bus_close(struct transport *t) {
    struct bus_transport *b = bus_of(t);

    sd_bus_slot_unref(b->signals);
    sd_bus_slot_unref(b->owner);
    sd_bus_flush_close_unref(b->bus);
    free(b);
}

static int object_path(struct bus_transport *b, const char *verb, enum object_kind kind, const char *id,
                       char **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *path;
    int r;

    if (!kinds[kind].get)
        path = kinds[kind].prefix;
    else {
        r = client_call(verb, b->bus, kinds[kind].get, CLIENT_TIMEOUT_USEC, &reply, "s", id);
        if (r != 0)
            return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
            return client_fail(verb, r, NULL);
    }
    *ret = strdup(path);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

static int bus_get(struct transport *t, const char *verb, enum object_kind kind, const char *id,
                   json_object **ret) {
    struct bus_transport *b = bus_of(t);
    _cleanup_free_ char *path = NULL;
    int r;

    r = object_path(b, verb, kind, id, &path);
    return r ?: client_properties(verb, b->bus, path, kinds[kind].interface, ret);
}

static int bus_list(struct transport *t, const char *verb, enum object_kind kind, json_object **ret) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_json_ json_object *all = NULL;
    struct bus_transport *b = bus_of(t);
    int r;

    r = sd_bus_call_method(b->bus, "org.cvmd1", "/org/cvmd1", "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", &error, &reply, NULL);
    if (r >= 0)
        r = client_read_value(reply, &all);
    if (r < 0)
        return client_fail(verb, r, &error);
    *ret = json_object_new_array();
    json_object_object_foreach(all, path, interfaces) {
        json_object *p;

        if (strncmp(path, kinds[kind].prefix, strlen(kinds[kind].prefix)) == 0 &&
            json_object_object_get_ex(interfaces, kinds[kind].interface, &p))
            json_object_array_add(*ret, json_object_get(p));
    }
    return 0;
}

/* Types of the options of Define, Launch, SetProperties, ImportImage; files are apart. */
static const struct {
    const char *key, *signature;
} signatures[] = {
    {"KernelImage", "s"}, {"InitrdImage", "s"}, {"CommandLine", "s"}, {"Memory", "t"},
    {"VCPUs", "u"},       {"Unprotected", "b"}, {"Description", "s"}, {"Labels", "a{ss}"},
    {"Autostart", "b"},   {"Restart", "s"},     {"CPUShares", "t"},   {"CPUQuota", "u"},
    {"IOWeight", "u"},    {"Network", "s"},     {"Disks", "as"},      {"Digest", "s"},
};

static int append_value(sd_bus_message *m, const char *signature, json_object *v) {
    int r;

    switch (signature[0]) {
    case 's':
        return sd_bus_message_append(m, "s", json_object_get_string(v));
    case 'u':
        return sd_bus_message_append(m, "u", (uint32_t)json_object_get_uint64(v));
    case 't':
        return sd_bus_message_append(m, "t", json_object_get_uint64(v));
    case 'b':
        return sd_bus_message_append(m, "b", json_object_get_boolean(v));
    default:
        break;
    }
    r = sd_bus_message_open_container(m, 'a', signature + 1);
    if (json_object_is_type(v, json_type_array))
        for (size_t i = 0; r >= 0 && i < json_object_array_length(v); i++)
            r = sd_bus_message_append(m, "s", json_object_get_string(json_object_array_get_idx(v, i)));
    else {
        json_object_object_foreach(v, key, value) {
            if (r >= 0)
                r = sd_bus_message_append(m, "{ss}", key, json_object_get_string(value));
        }
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_option(sd_bus_message *m, const char *key, json_object *v) {
    const char *signature = NULL;
    int r;

    for (size_t i = 0; i < ELEMENTSOF(signatures); i++)
        if (strcmp(signatures[i].key, key) == 0)
            signature = signatures[i].signature;
    if (!signature)
        return -EBADSLT;
    r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', signature);
    if (r >= 0)
        r = append_value(m, signature, v);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_options(sd_bus_message *m, const struct request *q) {
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(q->files); i++)
        if (q->files[i].key && q->files[i].key[0] && q->files[i].fd >= 0)
            r = sd_bus_message_append(m, "{sv}", q->files[i].key, "h", q->files[i].fd);
    json_object_object_foreach(q->options, key, v) {
        if (r >= 0)
            r = append_option(m, key, v);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_request(sd_bus_message *m, const struct request *q) {
    int r = 0;

    if (q->name)
        r = sd_bus_message_append(m, "s", q->name);
    if (r >= 0 && q->kind)
        r = sd_bus_message_append(m, "sh", q->kind, q->files[0].fd);
    if (r >= 0 && strcmp(q->method, "Stop") == 0)
        r = sd_bus_message_append(m, "b", (int)q->force);
    return r < 0 || !q->options ? r : append_options(m, q);
}

/* The last part of an operation's path is its id. */
static int operation_id(const char *path, char **ret) {
    int r = sd_bus_path_decode(path, "/org/cvmd1/operation", ret);

    return r < 0 ? r : 0; /* another object: nothing to wait for */
}

static int bus_call(struct transport *t, const struct request *q, char **operation) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    struct bus_transport *b = bus_of(t);
    const char *path;
    int r;

    *operation = NULL;
    r = sd_bus_message_new_method_call(b->bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Manager", q->method);
    if (r >= 0)
        r = append_request(m, q);
    if (r == -EINVAL)
        return fail(q->verb, EXIT_USAGE, "an argument is not UTF-8");
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(m, isatty(STDIN_FILENO));
    /* cvmd sets the time limit: it knows how far it is, and polkit may be asking somebody. */
    if (r >= 0)
        r = sd_bus_call(b->bus, m, UINT64_MAX, &error, &reply);
    if (r >= 0 && sd_bus_message_has_signature(reply, "o")) {
        r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
            r = operation_id(path, operation);
    }
    return r < 0 ? client_fail(q->verb, r, &error) : 0;
}

static int bus_cancel(struct transport *t, const char *verb, const char *operation) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct bus_transport *b = bus_of(t);
    _cleanup_free_ char *path = NULL;
    int r;

    r = object_path(b, verb, OBJECT_OPERATION, operation, &path);
    if (r != 0)
        return r;
    r = sd_bus_call_method(b->bus, "org.cvmd1", path, "org.cvmd1.Operation", "Cancel", &error, NULL, NULL);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    struct bus_transport *b = userdata;

    (void)m;
    (void)error;
    b->changed = true;
    return 0;
}

static int bus_wait(struct transport *t, const char *verb, uint64_t usec) {
    struct bus_transport *b = bus_of(t);
    int r = 0;

    if (!b->signals)
        r = sd_bus_add_match(b->bus, &b->signals,
                             "type='signal',sender='org.cvmd1',path_namespace='/org/cvmd1'", on_signal, b);
    if (r >= 0 && !b->owner) /* cvmd that ended has to be noticed, too */
        r = sd_bus_add_match(b->bus, &b->owner,
                             "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='org.cvmd1'",
                             on_signal, b);
    while (r >= 0 && !b->changed) {
        r = sd_bus_process(b->bus, NULL);
        if (r != 0)
            continue;
        r = sd_bus_wait(b->bus, usec);
        if (r <= 0)
            break;
    }
    b->changed = false;
    return r < 0 && r != -EINTR ? client_fail(verb, r, NULL) : 0;
}

static int bus_audit(struct transport *t, const char *verb, uint64_t after, const char *machine,
                     uint32_t limit, json_object **ret) {
    static const char *const keys[] = {"id",          "time",   "source",  "machine", "uuid", "event",
                                       "reason_code", "reason", "message", "who",     "args", "seq"};
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct bus_transport *b = bus_of(t);
    int r;

    r = client_call(verb, b->bus, "ReadAudit", CLIENT_TIMEOUT_USEC, &reply, "tsu", after, machine, limit);
    if (r != 0)
        return r;
    r = client_read_structs(reply, keys, ELEMENTSOF(keys), ret);
    return r < 0 ? client_fail(verb, r, NULL) : 0;
}

static int bus_report(struct transport *t, const char *verb, const char *machine,
                      const uint8_t nonce[NONCE_SIZE], void *ret, size_t size) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    struct bus_transport *b = bus_of(t);
    _cleanup_free_ char *path = NULL;
    const void *p;
    size_t got;
    int r;

    r = object_path(b, verb, OBJECT_MACHINE, machine, &path);
    if (r != 0)
        return r;
    r = sd_bus_message_new_method_call(b->bus, &m, "org.cvmd1", path, "org.cvmd1.Machine", "Report");
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', nonce, NONCE_SIZE);
    if (r >= 0)
        r = sd_bus_call(b->bus, m, CLIENT_TIMEOUT_USEC, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read_array(reply, 'y', &p, &got);
    if (r < 0)
        return client_fail(verb, r, &error);
    if (got != size)
        return fail(verb, EXIT_FAILED, "cvmd sent %zu bytes, a report has %zu", got, size);
    memcpy(ret, p, size);
    return 0;
}

static int bus_evidence(struct transport *t, const char *verb, const char *machine,
                        const uint8_t nonce[NONCE_SIZE], char **ret) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
    struct bus_transport *b = bus_of(t);
    _cleanup_free_ char *path = NULL;
    const char *text;
    int r;

    r = object_path(b, verb, OBJECT_MACHINE, machine, &path);
    if (r != 0)
        return r;
    r = sd_bus_message_new_method_call(b->bus, &m, "org.cvmd1", path, "org.cvmd1.Machine", "GetEvidence");
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', nonce, NONCE_SIZE);
    if (r >= 0)
        r = sd_bus_call(b->bus, m, CLIENT_TIMEOUT_USEC, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &text);
    if (r < 0)
        return client_fail(verb, r, &error);
    *ret = strdup(text);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

/* A method of the Audit interface. */
static int call_audit(struct bus_transport *b, const char *verb, const char *member, const char *types, uint64_t x, uint64_t y,
                      sd_bus_message **reply) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(b->bus, &m, "org.cvmd1", "/org/cvmd1", "org.cvmd1.Audit", member);

    if (r >= 0 && types)
        r = sd_bus_message_append(m, types, x, y);
    if (r >= 0)
        r = sd_bus_call(b->bus, m, CLIENT_TIMEOUT_USEC, &error, reply);
    return r < 0 ? client_fail(verb, r, &error) : 0;
}

static int bus_audit_text(struct transport *t, const char *verb, const char *what, char **ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *s;
    int r = call_audit(bus_of(t), verb, strcmp(what, "key") == 0 ? "Key" : "Checkpoint", NULL, 0, 0, &reply);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "s", &s);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = strdup(s);
    return *ret ? 0 : fail(verb, EXIT_FAILED, "out of memory");
}

static int bus_audit_export(struct transport *t, const char *verb, uint64_t from, uint64_t to,
                            int (*sink)(void *userdata, const char *p, size_t n), void *userdata) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    char buf[65536];
    ssize_t n;
    int fd, r = call_audit(bus_of(t), verb, "Export", "tt", from, to, &reply);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "h", &fd);
    if (r < 0)
        return client_fail(verb, r, NULL);
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        if (sink(userdata, buf, (size_t)n) != 0)
            return EXIT_FAILED;
    return n < 0 ? fail(verb, EXIT_FAILED, "the export broke off: %s", strerror(errno)) : 0;
}

static int read_proof(sd_bus_message *m, bool inclusion, uint64_t n, json_object *o) {
    json_object *proof = json_object_new_array();
    const char *s;
    int r = 0;

    json_object_object_add(o, "format",
                           json_object_new_string(inclusion ? "cvmd-audit-inclusion-1" : "cvmd-audit-consistency-1"));
    json_object_object_add(o, inclusion ? "index" : "old", json_object_new_uint64(n));
    if (inclusion) {
        r = sd_bus_message_read(m, "s", &s);
        if (r >= 0)
            json_object_object_add(o, "entry", json_object_new_string(s));
    }
    json_object_object_add(o, "proof", proof);
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
        json_object_array_add(proof, json_object_new_string(s));
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        r = sd_bus_message_read(m, "s", &s);
    if (r >= 0)
        json_object_object_add(o, "checkpoint", json_object_new_string(s));
    return r;
}

static int bus_audit_proof(struct transport *t, const char *verb, bool inclusion, uint64_t n, json_object **ret) {
    _cleanup_json_ json_object *o = json_object_new_object();
    _cleanup_message_ sd_bus_message *reply = NULL;
    int r = call_audit(bus_of(t), verb, inclusion ? "ProveInclusion" : "ProveConsistency", "t", n, 0, &reply);

    if (r != 0)
        return r;
    r = read_proof(reply, inclusion, n, o);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = json_object_get(o);
    return 0;
}

static int open_fd(struct bus_transport *b, const char *verb, const char *member, const char *machine, int *ret) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    int fd, r = client_call(verb, b->bus, member, CLIENT_TIMEOUT_USEC, &reply, "s", machine);

    if (r != 0)
        return r;
    r = sd_bus_message_read(reply, "h", &fd);
    if (r < 0)
        return client_fail(verb, r, NULL);
    *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message owns the other */
    return *ret < 0 ? fail(verb, EXIT_FAILED, "%s", strerror(errno)) : 0;
}

static int bus_open_log(struct transport *t, const char *verb, const char *machine, bool grows, int *fd) {
    (void)grows; /* the file that QEMU writes does */
    return open_fd(bus_of(t), verb, "OpenLog", machine, fd);
}

static int bus_open_console(struct transport *t, const char *verb, const char *machine, int *fd) {
    return open_fd(bus_of(t), verb, "OpenConsole", machine, fd);
}

static void bus_settle(struct transport *t) {
    (void)t;
}

static const struct transport_ops bus_ops = {
    .audit_text = bus_audit_text,
    .audit_export = bus_audit_export,
    .audit_proof = bus_audit_proof,
    .open_log = bus_open_log,
    .open_console = bus_open_console,
    .settle = bus_settle,
    .close = bus_close,
    .get = bus_get,
    .list = bus_list,
    .call = bus_call,
    .cancel = bus_cancel,
    .wait = bus_wait,
    .audit = bus_audit,
    .report = bus_report,
    .evidence = bus_evidence,
    .put_key = bus_put_key,
    .enrolment = bus_enrolment,
    .clients = bus_clients,
    .add_client = bus_add_client,
    .remove_client = bus_remove_client,
    .create_token = bus_create_token,
    .authority = bus_authority,
};

int transport_bus_open(const char *verb, struct transport **ret) {
    struct bus_transport *b = calloc(1, sizeof(*b));
    int r;

    if (!b)
        return fail(verb, EXIT_FAILED, "out of memory");
    b->t.ops = &bus_ops;
    r = client_connect(verb, &b->bus);
    if (r != 0) {
        free(b);
        return r;
    }
    *ret = &b->t;
    return 0;
}
