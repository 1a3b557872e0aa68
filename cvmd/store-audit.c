/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit log, for those who have the store at hand. */
#include "audit-log.h"
#include "log.h"
#include "store-internal.h"

#include <errno.h>
#include <string.h>

struct audit_log *store_audit_log(struct store *s) {
    return s->log;
}

static const char put_owed[] = "INSERT INTO audit_owed (idx, time, machine, uuid, event, message, who)"
                               " VALUES (max(?1, (SELECT coalesce(max(idx) + 1, 0) FROM audit_owed)),?2,?3,?4,?5,?6,?7)";
static const char each_owed[] = "SELECT time, machine, uuid, event, message, who FROM audit_owed WHERE idx >= ?1 ORDER BY idx";
static const char drop_owed[] = "DELETE FROM audit_owed";

static int64_t log_size(struct store *s) {
    uint8_t root[CVM_HASH_SIZE];

    return (int64_t)audit_log_root(s->log, root);
}

/* Its place in the log is known: nothing comes in before it (store_append_audits()). */
static int owe(struct store *s, const struct store_audit *a) {
    sqlite3_stmt *q;
    int r;

    if (a->seq || a->raw)
        return -EINVAL;
    q = store_statement(s, put_owed);
    if (!q)
        return store_failure(s);
    sqlite3_bind_int64(q, 1, log_size(s));
    sqlite3_bind_int64(q, 2, (int64_t)a->time);
    store_bind_text(q, 3, a->machine);
    store_bind_text(q, 4, a->uuid);
    store_bind_text(q, 5, a->event);
    store_bind_text(q, 6, a->message);
    store_bind_text(q, 7, a->who);
    r = store_run(q);
    if (r < 0)
        return r;
    s->owes = true;
    s->owed++;
    return 1;
}

int store_pay_audit(struct store *s) {
    sqlite3_stmt *q;
    int rc = SQLITE_DONE, r = 0;

    if (!s->owes)
        return 0;
    q = store_statement(s, each_owed);
    if (!q)
        return store_failure(s);
    sqlite3_bind_int64(q, 1, log_size(s));
    while (r >= 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
        r = audit_log_append_relaxed(s->log,
                                     &(struct store_audit){
                                         .time = (uint64_t)sqlite3_column_int64(q, 0),
                                         .source = "cvmd",
                                         .machine = store_text(q, 1),
                                         .uuid = store_text(q, 2),
                                         .event = store_text(q, 3),
                                         .message = store_text(q, 4),
                                         .who = store_text(q, 5),
                                     },
                                     1);
    store_done(q);
    if (r >= 0)
        r = store_errno(rc);
    if (r < 0) {
        log_error("The audit log cannot be written: %s; its entries wait in the store", strerror(-r));
        return r;
    }
    s->owes = false;
    return 0;
}

bool store_is_settled(const struct store *s) {
    return s->owed == 0;
}

int store_settle_audit(struct store *s) {
    sqlite3_stmt *q;
    int r;

    if (s->depth || !s->owed)
        return 0;
    r = store_pay_audit(s);
    if (r >= 0)
        r = audit_log_sync(s->log);
    if (r >= 0)
        r = store_begin_relaxed(s); /* a power loss may bring them back: the log has their places taken */
    if (r < 0)
        return r;
    q = store_statement(s, drop_owed);
    r = q ? store_run(q) : store_failure(s);
    if (r < 0) {
        (void)store_rollback(s);
        return r;
    }
    s->owed = 0;
    return store_commit(s);
}

int store_catch_up(struct store *s) {
    static const char any_owed[] = "SELECT 1 FROM audit_owed LIMIT 1";
    sqlite3_stmt *q = store_statement(s, any_owed);
    int rc;

    if (!q)
        return store_failure(s);
    rc = sqlite3_step(q);
    s->owes = rc == SQLITE_ROW;
    s->owed = s->owes;
    store_done(q);
    return rc == SQLITE_ROW ? store_settle_audit(s) : store_errno(rc);
}

int store_append_audits(struct store *s, const struct store_audit *a, size_t n) {
    int r = store_pay_audit(s);

    return r < 0 ? r : audit_log_append(s->log, a, n);
}

int store_append_audit(struct store *s, const struct store_audit *a) {
    return s->depth ? owe(s, a) : store_append_audits(s, a, 1);
}

int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *userdata, const struct store_audit *a), void *userdata) {
    return audit_log_each(s->log, after, machine, limit, fn, userdata);
}

int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret) {
    return audit_log_last_seq(s->log, boot_id, ret);
}

int store_last_audit(struct store *s, uint64_t *ret) {
    uint8_t root[CVM_HASH_SIZE];

    *ret = audit_log_root(s->log, root); /* entries are numbered from 1 */
    return 0;
}
