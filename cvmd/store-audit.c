/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the audit log. */
#include "store-internal.h"

#include <errno.h>

static const char append_audit[] =
    "INSERT OR IGNORE INTO audit (time, source, machine, uuid, event, reason, message, who, boot_id,"
    " seq, arg0, arg1) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";

static const char each_audit[] =
    "SELECT id, time, source, machine, uuid, event, reason, message, who, boot_id, seq, arg0, arg1"
    " FROM audit WHERE id > ?1 AND (?2 IS NULL OR machine = ?2) ORDER BY id LIMIT ?3";

static const char last_seq[] = "SELECT coalesce(max(seq), 0) FROM audit WHERE boot_id = ?1";

int store_append_audit(struct store *s, const struct store_audit *a) {
    sqlite3_stmt *q = store_statement(s, append_audit);
    int r;

    if (!q)
        return store_failure(s);
    sqlite3_bind_int64(q, 1, (int64_t)a->time);
    store_bind_text(q, 2, a->source);
    store_bind_text(q, 3, a->machine);
    store_bind_text(q, 4, a->uuid);
    store_bind_text(q, 5, a->event);
    sqlite3_bind_int64(q, 6, a->reason);
    store_bind_text(q, 7, a->message);
    store_bind_text(q, 8, a->who);
    store_bind_text(q, 9, a->boot_id);
    if (a->seq)
        sqlite3_bind_int64(q, 10, (int64_t)a->seq);
    else
        sqlite3_bind_null(q, 10);
    sqlite3_bind_int64(q, 11, (int64_t)a->arg[0]);
    sqlite3_bind_int64(q, 12, (int64_t)a->arg[1]);
    r = store_run(q);
    return r < 0 ? r : sqlite3_changes(s->db);
}

int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *userdata, const struct store_audit *a), void *userdata) {
    sqlite3_stmt *q = store_statement(s, each_audit);
    int rc, r = 0;

    if (!q)
        return store_failure(s);
    sqlite3_bind_int64(q, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    store_bind_text(q, 2, machine);
    sqlite3_bind_int64(q, 3, limit ? (int64_t)limit : -1);
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_audit a = {
            .id = (uint64_t)sqlite3_column_int64(q, 0),
            .time = (uint64_t)sqlite3_column_int64(q, 1),
            .source = store_text(q, 2),
            .machine = store_text(q, 3),
            .uuid = store_text(q, 4),
            .event = store_text(q, 5),
            .reason = (uint32_t)sqlite3_column_int64(q, 6),
            .message = store_text(q, 7),
            .who = store_text(q, 8),
            .boot_id = store_text(q, 9),
            .seq = (uint64_t)sqlite3_column_int64(q, 10),
            .arg = {(uint64_t)sqlite3_column_int64(q, 11), (uint64_t)sqlite3_column_int64(q, 12)},
        };

        r = fn(userdata, &a);
    }
    if (r == 0)
        r = store_errno(rc);
    store_done(q);
    return r;
}

int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret) {
    sqlite3_stmt *q = store_statement(s, last_seq);
    int rc;

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, boot_id);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(q, 0);
    store_done(q);
    return rc == SQLITE_ROW ? 0 : store_errno(rc) ?: -EIO;
}
