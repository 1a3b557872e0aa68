/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts that nobody asks for at the moment: after a failure, and when the host has booted. */
#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

/* 1 s, 2 s, 4 s, ... 64 s between restarts; a machine that ran for ten minutes begins anew. */
#define BACKOFF_USEC 1000000u
#define BACKOFF_MAX_SHIFT 6u
#define GOOD_RUN_USEC (600u * 1000000u)
#define AUTOSTART_KEY "autostart-boot"

void restart_later(struct machine *k) {
    uint64_t delay;

    if (k->restart == RESTART_NO || (k->restart == RESTART_ON_FAILURE && k->state != MACHINE_FAILED))
        return;
    if (k->ended > k->started && k->ended - k->started > GOOD_RUN_USEC)
        k->restarts = 0;
    delay = (uint64_t)BACKOFF_USEC << (k->restarts < BACKOFF_MAX_SHIFT ? k->restarts : BACKOFF_MAX_SHIFT);
    k->restarts++;
    k->restart_at = now_usec(CLOCK_MONOTONIC) + delay;
    k->restart_due = true;
    (void)machine_save(k);
    audit(k->manager, k, "restart-due", NULL, "restart in %u s, by its policy (%s)",
          (unsigned)(delay / 1000000u), restart_policy_to_string(k->restart));
    manager_watch(k->manager);
}

static void start(struct machine *k, const char *who) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct operation *op;

    if (manager_start_machine(k->manager, k->name, who, &op, &error) >= 0)
        return;
    audit(k->manager, k, "start-refused", who, "start refused: %s", error.message);
    if (k->restart_due)
        restart_later(k);
}

void restart_look(struct manager *m) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    for (size_t i = 0; i < m->nr_machines; i++) {
        struct machine *k = m->machines[i];

        if (k->restart_due && !machine_is_active(k) && !k->job && now >= k->restart_at)
            start(k, "restart policy");
    }
}

/* Once a boot of the host: who stopped a machine after that wants it stopped. */
void autostart(struct manager *m) {
    _cleanup_free_ char *boot = NULL;
    int r = store_get_value(m->store, AUTOSTART_KEY, &boot);

    if (r >= 0 && strcmp(boot, m->boot_id) == 0)
        return;
    for (size_t i = 0; i < m->nr_machines; i++) {
        struct machine *k = m->machines[i];

        if (k->autostart && !machine_is_active(k) && !k->job && !k->restart_due)
            start(k, "autostart");
    }
    r = store_set_value(m->store, AUTOSTART_KEY, m->boot_id);
    if (r < 0)
        log_error("That this boot's machines were started cannot be written to the store: %s", strerror(-r));
}
