/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An audit log to try things on, without a daemon. DIR holds audit.db, audit.key and what plays RootVisor.
 *   audit-tool make DIR N [gap]    N entries: cvmd's, and RootVisor's events, heads and records of the log; with
 *                                  "gap" some events are lost on the way. RootVisor's key: DIR/report-1.pem, -2.pem
 *   audit-tool export DIR FILE [FROM TO]
 *   audit-tool checkpoint|key DIR  to standard output
 *   audit-tool forge DIR NEW       what host root can do: all entries of DIR, as its database has them now, hashed and
 *                                  signed anew with the log's own key
 *   audit-tool append DIR THREADS COUNT   each thread appends COUNT entries; one line "THREAD I" for each that is durable
 *   audit-tool check DIR           the tables against each other
 *   audit-tool merkle              commands on standard input over leaves "0", "1", ...: "root N", "inclusion I N",
 *                                  "consistency M N"; verifies its own proofs, and refuses them changed
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/audit-entry.h"
#include "attest/key.h"
#include "attest/log-head.h"
#include "cvmd/audit-log.h"
#include "cvmd/util.h"

static struct cvm_error error;

static void need(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "audit-tool: %s: %s\n", what, error.text);
    exit(2);
}

static struct audit_log *open_log(const char *dir) {
    struct audit_log *l = NULL;
    char db[512], key[512];

    snprintf(db, sizeof(db), "%s/audit.db", dir);
    snprintf(key, sizeof(key), "%s/audit.key", dir);
    need(audit_log_open(db, key, &l, &error) == 0, "open");
    return l;
}

/* --- what plays RootVisor --- */

struct rootvisor {
    EVP_PKEY *key;
    uint8_t point[65], chain[32];
    uint64_t seq, counts[16];
    char boot[32];
};

static void fill_head(const struct rootvisor *rv, struct cvm_log_head *h) {
    *h = (struct cvm_log_head){.magic = CVM_HEAD_MAGIC, .version = CVM_HEAD_VERSION, .size = sizeof(*h), .seq = rv->seq};
    memcpy(h->counts, rv->counts, sizeof(h->counts));
    memcpy(h->chain, rv->chain, 32);
    memset(h->rootvisor_digest, 0x11, 48);
    cvm_key_id(rv->point, h->report_key_id);
}

static void start(struct rootvisor *rv, const char *dir, int n) {
    struct cvm_log_head h;
    char path[512];
    FILE *f;

    *rv = (struct rootvisor){.key = EVP_EC_gen("P-256")};
    snprintf(rv->boot, sizeof(rv->boot), "boot-%d", n);
    need(cvm_key_to_point(rv->key, rv->point) == 0, "key");
    snprintf(path, sizeof(path), "%s/report-%d.pem", dir, n);
    f = fopen(path, "we");
    need(f && PEM_write_PUBKEY(f, rv->key) == 1 && fclose(f) == 0, path);
    fill_head(rv, &h);
    cvm_log_genesis(&h, rv->chain);
}

struct raw_event {
    uint8_t before[32];
    struct cvm_event ev;
};

static void record(struct rootvisor *rv, struct cvm_event *e, struct raw_event *raw) {
    e->seq = ++rv->seq;
    e->tsc = rv->seq * 100;
    memcpy(raw->before, rv->chain, 32);
    raw->ev = *e;
    cvm_log_step(rv->chain, e);
    rv->counts[e->type]++;
}

static void append_event(struct audit_log *l, struct rootvisor *rv, struct cvm_event e) {
    struct raw_event raw;

    record(rv, &e, &raw);
    need(audit_log_append(l, &(struct store_audit){.time = rv->seq,
                                                  .source = "rootvisor",
                                                  .event = e.type == CVM_EV_ANCHOR ? "anchor" : "denied",
                                                  .reason = e.reason,
                                                  .message = "as RootVisor has it",
                                                  .boot_id = rv->boot,
                                                  .seq = e.seq,
                                                  .arg = {e.arg[0], e.arg[1]},
                                                  .raw = &raw,
                                                  .raw_size = sizeof(raw)},
                          1) == 1,
         "append an event");
}

static void append_head(struct audit_log *l, struct rootvisor *rv) {
    struct {
        struct cvm_log_head head;
        uint8_t point[65];
    } __attribute__((packed)) raw;
    struct cvm_event anchor = {.type = CVM_EV_ANCHOR};
    struct cvm_log_head h;
    uint8_t root[32];

    anchor.arg[0] = audit_log_root(l, root);
    memcpy(anchor.uuid, root, 16);
    memcpy(&anchor.arg[1], root + 16, 8);
    append_event(l, rv, anchor);
    fill_head(rv, &h);
    need(cvm_key_sign(rv->key, &h, CVM_HEAD_SIGNED, h.signature) == 64, "sign");
    raw.head = h;
    memcpy(raw.point, rv->point, 65);
    need(audit_log_append(l, &(struct store_audit){.source = "rootvisor",
                                                  .event = "head",
                                                  .message = "head",
                                                  .boot_id = rv->boot,
                                                  .raw = &raw,
                                                  .raw_size = sizeof(raw)},
                          1) == 1,
         "append a head");
}

static void lose(struct audit_log *l, struct rootvisor *rv, unsigned n) {
    struct raw_event raw;

    for (unsigned i = 0; i < n; i++)
        record(rv, &(struct cvm_event){.type = i ? CVM_EV_DENIED : CVM_EV_VM_STOPPED}, &raw);
    need(audit_log_append(l, &(struct store_audit){.source = "cvmd",
                                                  .event = "events-lost",
                                                  .message = "lost",
                                                  .boot_id = rv->boot,
                                                  .seq = rv->seq + 1},
                          1) == 1,
         "append");
}

static void make(const char *dir, uint64_t n, bool gap) {
    struct rootvisor rv;
    struct audit_log *l;
    uint8_t root[32];
    char *note;
    int boot = 0;

    mkdir(dir, 0700);
    l = open_log(dir);
    for (uint64_t i = 0; audit_log_root(l, root) < n; i++) {
        if (i == 0 || (i == n / 4 && n >= 40)) {
            if (i)
                append_head(l, &rv);
            start(&rv, dir, ++boot);
        }
        if (i % 3 == 0)
            append_event(l, &rv, (struct cvm_event){.type = CVM_EV_DENIED, .reason = CVM_R_BAD_MSR, .arg = {i, ~i}});
        else
            need(audit_log_append(l, &(struct store_audit){.time = i,
                                                          .source = "cvmd",
                                                          .machine = i % 2 ? "web" : NULL,
                                                          .event = "launch",
                                                          .message = "\"quoted\" \\ and \x01 and \xc3\xa4 and \xff",
                                                          .who = "uid 0"},
                                  1) == 1,
                 "append");
        if (gap && i == n / 3)
            lose(l, &rv, 5);
        if (i % 10 == 9)
            append_head(l, &rv);
        if (i % 25 == 24) {
            need(audit_log_checkpoint(l, &note, NULL) == 0, "checkpoint");
            free(note);
        }
    }
    append_head(l, &rv);
    audit_log_close(l);
}

static void export_to(const char *dir, const char *file, uint64_t from, uint64_t to) {
    struct audit_log *l = open_log(dir);
    uint64_t size;
    char *note;
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    need(fd >= 0 && audit_log_checkpoint(l, &note, &size) == 0, "checkpoint");
    need(audit_log_export(audit_log_path(l), from, to ?: size, note, size, fd) == 0, "export");
    close(fd);
    free(note);
    audit_log_close(l);
}

static int forge_one(void *userdata, const struct store_audit *a) {
    return audit_log_append(userdata, a, 1) == 1 ? 0 : -EIO;
}

static void forge(const char *dir, const char *new) {
    struct audit_log *from = open_log(dir), *to;
    char *note, command[1200];

    snprintf(command, sizeof(command), "mkdir '%s' && cp '%s/audit.key' '%s'", new, dir, new);
    need(system(command) == 0, command);
    to = open_log(new);
    need(audit_log_each(from, 0, NULL, 0, forge_one, to) == 0, "forge");
    need(audit_log_checkpoint(to, &note, NULL) == 0, "checkpoint");
    free(note);
    audit_log_close(from);
    audit_log_close(to);
}

/* --- writers --- */

struct worker {
    pthread_t thread;
    struct audit_log *log;
    unsigned number;
    uint64_t count;
};

static struct store_audit plain(const char *message) {
    return (struct store_audit){.time = 1700000000000000, .source = "cvmd", .machine = "web",
                                .uuid = "01234567-89ab-cdef-0123-456789abcdef", .event = "launch", .message = message,
                                .who = "uid 0, pid 1234 (cvmctl)"};
}

static void *work(void *p) {
    struct worker *w = p;

    for (uint64_t i = 0; i < w->count; i++) {
        char message[96];
        struct store_audit a;
        int n;

        snprintf(message, sizeof(message), "%u %" PRIu64 " launch with 2048 MiB, 2 vCPUs, memory locked", w->number, i);
        a = plain(message);
        need(audit_log_append(w->log, &a, 1) == 1, "append");
        n = snprintf(message, sizeof(message), "%u %" PRIu64 "\n", w->number, i); /* whole lines: one write each */
        need(write(STDOUT_FILENO, message, (size_t)n) == n, "tell");
    }
    return NULL;
}

static void run(const char *dir, unsigned threads, uint64_t count) {
    struct worker *w = calloc(threads, sizeof(*w));
    struct audit_log *l = open_log(dir);

    for (unsigned i = 0; i < threads; i++) {
        w[i] = (struct worker){.log = l, .number = i, .count = count};
        need(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(w[i].thread, NULL);
    audit_log_close(l);
    free(w);
}

static void check(const char *dir) {
    uint8_t root[32], again[32], hash[32];
    struct audit_log *l = open_log(dir);
    struct cvm_merkle t = {0};
    uint64_t size = audit_log_root(l, root);

    for (uint64_t i = 0; i < size; i++) {
        char *line;

        need(audit_log_entry(l, i, &line) == 0, "entry");
        cvm_merkle_leaf(line, strlen(line), hash);
        free(line);
        need(cvm_merkle_append(&t, hash) == 0, "append");
    }
    cvm_merkle_root(&t, again);
    need(memcmp(root, again, 32) == 0, "the tree is not that of the entries");
    printf("%" PRIu64 "\n", size);
    audit_log_close(l);
}

/* --- merkle --- */

static int leaf(void *userdata, unsigned level, uint64_t index, uint8_t out[32]) {
    uint64_t per = 1;
    struct cvm_merkle t = {0};

    (void)userdata;
    for (unsigned i = 0; i < level; i++)
        per *= CVM_MERKLE_TILE;
    for (uint64_t i = index * per; i < (index + 1) * per; i++) {
        char text[24];
        uint8_t h[32];

        snprintf(text, sizeof(text), "%" PRIu64, i);
        cvm_merkle_leaf(text, strlen(text), h);
        need(cvm_merkle_append(&t, h) == 0, "append");
    }
    cvm_merkle_root(&t, out);
    return 0;
}

static void print_hashes(const uint8_t p[][32], int n) {
    char hex[65];

    for (int i = 0; i < n; i++)
        printf("%s%s", i ? " " : "", cvm_hex_encode(p[i], 32, hex));
    putchar('\n');
}

static void merkle(void) {
    uint8_t proof[CVM_MERKLE_PROOF_MAX][32], root[32], old[32], h[32];
    unsigned long long a, b;
    char line[100];

    while (fgets(line, sizeof(line), stdin)) {
        int n;

        if (sscanf(line, "root %llu", &a) == 1) {
            struct cvm_merkle t;

            need(cvm_merkle_range(leaf, NULL, 0, a, root) == 0, "range");
            need(cvm_merkle_load(leaf, NULL, a, &t) == 0, "load");
            cvm_merkle_root(&t, h);
            need(memcmp(h, root, 32) == 0, "two roots");
            print_hashes((const uint8_t(*)[32])root, 1);
        } else if (sscanf(line, "inclusion %llu %llu", &a, &b) == 2) {
            n = cvm_merkle_prove_inclusion(leaf, NULL, a, b, proof);
            need(n >= 0 && leaf(NULL, 0, a, h) == 0 && cvm_merkle_range(leaf, NULL, 0, b, root) == 0, "prove");
            need(cvm_merkle_verify_inclusion(h, a, b, (const uint8_t(*)[32])proof, (size_t)n, root) == 0, "own proof");
            need(a == 0 || cvm_merkle_verify_inclusion(h, a - 1, b, (const uint8_t(*)[32])proof, (size_t)n, root) < 0, "index");
            need(cvm_merkle_verify_inclusion(h, a, b, (const uint8_t(*)[32])proof, (size_t)n + 1, root) < 0, "long");
            need(n == 0 || cvm_merkle_verify_inclusion(h, a, b, (const uint8_t(*)[32])proof, (size_t)n - 1, root) < 0, "short");
            for (int i = 0; i < n; i++) {
                proof[i][i % 32] ^= 1;
                need(cvm_merkle_verify_inclusion(h, a, b, (const uint8_t(*)[32])proof, (size_t)n, root) < 0, "bit");
                proof[i][i % 32] ^= 1;
            }
            print_hashes((const uint8_t(*)[32])proof, n);
        } else if (sscanf(line, "consistency %llu %llu", &a, &b) == 2) {
            n = cvm_merkle_prove_consistency(leaf, NULL, a, b, proof);
            need(n >= 0 && cvm_merkle_range(leaf, NULL, 0, a, old) == 0 && cvm_merkle_range(leaf, NULL, 0, b, root) == 0,
                 "prove");
            need(cvm_merkle_verify_consistency(a, old, b, root, (const uint8_t(*)[32])proof, (size_t)n) == 0, "own proof");
            need(cvm_merkle_verify_consistency(a, old, b, root, (const uint8_t(*)[32])proof, (size_t)n + 1) < 0, "long");
            need(n == 0 || cvm_merkle_verify_consistency(a, old, b, root, (const uint8_t(*)[32])proof, (size_t)n - 1) < 0, "short");
            old[3] ^= 4;
            need(cvm_merkle_verify_consistency(a, old, b, root, (const uint8_t(*)[32])proof, (size_t)n) < 0, "old root");
            print_hashes((const uint8_t(*)[32])proof, n);
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *dir = argc > 2 ? argv[2] : "";
    char *text;

    if (strcmp(what, "make") == 0 && argc >= 4)
        make(dir, strtoull(argv[3], NULL, 10), argc > 4);
    else if (strcmp(what, "export") == 0 && argc >= 4)
        export_to(dir, argv[3], argc > 5 ? strtoull(argv[4], NULL, 10) : 0, argc > 5 ? strtoull(argv[5], NULL, 10) : 0);
    else if (strcmp(what, "checkpoint") == 0) {
        struct audit_log *l = open_log(dir);

        need(audit_log_checkpoint(l, &text, NULL) == 0, "checkpoint");
        fputs(text, stdout);
        free(text);
        audit_log_close(l);
    } else if (strcmp(what, "key") == 0) {
        struct audit_log *l = open_log(dir);

        text = cvm_note_key_format(audit_log_key(l));
        puts(text);
        free(text);
        audit_log_close(l);
    } else if (strcmp(what, "forge") == 0 && argc == 4)
        forge(dir, argv[3]);
    else if (strcmp(what, "append") == 0 && argc == 5)
        run(dir, (unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10));
    else if (strcmp(what, "check") == 0)
        check(dir);
    else if (strcmp(what, "merkle") == 0)
        merkle();
    else
        return 2;
    return 0;
}
