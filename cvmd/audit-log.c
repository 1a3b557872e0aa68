/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-log-internal.h"
#include "log.h"
#include "store-internal.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* Of one transaction: a writer that comes late shall not wait for ever. */
#define BATCH_MAX 4096u

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(FILE *, fclose)

const char *const audit_migrations[] = {
    "CREATE TABLE entry ("
    "  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, source TEXT NOT NULL, machine TEXT, uuid TEXT,"
    "  event TEXT NOT NULL, reason INTEGER NOT NULL, message TEXT NOT NULL, who TEXT, boot_id TEXT, seq INTEGER,"
    "  arg0 INTEGER NOT NULL, arg1 INTEGER NOT NULL, raw BLOB, hash BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX entry_seq ON entry (boot_id, seq) WHERE seq IS NOT NULL AND source = 'rootvisor';"
    "CREATE INDEX entry_machine ON entry (machine, id) WHERE machine IS NOT NULL;"
    "CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,"
    "  PRIMARY KEY (level, idx)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;"
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
};
const unsigned audit_schema_version = ELEMENTSOF(audit_migrations);

/* A caller that waits. */
struct writer {
    const struct store_audit *a;
    size_t n;
    int result;
    bool relaxed, done;
    struct writer *next;
};

enum { SQL_INSERT, SQL_TILE, SQL_EACH, SQL_LAST_SEQ, SQL_CHECKPOINT, SQL_ENTRY, SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK, SQL_MAX };
static const char *const sql[SQL_MAX] = {
    [SQL_INSERT] = "INSERT OR IGNORE INTO entry (" AUDIT_COLUMNS ", hash)"
                   " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
    [SQL_TILE] = "INSERT OR REPLACE INTO tile VALUES (?1, ?2, ?3)",
    [SQL_EACH] = "SELECT " AUDIT_COLUMNS " FROM entry WHERE id > ?1 AND (?2 IS NULL OR machine = ?2)"
                 " ORDER BY id LIMIT ?3",
    [SQL_LAST_SEQ] = "SELECT coalesce(max(seq), 0) FROM entry WHERE boot_id = ?1 AND source = 'rootvisor'"
                     " AND seq IS NOT NULL",
    [SQL_CHECKPOINT] = "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3)",
    [SQL_ENTRY] = "SELECT " AUDIT_COLUMNS " FROM entry WHERE id = ?1",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
};

struct audit_log {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *stmt[SQL_MAX];
    struct audit_hashes hashes;
    pthread_mutex_t db_lock; /* held by who uses db, tree and tile */
    bool relaxed;            /* as the database stands */
    bool suspect;            /* store_trust_wal() */
    struct cvm_merkle tree;
    struct cvm_merkle tile[CVM_MERKLE_LEVELS - 1]; /* the tile of each level that is not full yet */
    struct cvm_text line;

    pthread_mutex_t lock; /* of the queue; never taken before db_lock is given back */
    pthread_cond_t finished;
    struct writer *first, **last;
    size_t queued; /* writers */
    bool writing;

    EVP_PKEY *key;
    struct cvm_note_key note_key;
};

void audit_row(sqlite3_stmt *q, struct store_audit *a) {
    *a = (struct store_audit){
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
        .raw = sqlite3_column_blob(q, 13),
        .raw_size = (size_t)sqlite3_column_bytes(q, 13),
    };
}

int audit_leaf(const struct store_audit *a, uint64_t index, struct cvm_text *t) {
    return cvm_audit_entry_format(
        &(struct cvm_audit_entry){
            .index = index,
            .time = a->time,
            .source = a->source,
            .machine = a->machine,
            .uuid = a->uuid,
            .event = a->event,
            .reason = a->reason,
            .message = a->message,
            .who = a->who,
            .boot = a->boot_id,
            .seq = a->seq,
            .arg = {a->arg[0], a->arg[1]},
            .raw = a->raw,
            .raw_size = a->raw_size,
        },
        t);
}

int audit_hashes_prepare(sqlite3 *db, struct audit_hashes *h) {
    int rc = sqlite3_prepare_v3(db, "SELECT hash FROM entry WHERE id = ?1", -1, SQLITE_PREPARE_PERSISTENT, &h->leaf,
                                NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db, "SELECT hash FROM tile WHERE level = ?1 AND idx = ?2", -1,
                                SQLITE_PREPARE_PERSISTENT, &h->tile, NULL);
    return rc;
}

void audit_hashes_finish(struct audit_hashes *h) {
    sqlite3_finalize(h->leaf);
    sqlite3_finalize(h->tile);
}

int audit_hashes_get(void *userdata, unsigned level, uint64_t index, uint8_t out[CVM_HASH_SIZE]) {
    struct audit_hashes *h = userdata;
    sqlite3_stmt *q = level ? h->tile : h->leaf;
    int rc;

    if (level)
        sqlite3_bind_int64(q, 1, level);
    sqlite3_bind_int64(q, level ? 2 : 1, (int64_t)(level ? index : index + 1));
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(q, 0) == CVM_HASH_SIZE)
        memcpy(out, sqlite3_column_blob(q, 0), CVM_HASH_SIZE);
    else {
        memset(out, 0, CVM_HASH_SIZE);
        h->missing = true;
    }
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_errno(rc);
}

/* The tile of @level has taken one more hash; what is full goes to the table and up. */
static int tile_append(struct audit_log *l, unsigned level, uint64_t index, const uint8_t hash[CVM_HASH_SIZE]) {
    sqlite3_stmt *q = l->stmt[SQL_TILE];
    uint8_t root[CVM_HASH_SIZE];
    int r;

    if (level == ELEMENTSOF(l->tile))
        return 0;
    r = cvm_merkle_append(&l->tile[level], hash);
    if (r < 0 || l->tile[level].size < CVM_MERKLE_TILE)
        return r;
    cvm_merkle_root(&l->tile[level], root);
    l->tile[level].size = 0;
    index /= CVM_MERKLE_TILE;
    sqlite3_bind_int(q, 1, (int)level + 1);
    sqlite3_bind_int64(q, 2, (int64_t)index);
    sqlite3_bind_blob(q, 3, root, sizeof(root), SQLITE_STATIC);
    r = store_run(q);
    return r < 0 ? r : tile_append(l, level + 1, index, root);
}

/* 1: it came in; 0: it was there. */
static int append_one(struct audit_log *l, const struct store_audit *a) {
    sqlite3_stmt *q = l->stmt[SQL_INSERT];
    uint64_t index = l->tree.size;
    uint8_t hash[CVM_HASH_SIZE];
    int r;

    l->line.len = 0;
    r = audit_leaf(a, index, &l->line);
    if (r < 0)
        return r;
    cvm_merkle_leaf(l->line.p, l->line.len, hash);
    sqlite3_bind_int64(q, 1, (int64_t)index + 1);
    sqlite3_bind_int64(q, 2, (int64_t)a->time);
    store_bind_text(q, 3, a->source);
    store_bind_text(q, 4, a->machine);
    store_bind_text(q, 5, a->uuid);
    store_bind_text(q, 6, a->event);
    sqlite3_bind_int64(q, 7, a->reason);
    store_bind_text(q, 8, a->message);
    store_bind_text(q, 9, a->who);
    store_bind_text(q, 10, a->boot_id);
    if (a->seq)
        sqlite3_bind_int64(q, 11, (int64_t)a->seq);
    sqlite3_bind_int64(q, 12, (int64_t)a->arg[0]);
    sqlite3_bind_int64(q, 13, (int64_t)a->arg[1]);
    if (a->raw)
        sqlite3_bind_blob(q, 14, a->raw, (int)a->raw_size, SQLITE_STATIC);
    sqlite3_bind_blob(q, 15, hash, sizeof(hash), SQLITE_STATIC);
    r = store_run(q);
    if (r < 0 || sqlite3_changes(l->db) == 0)
        return r;
    r = cvm_merkle_append(&l->tree, hash);
    if (r >= 0)
        r = tile_append(l, 0, index, hash);
    return r < 0 ? r : 1;
}

static int simple(struct audit_log *l, int which) {
    return store_run(l->stmt[which]);
}

/* How durable the next commit shall be. */
static int relax(struct audit_log *l, bool relaxed) {
    int r = store_trust_wal(l->db, &l->suspect);

    if (r >= 0 && l->relaxed != relaxed)
        r = store_relax(l->db, relaxed);
    if (r >= 0)
        l->relaxed = relaxed;
    return r;
}

/* One transaction for all these writers. Under db_lock. */
static int write_batch(struct audit_log *l, struct writer *w) {
    struct cvm_merkle tree = l->tree, tile[ELEMENTSOF(l->tile)];
    bool relaxed = true;
    int r;

    memcpy(tile, l->tile, sizeof(tile));
    for (const struct writer *k = w; k; k = k->next)
        relaxed = relaxed && k->relaxed;
    r = relax(l, relaxed);
    if (r >= 0)
        r = simple(l, SQL_BEGIN);
    for (; r >= 0 && w; w = w->next) {
        w->result = 0;
        for (size_t i = 0; r >= 0 && i < w->n; i++) {
            r = append_one(l, &w->a[i]);
            w->result += r > 0;
        }
    }
    if (r >= 0)
        r = simple(l, SQL_COMMIT);
    if (r < 0) {
        l->suspect = l->suspect || sqlite3_extended_errcode(l->db) == SQLITE_IOERR_FSYNC;
        if (!sqlite3_get_autocommit(l->db))
            (void)simple(l, SQL_ROLLBACK);
        l->tree = tree;
        memcpy(l->tile, tile, sizeof(tile));
    }
    return r;
}

/*
 * Those whom the batch before woke are about to come back: whoever is ready to run does so first, as long as that brings another
 * writer, else each batch has half of them. With nobody ready it is one system call. l->lock is let go meanwhile.
 */
static void gather(struct audit_log *l) {
    size_t before;

    do {
        before = l->queued;
        pthread_mutex_unlock(&l->lock);
        sched_yield();
        pthread_mutex_lock(&l->lock);
    } while (l->queued > before && l->queued < BATCH_MAX);
}

/* Takes the front of the queue, writes it, tells its writers. Called and left with l->lock held. */
static void lead(struct audit_log *l) {
    struct writer *batch, *w;
    size_t n;
    int r;

    l->writing = true;
    gather(l);
    batch = w = l->first;
    n = w->n;
    l->queued--;
    while (w->next && n + w->next->n <= BATCH_MAX) {
        w = w->next;
        n += w->n;
        l->queued--;
    }
    l->first = w->next;
    if (!l->first)
        l->last = &l->first;
    w->next = NULL;
    pthread_mutex_unlock(&l->lock);

    pthread_mutex_lock(&l->db_lock);
    r = write_batch(l, batch);
    pthread_mutex_unlock(&l->db_lock);

    pthread_mutex_lock(&l->lock);
    l->writing = false;
    while (batch) {
        w = batch->next; /* its frame may be gone as soon as it is done and the lock is free */
        if (r < 0)
            batch->result = r;
        batch->done = true;
        batch = w;
    }
    pthread_cond_broadcast(&l->finished);
}

static int append(struct audit_log *l, const struct store_audit *a, size_t n, bool relaxed) {
    struct writer me = {.a = a, .n = n, .relaxed = relaxed};

    if (n == 0)
        return 0;
    pthread_mutex_lock(&l->lock);
    *l->last = &me;
    l->last = &me.next;
    l->queued++;
    while (!me.done)
        if (l->writing)
            pthread_cond_wait(&l->finished, &l->lock);
        else
            lead(l);
    pthread_mutex_unlock(&l->lock);
    return me.result;
}

int audit_log_append(struct audit_log *l, const struct store_audit *a, size_t n) {
    return append(l, a, n, false);
}

int audit_log_append_relaxed(struct audit_log *l, const struct store_audit *a, size_t n) {
    return append(l, a, n, true);
}

int audit_log_sync(struct audit_log *l) {
    int r;

    pthread_mutex_lock(&l->db_lock);
    r = store_trust_wal(l->db, &l->suspect);
    if (r >= 0)
        r = store_sync_db(l->db);
    l->suspect = r < 0;
    pthread_mutex_unlock(&l->db_lock);
    return r;
}

static int each(struct audit_log *l, sqlite3_stmt *q, int (*fn)(void *userdata, const struct store_audit *a),
                void *userdata) {
    int rc = SQLITE_DONE, r = 0;

    while (r == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_audit a;

        audit_row(q, &a);
        r = fn(userdata, &a);
    }
    store_done(q);
    (void)l;
    return r ?: store_errno(rc);
}

int audit_log_each(struct audit_log *l, uint64_t after, const char *machine, uint32_t limit,
                   int (*fn)(void *userdata, const struct store_audit *a), void *userdata) {
    sqlite3_stmt *q = l->stmt[SQL_EACH];
    int r;

    pthread_mutex_lock(&l->db_lock);
    sqlite3_bind_int64(q, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    store_bind_text(q, 2, machine);
    sqlite3_bind_int64(q, 3, limit ? (int64_t)limit : -1);
    r = each(l, q, fn, userdata);
    pthread_mutex_unlock(&l->db_lock);
    return r;
}

int audit_log_last_seq(struct audit_log *l, const char *boot_id, uint64_t *ret) {
    sqlite3_stmt *q = l->stmt[SQL_LAST_SEQ];
    int rc;

    pthread_mutex_lock(&l->db_lock);
    store_bind_text(q, 1, boot_id);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(q, 0);
    store_done(q);
    pthread_mutex_unlock(&l->db_lock);
    return rc == SQLITE_ROW ? 0 : store_errno(rc) ?: -EIO;
}

uint64_t audit_log_root(struct audit_log *l, uint8_t root[CVM_HASH_SIZE]) {
    uint64_t size;

    pthread_mutex_lock(&l->db_lock);
    cvm_merkle_root(&l->tree, root);
    size = l->tree.size;
    pthread_mutex_unlock(&l->db_lock);
    return size;
}

const struct cvm_note_key *audit_log_key(const struct audit_log *l) {
    return &l->note_key;
}

const char *audit_log_path(const struct audit_log *l) {
    return l->path;
}

int audit_log_checkpoint(struct audit_log *l, char **ret, uint64_t *size) {
    sqlite3_stmt *q = l->stmt[SQL_CHECKPOINT];
    _cleanup_free_ char *note = NULL;
    uint8_t root[CVM_HASH_SIZE];
    int r;

    pthread_mutex_lock(&l->db_lock);
    cvm_merkle_root(&l->tree, root);
    r = cvm_checkpoint_sign(l->key, &l->note_key, l->tree.size, root, &note);
    if (r >= 0)
        r = relax(l, false);
    if (r >= 0) {
        sqlite3_bind_int64(q, 1, (int64_t)l->tree.size);
        sqlite3_bind_blob(q, 2, root, sizeof(root), SQLITE_STATIC);
        store_bind_text(q, 3, note);
        r = store_run(q);
    }
    if (r >= 0 && size)
        *size = l->tree.size;
    pthread_mutex_unlock(&l->db_lock);
    if (r >= 0)
        *ret = TAKE_PTR(note);
    return r < 0 ? r : 0;
}

int audit_log_prove_inclusion(struct audit_log *l, uint64_t index, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]) {
    int r;

    pthread_mutex_lock(&l->db_lock);
    r = size > l->tree.size ? -EINVAL : cvm_merkle_prove_inclusion(audit_hashes_get, &l->hashes, index, size, proof);
    pthread_mutex_unlock(&l->db_lock);
    return r;
}

int audit_log_prove_consistency(struct audit_log *l, uint64_t old, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]) {
    int r;

    pthread_mutex_lock(&l->db_lock);
    r = size > l->tree.size ? -EINVAL : cvm_merkle_prove_consistency(audit_hashes_get, &l->hashes, old, size, proof);
    pthread_mutex_unlock(&l->db_lock);
    return r;
}

int audit_log_entry(struct audit_log *l, uint64_t index, char **ret) {
    sqlite3_stmt *q = l->stmt[SQL_ENTRY];
    struct cvm_text t = {0};
    struct store_audit a;
    int rc, r;

    pthread_mutex_lock(&l->db_lock);
    sqlite3_bind_int64(q, 1, (int64_t)index + 1);
    rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        audit_row(q, &a);
        r = audit_leaf(&a, index, &t);
        if (r >= 0)
            r = cvm_text_append(&t, "", 1);
    } else
        r = store_errno(rc) ?: -ENOENT;
    store_done(q);
    pthread_mutex_unlock(&l->db_lock);
    if (r < 0)
        free(t.p);
    else
        *ret = t.p;
    return r;
}

static int load_key(const char *path, EVP_PKEY **ret, struct cvm_error *e) {
    _cleanup_(fclosep) FILE *f = fopen(path, "re");

    if (!f)
        return -errno;
    *ret = PEM_read_PrivateKey(f, NULL, NULL, (void *)"");
    if (!*ret || EVP_PKEY_get_base_id(*ret) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(*ret);
        *ret = NULL;
        return cvm_error_set(e, -EBADMSG, "%s is no Ed25519 key in PEM", path);
    }
    return 0;
}

/* Makes a new name in the folder of @path durable. */
static int sync_folder(const char *path) {
    _cleanup_free_ char *dir = strdup(path);
    _cleanup_close_ int fd = -1;
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (!dir)
        return -ENOMEM;
    if (slash)
        slash[1] = 0;
    fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Under another name first, and durable before it has its own: half a key would lock the log out. */
static int make_key(const char *path, EVP_PKEY **ret, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    _cleanup_free_ char *tmp = NULL;
    _cleanup_close_ int fd = -1;
    FILE *f;
    bool good;

    if (!key || asprintf(&tmp, "%s.new", path) < 0)
        return cvm_error_set(e, -ENOMEM, "cannot make a key");
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return cvm_error_set(e, -errno, "cannot write %s: %s", tmp, strerror(errno));
    good = fchmod(fd, 0600) == 0 && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           fflush(f) == 0 && fsync(fd) == 0;
    fd = -1;
    good = fclose(f) == 0 && good;
    if (!good || rename(tmp, path) < 0 || sync_folder(path) < 0) {
        int r = -errno ?: -EIO;

        unlink(tmp);
        return cvm_error_set(e, r, "cannot write the key of the audit log to %s: %s", path, strerror(-r));
    }
    log_notice("Made the key of the audit log, %s; 'cvmctl audit key' shows its public part", path);
    *ret = TAKE_PTR(key);
    return 0;
}

static int get_meta(sqlite3 *db, const char *name, char **ret) {
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name = ?1", -1, &q, NULL);

    if (rc == SQLITE_OK) {
        store_bind_text(q, 1, name);
        rc = sqlite3_step(q);
        if (rc == SQLITE_ROW)
            *ret = strdup(store_text(q, 0) ?: "");
    }
    sqlite3_finalize(q);
    return rc == SQLITE_ROW ? (*ret ? 0 : -ENOMEM) : store_errno(rc) ?: -ENOENT;
}

static int set_meta(sqlite3 *db, const char *name, const char *value) {
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta VALUES (?1, ?2)", -1, &q, NULL);

    if (rc == SQLITE_OK) {
        store_bind_text(q, 1, name);
        store_bind_text(q, 2, value);
        rc = sqlite3_step(q);
    }
    sqlite3_finalize(q);
    return store_errno(rc);
}

/* The log's name stays what it was at its first start: the checkpoints carry it. */
static int make_name(struct audit_log *l, struct cvm_error *e) {
    _cleanup_free_ char *name = NULL;
    uint8_t public[32];
    size_t n = sizeof(public);
    char host[65] = "";
    int r;

    r = get_meta(l->db, "origin", &name);
    if (r == -ENOENT) {
        gethostname(host, sizeof(host) - 1);
        if (asprintf(&name, "%s/cvmd", host[0] ? host : "localhost") < 0)
            return -ENOMEM;
        r = set_meta(l->db, "origin", name);
    }
    if (r < 0)
        return cvm_error_set(e, r, "cannot read the name of the audit log: %s", strerror(-r));
    if (EVP_PKEY_get_raw_public_key(l->key, public, &n) != 1 || n != sizeof(public) ||
        cvm_note_key_make(name, public, &l->note_key) < 0)
        return cvm_error_set(e, -EBADMSG, "'%s' cannot be the name of a log", name);
    return 0;
}

/* The tree out of the tables, and whether it is what was signed last. */
static int load_tree(struct audit_log *l) {
    sqlite3_stmt *q = NULL;
    uint64_t size = 0, n, there = 0, per = 1;
    uint8_t root[CVM_HASH_SIZE];
    int rc, r;

    rc = sqlite3_prepare_v2(l->db, "SELECT coalesce(max(id), 0), count(*) FROM entry", -1, &q, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        size = (uint64_t)sqlite3_column_int64(q, 0);
        there = (uint64_t)sqlite3_column_int64(q, 1);
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_ROW)
        return store_errno(rc) ?: -EIO;
    r = cvm_merkle_load(audit_hashes_get, &l->hashes, size, &l->tree);
    for (unsigned level = 0; r >= 0 && level < ELEMENTSOF(l->tile); level++, per *= CVM_MERKLE_TILE) {
        n = size / per;
        for (uint64_t i = n - n % CVM_MERKLE_TILE; r >= 0 && i < n; i++) {
            r = audit_hashes_get(&l->hashes, level, i, root);
            if (r >= 0)
                r = cvm_merkle_append(&l->tile[level], root);
        }
    }
    if (r < 0)
        return r;
    rc = sqlite3_prepare_v2(l->db, "SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1", -1, &q, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        uint64_t signed_size = (uint64_t)sqlite3_column_int64(q, 0);

        if (signed_size <= size)
            r = cvm_merkle_range(audit_hashes_get, &l->hashes, 0, signed_size, root);
        if (signed_size > size || there != size || l->hashes.missing || sqlite3_column_bytes(q, 1) != CVM_HASH_SIZE ||
            memcmp(root, sqlite3_column_blob(q, 1), CVM_HASH_SIZE) != 0)
            log_error("The audit log was changed since its checkpoint of %llu entries was signed; 'cvmctl audit verify' "
                      "on an export tells where",
                      (unsigned long long)signed_size);
    }
    sqlite3_finalize(q);
    return r < 0 ? r : 0;
}

int audit_log_open(const char *path, const char *key, struct audit_log **ret, struct cvm_error *e) {
    _cleanup_(audit_log_closep) struct audit_log *l = calloc(1, sizeof(*l));
    int rc, r;

    if (!l)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->db_lock, NULL);
    pthread_cond_init(&l->finished, NULL);
    l->path = strdup(path);
    if (!l->path)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = store_open_db(path, audit_migrations, audit_schema_version, &l->db, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < SQL_MAX; i++) {
        rc = sqlite3_prepare_v3(l->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &l->stmt[i], NULL);
        if (rc != SQLITE_OK)
            return cvm_error_set(e, store_errno(rc), "%s: %s", path, sqlite3_errmsg(l->db));
    }
    rc = audit_hashes_prepare(l->db, &l->hashes);
    if (rc != SQLITE_OK)
        return cvm_error_set(e, store_errno(rc), "%s: %s", path, sqlite3_errmsg(l->db));

    r = load_key(key, &l->key, e);
    if (r == -ENOENT)
        r = make_key(key, &l->key, e);
    else if (r < 0 && !(e && e->text[0]))
        r = cvm_error_set(e, r, "cannot read %s: %s", key, strerror(-r));
    if (r >= 0)
        r = make_name(l, e);
    if (r < 0)
        return r;
    r = load_tree(l);
    if (r < 0)
        return cvm_error_set(e, r, "cannot read the audit log %s: %s", path, strerror(-r));
    *ret = TAKE_PTR(l);
    return 0;
}

void audit_log_close(struct audit_log *l) {
    if (!l)
        return;
    for (unsigned i = 0; i < SQL_MAX; i++)
        sqlite3_finalize(l->stmt[i]);
    audit_hashes_finish(&l->hashes);
    sqlite3_close(l->db);
    EVP_PKEY_free(l->key);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->db_lock);
    pthread_cond_destroy(&l->finished);
    free(l->line.p);
    free(l->path);
    free(l);
}

/* All of it and the mark that it was done in one transaction; the caller drops the old table afterwards. */
int audit_log_import(struct audit_log *l, sqlite3 *store) {
    _cleanup_free_ char *mark = NULL;
    sqlite3_stmt *q = NULL;
    int rc, r;

    r = get_meta(l->db, "imported", &mark);
    if (r != -ENOENT)
        return r;
    rc = sqlite3_prepare_v2(store,
                            "SELECT id, time, source, machine, uuid, event, reason, message, who, boot_id, seq, arg0,"
                            " arg1, NULL FROM audit ORDER BY id",
                            -1, &q, NULL);
    if (rc != SQLITE_OK)
        return store_errno(rc);
    pthread_mutex_lock(&l->db_lock);
    r = relax(l, false);
    if (r >= 0)
        r = simple(l, SQL_BEGIN);
    while (r >= 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_audit a;

        audit_row(q, &a);
        r = append_one(l, &a);
    }
    if (r >= 0)
        r = store_errno(rc);
    if (r >= 0)
        r = set_meta(l->db, "imported", "1");
    if (r >= 0)
        r = simple(l, SQL_COMMIT);
    if (r < 0 && !sqlite3_get_autocommit(l->db))
        (void)simple(l, SQL_ROLLBACK);
    pthread_mutex_unlock(&l->db_lock);
    sqlite3_finalize(q);
    return r;
}
