/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Define, launch, start: check, record, then the thread of start-job.c; a protected machine runs when
 * RootVisor says so. The record of a launch comes first: after a kill at any point the next start of cvmd
 * finds it and cleans up. A machine that is only defined is recorded when its files are there.
 */
#include "bus.h"
#include "change.h"
#include "define.h"
#include "log.h"
#include "manager.h"
#include "reason.h"
#include "start.h"

#include <errno.h>
#include <string.h>

static void forget(struct machine *m) {
    files_remove_machine(m);
    bus_machine_removed(m);
    manager_remove(m->manager, m);
}

const char *launch_cancel_text(const struct machine *m) {
    return m->taken_back ? "the store could not be made durable, so the start was taken back" : "cancelled by request";
}

void launch_cancelled(struct machine *m, struct operation *op) {
    if (m->taken_back)
        operation_fail(op, BUS_ERROR_STORE, launch_cancel_text(m));
    else
        operation_cancelled(op);
}

void launch_undo(struct machine *m, const char *name, const char *text) {
    struct operation *op = TAKE_PTR(m->start_op);
    int r;

    audit(m->manager, m, "launch-failed", NULL, "%s", text);
    r = store_delete_machine(m->manager->store, m->name);
    if (r < 0) /* it would come back with the next start of cvmd: so it stays */
        machine_set_state(m, m->cancel ? MACHINE_STOPPED : MACHINE_FAILED, text);
    if (m->cancel)
        launch_cancelled(m, op);
    else
        operation_fail(op, name, text);
    if (r >= 0)
        forget(m);
}

/* QEMU never ran. */
static void start_failed(struct machine *m, const char *name, const char *text) {
    if (m->taken_back)
        text = launch_cancel_text(m);
    if (m->start_op && m->start_op->kind == OPERATION_LAUNCH) {
        launch_undo(m, name, text);
        return;
    }
    audit(m->manager, m, "start-failed", NULL, "%s", text);
    machine_set_state(m, m->cancel ? MACHINE_STOPPED : MACHINE_FAILED, text);
    if (m->cancel)
        launch_cancelled(m, TAKE_PTR(m->start_op));
    else {
        restart_later(m);
        operation_fail(TAKE_PTR(m->start_op), name, text);
    }
}

static void launch_succeeded(struct machine *m) {
    int r;

    m->deadline = 0;
    audit_pull(m->manager); /* RootVisor's event came first */
    r = change_begin(m->manager); /* what cannot be written now is written later */
    machine_set_state(m, MACHINE_RUNNING, NULL);
    audit(m->manager, m, "launched", NULL,
          m->protected ? "the machine runs protected" : "the machine runs, not protected");
    operation_done(TAKE_PTR(m->start_op));
    if (r >= 0)
        (void)change_commit(m->manager);
    manager_watch(m->manager);
}

static void start_done(void *data, int r) {
    _cleanup_(start_job_freep) struct start_job *j = data;
    struct machine *m = j->machine;

    m->job = false;
    if (r < 0) {
        m->unseen -= m->unseen > 0;
        start_failed(m, j->error_name, j->error.text);
        return;
    }
    m->console_path = TAKE_PTR(j->console);
    if (m->gone) {
        machine_ended(m, "QEMU ended while it started");
        return;
    }
    if (m->cancel) {
        machine_end(m, MACHINE_STOPPED, launch_cancel_text(m));
        return;
    }
    bus_machine_changed(m);
    launch_qemu_runs(m);
}

void launch_qemu_runs(struct machine *m) {
    if (!m->protected) {
        launch_succeeded(m);
        return;
    }
    if (!m->deadline)
        m->deadline = now_usec(CLOCK_MONOTONIC) + m->manager->config->launch_timeout * 1000000ull;
    manager_watch(m->manager);
}

void launch_progress(struct machine *m) {
    char text[256];

    if (m->job || m->defining) {
        if (m->to_copy)
            operation_progress(m->start_op, m->copied, m->to_copy, "bytes");
        return;
    }
    if (!m->protected) /* taken up after a restart: reconciliation will tell whether QEMU runs */
        return;
    if (m->vm_present && m->vm.state == CVM_VM_RUNNING) {
        launch_succeeded(m);
        return;
    }
    if (m->vm_present && m->vm.state != CVM_VM_LAUNCHING) {
        machine_end(m, MACHINE_FAILED, stop_text(m->vm.reason, m->vm.stop_arg));
        return;
    }
    if (m->deadline && now_usec(CLOCK_MONOTONIC) > m->deadline) {
        snprintf(text, sizeof(text),
                 "the guest did not come under protection within %u s; see 'cvmctl console %s --log' and "
                 "'cvmctl audit'",
                 m->manager->config->launch_timeout, m->name);
        machine_end(m, MACHINE_FAILED, text);
    }
}

/* init_on_alloc=0 would let a device write into a freed frame that is still private. */
static bool host_clears_pages(void) {
    _cleanup_free_ char *cmdline = NULL;

    return read_line_file("/proc/cmdline", &cmdline) < 0 || !strstr(cmdline, "init_on_alloc=0");
}

/* What a protected machine needs of the host. */
static int check_host(struct manager *m, sd_bus_error *error) {
    if (!m->rootvisor) {
        sd_bus_error_setf(error, BUS_ERROR_NO_ROOTVISOR,
                          "no protection on this host: %s; an ordinary VM needs --unprotected",
                          m->rootvisor_error.text);
        return -EOPNOTSUPP;
    }
    if (!host_clears_pages()) {
        sd_bus_error_set(
            error, BUS_ERROR_UNSAFE_HOST,
            "the host was booted with init_on_alloc=0, which endangers protected VMs: boot it without");
        return -EOPNOTSUPP;
    }
    if (access(m->config->firmware, R_OK) < 0) {
        sd_bus_error_setf(error, BUS_ERROR_FAILED, "the guest firmware %s cannot be read: %s",
                          m->config->firmware, strerror(errno));
        return -ENOENT;
    }
    return 0;
}

/* Before RootVisor has it, nothing is lost by ending QEMU. */
static void cancel_start(struct operation *op, void *userdata) {
    struct machine *m = userdata;

    op->cancel = NULL;
    m->cancel = true;
    if (!m->job)
        machine_end(m, MACHINE_STOPPED, launch_cancel_text(m));
}

/* A machine that stands on STARTING, in the store, and its operation. */
static void begin(struct machine *k, const struct machine_options *o) {
    _cleanup_(start_job_freep) struct start_job *j = NULL;
    int r;

    operation_begin(k->start_op);
    if (k->start_op) {
        k->start_op->cancel = cancel_start;
        k->start_op->cancel_data = k;
    }
    k->cancel = k->taken_back = k->gone = k->restart_due = k->look = false;
    k->look_detail = NULL;
    free(TAKE_PTR(k->outside));
    k->unseen++;
    k->deadline = 0;
    k->starts++;
    r = start_job_new(k, o, true, &j);
    if (r >= 0) {
        k->job = true;
        r = inbox_run(k->manager->inbox, start_job_work, start_done, j);
    }
    if (r < 0) {
        k->job = false;
        k->unseen--;
        start_failed(k, BUS_ERROR_FAILED, "no memory or no thread for the start: try again later");
        return;
    }
    j = NULL;
    manager_watch(k->manager);
}

/* The end of the record of a start: committed if @r says that all of it went well. */
static int end_record(struct machine *k, int r) {
    if (r >= 0)
        r = change_commit(k->manager);
    if (r < 0) {
        operation_forget(TAKE_PTR(k->start_op));
        change_undo(k->manager);
    }
    return r;
}

static int not_begun(sd_bus_error *error, int r) {
    if (!sd_bus_error_is_set(error))
        sd_bus_error_setf(error, BUS_ERROR_STORE, "the store cannot be written, so nothing was begun: %s", strerror(-r));
    return r;
}

/* It is on its way; its caller is answered when the record is durable. */
static int recorded(struct operation *op, sd_bus_error *error) {
    int r = change_sync(op->manager);

    if (r >= 0)
        return 0;
    if (op->cancel) { /* else it has ended already */
        ((struct machine *)op->cancel_data)->taken_back = true;
        op->cancel(op, op->cancel_data);
    }
    return sd_bus_error_setf(error, BUS_ERROR_STORE, "the store cannot be made durable, so the start is taken back: %s",
                             strerror(-r));
}

int manager_launch(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                   struct operation **ret, sd_bus_error *error) {
    struct machine *k = NULL;
    int r;

    r = machine_make(m, name, o, &k, error);
    if (r >= 0 && k->protected)
        r = check_host(m, error);
    if (r < 0) {
        audit(m, NULL, "launch-refused", who, "launch of '%.64s' refused: %s", name, error->message);
        machine_free(k);
        return r;
    }
    k->state = MACHINE_STARTING;
    r = manager_add(m, k);
    if (r < 0)
        return sd_bus_error_set_errno(error, r);
    /* All or nothing. libvirt may begin before it is durable: what a power loss would take back, it ends, too. */
    r = change_begin_relaxed(m);
    if (r >= 0) {
        r = operation_new(m, OPERATION_LAUNCH, name, who, &k->start_op, error);
        if (r >= 0)
            r = machine_save(k);
        if (r >= 0)
            audit(m, k, "launch", who, "launch %s with %llu MiB, %u vCPUs, memory %s",
                  k->protected ? "protected" : "unprotected", (unsigned long long)(k->memory >> 20), k->vcpus,
                  memory_backing_to_string(k->backing));
        r = end_record(k, r);
    }
    if (r < 0) {
        manager_remove(m, k);
        return not_begun(error, r);
    }
    *ret = k->start_op;
    bus_machine_added(k);
    begin(k, o);
    return recorded(*ret, error);
}

void machine_start(struct machine *k, struct operation *op) {
    k->start_op = op;
    k->cancel = false;
    k->backing = config_backing(k->manager->config, k->memory);
    k->changed = false;
    /* A QEMU that the store does not know of would be lost at the next start of cvmd. */
    if (machine_set_state(k, MACHINE_STARTING, NULL) < 0)
        start_failed(k, BUS_ERROR_STORE, "the store cannot be written, so QEMU was not started");
    else
        begin(k, NULL);
}

/* Operation, entry and state: all or nothing, as in manager_launch(). */
static int record_start(struct machine *k, const char *who, sd_bus_error *error) {
    _cleanup_free_ char *reason = k->reason ? strdup(k->reason) : NULL;
    enum machine_state was = k->state;
    struct manager *m = k->manager;
    int r = change_begin_relaxed(m);

    if (r < 0)
        return not_begun(error, r);
    k->backing = config_backing(m->config, k->memory);
    k->changed = false;
    r = operation_new(m, OPERATION_START, k->name, who, &k->start_op, error);
    if (r >= 0) {
        audit(m, k, "start", who, "start");
        r = machine_set_state(k, MACHINE_STARTING, NULL);
    }
    r = end_record(k, r);
    if (r >= 0)
        return 0;
    k->state = was;
    free(k->reason);
    k->reason = TAKE_PTR(reason);
    return not_begun(error, r);
}

int manager_start_machine(struct manager *m, const char *name, const char *who, struct operation **ret,
                          sd_bus_error *error) {
    struct machine *k = manager_find(m, name);
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (machine_is_active(k)) {
        sd_bus_error_setf(error, BUS_ERROR_STILL_ACTIVE, "machine '%s' is %s already", name,
                          machine_state_to_string(k->state));
        return -EALREADY;
    }
    if (k->job)
        return machine_busy(error, k);
    r = machine_check(k, error);
    if (r >= 0 && k->protected)
        r = check_host(m, error);
    if (r >= 0)
        r = record_start(k, who, error);
    if (r < 0)
        return r;
    *ret = k->start_op;
    begin(k, NULL);
    return recorded(*ret, error);
}

static void define_failed(struct machine *k, const char *name, const char *text) {
    struct operation *op = TAKE_PTR(k->start_op);

    audit(k->manager, k, "define-failed", NULL, "%s", text);
    if (k->cancel)
        operation_cancelled(op);
    else
        operation_fail(op, name, text);
    forget(k);
}

static void define_done(void *data, int r) {
    _cleanup_(start_job_freep) struct start_job *j = data;
    struct machine *k = j->machine;
    char text[STORE_FAILURE_TEXT_MAX];

    k->job = false;
    if (r < 0 || k->cancel) {
        define_failed(k, j->error_name, r < 0 ? j->error.text : "cancelled by request");
        return;
    }
    r = machine_save(k);
    if (r < 0) {
        define_failed(k, BUS_ERROR_STORE, store_failure_text(r, text));
        return;
    }
    k->defining = false;
    bus_machine_added(k);
    operation_done(TAKE_PTR(k->start_op));
}

int manager_define(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                   struct operation **ret, sd_bus_error *error) {
    _cleanup_(start_job_freep) struct start_job *j = NULL;
    struct machine *k = NULL;
    int r;

    r = machine_make(m, name, o, &k, error);
    if (r < 0)
        return r;
    k->defining = true;
    r = manager_add(m, k);
    if (r < 0)
        return sd_bus_error_set_errno(error, r);
    r = operation_new(m, OPERATION_DEFINE, name, who, &k->start_op, error);
    if (r >= 0) {
        r = start_job_new(k, o, false, &j);
        if (r >= 0) {
            k->job = true;
            r = inbox_run(m->inbox, start_job_work, define_done, j);
        }
        if (r < 0) {
            operation_forget(k->start_op);
            sd_bus_error_set_errno(error, r);
        }
    }
    if (r < 0) {
        manager_remove(m, k);
        return r;
    }
    j = NULL;
    audit(m, k, "define", who, "define %s with %llu MiB, %u vCPUs", k->protected ? "protected" : "unprotected",
          (unsigned long long)(k->memory >> 20), k->vcpus);
    operation_begin(k->start_op);
    k->start_op->cancel = cancel_start;
    k->start_op->cancel_data = k;
    *ret = k->start_op;
    manager_watch(m);
    return 0;
}
