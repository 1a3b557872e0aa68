/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a machine's record: first in the store, then its files, which may be large. */
#include "bus.h"
#include "files.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

struct delete_job {
    struct operation *op;
    char *path;
};

static int delete_work(void *data) {
    struct delete_job *j = data;

    return files_remove_directory(j->path);
}

static void delete_done(void *data, int r) {
    _cleanup_free_ struct delete_job *j = data;

    if (r < 0)
        log_warning("%s cannot be removed, the next start of cvmd tries again: %s", j->path, strerror(-r));
    operation_done(j->op);
    free(j->path);
}

static void remove_files(struct manager *m, struct operation *op, char *path) {
    struct delete_job *j = calloc(1, sizeof(*j));

    if (j) {
        *j = (struct delete_job){.op = op, .path = path};
        if (inbox_run(m->inbox, delete_work, delete_done, j) >= 0)
            return;
        free(j);
    }
    free(path); /* the next start removes it */
    operation_done(op);
}

int manager_delete(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error) {
    struct machine *k = manager_find(m, name);
    char *aside = NULL;
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (machine_is_active(k)) {
        sd_bus_error_setf(error, BUS_ERROR_STILL_ACTIVE,
                          "machine '%s' is still %s; stop it first: cvmctl stop %s", name,
                          machine_state_to_string(k->state), name);
        return -EBUSY;
    }
    if (k->job)
        return machine_busy(error, k);
    r = operation_new(m, OPERATION_DELETE, name, who, ret, error);
    if (r < 0)
        return r;
    operation_begin(*ret);
    r = store_delete_machine(m->store, name);
    if (r < 0) {
        operation_fail_store(*ret, r);
        return 0;
    }
    audit(m, k, "delete", who, "deleted");
    r = files_set_aside(k, &aside);
    if (r < 0)
        log_warning("The files of machine '%s' cannot be put aside: %s", name, strerror(-r));
    bus_machine_removed(k);
    manager_remove(m, k);
    if (r < 0)
        operation_done(*ret);
    else
        remove_files(m, *ret, aside);
    return 0;
}
