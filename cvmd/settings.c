/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of a machine that is there: what libvirt can change at once it does, the rest comes at the next
 * start. */
#include "bus.h"
#include "define.h"
#include "manager.h"

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
    sd_bus_message *call;
    struct cvm_error error;
};

static void tune_job_free(struct tune_job *j) {
    machine_free(j->wanted);
    sd_bus_message_unref(j->call);
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

/* In the store first: what is answered with success is there after a power loss. */
static void settle(struct tune_job *j) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine *k = j->machine;
    int r;

    swap_settings(k, j->wanted);
    r = machine_save(k);
    if (r < 0) {
        swap_settings(k, j->wanted);
        k->dirty = false; /* the store is right */
        sd_bus_error_setf(&error, BUS_ERROR_STORE, "the store cannot be written: %s", strerror(-r));
        bus_reply_call(&j->call, &error);
        return;
    }
    if (machine_is_active(k) && j->set & ~LIVE_OPTIONS)
        k->changed = true;
    if (k->restart == RESTART_NO)
        k->restart_due = false;
    bus_machine_settings_changed(k);
    bus_reply_call(&j->call, NULL);
}

static int tune_work(void *data) {
    struct tune_job *j = data;

    return virt_set_limits(j->virt, j->uuid, &j->limits, &j->error);
}

static void tune_done(void *data, int r) {
    _cleanup_(tune_job_freep) struct tune_job *j = data;
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine *k = j->machine;

    k->wanted = NULL;
    if (r < 0 && !k->gone) {
        sd_bus_error_set(&error, BUS_ERROR_LIBVIRT, j->error.text);
        bus_reply_call(&j->call, &error);
    } else
        settle(j);
    machine_job_done(k);
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

int manager_set_properties(struct manager *m, const char *name, const struct machine_options *o,
                           sd_bus_message *call, const char *who, sd_bus_error *error) {
    _cleanup_(tune_job_freep) struct tune_job *j = calloc(1, sizeof(*j));
    struct machine *k = manager_find(m, name);
    int r;

    if (!k)
        return no_such_machine(error, name);
    if (o->kernel_fd >= 0 || o->initrd_fd >= 0 || option_given(o, OPTION_UNPROTECTED))
        return sd_bus_error_set(
            error, BUS_ERROR_INVALID_ARGUMENT,
            "kernel and initrd change by KernelImage and InitrdImage; protection does not change");
    if (k->job) {
        sd_bus_error_setf(error, BUS_ERROR_BUSY, "machine '%s' is busy (%s): try again", name,
                          machine_state_to_string(k->state));
        return -EBUSY;
    }
    if (!j || copy_settings(m, k, o, &j->wanted) < 0)
        return sd_bus_error_set_errno(error, -ENOMEM);
    r = machine_check(j->wanted, error);
    if (r < 0)
        return r;
    audit(m, k, "set-properties", who, "settings changed (options 0x%x)", o->set);
    j->machine = k;
    j->virt = m->virt;
    j->set = o->set;
    j->call = sd_bus_message_ref(call);
    memcpy(j->uuid, k->uuid, sizeof(j->uuid));
    j->limits = (struct virt_limits){
        .set_cpu_shares = option_given(o, OPTION_CPU_SHARES) && o->cpu_shares != k->cpu_shares,
        .set_cpu_quota = option_given(o, OPTION_CPU_QUOTA) && o->cpu_quota != k->cpu_quota,
        .set_io_weight = option_given(o, OPTION_IO_WEIGHT) && o->io_weight != k->io_weight,
        .cpu_shares = o->cpu_shares,
        .cpu_quota = o->cpu_quota,
        .io_weight = o->io_weight,
    };
    if ((k->state != MACHINE_RUNNING && k->state != MACHINE_PAUSED) ||
        (!j->limits.set_cpu_shares && !j->limits.set_cpu_quota && !j->limits.set_io_weight)) {
        settle(j);
        return 0;
    }
    k->job = true;
    k->wanted = j->wanted;
    r = inbox_run(m->inbox, tune_work, tune_done, j);
    if (r < 0) {
        k->job = false;
        k->wanted = NULL;
        return sd_bus_error_set_errno(error, r);
    }
    j = NULL;
    return 0;
}
