/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-internal.h"

#include "audit-log.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Entries that wait for a moment of rest. */
#define OWED_MAX 256u

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
    /* 2 -> 3: operations */
    "CREATE TABLE operations ("
    "  id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, machine TEXT,"
    "  done INTEGER NOT NULL, total INTEGER NOT NULL, unit TEXT NOT NULL, error TEXT, message TEXT, result "
    "TEXT,"
    "  who TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL) "
    "STRICT, WITHOUT ROWID;",
    /* 3 -> 4: settings of machines, and what cvmd remembers */
    "ALTER TABLE machines ADD COLUMN description TEXT;"
    "ALTER TABLE machines ADD COLUMN labels TEXT;"
    "ALTER TABLE machines ADD COLUMN network TEXT;"
    "ALTER TABLE machines ADD COLUMN disks TEXT;"
    "ALTER TABLE machines ADD COLUMN kernel_image TEXT;"
    "ALTER TABLE machines ADD COLUMN initrd_image TEXT;"
    "ALTER TABLE machines ADD COLUMN autostart INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE machines ADD COLUMN restart_due INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE machines ADD COLUMN restart TEXT NOT NULL DEFAULT 'no';"
    "ALTER TABLE machines ADD COLUMN cpu_shares INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE machines ADD COLUMN cpu_quota INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE machines ADD COLUMN io_weight INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE images (digest TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,"
    "  size INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE memory (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    /* 4 -> 5: the gateway's clients */
    "CREATE TABLE clients ("
    "  id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, pattern TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT;"
    "CREATE TABLE client_tokens ("
    "  id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, pattern TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT;"
    "CREATE TABLE idempotency ("
    "  client TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, operation TEXT NOT NULL,"
    "  created INTEGER NOT NULL, PRIMARY KEY (client, key)) STRICT;"
    "CREATE INDEX idempotency_created ON idempotency (created);",
    /* 5 -> 6: entries of the audit log that were committed with what they tell of (store-audit.c) */
    "CREATE TABLE audit_owed ("
    "  idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, machine TEXT, uuid TEXT, event TEXT NOT NULL,"
    "  message TEXT NOT NULL, who TEXT) STRICT;",
    /* 6 -> 7: settings that wait for the next start */
    "ALTER TABLE machines ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;",
};
const unsigned store_schema_version = ELEMENTSOF(store_migrations);

int store_errno(int rc) {
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
    return cvm_error_set(e, store_errno(rc) ?: -EIO, "%s of %s failed: %s", what, path,
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
static int migrate(sqlite3 *db, const char *path, const char *const *migrations, unsigned last, struct cvm_error *e) {
    unsigned version = 0;
    int rc;

    rc = user_version(db, &version);
    if (rc != SQLITE_OK)
        return db_error(db, path, "reading the schema version", rc, e);
    if (version > last)
        return cvm_error_set(
            e, -EPROTO, "%s has schema version %u, this cvmd knows up to %u: it was written by a newer cvmd",
            path, version, last);
    for (; version < last; version++) {
        char *step = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %u; COMMIT", migrations[version],
                                     version + 1);

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

int store_open_db(const char *path, const char *const *migrations, unsigned version, sqlite3 **ret,
                  struct cvm_error *e) {
    mode_t old = umask(0077);
    int rc = sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(*ret, 5000);
        rc = sqlite3_exec(*ret, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL);
    }
    umask(old);
    if (rc != SQLITE_OK)
        return db_error(*ret, path, "opening", rc, e);
    return migrate(*ret, path, migrations, version, e);
}

/* The table of schema 2 went to the log's own database: entries there are hashed, and writers do not wait for each
 * other. It is dropped only when they are durable there. */
static int move_audit(struct store *s, const char *path, struct cvm_error *e) {
    sqlite3_stmt *q = NULL;
    bool old;
    int rc, r;

    rc = sqlite3_prepare_v2(s->db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit'", -1, &q, NULL);
    old = rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW;
    sqlite3_finalize(q);
    if (!old)
        return store_errno(rc);
    r = audit_log_import(s->log, s->db);
    if (r < 0)
        return cvm_error_set(e, r, "the audit log in %s cannot be taken over: %s", path, strerror(-r));
    rc = sqlite3_exec(s->db, "DROP TABLE audit", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(s->db, path, "dropping the old audit log", rc, e);
}

int store_open(const char *path, struct store **ret, struct cvm_error *e) {
    _cleanup_(store_closep) struct store *s = NULL;
    _cleanup_free_ char *log = NULL, *key = NULL;
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash - path + 1) : 0, r;

    s = calloc(1, sizeof(*s));
    if (!s || asprintf(&log, "%.*saudit.db", dir, path) < 0 || asprintf(&key, "%.*saudit.key", dir, path) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = store_open_db(path, store_migrations, store_schema_version, &s->db, e);
    if (r >= 0)
        r = audit_log_open(log, key, &s->log, e);
    if (r >= 0)
        r = move_audit(s, path, e);
    if (r >= 0)
        store_watch_wal(s);
    if (r < 0)
        return r;
    r = store_catch_up(s);
    if (r < 0)
        return cvm_error_set(e, r, "the audit log %s cannot be written: %s", log, strerror(-r));
    *ret = TAKE_PTR(s);
    return 0;
}

void store_close(struct store *s) {
    if (!s)
        return;
    for (unsigned i = 0; i < STORE_STATEMENTS_MAX && s->statements[i].stmt; i++)
        sqlite3_finalize(s->statements[i].stmt);
    audit_log_close(s->log);
    sqlite3_close(s->db);
    free(s);
}

/* One that writes nothing. */
static bool is_query(const char *sql) {
    return strncmp(sql, "SELECT", 6) == 0;
}

sqlite3_stmt *store_statement(struct store *s, const char *sql) {
    unsigned i;

    if (sqlite3_get_autocommit(s->db) && store_trust_wal(s->db, &s->suspect) < 0 && !is_query(sql))
        return NULL;
    for (i = 0; i < STORE_STATEMENTS_MAX && s->statements[i].stmt; i++)
        if (s->statements[i].sql == sql)
            return s->statements[i].stmt;
    if (i == STORE_STATEMENTS_MAX || sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                        &s->statements[i].stmt, NULL) != SQLITE_OK)
        return NULL;
    s->statements[i].sql = sql;
    return s->statements[i].stmt;
}

int store_failure(struct store *s) {
    return store_errno(sqlite3_errcode(s->db)) ?: -EIO;
}

void store_bind_text(sqlite3_stmt *q, int i, const char *s) {
    if (s)
        sqlite3_bind_text(q, i, s, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, i);
}

const char *store_text(sqlite3_stmt *q, int i) {
    return (const char *)sqlite3_column_text(q, i);
}

void store_done(sqlite3_stmt *q) {
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
}

int store_run(sqlite3_stmt *q) {
    int rc = sqlite3_step(q);

    store_done(q);
    return store_errno(rc);
}

static int execute(struct store *s, const char *sql) {
    sqlite3_stmt *q = store_statement(s, sql);

    return q ? store_run(q) : store_failure(s);
}

int store_begin(struct store *s) {
    int r = s->depth ? 0 : execute(s, "BEGIN IMMEDIATE");

    if (r >= 0)
        s->depth++;
    return r;
}

/* @r: what the transaction came to. */
static int end_relaxed(struct store *s, int r) {
    if (s->relaxed && store_relax(s->db, false) < 0 && r >= 0)
        r = -EIO; /* what comes next would not be durable */
    s->relaxed = false;
    return r;
}

int store_begin_relaxed(struct store *s) {
    int r;

    if (s->depth)
        return store_begin(s);
    r = store_relax(s->db, true); /* not possible within a transaction */
    if (r < 0)
        return r;
    s->relaxed = true;
    r = store_begin(s);
    return r < 0 ? end_relaxed(s, r) : 0;
}

int store_commit(struct store *s) {
    int r;

    if (--s->depth)
        return 0;
    r = execute(s, "COMMIT");
    if (r < 0 && !sqlite3_get_autocommit(s->db)) {
        (void)store_pay_audit(s); /* it was asked for, or it happened: the log may still have room */
        (void)execute(s, "ROLLBACK");
    }
    r = end_relaxed(s, r);
    if (r >= 0)
        (void)store_pay_audit(s); /* tried again before the next entry, and at the next start */
    if (r >= 0 && s->owed >= OWED_MAX)
        (void)store_settle_audit(s);
    return r;
}

int store_rollback(struct store *s) {
    s->depth = 0;
    return end_relaxed(s, sqlite3_get_autocommit(s->db) ? 0 : execute(s, "ROLLBACK"));
}

int store_sync(struct store *s) {
    int r = store_sync_db(s->db);

    if (r < 0)
        s->suspect = true;
    return r;
}

int store_get_value(struct store *s, const char *key, char **ret) {
    static const char sql[] = "SELECT value FROM memory WHERE key = ?1";
    sqlite3_stmt *q = store_statement(s, sql);
    int rc, r;

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, key);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        *ret = strdup(store_text(q, 0));
        r = *ret ? 0 : -ENOMEM;
    } else
        r = store_errno(rc) ?: -ENOENT;
    store_done(q);
    return r;
}

int store_set_value(struct store *s, const char *key, const char *value) {
    static const char sql[] = "INSERT OR REPLACE INTO memory (key, value) VALUES (?1, ?2)";
    sqlite3_stmt *q = store_statement(s, sql);

    if (!q)
        return store_failure(s);
    store_bind_text(q, 1, key);
    store_bind_text(q, 2, value);
    return store_run(q);
}
