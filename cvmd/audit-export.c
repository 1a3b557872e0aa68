/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit log as a file that can be verified without cvmd (docs/audit.md). */
#include "audit-log-internal.h"
#include "store-internal.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* Older checkpoints that go along: the newest. */
#define CHECKPOINTS_MAX 256

CVM_DEFINE_CLEANUP(sqlite3 *, sqlite3_close)
CVM_DEFINE_CLEANUP(sqlite3_stmt *, sqlite3_finalize)
CVM_DEFINE_CLEANUP(json_object *, json_object_put)
CVM_DEFINE_CLEANUP(FILE *, fclose)
#define _cleanup_hashes_ _cleanup_(audit_hashes_finish)

static json_object *hash_array(const uint8_t hash[][CVM_HASH_SIZE], size_t n) {
    json_object *a = json_object_new_array();

    for (size_t i = 0; i < n; i++) {
        char hex[2 * CVM_HASH_SIZE + 1];

        json_object_array_add(a, json_object_new_string(cvm_hex_encode(hash[i], CVM_HASH_SIZE, hex)));
    }
    return a;
}

static int older_checkpoints(sqlite3 *db, uint64_t from, uint64_t to, json_object *ret) {
    _cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
    int rc;

    rc = sqlite3_prepare_v2(db,
                            "SELECT note FROM checkpoint WHERE size BETWEEN ?1 AND ?2 ORDER BY size DESC LIMIT ?3", -1,
                            &q, NULL);
    if (rc != SQLITE_OK)
        return store_errno(rc);
    sqlite3_bind_int64(q, 1, (int64_t)from);
    sqlite3_bind_int64(q, 2, (int64_t)to);
    sqlite3_bind_int(q, 3, CHECKPOINTS_MAX);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        json_object_array_add(ret, json_object_new_string(store_text(q, 0) ?: ""));
    return store_errno(rc);
}

static int write_header(FILE *f, sqlite3 *db, uint64_t from, uint64_t to, const char *note, uint64_t size) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *older = json_object_new_array();
    _cleanup_hashes_ struct audit_hashes h = {0};
    uint8_t proof[CVM_MERKLE_PROOF_MAX][CVM_HASH_SIZE];
    struct cvm_merkle left;
    int r, n = 0;

    r = store_errno(audit_hashes_prepare(db, &h));
    if (r >= 0)
        r = cvm_merkle_load(audit_hashes_get, &h, from, &left);
    if (r >= 0 && to > 0 && to < size)
        r = n = cvm_merkle_prove_consistency(audit_hashes_get, &h, to, size, proof);
    if (r >= 0)
        r = older_checkpoints(db, from, to, older);
    json_object_object_add(o, "format", json_object_new_string("cvmd-audit-1"));
    json_object_object_add(o, "from", json_object_new_uint64(from));
    json_object_object_add(o, "to", json_object_new_uint64(to));
    json_object_object_add(o, "checkpoint", json_object_new_string(note));
    json_object_object_add(o, "checkpoints", older);
    if (r < 0)
        return r;
    json_object_object_add(o, "left",
                           hash_array((const uint8_t(*)[CVM_HASH_SIZE])left.node, cvm_merkle_nodes(from)));
    json_object_object_add(o, "proof", hash_array((const uint8_t(*)[CVM_HASH_SIZE])proof, (size_t)n));
    fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return 0;
}

static int write_entries(FILE *f, sqlite3 *db, uint64_t from, uint64_t to) {
    _cleanup_(sqlite3_finalizep) sqlite3_stmt *q = NULL;
    struct cvm_text line = {0};
    int rc, r = 0;

    rc = sqlite3_prepare_v2(db, "SELECT " AUDIT_COLUMNS ", hash FROM entry WHERE id > ?1 AND id <= ?2 ORDER BY id", -1,
                            &q, NULL);
    if (rc != SQLITE_OK)
        return store_errno(rc);
    sqlite3_bind_int64(q, 1, (int64_t)from);
    sqlite3_bind_int64(q, 2, (int64_t)to);
    while (r >= 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        char hex[17] = "0000000000000000";
        struct store_audit a;

        audit_row(q, &a);
        line.len = 0;
        r = audit_leaf(&a, a.id - 1, &line);
        if (sqlite3_column_bytes(q, 14) == CVM_HASH_SIZE)
            cvm_hex_encode(sqlite3_column_blob(q, 14), 8, hex);
        if (r >= 0 && (fprintf(f, "[\"%s\",", hex) < 0 || fwrite(line.p, 1, line.len, f) != line.len ||
                       fputs("]\n", f) < 0))
            r = -errno ?: -EIO;
    }
    free(line.p);
    return r < 0 ? r : store_errno(rc);
}

int audit_log_export(const char *path, uint64_t from, uint64_t to, const char *note, uint64_t size, int fd) {
    _cleanup_(sqlite3_closep) sqlite3 *db = NULL;
    _cleanup_(fclosep) FILE *f = NULL;
    int rc, r, copy;

    if (from > to || to > size)
        return -EINVAL;
    copy = dup(fd);
    f = copy < 0 ? NULL : fdopen(copy, "w");
    if (!f) {
        r = -errno;
        if (copy >= 0)
            close(copy);
        return r;
    }
    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        rc = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL); /* one state of the log */
    }
    if (rc != SQLITE_OK)
        return store_errno(rc);
    r = write_header(f, db, from, to, note, size);
    if (r >= 0)
        r = write_entries(f, db, from, to);
    if (r >= 0)
        fprintf(f, "{\"end\":%" PRIu64 "}\n", to);
    if (r >= 0 && (fflush(f) != 0 || ferror(f)))
        r = -errno ?: -EIO;
    return r;
}
