/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SIGHUP and Reload(): the configuration anew, the machines untouched. */
#include "bus.h"
#include "log.h"
#include "manager.h"

#include <inttypes.h>
#include <string.h>

void manager_tell_ready(const struct manager *m) {
    (void)sd_notifyf(false, "READY=1\nSTATUS=Protection level %s, %zu machines",
                     m->rootvisor ? "protected" : "none", m->nr_machines);
}

int manager_reload(struct manager *m, const char *who, sd_bus_error *error) {
    struct cvm_error e = {0};
    struct config fresh = {0};
    const char *fixed;
    int r;

    if (!m->source)
        return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                "this cvmd has no configuration to read again");
    (void)sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec(CLOCK_MONOTONIC));
    r = config_load(&fresh, m->source, &e);
    if (r < 0) {
        log_error("The configuration stays as it was: %s", e.text);
        audit(m, NULL, "reload-failed", who, "%s", e.text);
        sd_bus_error_set(error, BUS_ERROR_INVALID_CONFIG, e.text);
    } else {
        fixed = config_adopt(m->config, &fresh);
        m->gateway_uid_known = false;
        if (fixed)
            log_warning("A setting has changed that needs a restart of cvmd (%s)", fixed);
        audit(m, NULL, "reload", who, "configuration read again%s%s", fixed ? "; needs a restart: " : "", fixed ?: "");
        manager_watch(m);
    }
    config_done(&fresh);
    manager_tell_ready(m);
    return r;
}
