/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all objects share: their places on the bus, and their signals.
 */
#include "bus.h"

#include "bus-introspect.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

/* The first one is the root of all. */
const struct bus_place bus_places[] = {
    {BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, bus_manager_vtable, NULL, NULL},
    {BUS_MANAGER_PATH, BUS_GATEWAY_INTERFACE, bus_gateway_vtable, NULL, NULL},
    {BUS_MANAGER_PATH, BUS_CLIENTS_INTERFACE, bus_clients_vtable, NULL, NULL},
    {BUS_MANAGER_PATH, BUS_AUDIT_INTERFACE, bus_audit_vtable, NULL, NULL},
    {BUS_HOST_PATH, BUS_HOST_INTERFACE, bus_host_vtable, NULL, NULL},
    {BUS_MACHINE_PREFIX, BUS_MACHINE_INTERFACE, bus_machine_vtable, bus_machine_find, bus_machine_enumerate},
    {BUS_OPERATION_PREFIX, BUS_OPERATION_INTERFACE, bus_operation_vtable, bus_operation_find, bus_operation_enumerate},
    {BUS_IMAGE_PREFIX, BUS_IMAGE_INTERFACE, bus_image_vtable, bus_image_find, bus_image_enumerate},
};
const size_t nr_bus_places = ELEMENTSOF(bus_places);

int bus_attach_objects(sd_bus *bus, struct manager *m) {
    int r = sd_bus_add_object_manager(bus, NULL, BUS_MANAGER_PATH);

    for (const struct bus_place *p = bus_places; r >= 0 && p < bus_places + nr_bus_places; p++)
        if (!p->find)
            r = sd_bus_add_object_vtable(bus, NULL, p->path, p->interface, p->vtable, m);
        else {
            r = sd_bus_add_fallback_vtable(bus, NULL, p->path, p->interface, p->vtable, p->find, m);
            if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, p->path, p->enumerate, m);
        }
    return r < 0 ? r : sd_bus_add_filter(bus, NULL, bus_introspect, m);
}

int bus_attach(struct manager *m) {
    int r = bus_attach_objects(m->bus, m);

    if (r >= 0)
        r = sd_bus_request_name(m->bus, BUS_NAME, 0);
    if (r < 0)
        log_error("The bus does not take the objects or the name %s: %s", BUS_NAME, strerror(-r));
    return r;
}

void bus_machine_added(struct machine *m) {
    _cleanup_free_ char *path = NULL;

    if (machine_path(m, &path) >= 0)
        bus_emit_added(m->manager, path);
}

void bus_machine_removed(struct machine *m) {
    _cleanup_free_ char *path = NULL;

    if (machine_path(m, &path) >= 0)
        bus_emit_removed(m->manager, path);
}

static void machine_changed(struct machine *m, const char *const *names) {
    _cleanup_free_ char *path = NULL;

    m->revision = next_revision(m->revision);
    if (machine_path(m, &path) >= 0)
        bus_emit_changed(m->manager, path, BUS_MACHINE_INTERFACE, names);
}

void bus_machine_changed(struct machine *m) {
    static const char *const names[] = {"State", "Reason", "LaunchDigest", "Console", "Revision", NULL};

    machine_changed(m, names);
}

void bus_machine_settings_changed(struct machine *m) {
    static const char *const names[] = {"Memory",      "VCPUs",       "CommandLine", "Initrd",        "KernelImage",
                                        "InitrdImage", "Description", "Labels",      "Autostart",     "Restart",
                                        "CPUShares",   "CPUQuota",    "IOWeight",    "Network",       "Disks",
                                        "RestartNeeded", "Revision",  NULL};

    machine_changed(m, names);
}

void bus_operation_added(struct operation *op) {
    _cleanup_free_ char *path = NULL;

    if (operation_path(op, &path) >= 0)
        bus_emit_added(op->manager, path);
}

void bus_operation_removed(struct operation *op) {
    _cleanup_free_ char *path = NULL;

    if (operation_path(op, &path) >= 0)
        bus_emit_removed(op->manager, path);
}

void bus_operation_changed(struct operation *op) {
    static const char *const names[] = {"State",   "Done",    "Total", "Unit",   "Error",
                                        "Message", "Started", "Ended", "Result", NULL};
    _cleanup_free_ char *path = NULL;

    if (operation_path(op, &path) >= 0)
        bus_emit_changed(op->manager, path, BUS_OPERATION_INTERFACE, names);
}

static void strv_free(char **l) {
    if (!l)
        return;
    for (char **p = l; *p; p++)
        free(*p);
    free(l);
}
CVM_DEFINE_CLEANUP(char **, strv_free)

int bus_enumerate(size_t n, int (*path)(void *userdata, size_t i, char **ret), void *userdata,
                  char ***nodes) {
    _cleanup_(strv_freep) char **l = calloc(n + 1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = path(userdata, i, &l[i]);

        if (r < 0)
            return r;
    }
    *nodes = TAKE_PTR(l);
    return 1;
}
