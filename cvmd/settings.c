/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of a machine that is there: what libvirt can change at once it does, the rest comes at the next
 * start. */
#include "bus.h"
#include "change.h"
#include "define.h"
#include "log.h"
#include "manager.h"
#include "outside.h"

#include <errno.h>
#include <string.h>

#define LIVE_OPTIONS                                                                                         \
    (1u << OPTION_DESCRIPTION | 1u << OPTION_LABELS | 1u << OPTION_AUTOSTART | 1u << OPTION_RESTART |        \
     1u << OPTION_CPU_SHARES | 1u << OPTION_CPU_QUOTA | 1u << OPTION_IO_WEIGHT)

struct tune_job {
    struct machine *machine; /* touched by the main thread only */
    struct virt *virt;
    char uuid[UUID_STRING_MAX];
    struct virt_limits limits;
    struct machine *wanted; /* holds the new settings */
    unsigned set;
    struct operation *op;
    struct cvm_error error;
};

static void tune_job_free(struct tune_job *j) {
    machine_free(j->wanted);
    free(j);
}
CVM_DEFINE_CLEANUP(struct tune_job *, tune_job_free)

/* Exchanges what SetProperties may change. */
static void swap_settings(struct machine *a, struct machine *b) {
#define SWAP(field)                                                                                          \
    do {                                                                                                     \
        __typeof__(a->field) _t = a->field;                                                                  \
        a->field = b->field;                                                                                 \
        b->field = _t;                                                                                       \
    } while (0)
    SWAP(cmdline);
    SWAP(kernel_image);
    SWAP(initrd_image);
    SWAP(has_initrd);
    SWAP(description);
    SWAP(labels);
    SWAP(network);
    SWAP(disks);
    SWAP(memory);
    SWAP(vcpus);
    SWAP(autostart);
    SWAP(restart);
    SWAP(cpu_shares);
    SWAP(cpu_quota);
    SWAP(io_weight);
#undef SWAP
}

/*
 * Settings and the operation's end: all or nothing, and durable before anybody hears of it. Within change_begin_relaxed(),
 * which ends here. @fresh: the operation belongs to the same change.
 */
static int settle(struct tune_job *j, bool fresh) {
    struct machine *k = j->machine;
    bool changed = k->changed, due = k->restart_due, committed;
    int r;

    swap_settings(k, j->wanted);
    if (machine_is_active(k) && j->set & ~LIVE_OPTIONS)
        k->changed = true;
    if (k->restart == RESTART_NO)
        k->restart_due = false;
    r = machine_save(k);
    bus_machine_settings_changed(k);
    operation_done(j->op);
    if (r >= 0)
        r = change_commit(k->manager);
    committed = r >= 0;
    if (committed)
        r = change_sync(k->manager);
    else {
        if (fresh)
            operation_forget(TAKE_PTR(j->op));
        change_undo(k->manager);
    }
    if (r >= 0)
        return 0;
    swap_settings(k, j->wanted);
    k->changed = changed;
    k->restart_due = due;
    k->dirty = committed; /* the store may have the new ones */
    if (committed)
        bus_machine_settings_changed(k);
    operation_undone(j->op);
    return r;
}

static int tune_work(void *data) {
    struct tune_job *j = data;

    return virt_set_limits(j->virt, j->uuid, &j->limits, &j->error);
}

static void tune_done(void *data, int r) {
    _cleanup_(tune_job_freep) struct tune_job *j = data;
    struct machine *k = j->machine;

    k->wanted = NULL;
    if (r < 0 && !k->gone)
        operation_fail(j->op, BUS_ERROR_LIBVIRT, j->error.text);
    else {
        r = change_begin_relaxed(k->manager);
        if (r >= 0)
            r = settle(j, false);
        if (r < 0)
            operation_fail_store(j->op, r);
    }
    machine_job_done(k);
}

/* Each by itself: a host may have one kind of limit and not the other. */
static int restore_work(void *data) {
    struct tune_job *j = data;
    struct virt_limits cpu = j->limits, io = j->limits;
    int r, s;

    cpu.set_io_weight = io.set_cpu_shares = io.set_cpu_quota = false;
    s = virt_set_limits(j->virt, j->uuid, &io, &j->error);
    r = virt_set_limits(j->virt, j->uuid, &cpu, &j->error);
    return r < 0 ? r : s;
}

static int run_tune(struct tune_job *j, int (*work)(void *data), void (*done)(void *data, int r)) {
    struct machine *k = j->machine;
    int r;

    k->job = true;
    k->wanted = j->wanted;
    r = inbox_run(k->manager->inbox, work, done, j);
    if (r < 0) {
        k->job = false;
        k->wanted = NULL;
    }
    return r;
}

static void restore_done(void *data, int r) {
    _cleanup_(tune_job_freep) struct tune_job *j = data;

    if (r < 0)
        log_warning("The limits of machine '%s' may be those of an interrupted change: %s", j->machine->name, j->error.text);
    j->machine->look = true; /* what remains is told */
    machine_job_done(j->machine);
}

void settings_restore(struct machine *k) {
    _cleanup_(tune_job_freep) struct tune_job *j = calloc(1, sizeof(*j));

    if (!j)
        return;
    j->machine = k;
    j->virt = k->manager->virt;
    memcpy(j->uuid, k->uuid, sizeof(j->uuid));
    j->limits = (struct virt_limits){
        .set_cpu_shares = true,
        .set_cpu_quota = true,
        .set_io_weight = true,
        .cpu_shares = k->cpu_shares,
        .cpu_quota = k->cpu_quota,
        .io_weight = k->io_weight,
    };
    if (run_tune(j, restore_work, restore_done) >= 0)
        j = NULL;
}

static int copy_settings(struct manager *m, const struct machine *from, const struct machine_options *o,
                         struct machine **ret) {
    _cleanup_(machine_freep) struct machine *k = machine_new(m, from->name, from->uuid);

    if (!k || free_and_strdup(&k->cmdline, from->cmdline) < 0 ||
        free_and_strdup(&k->kernel_image, from->kernel_image) < 0 ||
        free_and_strdup(&k->initrd_image, from->initrd_image) < 0 ||
        free_and_strdup(&k->description, from->description) < 0 ||
        free_and_strdup(&k->labels, from->labels) < 0 || free_and_strdup(&k->network, from->network) < 0 ||
        free_and_strdup(&k->disks, from->disks) < 0)
        return -ENOMEM;
    k->protected = from->protected;
    k->has_initrd = from->has_initrd;
    k->memory = from->memory;
    k->vcpus = from->vcpus;
    k->autostart = from->autostart;
    k->restart = from->restart;
    k->cpu_shares = from->cpu_shares;
    k->cpu_quota = from->cpu_quota;
    k->io_weight = from->io_weight;
    if (machine_apply(k, o) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(k);
    return 0;
}

static void audit_change(const struct tune_job *j, const char *who) {
    audit(j->machine->manager, j->machine, "set-properties", who, "settings changed (options 0x%x)", j->set);
}

/* Nothing for libvirt to do: it is done when the call returns. */
static int change_at_once(struct tune_job *j, const char *who, sd_bus_error *error) {
    struct manager *m = j->machine->manager;
    char text[STORE_FAILURE_TEXT_MAX];
    int r = change_begin_relaxed(m);

    if (r >= 0) {
        r = operation_new(m, OPERATION_SET, j->machine->name, who, &j->op, error);
        if (r >= 0) {
            audit_change(j, who);
            operation_begin(j->op);
            r = settle(j, true);
        } else
            change_undo(m);
    }
    if (r >= 0)
        return 0;
    operation_fail_store(j->op, r);
    if (!sd_bus_error_is_set(error))
        sd_bus_error_set(error, BUS_ERROR_STORE, store_failure_text(r, text));
    return r;
}

/* libvirt first: what it refuses is not recorded. */
static int change_in_libvirt(struct tune_job *j, const char *who, struct operation **ret, sd_bus_error *error) {
    int r = operation_new(j->machine->manager, OPERATION_SET, j->machine->name, who, &j->op, error);

    if (r < 0)
        return r;
    *ret = j->op;
    audit_change(j, who);
    operation_begin(j->op);
    r = run_tune(j, tune_work, tune_done);
    if (r < 0)
        operation_fail(j->op, BUS_ERROR_FAILED, "no thread: try again later");
    return r < 0 ? 0 : 1;
}

int manager_set_properties(struct manager *m, const char *name, const struct machine_options *o, const char *who,
                           struct operation **ret, sd_bus_error *error) {
    _cleanup_(tune_job_freep) struct tune_job *j = calloc(1, sizeof(*j));
    struct machine *k = manager_find(m, name);
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (o->kernel_fd >= 0 || o->initrd_fd >= 0 || option_given(o, OPTION_UNPROTECTED))
        return sd_bus_error_set(
            error, BUS_ERROR_INVALID_ARGUMENT,
            "kernel and initrd change by KernelImage and InitrdImage; protection does not change");
    if (k->job)
        return machine_busy(error, k);
    if (!j || copy_settings(m, k, o, &j->wanted) < 0)
        return sd_bus_error_set_errno(error, -ENOMEM);
    r = machine_check(j->wanted, error);
    if (r < 0)
        return r;
    j->machine = k;
    j->virt = m->virt;
    j->set = o->set;
    memcpy(j->uuid, k->uuid, sizeof(j->uuid));
    j->limits = (struct virt_limits){
        .set_cpu_shares = option_given(o, OPTION_CPU_SHARES) && o->cpu_shares != k->cpu_shares,
        .set_cpu_quota = option_given(o, OPTION_CPU_QUOTA) && o->cpu_quota != k->cpu_quota,
        .set_io_weight = option_given(o, OPTION_IO_WEIGHT) && o->io_weight != k->io_weight,
        .cpu_shares = o->cpu_shares,
        .cpu_quota = o->cpu_quota,
        .io_weight = o->io_weight,
    };
    if (machine_runs(k) && (j->limits.set_cpu_shares || j->limits.set_cpu_quota || j->limits.set_io_weight)) {
        r = change_in_libvirt(j, who, ret, error);
        if (r > 0)
            j = NULL;
        return r < 0 ? r : 0;
    }
    r = change_at_once(j, who, error);
    *ret = j->op;
    return r;
}
