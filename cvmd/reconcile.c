/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the store says against what libvirt and RootVisor say: at the start of the daemon and after
 * the connection to libvirt broke. libvirt and RootVisor are right.
 */
#include "bus.h"
#include "files.h"
#include "log.h"
#include "manager.h"
#include "outside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#define RETRY_USEC 5000000u
#define ORPHAN_USEC 10000000u /* of the main loop's time, for the frames of one VM */

struct check {
    char uuid[UUID_STRING_MAX];
    unsigned starts; /* of the machine when it was looked at */
    int state;       /* of virt_state() */
    char *console;
    struct domain_limits limits;
    char *changes; /* of domain_changes(); NULL: not known */
};

struct reconcile_job {
    struct manager *manager; /* touched by the main thread only */
    struct virt *virt;
    struct cvm_error error;
    bool again; /* some machine could not be looked at */
    size_t n;
    struct check *checks;
};

static void reconcile_job_free(struct reconcile_job *j) {
    for (size_t i = 0; i < j->n; i++)
        free(j->checks[i].console), free(j->checks[i].changes);
    free(j->checks);
    free(j);
}
CVM_DEFINE_CLEANUP(struct reconcile_job *, reconcile_job_free)

/* Of a machine that runs, what others changed. What is not known now the next event or look tells. */
static void find_changes(struct reconcile_job *j, struct check *c) {
    char changes[DOMAIN_CHANGES_MAX];
    _cleanup_free_ char *xml = NULL;
    struct cvm_error e;

    if (virt_xml(j->virt, c->uuid, &xml, &e) >= 0 && domain_changes(xml, &c->limits, changes) >= 0)
        c->changes = strdup(changes);
}

static int reconcile_work(void *data) {
    struct reconcile_job *j = data;

    for (size_t i = 0; i < j->n; i++) {
        struct check *c = &j->checks[i];

        c->state = virt_state(j->virt, c->uuid, &c->console, &j->error);
        if (c->state < 0)
            return c->state;
        if (c->state)
            find_changes(j, c);
    }
    return 0;
}

/* A machine that cvmd left in some state, and whose QEMU runs. */
static void take_up(struct machine *m, struct check *c) {
    m->unseen = 0;
    free(m->console_path);
    m->console_path = TAKE_PTR(c->console);
    switch (m->state) {
    case MACHINE_STARTING:
        launch_qemu_runs(m);
        break;
    case MACHINE_STOPPING:
        if (!m->release)
            machine_end(m, m->final_state, m->reason);
        break;
    default:
        pause_event(m, c->state == VIRT_STATE_PAUSED, "paused while cvmd was not looking");
        if (m->retune && c->changes && c->changes[0])
            settings_restore(m);
        else if (c->changes && outside_is_current(m, &c->limits))
            outside_tell(m, c->changes, NULL);
        m->retune = false;
        bus_machine_changed(m);
    }
}

/* A QEMU that somebody started by hand has its UUID on its command line. */
static bool some_process_names(const char *uuid) {
    struct dirent *de;
    bool found = false;
    DIR *d = opendir("/proc");

    if (!d)
        return true; /* not known: leave it alone */
    while (!found && (de = readdir(d))) {
        _cleanup_free_ char *path = NULL;
        _cleanup_free_ void *cmdline = NULL;
        size_t size;

        if (!isdigit((unsigned char)de->d_name[0]) || asprintf(&path, "/proc/%s/cmdline", de->d_name) < 0)
            continue;
        if (cvm_read_file(path, 1u << 20, &cmdline, &size, NULL) == 0)
            found = memmem(cmdline, size, uuid, strlen(uuid));
    }
    closedir(d);
    return found;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
    (void)source;
    (void)usec;
    manager_reconcile(userdata);
    return 0;
}

static void retry_later(struct manager *m) {
    int r;

    if (!m->reconnect)
        r = sd_event_add_time_relative(m->event, &m->reconnect, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, m);
    else {
        r = sd_event_source_set_time_relative(m->reconnect, RETRY_USEC);
        if (r >= 0)
            r = sd_event_source_set_enabled(m->reconnect, SD_EVENT_ONESHOT);
    }
    if (r < 0)
        log_error("The retry timer cannot be set: %s", strerror(-r));
}

static void destroy_orphan(struct manager *m, const struct cvm_vm_info *vm, const char *uuid) {
    uint64_t until = now_usec(CLOCK_MONOTONIC) + ORPHAN_USEC;
    int r;

    /* A call looks at a part of the host's memory: it may give back nothing, and more is to come all the same. */
    do
        r = rootvisor_vm_destroy(m->rootvisor, vm->id);
    while (r > 0 && now_usec(CLOCK_MONOTONIC) < until);
    if (r > 0) {
        retry_later(m);
        return;
    }
    if (r < 0 && r != -ENOENT)
        log_error("RootVisor does not release the orphaned VM %u (%s): %s", vm->id, uuid, strerror(-r));
    else
        audit(m, NULL, "orphan-released", NULL,
              "VM %u (%s) had no QEMU any more; its frames went back to the host", vm->id, uuid);
}

static void release_orphans(struct manager *m) {
    struct cvm_vm_list list;

    if (!m->rootvisor || rootvisor_vm_list(m->rootvisor, &list) < 0)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        char uuid[UUID_STRING_MAX];
        struct machine *k = manager_find_uuid(m, uuid_to_string(list.vm[i].uuid, uuid));

        if (k ? !machine_is_active(k) : !some_process_names(uuid))
            destroy_orphan(m, &list.vm[i], uuid);
    }
}

static void reconcile_done(void *data, int r) {
    _cleanup_(reconcile_job_freep) struct reconcile_job *j = data;
    struct manager *m = j->manager;

    m->reconciling = false;
    if (r < 0) {
        log_warning("The state of the machines is not known, trying again: %s", j->error.text);
        retry_later(m);
        return;
    }
    for (size_t i = 0; i < j->n; i++) {
        struct check *c = &j->checks[i];
        struct machine *k = manager_find_uuid(m, c->uuid);

        if (!k || !machine_is_active(k) || k->starts != c->starts)
            continue;
        if (k->job) { /* what was seen may not be true any more when it ends */
            j->again = true;
            continue;
        }
        if (k->state == MACHINE_STOPPING)
            lifecycle_take_up_end(k);
        if (c->state)
            take_up(k, c);
        else
            machine_ended(k, k->state == MACHINE_STARTING ? "cvmd or the host stopped while it was launched"
                                                          : "QEMU ended while cvmd was not looking");
    }
    manager_look(m);
    release_orphans(m);
    audit_pull(m);
    autostart(m);
    manager_watch(m);
    if (j->again)
        retry_later(m);
}

void manager_reconcile(struct manager *m) {
    _cleanup_(reconcile_job_freep) struct reconcile_job *j = NULL;

    if (m->reconciling)
        return;
    files_remove_strays(m);
    j = calloc(1, sizeof(*j));
    if (j)
        j->checks = calloc(m->nr_machines ?: 1, sizeof(*j->checks));
    if (!j || !j->checks) {
        retry_later(m);
        return;
    }
    j->manager = m;
    j->virt = m->virt;
    for (size_t i = 0; i < m->nr_machines; i++) {
        const struct machine *k = m->machines[i];

        if (!machine_is_active(k))
            continue;
        if (k->job) {
            j->again = true;
            continue;
        }
        j->checks[j->n].starts = k->starts;
        j->checks[j->n].limits = outside_limits(k);
        memcpy(j->checks[j->n++].uuid, k->uuid, UUID_STRING_MAX);
    }
    m->reconciling = true;
    if (j->n == 0) { /* libvirt is not needed, so not started either */
        reconcile_done(TAKE_PTR(j), 0);
        return;
    }
    if (inbox_run(m->inbox, reconcile_work, reconcile_done, j) < 0) {
        m->reconciling = false;
        retry_later(m);
        return;
    }
    j = NULL;
}
