/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "bus.h"
#include "console.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

#define REFRESH_USEC 50000

static const char *const states[MACHINE_STATE_MAX] = {
    [MACHINE_STARTING] = "starting", [MACHINE_RUNNING] = "running", [MACHINE_PAUSED] = "paused",
    [MACHINE_STOPPING] = "stopping", [MACHINE_STOPPED] = "stopped", [MACHINE_FAILED] = "failed",
};

const char *machine_state_to_string(enum machine_state s) {
    return s < MACHINE_STATE_MAX ? states[s] : NULL;
}

int machine_state_from_string(const char *s) {
    for (int i = 0; i < MACHINE_STATE_MAX; i++)
        if (strcmp(s, states[i]) == 0)
            return i;
    return -EINVAL;
}

struct machine *machine_new(struct manager *mgr, const char *name, const char *uuid) {
    struct machine *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->manager = mgr;
    m->final_state = MACHINE_STOPPED;
    m->revision = next_revision(0);
    m->name = strdup(name);
    if (!m->name) {
        free(m);
        return NULL;
    }
    memcpy(m->uuid, uuid, sizeof(m->uuid));
    return m;
}

void machine_free(struct machine *m) {
    if (!m)
        return;
    console_free(m->console);
    free(m->name);
    free(m->cmdline);
    free(m->kernel_image);
    free(m->initrd_image);
    free(m->description);
    free(m->labels);
    free(m->network);
    free(m->disks);
    free(m->reason);
    free(m->console_path);
    free(m->outside);
    free(m);
}

int machine_path(const struct machine *m, char **ret) {
    return sd_bus_path_encode(BUS_MACHINE_PREFIX, m->name, ret);
}

int machine_save(struct machine *m) {
    char digest[2 * CVM_DIGEST_SIZE + 1];
    struct store_machine row = {
        .name = m->name,
        .uuid = m->uuid,
        .state = machine_state_to_string(m->state),
        .reason = m->reason,
        .protected = m->protected,
        .memory = m->memory,
        .vcpus = m->vcpus,
        .backing = memory_backing_to_string(m->backing),
        .cmdline = m->cmdline,
        .has_initrd = m->has_initrd,
        .launch_digest = m->vm.id ? cvm_hex_encode(m->vm.launch_digest, CVM_DIGEST_SIZE, digest) : NULL,
        .created = m->created,
        .started = m->started,
        .ended = m->ended,
        .description = m->description,
        .labels = m->labels,
        .network = m->network,
        .disks = m->disks,
        .kernel_image = m->kernel_image,
        .initrd_image = m->initrd_image,
        .autostart = m->autostart,
        .restart_due = m->restart_due,
        .changed = m->changed,
        .restart = restart_policy_to_string(m->restart),
        .cpu_shares = m->cpu_shares,
        .cpu_quota = m->cpu_quota,
        .io_weight = m->io_weight,
    };
    int r = store_put_machine(m->manager->store, &row);

    m->dirty = r < 0;
    m->saving = r >= 0 && m->manager->changing;
    if (r < 0)
        log_error("Machine '%s' cannot be written to the store: %s", m->name, strerror(-r));
    return r;
}

/* Lines, each with its end: who reads them looks for it. */
static bool are_lines(const char *s) {
    return !s || !*s || s[strlen(s) - 1] == '\n';
}

int machine_from_store(struct manager *mgr, const struct store_machine *row, struct machine **ret) {
    _cleanup_(machine_freep) struct machine *m = NULL;
    int state = machine_state_from_string(row->state), backing = memory_backing_from_string(row->backing);
    int restart = restart_policy_from_string(row->restart);
    uint8_t uuid[16];

    if (state < 0 || backing < 0 || restart < 0 || uuid_from_string(row->uuid, uuid) < 0 || !are_lines(row->labels) ||
        !are_lines(row->disks))
        return -EBADMSG;
    m = machine_new(mgr, row->name, row->uuid);
    if (!m || free_and_strdup(&m->reason, row->reason) < 0 ||
        free_and_strdup(&m->cmdline, row->cmdline) < 0 ||
        free_and_strdup(&m->description, row->description) < 0 ||
        free_and_strdup(&m->labels, row->labels) < 0 || free_and_strdup(&m->network, row->network) < 0 ||
        free_and_strdup(&m->disks, row->disks) < 0 ||
        free_and_strdup(&m->kernel_image, row->kernel_image) < 0 ||
        free_and_strdup(&m->initrd_image, row->initrd_image) < 0)
        return -ENOMEM;
    m->autostart = row->autostart;
    m->restart_due = row->restart_due;
    m->changed = row->changed;
    m->restart = (enum restart_policy)restart;
    m->cpu_shares = row->cpu_shares;
    m->cpu_quota = row->cpu_quota;
    m->io_weight = row->io_weight;
    m->state = (enum machine_state)state;
    m->backing = (enum memory_backing)backing;
    m->protected = row->protected;
    m->memory = row->memory;
    m->vcpus = row->vcpus;
    m->has_initrd = row->has_initrd;
    m->created = row->created;
    m->started = row->started;
    m->ended = row->ended;
    if (row->launch_digest && cvm_hex_decode(row->launch_digest, strlen(row->launch_digest),
                                             m->vm.launch_digest, CVM_DIGEST_SIZE) == 0)
        m->vm.id = UINT32_MAX; /* it had a VM once; which one is of no use any more */
    *ret = TAKE_PTR(m);
    return 0;
}

int machine_set_state(struct machine *m, enum machine_state s, const char *reason) {
    enum machine_state was = m->state;
    int r;

    if (free_and_strdup(&m->reason, reason) < 0)
        log_error("Out of memory: the reason of '%s' is lost: %s", m->name, reason);
    m->state = s;
    if (s == MACHINE_RUNNING && was == MACHINE_STARTING)
        m->started = now_usec(CLOCK_REALTIME);
    if (s == MACHINE_STOPPED || s == MACHINE_FAILED) {
        m->ended = now_usec(CLOCK_REALTIME);
        console_free(TAKE_PTR(m->console));
        if (free_and_strdup(&m->console_path, NULL) < 0)
            return -ENOMEM;
    }
    r = machine_save(m);
    bus_machine_changed(m);
    return r;
}

int machine_file(const struct machine *m, const char *file, char **ret) {
    if (asprintf(ret, "%s/machines/%s%s%s", m->manager->config->state_directory, m->name, file[0] ? "/" : "",
                 file) < 0)
        return -ENOMEM;
    return 0;
}

void machine_refresh(struct machine *m) {
    uint64_t now = now_usec(CLOCK_MONOTONIC);

    if (!m->protected || !machine_is_active(m) || !m->manager->rootvisor)
        return;
    if (m->refreshed && now - m->refreshed < REFRESH_USEC)
        return;
    machine_look(m);
    if (m->vm_present)
        (void)rootvisor_vm_stats(m->manager->rootvisor, m->vm.id, &m->stats);
    m->refreshed = now;
}
