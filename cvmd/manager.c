/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"
#include "outside.h"

#include "bus.h"
#include "ca.h"
#include "image.h"
#include "log.h"
#include "polkit.h"
#include "quote.h"
#include "reason.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Each look is two host calls, so two exits: often while somebody waits, seldom when nothing runs. */
#define LOOK_STARTING_USEC 100000u
#define LOOK_SETTLE_USEC 200000u
#define LOOK_RUNNING_USEC 1000000u
#define LOOK_IDLE_USEC 30000000u
#define LOOK_HOST_USEC 50000u

static int make_directory(const char *path, mode_t mode, struct cvm_error *e) {
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return cvm_error_set(e, -errno, "cannot create %s: %s", path, strerror(errno));
    if (chmod(path, mode) < 0) /* the umask does not count */
        return cvm_error_set(e, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
    return 0;
}

/* QEMU's user passes through these to the files of its machine, but may not list them. */
static int make_state_directory(const struct config *c, struct cvm_error *e) {
    _cleanup_free_ char *machines = NULL;
    int r;

    r = make_directory(c->state_directory, 0711, e);
    if (r < 0)
        return r;
    if (asprintf(&machines, "%s/machines", c->state_directory) < 0)
        return -ENOMEM;
    return make_directory(machines, 0711, e);
}

static int load_machine(void *userdata, const struct store_machine *row) {
    struct manager *m = userdata;
    struct machine *machine;
    int r;

    r = machine_from_store(m, row, &machine);
    if (r == -EBADMSG) {
        log_error("Machine '%s' in the store is damaged and left out", row->name);
        return 0;
    }
    return r < 0 ? r : manager_add(m, machine);
}

/* A machine answers for one: the newest, since nothing new is begun before the last has ended. */
static void hold(struct operation **place, struct operation *op) {
    if (*place)
        (*place)->held = false;
    *place = op;
    op->held = true;
    operation_begin(op);
}

/* What a restart interrupted goes on where its machine is. */
static void take_up_operations(struct manager *m) {
    for (size_t i = 0; i < m->nr_operations; i++) {
        struct operation *op = m->operations[i];
        struct machine *k = operation_is_active(op) && op->machine ? manager_find(m, op->machine) : NULL;

        if (!k)
            continue;
        if (k->state == MACHINE_STARTING &&
            (op->kind == OPERATION_LAUNCH || op->kind == OPERATION_START || op->kind == OPERATION_REBOOT))
            hold(&k->start_op, op);
        else if (k->state == MACHINE_STOPPING &&
                 (op->kind == OPERATION_STOP || op->kind == OPERATION_KILL || op->kind == OPERATION_REBOOT)) {
            hold(&k->stop_op, op);
            k->reboot = op->kind == OPERATION_REBOOT;
        }
    }
}

static uint64_t monotonic(void) {
    return now_usec(CLOCK_MONOTONIC);
}

/* Whether the TPM works shows when it is asked: that takes too long here. */
static int start_quoter(struct manager *m) {
    const struct config *c = m->config;

    if (!c->tpm[0] || (strncmp(c->tpm, "device:", 7) == 0 && access(c->tpm + 7, F_OK) < 0))
        return 0;
    return quoter_new(m->inbox,
                      &(struct quoter_config){.tcti = c->tpm,
                                              .event_log = c->tpm_event_log,
                                              .per_minute = c->tpm_quotes_per_minute,
                                              .now = monotonic},
                      &m->quoter);
}

int manager_new(struct config *config, sd_event *event, struct manager **ret, struct cvm_error *e) {
    _cleanup_(manager_freep) struct manager *m = NULL;
    _cleanup_free_ char *db = NULL;
    struct sysinfo info;
    int r;

    m = calloc(1, sizeof(*m));
    if (!m)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    m->config = config;
    m->event = sd_event_ref(event);
    m->next_seq = 1;
    if (sysinfo(&info) == 0)
        m->host_memory = (uint64_t)info.totalram * info.mem_unit;
    if (read_line_file("/proc/sys/kernel/random/boot_id", &m->boot_id) < 0)
        return cvm_error_set(e, -EIO, "cannot read the host's boot id");

    r = make_state_directory(config, e);
    if (r < 0)
        return r;
    if (asprintf(&db, "%s/state.db", config->state_directory) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = store_open(db, &m->store, e);
    if (r < 0)
        return r;
    r = store_each_machine(m->store, load_machine, m);
    if (r < 0)
        return cvm_error_set(e, r, "cannot read the machines from %s: %s", db, strerror(-r));
    r = images_load(m, e);
    if (r < 0)
        return r;
    r = operations_load(m);
    if (r < 0)
        return cvm_error_set(e, r, "cannot read the operations from %s: %s", db, strerror(-r));
    take_up_operations(m);

    r = rootvisor_open(&m->rootvisor, &m->rootvisor_error);
    if (r == -ENOENT)
        log_notice("Protection level none: %s", m->rootvisor_error.text);
    else if (r < 0)
        log_error("Protection level none: %s", m->rootvisor_error.text);
    if (m->rootvisor) {
        uint64_t last;

        if (store_last_seq(m->store, m->boot_id, &last) == 0)
            m->next_seq = last + 1;
    }

    r = inbox_new(event, &m->inbox);
    if (r >= 0)
        r = virt_new(config->libvirt_uri, m->inbox, lifecycle_event, m, &m->virt);
    if (r >= 0)
        r = start_quoter(m);
    if (r < 0)
        return cvm_error_set(e, r, "cannot set up: %s", strerror(-r));
    *ret = TAKE_PTR(m);
    return 0;
}

void manager_free(struct manager *m) {
    if (!m)
        return;
    sd_event_source_disable_unref(m->watch);
    sd_event_source_disable_unref(m->release);
    sd_event_source_disable_unref(m->reconnect);
    polkit_free(m);
    bus_peers_free(m);
    virt_free(m->virt);
    for (size_t i = 0; i < m->nr_machines; i++)
        machine_free(m->machines[i]);
    free(m->machines);
    operations_free(m);
    images_free(m);
    inbox_free(m->inbox);
    quoter_free(m->quoter);
    rootvisor_close(m->rootvisor);
    store_close(m->store);
    ca_free(m->ca);
    free(m->boot_id);
    sd_bus_flush_close_unref(m->bus);
    sd_event_unref(m->event);
    free(m);
}

/* Index of @name, or where it would be. */
static size_t position(const struct manager *m, const char *name, bool *found) {
    size_t lo = 0, hi = m->nr_machines;

    *found = false;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(m->machines[mid]->name, name);

        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct machine *manager_find(struct manager *m, const char *name) {
    bool found;
    size_t i = position(m, name, &found);

    return found ? m->machines[i] : NULL;
}

struct machine *manager_find_uuid(struct manager *m, const char *uuid) {
    for (size_t i = 0; i < m->nr_machines; i++)
        if (strcmp(m->machines[i]->uuid, uuid) == 0)
            return m->machines[i];
    return NULL;
}

int manager_add(struct manager *m, struct machine *machine) {
    struct machine **p;
    bool found;
    size_t i;

    p = reallocarray(m->machines, m->nr_machines + 1, sizeof(*p));
    if (!p) {
        machine_free(machine);
        return -ENOMEM;
    }
    m->machines = p;
    i = position(m, machine->name, &found);
    memmove(p + i + 1, p + i, (m->nr_machines - i) * sizeof(*p));
    p[i] = machine;
    m->nr_machines++;
    return 0;
}

void manager_remove(struct manager *m, struct machine *machine) {
    bool found;
    size_t i = position(m, machine->name, &found);

    memmove(m->machines + i, m->machines + i + 1, (m->nr_machines - i - 1) * sizeof(*m->machines));
    m->nr_machines--;
    machine_free(machine);
}

static void find_vm(struct machine *m, const struct cvm_vm_list *list) {
    uint8_t uuid[16];

    m->vm_present = false;
    if (uuid_from_string(m->uuid, uuid) < 0)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        if (memcmp(list->vm[i].uuid, uuid, sizeof(uuid)) == 0) {
            bool first = m->vm.id != list->vm[i].id;

            m->vm = list->vm[i];
            m->vm_present = true;
            if (first)
                bus_machine_changed(m);
        }
    if (!m->vm_present)
        m->vm.frames = 0;
}

void machine_look(struct machine *m) {
    struct cvm_vm_list list;

    if (m->protected && m->manager->rootvisor && rootvisor_vm_list(m->manager->rootvisor, &list) >= 0)
        find_vm(m, &list);
}

/* RootVisor will never run it again: QEMU is of no use any more, and its frames may go back. */
static void machine_was_stopped(struct machine *m) {
    log_warning("Machine '%s' was stopped by RootVisor: %s", m->name, stop_text(m->vm.reason, m->vm.stop_arg));
    machine_end(m, reason_is_orderly(m->vm.reason) ? MACHINE_STOPPED : MACHINE_FAILED,
                stop_text(m->vm.reason, m->vm.stop_arg));
}

void manager_look(struct manager *m) {
    struct cvm_vm_list list;
    int r;

    if (!m->rootvisor)
        return;
    r = rootvisor_vm_list(m->rootvisor, &list);
    if (r < 0) {
        log_error("RootVisor does not list its VMs: %s", strerror(-r));
        return;
    }
    for (size_t i = 0; i < m->nr_machines; i++) {
        struct machine *k = m->machines[i];

        if (!k->protected || !machine_is_active(k))
            continue;
        find_vm(k, &list);
        if (k->state == MACHINE_STARTING && !k->job)
            launch_progress(k);
        else if ((k->state == MACHINE_RUNNING || k->state == MACHINE_PAUSED) && k->vm_present &&
                 k->vm.state == CVM_VM_STOPPED)
            machine_was_stopped(k);
    }
}

int manager_look_host(struct manager *m) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);
    int r;

    if (!m->rootvisor || (m->looked && now - m->looked < LOOK_HOST_USEC))
        return 0;
    r = rootvisor_host_info(m->rootvisor, &m->info);
    if (r >= 0)
        r = rootvisor_host_stats(m->rootvisor, &m->stats);
    if (r < 0)
        return r;
    m->info.cpu_model[sizeof(m->info.cpu_model) - 1] = 0;
    m->looked = now;
    return 0;
}

static uint64_t look_interval(const struct manager *m) {
    uint64_t interval = store_is_settled(m->store) || m->unsettled ? LOOK_IDLE_USEC : LOOK_SETTLE_USEC, now = now_usec(CLOCK_MONOTONIC);

    for (size_t i = 0; i < m->nr_machines; i++) {
        const struct machine *k = m->machines[i];

        if (k->state == MACHINE_STARTING || k->state == MACHINE_STOPPING || k->defining)
            return LOOK_STARTING_USEC;
        if (k->dirty || (machine_runs(k) && k->protected && m->rootvisor))
            interval = MIN(interval, LOOK_RUNNING_USEC);
        if (k->restart_due && !machine_is_active(k))
            interval = MIN(interval, k->restart_at > now ? k->restart_at - now : LOOK_STARTING_USEC);
    }
    return MIN(interval, MAX(outside_round_due(m, now), LOOK_STARTING_USEC));
}

static void look_at(struct machine *k, uint64_t now) {
    if (k->dirty)
        (void)machine_save(k);
    if ((k->state == MACHINE_STARTING && k->job) || k->defining)
        launch_progress(k);
    /* A guest that does not heed the power button. */
    if (k->state == MACHINE_STOPPING && !k->job && !k->release && k->deadline && now > k->deadline)
        machine_end(k, k->final_state, "stopped by force: the guest did not power off in time");
}

/* Not while a start is under way: that would wait for the disk. */
static void settle(struct manager *m) {
    int r;

    for (size_t i = 0; i < m->nr_machines; i++)
        if (m->machines[i]->state == MACHINE_STARTING || m->machines[i]->job)
            return;
    r = store_settle_audit(m->store);
    if (r < 0)
        log_error("The audit log cannot be made durable: %s; its entries wait in the store", strerror(-r));
    m->unsettled = r < 0; /* tried again at the next look */
    store_make_room(m->store);
}

static int on_watch(sd_event_source *source, uint64_t usec, void *userdata) {
    struct manager *m = userdata;
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    (void)source;
    (void)usec;
    manager_look(m);
    audit_watch(m);
    operations_tidy(m);
    for (size_t i = 0; i < m->nr_machines; i++)
        look_at(m->machines[i], now);
    restart_look(m);
    outside_round(m);
    settle(m);
    manager_watch(m);
    return 0;
}

void manager_watch(struct manager *m) {
    int r;

    if (!m->watch)
        return;
    r = sd_event_source_set_time_relative(m->watch, look_interval(m));
    if (r >= 0)
        r = sd_event_source_set_enabled(m->watch, SD_EVENT_ONESHOT);
    if (r < 0)
        log_error("The watch timer cannot be set: %s", strerror(-r));
}

int manager_start(struct manager *m) {
    int r;

    r = sd_event_add_time_relative(m->event, &m->watch, CLOCK_MONOTONIC, 0, LOOK_STARTING_USEC / 4, on_watch,
                                   m);
    if (r < 0)
        return r;
    audit(m, NULL, "daemon-start", NULL, "cvmd %s started, protection level %s", CVMD_VERSION,
          m->rootvisor ? "protected" : "none");
    operations_settle(m);
    m->rounded = now_usec(CLOCK_MONOTONIC); /* the reconciliation is one */
    manager_reconcile(m);
    return 0;
}
