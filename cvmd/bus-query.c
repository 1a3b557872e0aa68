/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Manager: what only tells something, and consoles. */
#include "bus.h"

#include "console.h"
#include "manager.h"
#include "polkit.h"
#include "reason.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int find_named(struct manager *m, const char *name, struct machine **ret, sd_bus_error *error) {
    *ret = manager_find(m, name);
    if (!*ret || (*ret)->defining)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_MACHINE,
                                 "there is no machine '%.64s'; 'cvmctl list' shows those that exist", name);
    return 0;
}

int bus_get_machine(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    const char *name;
    struct machine *k;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r >= 0)
        r = find_named(userdata, name, &k, error);
    if (r >= 0)
        r = machine_path(k, &path);
    return r < 0 ? r : sd_bus_reply_method_return(call, "o", path);
}

int bus_list_machines(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct manager *m = userdata;
    int r;

    (void)error;
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sso)");
    for (size_t i = 0; r >= 0 && i < m->nr_machines; i++) {
        _cleanup_free_ char *path = NULL;

        if (m->machines[i]->defining)
            continue;
        r = machine_path(m->machines[i], &path);
        if (r >= 0)
            r = sd_bus_message_append(reply, "(sso)", m->machines[i]->name,
                                      machine_state_to_string(m->machines[i]->state), path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int bus_machine_console(struct manager *m, const char *name, const char *who, int *ret, sd_bus_error *error) {
    struct machine *k;
    int r;

    r = find_named(m, name, &k, error);
    if (r < 0)
        return r;
    r = console_attach(k, ret);
    if (r == -ENOTTY)
        return sd_bus_error_setf(
            error, BUS_ERROR_NOT_RUNNING,
            "machine '%s' has no console now (%s); 'cvmctl console %s --log' shows what it printed", k->name,
            machine_state_to_string(k->state), k->name);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_FAILED, "the console of '%s' cannot be opened: %s", k->name,
                                 strerror(-r));
    audit(m, k, "console", who, "console opened");
    return 0;
}

/* The machine whose console the caller may have; as polkit_authorize(). */
static int read_machine(sd_bus_message *call, struct manager *m, sd_bus_message_handler_t handler, const char **name,
                        char **who, sd_bus_error *error) {
    int r = sd_bus_message_read(call, "s", name);

    return r < 0 ? r : polkit_authorize(call, m, POLKIT_CONSOLE, *name, handler, m, who, error);
}

int bus_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    const char *name;
    int r = read_machine(call, userdata, bus_open_console, &name, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    r = bus_machine_console(userdata, name, who, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

int bus_machine_log(struct manager *m, const char *name, int *ret, sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    struct machine *k;
    int r;

    r = find_named(m, name, &k, error);
    if (r >= 0)
        r = machine_file(k, "console.log", &path);
    if (r < 0)
        return r;
    *ret = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*ret < 0)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "machine '%s' has printed nothing yet (%s)", k->name,
                                 strerror(errno));
    return 0;
}

int bus_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    const char *name;
    int r = read_machine(call, userdata, bus_open_log, &name, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    r = bus_machine_log(userdata, name, &fd, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, "h", fd);
}

int bus_append_audit(sd_bus_message *reply, const struct store_audit *a) {
    int r;

    r = sd_bus_message_append(reply, BUS_AUDIT_ENTRY, a->id, a->time, a->source, a->machine ?: "",
                              a->uuid ?: "", a->event, a->reason, a->reason ? reason_text(a->reason) : "",
                              a->message, a->who ?: "", 2, a->arg[0], a->arg[1], a->seq);
    return r < 0 ? r : 0;
}

static int append_audit(void *userdata, const struct store_audit *a) {
    return bus_append_audit(userdata, a);
}

int bus_read_audit(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *machine;
    uint64_t after;
    uint32_t limit;
    int r;

    r = sd_bus_message_read(call, "tsu", &after, &machine, &limit);
    if (r < 0)
        return r;
    r = polkit_authorize(call, m, POLKIT_AUDIT, machine[0] ? machine : NULL, bus_read_audit, m, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    manager_look(m);
    audit_pull(m);
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', BUS_AUDIT_ENTRY);
    if (r >= 0)
        r = store_each_audit(m->store, after, machine[0] ? machine : NULL, limit, append_audit, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int bus_get_operation(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    struct operation *op;
    const char *id;
    int r;

    r = sd_bus_message_read(call, "s", &id);
    if (r < 0)
        return r;
    op = manager_find_operation(userdata, id);
    if (!op)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OPERATION,
                                 "there is no operation '%.64s'; those that ended are kept for a while only",
                                 id);
    r = operation_path(op, &path);
    return r < 0 ? r : sd_bus_reply_method_return(call, "o", path);
}

int bus_list_operations(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct manager *m = userdata;
    int r;

    (void)error;
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sssso)");
    for (size_t i = 0; r >= 0 && i < m->nr_operations; i++) {
        const struct operation *op = m->operations[i];
        _cleanup_free_ char *path = NULL;

        r = operation_path(op, &path);
        if (r >= 0)
            r = sd_bus_message_append(reply, "(sssso)", op->id, operation_kind_to_string(op->kind),
                                      op->machine ?: "", operation_state_to_string(op->state), path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
