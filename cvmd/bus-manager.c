/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Manager: what changes something. docs/dbus.md documents it. */
#include "bus.h"
#include "manager.h"
#include "polkit.h"

#include <errno.h>
#include <string.h>

/* Answers with the object of an operation, or hands on the error. */
static int reply_operation(sd_bus_message *call, int r, const struct operation *op) {
    _cleanup_free_ char *path = NULL;

    if (r >= 0)
        r = operation_path(op, &path);
    return r < 0 ? r : sd_bus_reply_method_return(call, "o", path);
}

/* A machine's name and options, which the caller may give it; as polkit_authorize(). @o is always initialized. */
static int read_definition(sd_bus_message *call, struct manager *m, sd_bus_message_handler_t handler, const char **name,
                           struct machine_options *o, char **who, sd_bus_error *error) {
    int r = sd_bus_message_read(call, "s", name);

    options_init(o);
    if (r >= 0)
        r = bus_read_options(call, o, error);
    return r < 0 ? r : polkit_authorize(call, m, POLKIT_DEFINE, *name, handler, m, who, error);
}

static int method_launch(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *name;
    int r = read_definition(call, userdata, method_launch, &name, &o, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_launch(userdata, name, &o, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_define(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *name;
    int r = read_definition(call, userdata, method_define, &name, &o, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_define(userdata, name, &o, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_set_properties(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(options_done) struct machine_options o;
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *name;
    int r = read_definition(call, userdata, method_set_properties, &name, &o, &who, error);

    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_set_properties(userdata, name, &o, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_stop(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *name;
    int r, force;

    r = sd_bus_message_read(call, "sb", &name, &force);
    if (r < 0)
        return r;
    r = polkit_authorize(call, userdata, POLKIT_CONTROL, name, method_stop, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_stop(userdata, name, force, who, &op, error);
    return reply_operation(call, r, op);
}

typedef int (*verb_fn)(struct manager *m, const char *name, const char *who, struct operation **ret,
                       sd_bus_error *error);

/* The methods with a name and nothing else. */
static int verb(sd_bus_message *call, struct manager *m, const char *action, sd_bus_message_handler_t handler,
                verb_fn fn, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *name;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    r = polkit_authorize(call, m, action, name, handler, m, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = fn(m, name, who, &op, error);
    return reply_operation(call, r, op);
}

#define VERB(method, action, fn)                                                                             \
    static int method(sd_bus_message *call, void *userdata, sd_bus_error *error) {                           \
        return verb(call, userdata, action, method, fn, error);                                              \
    }
VERB(method_start, POLKIT_CONTROL, manager_start_machine)
VERB(method_kill, POLKIT_CONTROL, manager_kill)
VERB(method_pause, POLKIT_CONTROL, manager_pause)
VERB(method_resume, POLKIT_CONTROL, manager_resume)
VERB(method_reboot, POLKIT_CONTROL, manager_reboot)
VERB(method_delete, POLKIT_DEFINE, manager_delete)
#undef VERB

static int method_import_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    const char *name, *kind, *digest = NULL;
    struct operation *op = NULL;
    int r, fd;

    r = sd_bus_message_read(call, "ssh", &name, &kind, &fd);
    if (r >= 0)
        r = bus_read_import_options(call, &digest, error);
    if (r < 0)
        return r;
    r = polkit_authorize(call, userdata, POLKIT_IMAGES, NULL, method_import_image, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_import_image(userdata, name, kind, fd, digest, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_delete_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    const char *digest;
    int r;

    r = sd_bus_message_read(call, "s", &digest);
    if (r < 0)
        return r;
    r = polkit_authorize(call, userdata, POLKIT_IMAGES, NULL, method_delete_image, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_delete_image(userdata, digest, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_collect_images(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    struct operation *op = NULL;
    int r;

    r = polkit_authorize(call, userdata, POLKIT_IMAGES, NULL, method_collect_images, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_collect_images(userdata, who, &op, error);
    return reply_operation(call, r, op);
}

static int method_reload(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *who = NULL;
    int r;

    r = polkit_authorize(call, userdata, POLKIT_RELOAD, NULL, method_reload, userdata, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = manager_reload(userdata, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
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

const sd_bus_vtable bus_manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Define", SD_BUS_ARGS("s", name, "a{sv}", options), SD_BUS_RESULT("o", operation),
                            method_define, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Launch", SD_BUS_ARGS("s", name, "a{sv}", options), SD_BUS_RESULT("o", operation),
                            method_launch, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_start,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("s", name, "b", force), SD_BUS_RESULT("o", operation),
                            method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_kill,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_pause,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_resume,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reboot", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_reboot,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", operation), method_delete,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("SetProperties", SD_BUS_ARGS("s", name, "a{sv}", properties),
                            SD_BUS_RESULT("o", operation), method_set_properties, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ImportImage", SD_BUS_ARGS("s", name, "s", kind, "h", file, "a{sv}", options),
                            SD_BUS_RESULT("o", operation), method_import_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("DeleteImage", SD_BUS_ARGS("s", digest), SD_BUS_RESULT("o", operation),
                            method_delete_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CollectImages", SD_BUS_NO_ARGS, SD_BUS_RESULT("o", operation),
                            method_collect_images, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetMachine", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", machine),
                            bus_get_machine, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetImage", SD_BUS_ARGS("s", digest), SD_BUS_RESULT("o", image), bus_get_image,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetOperation", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", operation),
                            bus_get_operation, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListMachines", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sso)", machines),
                            bus_list_machines, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListImages", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssto)", images), bus_list_images,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListOperations", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssso)", operations),
                            bus_list_operations, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenConsole", SD_BUS_ARGS("s", name), SD_BUS_RESULT("h", socket),
                            bus_open_console, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("s", name), SD_BUS_RESULT("h", file), bus_open_log,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ReadAudit", SD_BUS_ARGS("t", after, "s", machine, "u", limit),
                            SD_BUS_RESULT("a" BUS_AUDIT_ENTRY, entries), bus_read_audit,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};
