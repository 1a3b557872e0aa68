/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.cvmd1.Manager, and what all objects share.
 */
#include "bus.h"

#include "console.h"
#include "log.h"
#include "manager.h"
#include "reason.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Who asks, in words for the audit log. Refuses all but root: polkit comes later. */
static int authorize(sd_bus_message *call, char **who, sd_bus_error *error) {
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    const char *comm = NULL;
    uid_t uid;
    pid_t pid = 0;
    int r;

    r = sd_bus_query_sender_creds(
        call, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID | SD_BUS_CREDS_COMM | SD_BUS_CREDS_AUGMENT, &creds);
    if (r >= 0)
        r = sd_bus_creds_get_euid(creds, &uid);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "the bus does not tell who asks: %s", strerror(-r));
    if (uid != 0)
        return sd_bus_error_setf(error, BUS_ERROR_DENIED, "only root may do this (asked by user %u)", uid);
    (void)sd_bus_creds_get_pid(creds, &pid);
    (void)sd_bus_creds_get_comm(creds, &comm);
    if (asprintf(who, "uid %u, pid %d (%s)", uid, (int)pid, comm ?: "?") < 0)
        return -ENOMEM;
    return 0;
}

void bus_reply_call(sd_bus_message **call, const sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *m = TAKE_PTR(*call);
    int r;

    if (!m)
        return;
    if (error)
        r = sd_bus_reply_method_error(m, error);
    else
        r = sd_bus_reply_method_return(m, NULL);
    if (r < 0)
        log_warning("An answer cannot be sent: %s", strerror(-r));
}

static int read_option(sd_bus_message *call, struct launch_request *q, sd_bus_error *error) {
    const char *key, *contents;
    char type;
    int r;

    r = sd_bus_message_read_basic(call, 's', &key);
    if (r < 0)
        return r;
    r = sd_bus_message_peek_type(call, &type, &contents);
    if (r < 0)
        return r;
#define OPTION(name, sig, target)                                                                            \
    if (strcmp(key, name) == 0) {                                                                            \
        if (strcmp(contents, sig) != 0)                                                                      \
            return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT,                                      \
                                     "option '%s' has type '%s', not '%s'", key, contents, sig);             \
        return sd_bus_message_read(call, "v", sig, target);                                                  \
    }
    OPTION("Kernel", "h", &q->kernel_fd)
    OPTION("Initrd", "h", &q->initrd_fd)
    OPTION("CommandLine", "s", &q->cmdline)
    OPTION("Memory", "t", &q->memory)
    OPTION("VCPUs", "u", &q->vcpus)
    if (strcmp(key, "Unprotected") == 0 && strcmp(contents, "b") == 0) {
        int b;

        r = sd_bus_message_read(call, "v", "b", &b);
        q->unprotected = r >= 0 && b;
        return r;
    }
#undef OPTION
    return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "option '%.64s' of type '%.16s' is not known",
                             key, contents);
}

static int read_request(sd_bus_message *call, struct launch_request *q, sd_bus_error *error) {
    int r;

    *q = (struct launch_request){.kernel_fd = -1, .initrd_fd = -1, .vcpus = 1};
    r = sd_bus_message_read(call, "s", &q->name);
    if (r >= 0)
        r = sd_bus_message_enter_container(call, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        r = read_option(call, q, error);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (q->kernel_fd < 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "option 'Kernel' is missing");
    if (q->memory == 0)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_ARGUMENT, "option 'Memory' is missing");
    return sd_bus_message_exit_container(call);
}

static int method_launch(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct launch_request q;
    int r;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = read_request(call, &q, error);
    if (r >= 0)
        r = manager_launch(userdata, &q, call, who, error);
    return r < 0 ? r : 1; /* answered when it is done */
}

static int method_stop(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *name;
    int r, force;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "sb", &name, &force);
    if (r >= 0)
        r = manager_stop(userdata, name, force, call, who, error);
    return r < 0 ? r : 1; /* answered when it is done */
}

static int method_delete(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *name;
    int r;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "s", &name);
    if (r >= 0)
        r = manager_delete(userdata, name, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int find_named(sd_bus_message *call, struct manager *m, struct machine **ret, sd_bus_error *error) {
    const char *name;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    *ret = manager_find(m, name);
    if (!*ret)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_MACHINE,
                                 "there is no machine '%.64s'; 'cvmctl list' shows those that exist", name);
    return 0;
}

static int method_get_machine(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    struct machine *k;
    int r;

    r = find_named(call, userdata, &k, error);
    if (r >= 0)
        r = machine_path(k, &path);
    return r < 0 ? r : sd_bus_reply_method_return(call, "o", path);
}

static int method_list_machines(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    struct manager *m = userdata;
    int r;

    (void)error;
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "(sso)");
    for (size_t i = 0; r >= 0 && i < m->nr_machines; i++) {
        _cleanup_free_ char *path = NULL;

        r = machine_path(m->machines[i], &path);
        if (r >= 0)
            r = sd_bus_message_append(reply, "(sso)", m->machines[i]->name,
                                      machine_state_to_string(m->machines[i]->state), path);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_open_console(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    _cleanup_close_ int fd = -1;
    struct machine *k;
    int r;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = find_named(call, userdata, &k, error);
    if (r < 0)
        return r;
    r = console_attach(k, &fd);
    if (r == -ENOTTY)
        return sd_bus_error_setf(
            error, BUS_ERROR_NOT_RUNNING,
            "machine '%s' has no console now (%s); 'cvmctl console %s --log' shows what it printed", k->name,
            machine_state_to_string(k->state), k->name);
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR_FAILED, "the console of '%s' cannot be opened: %s", k->name,
                                 strerror(-r));
    audit(userdata, k, "console", who, "console opened");
    return sd_bus_reply_method_return(call, "h", fd);
}

static int method_open_log(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL, *path = NULL;
    _cleanup_close_ int fd = -1;
    struct machine *k;
    int r;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = find_named(call, userdata, &k, error);
    if (r >= 0)
        r = machine_file(k, "console.log", &path);
    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sd_bus_error_setf(error, BUS_ERROR_FAILED, "machine '%s' has printed nothing yet (%s: %s)",
                                 k->name, path, strerror(errno));
    return sd_bus_reply_method_return(call, "h", fd);
}

/* id, time, source, machine, uuid, event, reason, reason in words, message, who, arguments, number at the
 * source */
#define AUDIT_ENTRY "(ttssssusssatt)"

static int append_audit(void *userdata, const struct store_audit *a) {
    sd_bus_message *reply = userdata;
    int r;

    r = sd_bus_message_append(reply, AUDIT_ENTRY, a->id, a->time, a->source, a->machine ?: "", a->uuid ?: "",
                              a->event, a->reason, a->reason ? reason_text(a->reason) : "", a->message,
                              a->who ?: "", 2, a->arg[0], a->arg[1], a->seq);
    return r < 0 ? r : 0;
}

static int method_read_audit(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *who = NULL;
    struct manager *m = userdata;
    const char *machine;
    uint64_t after;
    uint32_t limit;
    int r;

    r = authorize(call, &who, error);
    if (r >= 0)
        r = sd_bus_message_read(call, "tsu", &after, &machine, &limit);
    if (r < 0)
        return r;
    manager_look(m);
    audit_pull(m);
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', AUDIT_ENTRY);
    if (r >= 0)
        r = store_each_audit(m->store, after, machine[0] ? machine : NULL, limit, append_audit, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    (void)bus;
    (void)path;
    (void)interface;
    (void)property;
    (void)userdata;
    (void)error;
    return sd_bus_message_append(reply, "s", CVMD_VERSION);
}

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Launch", SD_BUS_ARGS("s", name, "a{sv}", options), SD_BUS_NO_RESULT,
                            method_launch, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("s", name, "b", force), SD_BUS_NO_RESULT, method_stop,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT, method_delete,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetMachine", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", machine),
                            method_get_machine, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListMachines", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sso)", machines),
                            method_list_machines, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenConsole", SD_BUS_ARGS("s", name), SD_BUS_RESULT("h", socket),
                            method_open_console, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("s", name), SD_BUS_RESULT("h", file), method_open_log,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ReadAudit", SD_BUS_ARGS("t", after, "s", machine, "u", limit),
                            SD_BUS_RESULT("a" AUDIT_ENTRY, entries), method_read_audit,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};

int bus_attach(struct manager *m) {
    int r;

    r = sd_bus_add_object_manager(m->bus, NULL, BUS_MANAGER_PATH);
    if (r >= 0)
        r = sd_bus_add_object_vtable(m->bus, NULL, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, manager_vtable,
                                     m);
    if (r >= 0)
        r = sd_bus_add_object_vtable(m->bus, NULL, BUS_HOST_PATH, BUS_HOST_INTERFACE, bus_host_vtable, m);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(m->bus, NULL, BUS_MACHINE_PREFIX, BUS_MACHINE_INTERFACE,
                                       bus_machine_vtable, bus_machine_find, m);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(m->bus, NULL, BUS_MACHINE_PREFIX, bus_machine_enumerate, m);
    if (r >= 0)
        r = sd_bus_request_name(m->bus, BUS_NAME, 0);
    if (r < 0)
        log_error("The bus does not take the objects or the name %s: %s", BUS_NAME, strerror(-r));
    return r;
}

void bus_machine_added(struct machine *m) {
    _cleanup_free_ char *path = NULL;

    if (m->manager->bus && machine_path(m, &path) >= 0)
        (void)sd_bus_emit_object_added(m->manager->bus, path);
}

void bus_machine_removed(struct machine *m) {
    _cleanup_free_ char *path = NULL;

    if (m->manager->bus && machine_path(m, &path) >= 0)
        (void)sd_bus_emit_object_removed(m->manager->bus, path);
}

void bus_machine_changed(struct machine *m) {
    _cleanup_free_ char *path = NULL;

    if (m->manager->bus && machine_path(m, &path) >= 0)
        (void)sd_bus_emit_properties_changed(m->manager->bus, path, BUS_MACHINE_INTERFACE, "State", "Reason",
                                             "LaunchDigest", "Console", NULL);
}
