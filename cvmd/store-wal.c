/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite's write-ahead log: when a commit is durable, and room in it. A commit that makes the file longer takes the file
 * system's own journal to the disk as well, which costs two to three times as much: so zeroes are written behind the end
 * while nobody waits. Recovery stops at them, as at the remains of an earlier round.
 */
#include "store-internal.h"

#include <string.h>

#define PAGE 4096u
#define FRAME (PAGE + 24u)
#define HEADER 32u
/* In frames: a start of a machine takes some 20. */
#define AHEAD 48u
#define STEP 16u
#define CHECKPOINT 1000 /* SQLite's own default */

static sqlite3_file *wal_of(sqlite3 *db) {
    sqlite3_file *wal = NULL;

    return sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal && wal->pMethods ? wal : NULL;
}

int store_relax(sqlite3 *db, bool relaxed) {
    return store_errno(sqlite3_exec(db, relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", NULL, NULL, NULL));
}

/* What a commit at full synchronization does last. */
int store_sync_db(sqlite3 *db) {
    sqlite3_file *wal = wal_of(db);

    return wal ? store_errno(wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL)) : 0;
}

/*
 * The kernel tells of a failed write once, and takes the pages for written: a later fsync says yes, and a commit behind a
 * gap is lost with it. So everything is copied into the database, from the memory that still has it, and the log begins anew.
 */
int store_trust_wal(sqlite3 *db, bool *suspect) {
    int rc = SQLITE_OK;

    if (sqlite3_extended_errcode(db) == SQLITE_IOERR_FSYNC)
        *suspect = true;
    if (*suspect)
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc == SQLITE_OK)
        *suspect = false;
    return store_errno(rc);
}

static int on_commit(void *userdata, sqlite3 *db, const char *name, int frames) {
    struct store *s = userdata;

    s->frames = (unsigned)frames;
    if (frames >= CHECKPOINT)
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

void store_watch_wal(struct store *s) {
    sqlite3_wal_hook(s->db, on_commit, s);
}

void store_make_room(struct store *s) {
    static const char zeroes[FRAME];
    sqlite3_file *wal = wal_of(s->db);
    sqlite3_int64 size, end = HEADER + (sqlite3_int64)s->frames * FRAME;
    int rc = SQLITE_OK;

    if (s->depth || !wal || wal->pMethods->xFileSize(wal, &size) != SQLITE_OK || size == 0 || size >= end + AHEAD * FRAME)
        return;
    /* A disk without room for them will say so when it matters. */
    for (; rc == SQLITE_OK && size < end + (AHEAD + STEP) * FRAME; size += FRAME)
        rc = wal->pMethods->xWrite(wal, zeroes, FRAME, size);
    if (rc == SQLITE_OK && wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK)
        s->suspect = true;
}
