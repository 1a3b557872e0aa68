/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"

#include "bus.h"
#include "manager.h"
#include "store.h"

#include <errno.h>

static int begin(struct manager *m, bool relaxed) {
    int r = m->changing ? -EBUSY : relaxed ? store_begin_relaxed(m->store) : store_begin(m->store);

    if (r < 0)
        return r;
    m->changing = true;
    m->relaxed = relaxed;
    bus_cork(m);
    return 0;
}

int change_begin(struct manager *m) {
    return begin(m, false);
}

int change_begin_relaxed(struct manager *m) {
    return begin(m, true);
}

/* What was saved in a change that came to nothing is not saved. */
static void settle(struct manager *m, bool failed) {
    for (size_t i = 0; i < m->nr_machines; i++) {
        m->machines[i]->dirty = m->machines[i]->dirty || (failed && m->machines[i]->saving);
        m->machines[i]->saving = false;
    }
    for (size_t i = 0; i < m->nr_operations; i++) {
        m->operations[i]->dirty = m->operations[i]->dirty || (failed && m->operations[i]->saving);
        m->operations[i]->saving = false;
    }
    m->changing = false;
}

int change_commit(struct manager *m) {
    int r = store_commit(m->store);

    settle(m, r < 0 && !m->relaxed);
    if (!m->relaxed)
        bus_uncork(m);
    return r;
}

int change_sync(struct manager *m) {
    int r = store_sync(m->store);

    bus_uncork(m);
    return r;
}

void change_undo(struct manager *m) {
    (void)store_rollback(m->store);
    settle(m, false);
    bus_forget_corked(m);
}
