/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.cvmd1.Operation */
#include "bus.h"
#include "manager.h"
#include "polkit.h"

#include <errno.h>
#include <string.h>

int bus_operation_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **found,
                       sd_bus_error *error) {
    _cleanup_free_ char *id = NULL;
    int r;

    (void)bus;
    (void)interface;
    (void)error;
    r = sd_bus_path_decode(path, BUS_OPERATION_PREFIX, &id);
    if (r <= 0)
        return r;
    *found = manager_find_operation(userdata, id);
    return *found ? 1 : 0;
}

static int path_of(void *userdata, size_t i, char **ret) {
    struct manager *m = userdata;

    return operation_path(m->operations[i], ret);
}

int bus_operation_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***nodes,
                            sd_bus_error *error) {
    struct manager *m = userdata;

    (void)bus;
    (void)prefix;
    (void)error;
    return bus_enumerate(m->nr_operations, path_of, m, nodes);
}

#define GETTER(fn)                                                                                           \
    static int fn(sd_bus *bus, const char *path, const char *interface, const char *property,                \
                  sd_bus_message *reply, void *userdata, sd_bus_error *error)
#define UNUSED (void)bus, (void)path, (void)interface, (void)property, (void)error

GETTER(get_string) {
    const struct operation *op = userdata;
    const char *s = NULL;

    UNUSED;
    if (strcmp(property, "Id") == 0)
        s = op->id;
    else if (strcmp(property, "Kind") == 0)
        s = operation_kind_to_string(op->kind);
    else if (strcmp(property, "Machine") == 0)
        s = op->machine;
    else if (strcmp(property, "State") == 0)
        s = operation_state_to_string(op->state);
    else if (strcmp(property, "Unit") == 0)
        s = op->unit;
    else if (strcmp(property, "Error") == 0)
        s = op->error;
    else if (strcmp(property, "Message") == 0)
        s = op->message;
    else if (strcmp(property, "Who") == 0)
        s = op->who;
    return sd_bus_message_append(reply, "s", s ?: "");
}

GETTER(get_number) {
    const struct operation *op = userdata;
    uint64_t v = 0;

    UNUSED;
    if (strcmp(property, "Done") == 0)
        v = op->done;
    else if (strcmp(property, "Total") == 0)
        v = op->total;
    else if (strcmp(property, "Created") == 0)
        v = op->created;
    else if (strcmp(property, "Started") == 0)
        v = op->started;
    else if (strcmp(property, "Ended") == 0)
        v = op->ended;
    return sd_bus_message_append(reply, "t", v);
}

GETTER(get_result) {
    const struct operation *op = userdata;
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    UNUSED;
    if (r >= 0 && op->result) {
        json_object_object_foreach(op->result, key, value) {
            if (r >= 0 && json_object_is_type(value, json_type_string))
                r = sd_bus_message_append(reply, "{sv}", key, "s", json_object_get_string(value));
            else if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", key, "t", json_object_get_uint64(value));
        }
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Not the operation itself: it may be forgotten while polkit asks. */
static int cancel(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *id = NULL, *who = NULL;
    struct manager *m = userdata;
    struct operation *op;
    const char *action;
    int r;

    r = sd_bus_path_decode(sd_bus_message_get_path(call), BUS_OPERATION_PREFIX, &id);
    if (r < 0)
        return r;
    op = r > 0 ? manager_find_operation(m, id) : NULL;
    if (!op)
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OPERATION, "there is no such operation any more");
    action = op->kind == OPERATION_IMPORT_IMAGE || op->kind == OPERATION_DELETE_IMAGE ||
                     op->kind == OPERATION_COLLECT_IMAGES
                 ? POLKIT_IMAGES
             : operation_defines(op) ? POLKIT_DEFINE
                                     : POLKIT_CONTROL;
    r = polkit_authorize(call, m, action, op->machine, cancel, m, &who, error);
    if (r <= 0)
        return r < 0 ? r : 1;
    r = operation_cancel(op, who, error);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int method_cancel(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    struct operation *op = userdata;

    return cancel(call, op->manager, error);
}

const sd_bus_vtable bus_operation_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_cancel,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Id", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Kind", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Machine", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Done", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Total", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Unit", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Error", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Message", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Created", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Started", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Ended", "t", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Who", "s", get_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Result", "a{sv}", get_result, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END,
};
