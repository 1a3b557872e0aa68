/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods of the interface that do not work yet. */
#include "bus.h"
#include "manager.h"

static int unsupported(sd_bus_error *error) {
    return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this cvmd cannot do that yet");
}

int manager_reload(struct manager *m, const char *who, sd_bus_error *error) {
    (void)m;
    (void)who;
    return unsupported(error);
}
