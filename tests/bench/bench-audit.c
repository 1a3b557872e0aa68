/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: durable appends by many writers against what SQLite does with the same rows in batches of the
 * same size, in turns, on the disk of the current directory, and as if that took 2.7 ms for an fsync; verifying an export of a million entries against
 * hashing its bytes. One JSON object.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attest/audit-entry.h"
#include "attest/audit-verify.h"
#include "attest/log-head.h"
#include "cvmd/audit-log.h"
#include "cvmd/store-internal.h"
#include "cvmd/util.h"

#define WRITERS 64u
#define ROUNDS 5
#define ROUND_USEC 1000000u
#define ENTRIES 1000000u

#define DISK_USEC 2700u /* a single fsync of the disk that the target of 10,000 appends a second names */

static struct cvm_error error;

/* SQLite's and the log's own: with @sync_least a disk that is not quicker than that. */
static unsigned sync_least;
static volatile uint64_t nr_syncs;

static int slow_sync(long call, int fd) {
    uint64_t begin = now_usec(CLOCK_MONOTONIC), took;
    int r = (int)syscall(call, fd);

    nr_syncs++;
    took = now_usec(CLOCK_MONOTONIC) - begin;
    if (took < sync_least)
        usleep((useconds_t)(sync_least - took));
    return r;
}

int fsync(int fd) {
    return slow_sync(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return slow_sync(SYS_fdatasync, fd);
}

static void need(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "bench-audit: %s: %s\n", what, error.text);
    exit(1);
}

static volatile bool stop;

struct worker {
    pthread_t thread;
    struct audit_log *log;
    uint64_t count;
};

static void *work(void *p) {
    struct worker *w = p;

    while (!stop) {
        char message[96];

        snprintf(message, sizeof(message), "%" PRIu64 " launch with 2048 MiB, 2 vCPUs, memory locked", w->count);
        need(audit_log_append(w->log,
                              &(struct store_audit){.time = 1700000000000000, .source = "cvmd", .machine = "web",
                                                    .uuid = "01234567-89ab-cdef-0123-456789abcdef", .event = "launch",
                                                    .message = message, .who = "uid 0, pid 1234 (cvmctl)"},
                              1) == 1,
             "append");
        w->count++;
    }
    return NULL;
}

/* Appends a second, each durable when its writer goes on. */
static double appends(struct audit_log *l) {
    struct worker w[WRITERS];
    uint64_t begin = now_usec(CLOCK_MONOTONIC), n = 0;

    stop = false;
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i] = (struct worker){.log = l};
        need(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0, "thread");
    }
    usleep(ROUND_USEC);
    stop = true;
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(w[i].thread, NULL);
        n += w[i].count;
    }
    return (double)n * 1e6 / (double)(now_usec(CLOCK_MONOTONIC) - begin);
}

/* Rows a second, @batch of them a transaction. */
static double sqlite_rows(sqlite3 *db, sqlite3_stmt *q, unsigned batch) {
    uint64_t begin = now_usec(CLOCK_MONOTONIC), n = 0;

    while (now_usec(CLOCK_MONOTONIC) - begin < ROUND_USEC) {
        need(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK, "begin");
        for (unsigned i = 0; i < batch; i++, n++) {
            char message[96];

            snprintf(message, sizeof(message), "%" PRIu64 " launch with 2048 MiB, 2 vCPUs, memory locked", n);
            sqlite3_bind_text(q, 1, message, -1, SQLITE_TRANSIENT);
            need(sqlite3_step(q) == SQLITE_DONE, "insert");
            sqlite3_reset(q);
        }
        need(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "commit");
    }
    return (double)n * 1e6 / (double)(now_usec(CLOCK_MONOTONIC) - begin);
}

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static double median(double v[ROUNDS]) {
    qsort(v, ROUNDS, sizeof(*v), by_value);
    return v[ROUNDS / 2];
}

static void bench_appends(void) {
    char dir[] = "bench-audit.XXXXXX", path[64], key[64], command[64];
    double ours[ROUNDS], limit[ROUNDS], single[ROUNDS], slow[ROUNDS], slow_single[ROUNDS], a, b, c;
    uint64_t before;
    struct audit_log *l = NULL;
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;

    need(mkdtemp(dir), "mkdtemp");
    snprintf(path, sizeof(path), "%s/audit.db", dir);
    snprintf(key, sizeof(key), "%s/audit.key", dir);
    need(audit_log_open(path, key, &l, &error) == 0, "open");
    snprintf(path, sizeof(path), "%s/plain.db", dir);
    need(store_open_db(path, audit_migrations, audit_schema_version, &db, &error) == 0, "open");
    need(sqlite3_prepare_v2(db,
                            "INSERT INTO entry (time, source, machine, uuid, event, reason, message, who, arg0, arg1, hash)"
                            " VALUES (1700000000000000, 'cvmd', 'web', '01234567-89ab-cdef-0123-456789abcdef', 'launch', 0,"
                            " ?1, 'uid 0, pid 1234 (cvmctl)', 0, 0, zeroblob(32))",
                            -1, &q, NULL) == SQLITE_OK,
         "prepare");
    for (int i = 0; i < ROUNDS; i++) {
        single[i] = sqlite_rows(db, q, 1);
        limit[i] = sqlite_rows(db, q, WRITERS);
        ours[i] = appends(l);
        sync_least = DISK_USEC;
        before = nr_syncs;
        slow_single[i] = sqlite_rows(db, q, 1);
        slow[i] = appends(l);
        need(nr_syncs > before, "no fsync was seen");
        sync_least = 0;
    }
    a = median(ours);
    b = median(limit);
    c = median(single);
    sqlite3_finalize(q);
    sqlite3_close(db);
    audit_log_close(l);
    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    need(system(command) == 0, command);
    printf("  {\"name\": \"durable appends by %u writers, against SQLite in batches of %u\", \"unit\": \"1/s\", \"value\": %.0f, "
           "\"baseline\": %.0f, \"single\": %.0f, \"ratio\": %.3f, \"target\": null},\n",
           WRITERS, WRITERS, a, b, c, a / b);
    printf("  {\"name\": \"the same, an fsync takes 2.7 ms at least\", \"unit\": \"1/s\", \"value\": %.0f, \"baseline\": null, "
           "\"target\": 10000},\n",
           median(slow));
    printf("  {\"name\": \"rows of SQLite one by one, an fsync takes 2.7 ms at least\", \"unit\": \"1/s\", \"value\": %.0f, "
           "\"baseline\": null, \"target\": null},\n",
           median(slow_single));
}

static EVP_PKEY *log_key;

/* One entry in four is an event of RootVisor. */
static void make_export(struct cvm_text *file, struct cvm_note_key *name) {
    struct {
        uint8_t before[32];
        struct cvm_event ev;
    } raw;
    uint8_t public[32], hash[32], chain[32] = {0};
    struct cvm_text line = {0}, body = {0};
    struct cvm_merkle tree = {0};
    size_t n = sizeof(public);
    char *note, text[1200], *p = text, hex[17];
    uint64_t seq = 0;

    log_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    need(log_key && EVP_PKEY_get_raw_public_key(log_key, public, &n) == 1 &&
             cvm_note_key_make("bench/cvmd", public, name) == 0,
         "keys");
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct cvm_audit_entry e = {.index = i, .time = 1700000000000000 + i, .source = "cvmd", .machine = "web",
                                    .uuid = "01234567-89ab-cdef-0123-456789abcdef", .event = "launch",
                                    .message = "launch with 2048 MiB, 2 vCPUs, memory locked", .who = "uid 0, pid 1234 (cvmctl)"};

        if (i % 4 == 0) {
            memcpy(raw.before, chain, 32);
            raw.ev = (struct cvm_event){.seq = ++seq, .type = CVM_EV_DENIED, .reason = CVM_R_BAD_MSR};
            cvm_log_step(chain, &raw.ev);
            e = (struct cvm_audit_entry){.index = i, .time = 1700000000000000 + i, .source = "rootvisor", .event = "denied",
                                         .reason = CVM_R_BAD_MSR, .message = "access to an MSR that is not allowed",
                                         .boot = "01234567-89ab-cdef-0123-456789abcdef", .seq = seq, .raw = &raw,
                                         .raw_size = sizeof(raw)};
        }
        line.len = 0;
        need(cvm_audit_entry_format(&e, &line) == 0, "format");
        cvm_merkle_leaf(line.p, line.len, hash);
        need(cvm_merkle_append(&tree, hash) == 0, "append");
        cvm_hex_encode(hash, 8, hex);
        need(cvm_text_append(&body, "[\"", 2) == 0 && cvm_text_append(&body, hex, 16) == 0 &&
                 cvm_text_append(&body, "\",", 2) == 0 && cvm_text_append(&body, line.p, line.len) == 0 &&
                 cvm_text_append(&body, "]\n", 2) == 0,
             "append");
    }
    cvm_merkle_root(&tree, hash);
    need(cvm_checkpoint_sign(log_key, name, ENTRIES, hash, &note) == 0, "sign");
    p += sprintf(p, "{\"format\":\"cvmd-audit-1\",\"from\":0,\"to\":%u,\"checkpoint\":\"", ENTRIES);
    for (const char *c = note; *c; c++)
        p += *c == '\n' ? sprintf(p, "\\n") : sprintf(p, "%c", *c);
    p += sprintf(p, "\",\"checkpoints\":[],\"left\":[],\"proof\":[]}\n");
    need(cvm_text_append(file, text, (size_t)(p - text)) == 0 && cvm_text_append(file, body.p, body.len) == 0, "append");
    p = text + sprintf(text, "{\"end\":%u}\n", ENTRIES);
    need(cvm_text_append(file, text, (size_t)(p - text)) == 0, "append");
    free(note);
    free(line.p);
    free(body.p);
}

static void bench_verify(void) {
    static struct cvm_audit_result result;
    struct cvm_text file = {0};
    struct cvm_note_key name;
    struct cvm_audit_options o = {.key = &name};
    uint8_t hash[32];
    double bare[ROUNDS], full[ROUNDS], a, b;

    make_export(&file, &name);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t t = now_usec(CLOCK_PROCESS_CPUTIME_ID);

        need(EVP_Digest(file.p, file.len, hash, NULL, EVP_sha256(), NULL) == 1, "hash");
        bare[i] = (double)(now_usec(CLOCK_PROCESS_CPUTIME_ID) - t) / 1e6;
        t = now_usec(CLOCK_PROCESS_CPUTIME_ID);
        need(cvm_audit_verify(file.p, file.len, &o, &result, &error) == 0, "verify");
        full[i] = (double)(now_usec(CLOCK_PROCESS_CPUTIME_ID) - t) / 1e6;
        /* There is no head in it: that is said, and nothing else is wrong. */
        for (size_t f = 0; f < result.nr_findings && f < CVM_AUDIT_FINDINGS_MAX; f++)
            if (result.finding[f].code != CVM_AUDIT_UNSIGNED)
                need(false, result.finding[f].text);
    }
    need(result.to == ENTRIES && result.events == ENTRIES / 4, "all entries");
    a = median(full);
    b = median(bare);
    printf("  {\"name\": \"verify %u entries (%zu MB)\", \"unit\": \"s\", \"value\": %.3f, \"baseline\": null, \"target\": 2.0},\n",
           ENTRIES, file.len / 1000000, a);
    printf("  {\"name\": \"the same, against SHA-256 of the file\", \"unit\": \"s\", \"value\": %.3f, \"baseline\": %.3f, "
           "\"target\": null}\n",
           a, b);
    free(file.p);
    EVP_PKEY_free(log_key);
}

int main(void) {
    printf("{\"figures\": [\n");
    bench_appends();
    bench_verify();
    printf("]}\n");
    return 0;
}
