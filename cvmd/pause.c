/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pause and resume, by request or by somebody else's hand. */
#include "bus.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

struct pause_job {
    struct machine *machine; /* touched by the main thread only */
    struct operation *op;
    struct virt *virt;
    char uuid[UUID_STRING_MAX];
    bool pause;
    struct cvm_error error;
};

void pause_event(struct machine *k, bool paused, const char *detail) {
    if (paused && k->state == MACHINE_RUNNING) {
        machine_set_state(k, MACHINE_PAUSED, detail);
        audit(k->manager, k, "paused", NULL, "%s", detail);
    } else if (!paused && k->state == MACHINE_PAUSED) {
        machine_set_state(k, MACHINE_RUNNING, NULL);
        audit(k->manager, k, "resumed", NULL, "the machine runs again");
    }
}

static int pause_work(void *data) {
    struct pause_job *j = data;

    return j->pause ? virt_suspend(j->virt, j->uuid, &j->error) : virt_resume(j->virt, j->uuid, &j->error);
}

static void pause_done(void *data, int r) {
    _cleanup_free_ struct pause_job *j = data;
    struct machine *k = j->machine;

    if (r < 0)
        operation_fail(j->op, k->gone ? BUS_ERROR_NOT_RUNNING : BUS_ERROR_LIBVIRT, j->error.text);
    else {
        pause_event(k, j->pause, "paused by request");
        operation_done(j->op);
    }
    machine_job_done(k);
}

static int begin(struct manager *m, enum operation_kind kind, const char *name, const char *who,
                 struct operation **ret, sd_bus_error *error) {
    bool pause = kind == OPERATION_PAUSE;
    struct machine *k = manager_find(m, name);
    struct pause_job *j;
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (k->job || k->stop_op)
        return machine_busy(error, k);
    if (k->state != (pause ? MACHINE_RUNNING : MACHINE_PAUSED)) {
        sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "machine '%s' is not %s (%s)", name,
                          pause ? "running" : "paused", machine_state_to_string(k->state));
        return -EINVAL;
    }
    j = calloc(1, sizeof(*j));
    if (!j)
        return sd_bus_error_set_errno(error, -ENOMEM);
    r = operation_new(m, kind, name, who, ret, error);
    if (r < 0) {
        free(j);
        return r;
    }
    audit(m, k, operation_kind_to_string(kind), who, "%s", operation_kind_to_string(kind));
    operation_begin(*ret);
    *j = (struct pause_job){.machine = k, .op = *ret, .virt = m->virt, .pause = pause};
    memcpy(j->uuid, k->uuid, sizeof(j->uuid));
    k->job = true;
    r = inbox_run(m->inbox, pause_work, pause_done, j);
    if (r < 0) {
        k->job = false;
        free(j);
        operation_fail(*ret, BUS_ERROR_FAILED, "no thread: try again later");
    }
    return 0;
}

int manager_pause(struct manager *m, const char *name, const char *who, struct operation **ret,
                  sd_bus_error *error) {
    return begin(m, OPERATION_PAUSE, name, who, ret, error);
}

int manager_resume(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error) {
    return begin(m, OPERATION_RESUME, name, who, ret, error);
}
