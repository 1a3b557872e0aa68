/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of machines. */
#include "store-internal.h"

static const char put_machine[] =
    "INSERT INTO machines (name, uuid, state, reason, protected, memory, vcpus, backing, cmdline, "
    "has_initrd, launch_digest, created, started, ended, description, labels, network, disks, "
    "kernel_image, initrd_image, autostart, restart_due, restart, cpu_shares, cpu_quota, "
    "io_weight, changed) VALUES "
    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27) "
    "ON CONFLICT (name) DO UPDATE SET uuid=?2, state=?3, reason=?4, protected=?5, memory=?6, "
    "vcpus=?7, backing=?8, cmdline=?9, has_initrd=?10, launch_digest=?11, created=?12, "
    "started=?13, ended=?14, description=?15, labels=?16, network=?17, disks=?18, "
    "kernel_image=?19, initrd_image=?20, autostart=?21, restart_due=?22, restart=?23, "
    "cpu_shares=?24, cpu_quota=?25, io_weight=?26, changed=?27";

static const char delete_machine[] = "DELETE FROM machines WHERE name = ?1";

static const char each_machine[] =
    "SELECT name, uuid, state, reason, protected, memory, vcpus, backing, cmdline, has_initrd, "
    "launch_digest, created, started, ended, description, labels, network, disks, kernel_image, "
    "initrd_image, autostart, restart_due, restart, cpu_shares, cpu_quota, io_weight, changed FROM "
    "machines ORDER BY name";

int store_put_machine(struct store *s, const struct store_machine *m) {
    sqlite3_stmt *q = store_statement(s, put_machine);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, m->name);
    store_bind_text(q, 2, m->uuid);
    store_bind_text(q, 3, m->state);
    store_bind_text(q, 4, m->reason);
    sqlite3_bind_int(q, 5, m->protected);
    sqlite3_bind_int64(q, 6, (int64_t)m->memory);
    sqlite3_bind_int64(q, 7, (int64_t)m->vcpus);
    store_bind_text(q, 8, m->backing);
    store_bind_text(q, 9, m->cmdline);
    sqlite3_bind_int(q, 10, m->has_initrd);
    store_bind_text(q, 11, m->launch_digest);
    sqlite3_bind_int64(q, 12, (int64_t)m->created);
    sqlite3_bind_int64(q, 13, (int64_t)m->started);
    sqlite3_bind_int64(q, 14, (int64_t)m->ended);
    store_bind_text(q, 15, m->description);
    store_bind_text(q, 16, m->labels);
    store_bind_text(q, 17, m->network);
    store_bind_text(q, 18, m->disks);
    store_bind_text(q, 19, m->kernel_image);
    store_bind_text(q, 20, m->initrd_image);
    sqlite3_bind_int(q, 21, m->autostart);
    sqlite3_bind_int(q, 22, m->restart_due);
    store_bind_text(q, 23, m->restart);
    sqlite3_bind_int64(q, 24, (int64_t)m->cpu_shares);
    sqlite3_bind_int64(q, 25, (int64_t)m->cpu_quota);
    sqlite3_bind_int64(q, 26, (int64_t)m->io_weight);
    sqlite3_bind_int(q, 27, m->changed);
    return store_run(q);
}

int store_delete_machine(struct store *s, const char *name) {
    sqlite3_stmt *q = store_statement(s, delete_machine);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, name);
    return store_run(q);
}

int store_each_machine(struct store *s, int (*fn)(void *userdata, const struct store_machine *m),
                       void *userdata) {
    sqlite3_stmt *q = store_statement(s, each_machine);
    int rc, r = 0;

    if (!q)
        return store_failure(s);
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_machine m = {
            .name = store_text(q, 0),
            .uuid = store_text(q, 1),
            .state = store_text(q, 2),
            .reason = store_text(q, 3),
            .protected = sqlite3_column_int(q, 4),
            .memory = (uint64_t)sqlite3_column_int64(q, 5),
            .vcpus = (uint32_t)sqlite3_column_int64(q, 6),
            .backing = store_text(q, 7),
            .cmdline = store_text(q, 8),
            .has_initrd = sqlite3_column_int(q, 9),
            .launch_digest = store_text(q, 10),
            .created = (uint64_t)sqlite3_column_int64(q, 11),
            .started = (uint64_t)sqlite3_column_int64(q, 12),
            .ended = (uint64_t)sqlite3_column_int64(q, 13),
            .description = store_text(q, 14),
            .labels = store_text(q, 15),
            .network = store_text(q, 16),
            .disks = store_text(q, 17),
            .kernel_image = store_text(q, 18),
            .initrd_image = store_text(q, 19),
            .autostart = sqlite3_column_int(q, 20),
            .restart_due = sqlite3_column_int(q, 21),
            .restart = store_text(q, 22),
            .cpu_shares = (uint64_t)sqlite3_column_int64(q, 23),
            .cpu_quota = (uint32_t)sqlite3_column_int64(q, 24),
            .io_weight = (uint32_t)sqlite3_column_int64(q, 25),
            .changed = sqlite3_column_int(q, 26),
        };

        r = fn(userdata, &m);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r;
}
