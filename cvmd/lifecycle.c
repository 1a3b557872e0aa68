/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a machine: QEMU is asked to end, libvirt says that it has, RootVisor gives the frames
 * back, the machine takes its final state. Each step may be the first one that cvmd sees.
 */
#include "bus.h"
#include "change.h"
#include "domain-event.h"
#include "files.h"
#include "log.h"
#include "manager.h"
#include "outside.h"
#include "reason.h"

#include <errno.h>
#include <string.h>

/* Host calls a turn of the event loop: each gives back a bounded number of frames. */
#define RELEASE_CALLS 8u

struct stop_job {
    struct machine *machine; /* touched by the main thread only */
    struct virt *virt;
    char uuid[UUID_STRING_MAX];
    bool force;
    struct cvm_error error;
};

static int stop_work(void *data) {
    struct stop_job *j = data;

    return j->force ? virt_destroy(j->virt, j->uuid, &j->error) : virt_shutdown(j->virt, j->uuid, &j->error);
}

static void stop_done(void *data, int r) {
    _cleanup_free_ struct stop_job *j = data;
    struct machine *m = j->machine;

    m->job = false;
    if (m->gone || r == -ENOENT || (r >= 0 && j->force)) {
        machine_ended(m, m->reason ?: "stopped by request");
        return;
    }
    if (r >= 0 && m->deadline)
        return; /* the guest was asked: libvirt's event or the deadline comes next */
    if (!j->force) {
        if (r < 0)
            log_warning("Machine '%s' does not take a power button, it is ended: %s", m->name, j->error.text);
        machine_end(m, m->final_state, "stopped by request");
        return;
    }
    log_error("Machine '%s' cannot be stopped: %s", m->name, j->error.text);
    m->reboot = false;
    m->cancel = false;
    operation_fail(TAKE_PTR(m->stop_op), BUS_ERROR_LIBVIRT, j->error.text);
    if (m->start_op) { /* it was ended while it started: its start has an end, too */
        m->deadline = 0;
        machine_set_state(m, MACHINE_STARTING, NULL);
        launch_qemu_runs(m);
    } else
        machine_set_state(m, MACHINE_RUNNING, NULL);
}

static int run_stop(struct machine *m, bool force) {
    struct stop_job *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    j->machine = m;
    j->virt = m->manager->virt;
    j->force = force;
    memcpy(j->uuid, m->uuid, sizeof(j->uuid));
    m->job = true;
    r = inbox_run(m->manager->inbox, stop_work, stop_done, j);
    if (r < 0) {
        m->job = false;
        free(j);
    }
    return r;
}

/* The last look at the counters, before they are gone with the VM. */
static void keep_counters(struct machine *m) {
    if (m->vm_present && m->manager->rootvisor)
        (void)rootvisor_vm_stats(m->manager->rootvisor, m->vm.id, &m->stats);
}

void machine_end(struct machine *m, enum machine_state final, const char *reason) {
    _cleanup_free_ char *copy = reason ? strdup(reason) : NULL; /* may be m->reason itself */
    int r;

    keep_counters(m);
    m->final_state = final;
    m->deadline = 0;
    machine_set_state(m, MACHINE_STOPPING, copy);
    if (m->job)
        return; /* its end will see to the rest */
    r = run_stop(m, true);
    if (r < 0) {
        log_error("Machine '%s' cannot be stopped now: %s", m->name, strerror(-r));
        m->deadline = now_usec(CLOCK_MONOTONIC) + 1000000; /* try again */
    }
    manager_watch(m->manager);
}

void machine_job_done(struct machine *m) {
    m->job = false;
    if (m->gone)
        machine_ended(m, "QEMU ended");
    else if (m->state == MACHINE_STOPPING)
        machine_end(m, m->final_state, m->reason);
    else if (m->look && machine_is_active(m))
        outside_look(m, NULL);
}

static void machine_finish(struct machine *m) {
    _cleanup_free_ char *reason = TAKE_PTR(m->reason);
    struct operation *start = TAKE_PTR(m->start_op), *stop = TAKE_PTR(m->stop_op);
    bool asked = stop || m->cancel, reboot, undo;
    char text[512];
    int r;

    m->release = false;
    m->vm_present = false;
    m->vm.frames = 0;
    r = change_begin(m->manager); /* what cannot be written now is written later */
    machine_set_state(m, m->final_state, reason);
    audit(m->manager, m, m->final_state == MACHINE_FAILED ? "failed" : "stopped", NULL, "%s",
          m->reason ?: "the machine ended");
    reboot = stop && m->reboot && stop->kind == OPERATION_REBOOT;
    m->reboot = false;
    undo = start && m->cancel && start->kind == OPERATION_LAUNCH;
    if (undo && reboot)
        operation_cancelled(stop);
    if (undo)
        m->start_op = start;
    else if (start && m->cancel)
        launch_cancelled(m, start);
    else if (start) {
        snprintf(text, sizeof(text), "machine '%s' did not come up: %s", m->name,
                 m->reason ?: "it ended while it started");
        operation_fail(start, BUS_ERROR_LAUNCH_FAILED, text);
    }
    if (undo || !reboot)
        operation_done(stop);
    if (r >= 0)
        (void)change_commit(m->manager);
    if (undo)
        launch_undo(m, BUS_ERROR_CANCELLED, launch_cancel_text(m));
    else if (reboot)
        machine_start(m, stop);
    else if (!asked)
        restart_later(m);
}

/* Returns true when RootVisor has no frames of the machine any more. */
static bool release_some(struct machine *m) {
    struct rootvisor *rv = m->manager->rootvisor;

    for (unsigned i = 0; i < RELEASE_CALLS; i++) {
        int r = rootvisor_vm_destroy(rv, m->vm.id);

        if (r == 0 || r == -ENOENT)
            return true;
        if (r < 0) {
            log_error("RootVisor does not release VM %u of machine '%s': %s", m->vm.id, m->name,
                      strerror(-r));
            return true;
        }
        m->vm.frames = (uint64_t)r;
        operation_progress(m->stop_op, m->memory / 4096 - m->vm.frames, m->memory / 4096, "pages");
    }
    return false;
}

static int on_release(sd_event_source *source, void *userdata) {
    struct manager *m = userdata;
    bool more = false;

    for (size_t i = 0; i < m->nr_machines; i++) {
        struct machine *k = m->machines[i];

        if (!k->release)
            continue;
        if (release_some(k)) {
            audit_pull(m);
            machine_finish(k);
        } else
            more = true;
    }
    return sd_event_source_set_enabled(source, more ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int start_release(struct machine *m) {
    struct manager *mgr = m->manager;
    int r;

    if (!mgr->release) {
        r = sd_event_add_defer(mgr->event, &mgr->release, on_release, mgr);
        if (r < 0)
            return r;
        /* After everything else: giving back gigabytes must not hold up the bus. */
        (void)sd_event_source_set_priority(mgr->release, SD_EVENT_PRIORITY_IDLE);
    }
    m->release = true;
    return sd_event_source_set_enabled(mgr->release, SD_EVENT_ON);
}

/*
 * QEMU may end because RootVisor stopped the VM, before cvmd has looked: then RootVisor's reason is the true
 * one.
 */
static void end_unasked(struct machine *m, const char *detail) {
    bool stopped = m->vm_present && m->vm.state == CVM_VM_STOPPED && m->vm.reason != CVM_R_NONE;
    _cleanup_free_ char *copy = strdup(stopped ? stop_text(m->vm.reason, m->vm.stop_arg) : detail);

    keep_counters(m);
    m->final_state = m->state == MACHINE_STARTING || (stopped && !reason_is_orderly(m->vm.reason))
                         ? MACHINE_FAILED
                         : MACHINE_STOPPED;
    machine_set_state(m, MACHINE_STOPPING, copy);
}

void machine_ended(struct machine *m, const char *detail) {
    if (m->state == MACHINE_STOPPED || m->state == MACHINE_FAILED || m->release)
        return;
    m->gone = true;
    if (m->job)
        return;
    machine_look(m);
    if (m->state != MACHINE_STOPPING)
        end_unasked(m, detail);
    else if (!m->reason)
        (void)free_and_strdup(&m->reason, detail);
    m->deadline = 0;
    if (m->vm_present && start_release(m) >= 0) {
        manager_watch(m->manager);
        return;
    }
    machine_finish(m);
}

/* What cvmd had in mind is not in the store: RootVisor may know. */
void lifecycle_take_up_end(struct machine *m) {
    machine_look(m);
    if (!m->stop_op && m->vm_present && m->vm.state == CVM_VM_STOPPED && m->vm.reason != CVM_R_NONE &&
        !reason_is_orderly(m->vm.reason))
        m->final_state = MACHINE_FAILED;
}

/* A call of the cvmd before this one reached libvirt when its end was recorded already. */
static void end_late_start(struct machine *m) {
    audit(m->manager, m, "orphan-ended", NULL, "QEMU came up after its start had failed; it is ended");
    if (run_stop(m, true) < 0)
        log_error("The QEMU of machine '%s' cannot be stopped now", m->name);
}

void lifecycle_event(void *userdata, enum virt_event event, const char *uuid, const char *detail) {
    struct domain_event_view view;
    struct manager *m = userdata;
    struct machine *k;

    if (event == VIRT_LOST) {
        log_warning("%s", detail);
        manager_reconcile(m);
        return;
    }
    k = manager_find_uuid(m, uuid);
    if (!k)
        return;
    view = (struct domain_event_view){
        .active = machine_is_active(k), .job = k->job, .starts = k->starts, .unseen = k->unseen};
    switch (domain_event_judge(&view, event)) {
    case DOMAIN_EVENT_ORPHAN:
        end_late_start(k);
        break;
    case DOMAIN_EVENT_SEEN:
        k->unseen--;
        break;
    case DOMAIN_EVENT_ENDED:
        machine_ended(k, detail);
        break;
    case DOMAIN_EVENT_PAUSED:
    case DOMAIN_EVENT_RESUMED:
        pause_event(k, event == VIRT_PAUSED, detail);
        break;
    case DOMAIN_EVENT_CHANGED:
        outside_look(k, detail);
        break;
    case DOMAIN_EVENT_NOTHING:
        break;
    }
}

int no_such_machine(sd_bus_error *error, const char *name) {
    sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_MACHINE,
                      "there is no machine '%.64s'; 'cvmctl list' shows those that exist", name);
    return -ENOENT;
}

int machine_busy(sd_bus_error *error, const struct machine *k) {
    sd_bus_error_setf(error, BUS_ERROR_BUSY, "machine '%s' is busy (%s): try again", k->name,
                      k->defining ? "being defined" : machine_state_to_string(k->state));
    return -EBUSY;
}

/* It waits for its restart: that is what stops. */
static int end_restarts(struct machine *k, enum operation_kind kind, const char *who, struct operation **ret,
                        sd_bus_error *error) {
    int r = operation_new(k->manager, kind, k->name, who, ret, error);

    if (r < 0)
        return r;
    audit(k->manager, k, operation_kind_to_string(kind), who, "no more restarts");
    k->restart_due = false;
    (void)machine_save(k);
    operation_done(*ret);
    return 0;
}

static int begin_stop(struct manager *m, enum operation_kind kind, const char *name, bool force,
                      const char *who, struct operation **ret, sd_bus_error *error) {
    struct machine *k = manager_find(m, name);
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (!machine_is_active(k) && k->restart_due && kind != OPERATION_REBOOT && !k->job)
        return end_restarts(k, kind, who, ret, error);
    if (!machine_is_active(k)) {
        sd_bus_error_setf(error, BUS_ERROR_NOT_RUNNING, "machine '%s' is not running (%s)", name,
                          machine_state_to_string(k->state));
        return -EALREADY;
    }
    if (k->job || k->stop_op || (k->state == MACHINE_STOPPING && (k->release || !force)))
        return machine_busy(error, k);
    r = operation_new(m, kind, name, who, &k->stop_op, error);
    if (r < 0)
        return r;
    *ret = k->stop_op;
    audit(m, k, operation_kind_to_string(kind), who, force ? "stop by force" : "stop");
    operation_begin(k->stop_op);
    k->reboot = kind == OPERATION_REBOOT;
    if (force || k->state == MACHINE_STARTING || k->state == MACHINE_PAUSED) {
        machine_end(k, MACHINE_STOPPED, "stopped by request");
        return 0;
    }
    keep_counters(k);
    k->final_state = MACHINE_STOPPED;
    k->deadline = now_usec(CLOCK_MONOTONIC) + m->config->stop_timeout * 1000000ull;
    machine_set_state(k, MACHINE_STOPPING, "stopped by request");
    r = run_stop(k, false);
    if (r < 0)
        machine_end(k, MACHINE_STOPPED, "stopped by request");
    manager_watch(m);
    return 0;
}

int manager_stop(struct manager *m, const char *name, bool force, const char *who, struct operation **ret,
                 sd_bus_error *error) {
    return begin_stop(m, OPERATION_STOP, name, force, who, ret, error);
}

int manager_kill(struct manager *m, const char *name, const char *who, struct operation **ret,
                 sd_bus_error *error) {
    return begin_stop(m, OPERATION_KILL, name, true, who, ret, error);
}

int manager_reboot(struct manager *m, const char *name, const char *who, struct operation **ret,
                   sd_bus_error *error) {
    return begin_stop(m, OPERATION_REBOOT, name, false, who, ret, error);
}
