/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Gateway: machines, and the operations upon them. */
#include "bus-gateway.h"

#include <errno.h>
#include <string.h>

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

/* The client may define @name; then its options, which are @call's and within the client's reach. */
static int read_definition(struct asked *a, const char *name, struct machine_options *o) {
    int r = gateway_allow(a, PERMISSION_DEFINE, name);

    options_init(o);
    if (r >= 0)
        r = bus_read_options(a->call, o, a->error);
    return r < 0 ? r : check_reach(&a->client, o, a->error);
}

static int open_definition(struct asked *a, sd_bus_message *call, struct manager *m, const char **name,
                           struct machine_options *o, sd_bus_error *error) {
    int r = gateway_open_keyed(a, call, m, error);

    options_init(o);
    if (r >= 0)
        r = sd_bus_message_read(call, "s", name);
    return r < 0 ? r : read_definition(a, *name, o);
}

typedef int (*define_fn)(struct manager *m, const char *name, const struct machine_options *o, const char *who, struct operation **ret,
                         sd_bus_error *error);

static int define(sd_bus_message *call, struct manager *m, define_fn fn, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_(asked_done) struct asked a;
    struct operation *op = NULL;
    const char *name;
    int r = open_definition(&a, call, m, &name, &o, error);

    if (r >= 0)
        r = gateway_answered(&a);
    if (r != 0)
        return r;
    r = fn(m, name, &o, a.who, &op, error);
    return gateway_reply_operation(&a, r, op);
}

int gateway_create(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    return define(call, userdata, manager_launch, error);
}

int gateway_define(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    return define(call, userdata, manager_define, error);
}

int gateway_set(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_(asked_done) struct asked a;
    struct operation *op = NULL;
    const char *name;
    uint64_t revision;
    int r = gateway_open(&a, call, userdata, error);

    options_init(&o);
    if (r >= 0)
        r = sd_bus_message_read(call, "st", &name, &revision);
    if (r >= 0)
        r = read_definition(&a, name, &o);
    if (r >= 0)
        r = gateway_check_revision(&a, name, revision);
    if (r >= 0)
        r = manager_set_properties(a.manager, name, &o, a.who, &op, error);
    return r < 0 ? r
                 : sd_bus_reply_method_return(call, "ssb", operation_kind_to_string(op->kind), op->id, !operation_is_active(op));
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

int gateway_act(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const struct action *act = NULL;
    const char *name, *machine;
    struct operation *op = NULL;
    uint64_t revision;
    int r, force;

    r = gateway_open_keyed(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "sstb", &name, &machine, &revision, &force);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(actions) && !act; i++)
        if (strcmp(actions[i].name, name) == 0)
            act = &actions[i];
    if (!act)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "there is no action '%.32s'", name);
    r = gateway_allow(&a, act->permission, machine);
    if (r >= 0)
        r = gateway_answered(&a);
    if (r != 0)
        return r;
    r = gateway_check_revision(&a, machine, revision);
    if (r >= 0)
        r = act->fn ? act->fn(a.manager, machine, a.who, &op, error)
                    : manager_stop(a.manager, machine, force, a.who, &op, error);
    return gateway_reply_operation(&a, r, op);
}

int gateway_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    _cleanup_close_ int fd = -1;
    const char *name;
    int r = gateway_open_machine(&a, call, userdata, PERMISSION_CONSOLE, &name, error);

    if (r >= 0)
        r = bus_machine_log(a.manager, name, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

/* Both ends of a console: what it prints, from the beginning, and where input goes. */
int gateway_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_close_ int console = -1, log = -1;
    _cleanup_(asked_done) struct asked a;
    const char *name;
    int r = gateway_open_machine(&a, call, userdata, PERMISSION_CONSOLE, &name, error);

    if (r >= 0)
        r = bus_machine_log(a.manager, name, &log, error);
    if (r >= 0)
        r = bus_machine_console(a.manager, name, a.who, &console, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "hh", console, log);
}

static int open_nonce(struct asked *a, sd_bus_message *call, struct manager *m, const char **name, const void **nonce,
                      size_t *size, sd_bus_error *error) {
    int r = gateway_open_machine(a, call, m, PERMISSION_REPORT, name, error);

    if (r >= 0)
        r = sd_bus_message_read_array(call, 'y', nonce, size);
    return r < 0 ? r : gateway_check_revision(a, *name, 0);
}

int gateway_report(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_(asked_done) struct asked a;
    struct cvm_report report;
    const void *nonce;
    const char *name;
    size_t size;
    int r = open_nonce(&a, call, userdata, &name, &nonce, &size, error);

    if (r >= 0)
        r = bus_machine_report(manager_find(a.manager, name), nonce, size, &report, error);
    if (r >= 0)
        r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', &report, sizeof(report));
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int gateway_evidence(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const void *nonce;
    const char *name;
    size_t size;
    int r = open_nonce(&a, call, userdata, &name, &nonce, &size, error);

    return r < 0 ? r : bus_send_evidence(manager_find(a.manager, name), call, nonce, size, error);
}

int gateway_put_key(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *name;
    const void *blob;
    size_t size;
    int r = gateway_open_machine(&a, call, userdata, PERMISSION_CONTROL, &name, error);

    if (r >= 0)
        r = gateway_check_revision(&a, name, 0);
    if (r >= 0)
        r = sd_bus_message_read_array(call, 'y', &blob, &size);
    return r < 0 ? r : bus_put_key(manager_find(a.manager, name), call, blob, size, error);
}

int gateway_cancel(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(asked_done) struct asked a;
    const char *operation;
    struct operation *op;
    enum permission p;
    int r;

    r = gateway_open(&a, call, userdata, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "s", &operation);
    if (r < 0)
        return r;
    op = manager_find_operation(a.manager, operation);
    p = !op || op->machine ? PERMISSION_CONTROL : PERMISSION_IMAGES;
    if (op && operation_defines(op))
        p = PERMISSION_DEFINE;
    r = gateway_allow(&a, op ? p : PERMISSION_READ, op ? op->machine : NULL);
    if (r < 0)
        return r;
    if (!op)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OPERATION, "there is no operation '%.64s'", operation);
    r = operation_cancel(op, a.who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}
