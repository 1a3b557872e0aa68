/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

const char *const store_migrations[] = {
    /* 0 -> 1: machines */
    "CREATE TABLE machines ("
    "  name TEXT PRIMARY KEY NOT NULL, uuid TEXT UNIQUE NOT NULL, state TEXT NOT NULL, reason TEXT,"
    "  protected INTEGER NOT NULL, memory INTEGER NOT NULL, vcpus INTEGER NOT NULL, backing TEXT NOT NULL,"
    "  cmdline TEXT, has_initrd INTEGER NOT NULL, launch_digest TEXT,"
    "  created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT;",
    /* 1 -> 2: the audit log */
    "CREATE TABLE audit ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL, machine TEXT, uuid "
    "TEXT,"
    "  event TEXT NOT NULL, reason INTEGER NOT NULL, message TEXT NOT NULL, who TEXT,"
    "  boot_id TEXT, seq INTEGER, arg0 INTEGER NOT NULL, arg1 INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX audit_seq ON audit (boot_id, seq) WHERE seq IS NOT NULL;"
    "CREATE INDEX audit_machine ON audit (machine, id);",
};
const unsigned store_schema_version = ELEMENTSOF(store_migrations);

enum {
    SQL_PUT_MACHINE,
    SQL_DELETE_MACHINE,
    SQL_EACH_MACHINE,
    SQL_APPEND_AUDIT,
    SQL_EACH_AUDIT,
    SQL_LAST_SEQ,
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_MAX,
};

static const char *const sql[SQL_MAX] = {
    [SQL_PUT_MACHINE] =
        "INSERT INTO machines (name, uuid, state, reason, protected, memory, vcpus, backing, cmdline,"
        " has_initrd, launch_digest, created, started, ended)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"
        " ON CONFLICT (name) DO UPDATE SET uuid=?2, state=?3, reason=?4, protected=?5, memory=?6,"
        " vcpus=?7, backing=?8, cmdline=?9, has_initrd=?10, launch_digest=?11, created=?12,"
        " started=?13, ended=?14",
    [SQL_DELETE_MACHINE] = "DELETE FROM machines WHERE name = ?1",
    [SQL_EACH_MACHINE] =
        "SELECT name, uuid, state, reason, protected, memory, vcpus, backing, cmdline, has_initrd,"
        " launch_digest, created, started, ended FROM machines ORDER BY name",
    [SQL_APPEND_AUDIT] =
        "INSERT OR IGNORE INTO audit (time, source, machine, uuid, event, reason, message, who, boot_id,"
        " seq, arg0, arg1) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [SQL_EACH_AUDIT] =
        "SELECT id, time, source, machine, uuid, event, reason, message, who, boot_id, seq, arg0, arg1"
        " FROM audit WHERE id > ?1 AND (?2 IS NULL OR machine = ?2) ORDER BY id LIMIT ?3",
    [SQL_LAST_SEQ] = "SELECT coalesce(max(seq), 0) FROM audit WHERE boot_id = ?1",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *stmt[SQL_MAX];
};

static int to_errno(int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return -EBADMSG;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    default:
        return -EIO;
    }
}

static int db_error(sqlite3 *db, const char *path, const char *what, int rc, struct cvm_error *e) {
    return cvm_error_set(e, to_errno(rc) ?: -EIO, "%s of %s failed: %s", what, path,
                         db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static int user_version(sqlite3 *db, unsigned *ret) {
    sqlite3_stmt *stmt;
    int rc;

    rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = (unsigned)sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Each step is one transaction together with its version number: a cut-off migration goes on later. */
static int migrate(sqlite3 *db, const char *path, struct cvm_error *e) {
    unsigned version = 0;
    int rc;

    rc = user_version(db, &version);
    if (rc != SQLITE_OK)
        return db_error(db, path, "reading the schema version", rc, e);
    if (version > store_schema_version)
        return cvm_error_set(
            e, -EPROTO, "%s has schema version %u, this cvmd knows up to %u: it was written by a newer cvmd",
            path, version, store_schema_version);
    for (; version < store_schema_version; version++) {
        char *step = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %u; COMMIT",
                                     store_migrations[version], version + 1);

        if (!step)
            return cvm_error_set(e, -ENOMEM, "out of memory");
        rc = sqlite3_exec(db, step, NULL, NULL, NULL);
        sqlite3_free(step);
        if (rc != SQLITE_OK) {
            int r = db_error(db, path, "a schema migration", rc, e);

            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return r;
        }
    }
    return 0;
}

int store_open(const char *path, struct store **ret, struct cvm_error *e) {
    _cleanup_(store_closep) struct store *s = NULL;
    mode_t old;
    int rc, r;

    s = calloc(1, sizeof(*s));
    if (!s)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    old = umask(0077);
    rc =
        sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(s->db, 5000);
        rc = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL);
    }
    umask(old);
    if (rc != SQLITE_OK)
        return db_error(s->db, path, "opening", rc, e);

    r = migrate(s->db, path, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < SQL_MAX; i++) {
        rc = sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
        if (rc != SQLITE_OK)
            return db_error(s->db, path, "preparing a statement", rc, e);
    }
    *ret = TAKE_PTR(s);
    return 0;
}

void store_close(struct store *s) {
    if (!s)
        return;
    for (unsigned i = 0; i < SQL_MAX; i++)
        sqlite3_finalize(s->stmt[i]);
    sqlite3_close(s->db);
    free(s);
}

/* Binding fails for want of memory only; a lost binding is NULL and the row's constraints refuse it. */
static void bind_text(sqlite3_stmt *q, int i, const char *s) {
    if (s)
        sqlite3_bind_text(q, i, s, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, i);
}

static int run(sqlite3_stmt *q) {
    int rc = sqlite3_step(q);

    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return to_errno(rc);
}

int store_put_machine(struct store *s, const struct store_machine *m) {
    sqlite3_stmt *q = s->stmt[SQL_PUT_MACHINE];

    bind_text(q, 1, m->name);
    bind_text(q, 2, m->uuid);
    bind_text(q, 3, m->state);
    bind_text(q, 4, m->reason);
    sqlite3_bind_int(q, 5, m->protected);
    sqlite3_bind_int64(q, 6, (int64_t)m->memory);
    sqlite3_bind_int64(q, 7, m->vcpus);
    bind_text(q, 8, m->backing);
    bind_text(q, 9, m->cmdline);
    sqlite3_bind_int(q, 10, m->has_initrd);
    bind_text(q, 11, m->launch_digest);
    sqlite3_bind_int64(q, 12, (int64_t)m->created);
    sqlite3_bind_int64(q, 13, (int64_t)m->started);
    sqlite3_bind_int64(q, 14, (int64_t)m->ended);
    return run(q);
}

int store_delete_machine(struct store *s, const char *name) {
    sqlite3_stmt *q = s->stmt[SQL_DELETE_MACHINE];

    bind_text(q, 1, name);
    return run(q);
}

static const char *column_text(sqlite3_stmt *q, int i) {
    return (const char *)sqlite3_column_text(q, i);
}

int store_each_machine(struct store *s, int (*fn)(void *userdata, const struct store_machine *m),
                       void *userdata) {
    sqlite3_stmt *q = s->stmt[SQL_EACH_MACHINE];
    int rc, r = 0;

    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_machine m = {
            .name = column_text(q, 0),
            .uuid = column_text(q, 1),
            .state = column_text(q, 2),
            .reason = column_text(q, 3),
            .protected = sqlite3_column_int(q, 4),
            .memory = (uint64_t)sqlite3_column_int64(q, 5),
            .vcpus = (uint32_t)sqlite3_column_int64(q, 6),
            .backing = column_text(q, 7),
            .cmdline = column_text(q, 8),
            .has_initrd = sqlite3_column_int(q, 9),
            .launch_digest = column_text(q, 10),
            .created = (uint64_t)sqlite3_column_int64(q, 11),
            .started = (uint64_t)sqlite3_column_int64(q, 12),
            .ended = (uint64_t)sqlite3_column_int64(q, 13),
        };

        r = fn(userdata, &m);
    }
    if (r == 0)
        r = to_errno(rc);
    sqlite3_reset(q);
    return r;
}

int store_append_audit(struct store *s, const struct store_audit *a) {
    sqlite3_stmt *q = s->stmt[SQL_APPEND_AUDIT];
    int r;

    sqlite3_bind_int64(q, 1, (int64_t)a->time);
    bind_text(q, 2, a->source);
    bind_text(q, 3, a->machine);
    bind_text(q, 4, a->uuid);
    bind_text(q, 5, a->event);
    sqlite3_bind_int64(q, 6, a->reason);
    bind_text(q, 7, a->message);
    bind_text(q, 8, a->who);
    bind_text(q, 9, a->boot_id);
    if (a->seq)
        sqlite3_bind_int64(q, 10, (int64_t)a->seq);
    else
        sqlite3_bind_null(q, 10);
    sqlite3_bind_int64(q, 11, (int64_t)a->arg[0]);
    sqlite3_bind_int64(q, 12, (int64_t)a->arg[1]);
    r = run(q);
    return r < 0 ? r : sqlite3_changes(s->db);
}

int store_each_audit(struct store *s, uint64_t after, const char *machine, uint32_t limit,
                     int (*fn)(void *userdata, const struct store_audit *a), void *userdata) {
    sqlite3_stmt *q = s->stmt[SQL_EACH_AUDIT];
    int rc, r = 0;

    sqlite3_bind_int64(q, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    bind_text(q, 2, machine);
    sqlite3_bind_int64(q, 3, limit ? (int64_t)limit : -1);
    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_audit a = {
            .id = (uint64_t)sqlite3_column_int64(q, 0),
            .time = (uint64_t)sqlite3_column_int64(q, 1),
            .source = column_text(q, 2),
            .machine = column_text(q, 3),
            .uuid = column_text(q, 4),
            .event = column_text(q, 5),
            .reason = (uint32_t)sqlite3_column_int64(q, 6),
            .message = column_text(q, 7),
            .who = column_text(q, 8),
            .boot_id = column_text(q, 9),
            .seq = (uint64_t)sqlite3_column_int64(q, 10),
            .arg = {(uint64_t)sqlite3_column_int64(q, 11), (uint64_t)sqlite3_column_int64(q, 12)},
        };

        r = fn(userdata, &a);
    }
    if (r == 0)
        r = to_errno(rc);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return r;
}

int store_last_seq(struct store *s, const char *boot_id, uint64_t *ret) {
    sqlite3_stmt *q = s->stmt[SQL_LAST_SEQ];
    int rc;

    bind_text(q, 1, boot_id);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return rc == SQLITE_ROW ? 0 : to_errno(rc) ?: -EIO;
}

int store_begin(struct store *s) {
    return run(s->stmt[SQL_BEGIN]);
}

int store_commit(struct store *s) {
    return run(s->stmt[SQL_COMMIT]);
}
