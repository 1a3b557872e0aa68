/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of operations. */
#include "store-internal.h"

static const char put_operation[] =
    "INSERT OR REPLACE INTO operations (id, kind, state, machine, done, total, unit, error, message, result, "
    "who,"
    " created, started, ended) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)";

static const char delete_operation[] = "DELETE FROM operations WHERE id = ?1";

static const char each_operation[] =
    "SELECT id, kind, state, machine, done, total, unit, error, message, result, who, created, started, ended"
    " FROM operations ORDER BY id";

int store_put_operation(struct store *s, const struct store_operation *o) {
    sqlite3_stmt *q = store_statement(s, put_operation);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, o->id);
    store_bind_text(q, 2, o->kind);
    store_bind_text(q, 3, o->state);
    store_bind_text(q, 4, o->machine);
    sqlite3_bind_int64(q, 5, (int64_t)o->done);
    sqlite3_bind_int64(q, 6, (int64_t)o->total);
    store_bind_text(q, 7, o->unit);
    store_bind_text(q, 8, o->error);
    store_bind_text(q, 9, o->message);
    store_bind_text(q, 10, o->result);
    store_bind_text(q, 11, o->who);
    sqlite3_bind_int64(q, 12, (int64_t)o->created);
    sqlite3_bind_int64(q, 13, (int64_t)o->started);
    sqlite3_bind_int64(q, 14, (int64_t)o->ended);
    return store_run(q);
}

int store_delete_operation(struct store *s, const char *id) {
    sqlite3_stmt *q = store_statement(s, delete_operation);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, id);
    return store_run(q);
}

int store_each_operation(struct store *s, int (*fn)(void *userdata, const struct store_operation *o),
                         void *userdata) {
    sqlite3_stmt *q = store_statement(s, each_operation);
    int rc, r = 0;

    if (!q)
        return store_failure(s);
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_operation o = {
            .id = store_text(q, 0),
            .kind = store_text(q, 1),
            .state = store_text(q, 2),
            .machine = store_text(q, 3),
            .done = (uint64_t)sqlite3_column_int64(q, 4),
            .total = (uint64_t)sqlite3_column_int64(q, 5),
            .unit = store_text(q, 6),
            .error = store_text(q, 7),
            .message = store_text(q, 8),
            .result = store_text(q, 9),
            .who = store_text(q, 10),
            .created = (uint64_t)sqlite3_column_int64(q, 11),
            .started = (uint64_t)sqlite3_column_int64(q, 12),
            .ended = (uint64_t)sqlite3_column_int64(q, 13),
        };

        r = fn(userdata, &o);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r;
}
