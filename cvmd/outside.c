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

static void outside_done(void *data, int r) {
    _cleanup_free_ struct outside_job *j = data;
    struct machine *k = manager_find_uuid(j->manager, j->uuid);

    if (!k)
        return;
    k->looking = false;
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
        *j = (struct outside_job){.manager = k->manager, .virt = k->manager->virt, .starts = k->starts,
                                  .limits = outside_limits(k), .detail = k->look_detail};
        memcpy(j->uuid, k->uuid, sizeof(j->uuid));
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
