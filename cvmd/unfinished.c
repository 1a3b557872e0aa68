/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of the interface that do not work yet. */
#include "bus.h"
#include "manager.h"

static int unsupported(sd_bus_error *error) {
    return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this cvmd cannot do that yet");
}

int manager_define(struct manager *m, const char *name, const struct machine_options *o, sd_bus_message *call,
                   const char *who, sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)o;
    (void)call;
    (void)who;
    return unsupported(error);
}

int manager_set_properties(struct manager *m, const char *name, const struct machine_options *o,
                           sd_bus_message *call, const char *who, sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)o;
    (void)call;
    (void)who;
    return unsupported(error);
}

int manager_start_machine(struct manager *m, const char *name, const char *who, struct operation **ret,
                          sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_pause(struct manager *m, const char *name, const char *who, struct operation **ret,
                  sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_resume(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_reboot(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_import_image(struct manager *m, const char *name, const char *kind, int fd, const char *digest,
                         const char *who, struct operation **ret, sd_bus_error *error) {
    (void)m;
    (void)name;
    (void)kind;
    (void)fd;
    (void)digest;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_delete_image(struct manager *m, const char *digest, const char *who, struct operation **ret,
                         sd_bus_error *error) {
    (void)m;
    (void)digest;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_collect_images(struct manager *m, const char *who, struct operation **ret, sd_bus_error *error) {
    (void)m;
    (void)who;
    (void)ret;
    return unsupported(error);
}

int manager_reload(struct manager *m, const char *who, sd_bus_error *error) {
    (void)m;
    (void)who;
    return unsupported(error);
}

int bus_get_image(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    (void)call;
    (void)userdata;
    return unsupported(error);
}

int bus_list_images(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    (void)call;
    (void)userdata;
    return unsupported(error);
}
