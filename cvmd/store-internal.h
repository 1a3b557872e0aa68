/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the store share: one for each table. */
#ifndef CVMD_STORE_INTERNAL_H
#define CVMD_STORE_INTERNAL_H

#include "store.h"

#define STORE_STATEMENTS_MAX 48u

struct store {
    sqlite3 *db;
    unsigned depth; /* of transactions */
    bool relaxed;   /* the open one need not be durable when it is committed */
    bool suspect;   /* commits could not be made durable: SQLite's log may never reach the disk whole (store_trust_wal()) */
    struct audit_log *log;
    unsigned frames; /* in SQLite's write-ahead log */
    bool owes;     /* the log may lack entries of audit_owed */
    unsigned owed; /* about so many rows has audit_owed */
    /* Prepared at their first use, found by the address of their text. */
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
    } statements[STORE_STATEMENTS_MAX];
};

/* Open a database, WAL, every commit durable, and bring it to its schema. As store_open(). */
int store_open_db(const char *path, const char *const *migrations, unsigned version, sqlite3 **ret,
                  struct cvm_error *e);
/* From now on commits need not be durable, only safe from a kill of cvmd; or durable again. Not in a transaction. */
int store_relax(sqlite3 *db, bool relaxed);
/* Knows from now on how long the log of the state is. */
void store_watch_wal(struct store *s);
/* Makes all commits up to now durable. */
int store_sync_db(sqlite3 *db);
/* Before a commit, if an fsync may have failed: it may not follow in the same log. @suspect: kept for this database; set by the
 * caller where the failure is not the last error of @db. Returns 0 when the log can be trusted, at little cost if it always could. */
int store_trust_wal(sqlite3 *db, bool *suspect);
/* Appends to the log what audit_owed has and the log has not. */
int store_pay_audit(struct store *s);
/* When the store is opened. */
int store_catch_up(struct store *s);
/* 0 for success of any kind, else a negative errno. */
int store_errno(int rc);
/* @sql: a constant, the same address at every call. NULL: it cannot be prepared; store_errno() of the
 * database. */
sqlite3_stmt *store_statement(struct store *s, const char *sql);
/* Why store_statement() failed. */
int store_failure(struct store *s);
/* One step of a statement that returns no rows; resets it. */
int store_run(sqlite3_stmt *q);
void store_done(sqlite3_stmt *q);
/* Binding fails for want of memory only; a lost binding is NULL and the row's constraints refuse it. */
void store_bind_text(sqlite3_stmt *q, int i, const char *s);
const char *store_text(sqlite3_stmt *q, int i);

#endif
