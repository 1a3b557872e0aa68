/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outside.h"

#include "bus.h"
#include "log.h"
#include "manager.h"

#include <errno.h>
#include <string.h>

struct outside_job {
    struct manager *manager; /* touched by the main thread only */
    struct virt *virt;
    char uuid[UUID_STRING_MAX];
    unsigned starts; /* of the machine when it was looked at */
    struct domain_limits limits;
    const char *detail;
    char changes[DOMAIN_CHANGES_MAX];
    struct cvm_error error;
    unsigned looks; /* in a round: of the machine at its begin */
    int result;     /* in a round: of outside_work() */
};

/* All that run, in one thread: however many they are, others' work does not wait behind them. */
struct round {
    struct manager *manager; /* touched by the main thread only */
    size_t n;
    struct outside_job jobs[];
};

void outside_tell(struct machine *k, const char *changes, const char *detail) {
    bool same = strcmp(k->outside ?: "", changes) == 0;

    if (same && !detail)
        return;
    audit(k->manager, k, "changed-outside", NULL, "%s",
          same         ? detail
          : changes[0] ? changes
                       : "another program changed the running machine back to what its settings say");
    if (same)
        return;
    if (free_and_strdup(&k->outside, changes[0] ? changes : NULL) < 0)
        log_error("Out of memory: that '%s' was changed is told again later", k->name);
    bus_machine_settings_changed(k);
}

static int outside_work(void *data) {
    struct outside_job *j = data;
    _cleanup_free_ char *xml = NULL;
    int r = virt_xml(j->virt, j->uuid, &xml, &j->error);

    return r < 0 ? r : domain_changes(xml, &j->limits, j->changes);
}

static void fill(struct outside_job *j, const struct machine *k) {
    *j = (struct outside_job){.manager = k->manager, .virt = k->manager->virt, .starts = k->starts,
                              .limits = outside_limits(k), .looks = k->looks, .result = -ENOENT};
    memcpy(j->uuid, k->uuid, sizeof(j->uuid));
}

static void outside_done(void *data, int r) {
    _cleanup_free_ struct outside_job *j = data;
    struct machine *k = manager_find_uuid(j->manager, j->uuid);

    if (!k)
        return;
    k->looking = false;
    k->looks++;
    if (!machine_is_active(k) || k->starts != j->starts)
        return;
    if (k->job || (r >= 0 && !outside_is_current(k, &j->limits))) {
        outside_look(k, j->detail);
        return;
    }
    if (r >= 0)
        outside_tell(k, j->changes, j->detail);
    else if (r != -ENOENT) {
        log_warning("What was changed of machine '%s' is not known: %s", k->name, j->error.text);
        outside_tell(k, k->outside ?: "", j->detail);
    }
    if (k->look)
        outside_look(k, NULL);
}

void outside_look(struct machine *k, const char *detail) {
    struct outside_job *j;

    k->look = true;
    k->look_detail = detail ?: k->look_detail;
    if (k->job || k->looking)
        return;
    j = calloc(1, sizeof(*j));
    if (j) {
        fill(j, k);
        j->detail = k->look_detail;
    }
    if (!j || inbox_run(k->manager->inbox, outside_work, outside_done, j) < 0) {
        log_error("What was changed of machine '%s' cannot be looked at now", k->name);
        free(j);
        return; /* behind its next job */
    }
    k->looking = true;
    k->look = false;
    k->look_detail = NULL;
}

static int round_work(void *data) {
    struct round *o = data;

    for (size_t i = 0; i < o->n; i++) {
        int r = outside_work(&o->jobs[i]);

        o->jobs[i].result = r;
        if (r < 0 && r != -ENOENT) {
            o->jobs[0].error = o->jobs[i].error; /* libvirt is gone: the others are no better off */
            return r;
        }
    }
    return 0;
}

/* What an event had looked at meanwhile is newer. */
static void round_done(void *data, int r) {
    _cleanup_free_ struct round *o = data;

    if (r < 0)
        log_warning("What was changed of running machines is not known: %s", o->jobs[0].error.text);
    for (size_t i = 0; i < o->n; i++) {
        const struct outside_job *j = &o->jobs[i];
        struct machine *k = manager_find_uuid(o->manager, j->uuid);

        if (j->result < 0 || !k || !machine_runs(k) || k->starts != j->starts || k->looks != j->looks || k->looking || k->look)
            continue;
        if (k->job || !outside_is_current(k, &j->limits))
            outside_look(k, NULL);
        else
            outside_tell(k, j->changes, NULL);
    }
    o->manager->rounding = false;
    o->manager->rounded = now_usec(CLOCK_MONOTONIC);
    manager_watch(o->manager);
}

uint64_t outside_round_due(const struct manager *m, uint64_t now) {
    uint64_t due = m->rounded + m->config->outside_look * 1000000ull;
    bool any = false;

    for (size_t i = 0; i < m->nr_machines && !any; i++)
        any = machine_runs(m->machines[i]);
    return !any || m->rounding ? UINT64_MAX : due > now ? due - now : 0;
}

void outside_round(struct manager *m) {
    struct round *o;

    if (outside_round_due(m, now_usec(CLOCK_MONOTONIC)) || m->reconciling)
        return;
    m->rounded = now_usec(CLOCK_MONOTONIC); /* what fails here is tried at the next */
    o = calloc(1, sizeof(*o) + m->nr_machines * sizeof(o->jobs[0]));
    if (!o)
        return;
    o->manager = m;
    for (size_t i = 0; i < m->nr_machines; i++)
        if (machine_runs(m->machines[i]))
            fill(&o->jobs[o->n++], m->machines[i]);
    m->rounding = true;
    if (inbox_run(m->inbox, round_work, round_done, o) < 0) {
        m->rounding = false;
        free(o);
    }
}
