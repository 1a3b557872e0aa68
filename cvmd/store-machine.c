/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of machines. */
#include "store-internal.h"

static const char put_machine[] =
    "INSERT INTO machines (name, uuid, state, reason, protected, memory, vcpus, backing, cmdline,"
    " has_initrd, launch_digest, created, started, ended)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"
    " ON CONFLICT (name) DO UPDATE SET uuid=?2, state=?3, reason=?4, protected=?5, memory=?6,"
    " vcpus=?7, backing=?8, cmdline=?9, has_initrd=?10, launch_digest=?11, created=?12,"
    " started=?13, ended=?14";

static const char delete_machine[] = "DELETE FROM machines WHERE name = ?1";

static const char each_machine[] =
    "SELECT name, uuid, state, reason, protected, memory, vcpus, backing, cmdline, has_initrd,"
    " launch_digest, created, started, ended FROM machines ORDER BY name";

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
    sqlite3_bind_int64(q, 7, m->vcpus);
    store_bind_text(q, 8, m->backing);
    store_bind_text(q, 9, m->cmdline);
    sqlite3_bind_int(q, 10, m->has_initrd);
    store_bind_text(q, 11, m->launch_digest);
    sqlite3_bind_int64(q, 12, (int64_t)m->created);
    sqlite3_bind_int64(q, 13, (int64_t)m->started);
    sqlite3_bind_int64(q, 14, (int64_t)m->ended);
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
        };

        r = fn(userdata, &m);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r;
}
