/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Full release sessions of the key broker (auth, attest, resource: JSON, appraisal, verdict, log, HPKE) on one core,
 * without TLS and HTTP, and how much of that is cryptography which no broker can leave out. Prints the figures as
 * JSON, as `./dev bench` wants them. CPU time of the threads that serve. To bring a line of the log to the disk costs the CPU too, as
 * much as the file system wants: so the store lies in memory for the first figures, and on a disk for the others, where
 * one client waits by itself, or many share the way to the disk.
 */
#include <openssl/pem.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attest/broker.h"
#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/hpke.h"
#include "attest/json.h"
#include "attest/key.h"
#include "attest/release.h"
#include "attest/report.h"

#define SESSIONS 400
#define CLIENTS 16 /* at once; divides SESSIONS */
#define TOKEN_MAX 65536
#define LINE_SIZE 1000 /* of the log, about */

static EVP_PKEY *report_key, *kex;
static struct cvm_policy policy = {.id = "bench"};

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "bench-broker: %s\n", what);
        exit(1);
    }
}

static void make_report(const uint8_t *nonce, struct cvm_report *r) {
    uint8_t point[CVM_POINT_SIZE], wire[sizeof(*r)];

    *r = (struct cvm_report){.magic = CVM_REPORT_MAGIC,
                             .version = CVM_REPORT_VERSION,
                             .size = sizeof(*r),
                             .vm_id = 1,
                             .counter = 1,
                             .nr_measured = 4,
                             .kex_alg = CVM_KEX_P256};
    for (uint32_t i = 0; i < 4; i++)
        r->measured[i] = (struct cvm_measured){.kind = i + 1, .size = 4096 * (i + 1), .digest = {(uint8_t)i}};
    check(cvm_launch_digest(r->measured, 4, r->launch_digest) == 0, "launch digest");
    check(cvm_key_to_point(report_key, point) == 0 && cvm_key_id(point, r->report_key_id) == 0, "key");
    check(cvm_key_to_point(kex, r->kex_public) == 0, "key");
    memcpy(r->user_data, nonce, sizeof(r->user_data));
    cvm_report_encode(r, wire);
    check(cvm_key_sign(report_key, wire, CVM_REPORT_SIGNED, wire + CVM_REPORT_SIGNED) == CVM_SIGNATURE_SIZE, "sign");
    memcpy(r, wire, sizeof(*r));
}

static void make_store(const char *dir, struct cvm_broker_store *store) {
    struct cvm_broker_resource res = {
        .name = "default/disk/bench", .nr_accepted = 2, .accepted = {"platform.no-anchor", "platform.no-dma-protection"},
        .lease = 60};
    EVP_PKEY *sign = EVP_EC_gen("P-256");
    json_object *o;
    struct cvm_error e = {""};
    const uint8_t nonce[64] = {1};
    struct cvm_report r;
    char path[128];
    const char *text;
    FILE *f;

    make_report(nonce, &r);
    policy.reference.nr_rootvisor = policy.reference.nr_guardian = policy.reference.nr_launch = 1;
    memcpy(policy.reference.launch[0].digest, r.launch_digest, CVM_DIGEST_SIZE);
    memcpy(policy.reference.launch[0].component, r.measured, sizeof(r.measured));
    policy.reference.launch[0].nr = 4;
    o = cvm_policy_to_json(&policy);
    text = json_object_to_json_string(o);
    umask(077);
    snprintf(path, sizeof(path), "%s/policy.json", dir);
    check(cvm_write_file(path, text, strlen(text), &e) == 0, e.text);
    json_object_put(o);
    snprintf(path, sizeof(path), "%s/sign.key", dir);
    f = fopen(path, "w");
    check(f && PEM_write_PrivateKey(f, sign, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0, "sign.key");
    EVP_PKEY_free(sign);
    if (cvm_broker_store_open(dir, NULL, store, &e) < 0 ||
        cvm_broker_resource_save(store, &res, NULL, "a key of 32 bytes, or about that", 32, &e) < 0)
        check(false, e.text);
}

static void ask(struct cvm_broker *b, const char *method, const char *path, const char *session, const char *body,
                struct cvm_broker_reply *reply) {
    const struct cvm_broker_request q = {
        .method = method, .path = path, .session = session, .peer = "bench", .body = body, .size = strlen(body), .now = 1000};

    check(cvm_broker_handle(b, &q, reply) == 0 && reply->status == 200, reply->body ?: "no answer");
}

/* One session; what the host does in between is not measured. @token: how long the verdict's token is, may be NULL. */
static double session(struct cvm_broker *b, size_t *token) {
    struct cvm_broker_reply auth, attest, resource;
    struct cvm_report_key rk = {0};
    json_object *o, *q = json_object_new_object();
    char *evidence = NULL;
    uint8_t nonce[64];
    struct cvm_report r;
    double t = now(), sum;

    ask(b, "POST", "/kbs/v0/auth", NULL, "{\"version\":\"0.1.0\",\"tee\":\"cvmd\",\"extra-params\":\"\"}", &auth);
    sum = now() - t;
    check(cvm_json_parse(auth.body, strlen(auth.body), &o, NULL) == 0 &&
              cvm_json_base64url(o, "nonce", nonce, sizeof(nonce), NULL) == 0,
          "nonce");
    make_report(nonce, &r);
    check(cvm_key_to_point(report_key, rk.point) == 0 && cvm_evidence_compose(&r, &rk, NULL, &evidence) == 0, "evidence");
    json_object_object_add(q, "tee-evidence", json_object_new_string(evidence));
    t = now();
    ask(b, "POST", "/kbs/v0/attest", auth.session, json_object_to_json_string(q), &attest);
    ask(b, "GET", "/kbs/v0/resource/default/disk/bench", auth.session, "", &resource);
    sum += now() - t;
    if (token)
        *token = strlen(attest.body);
    free(auth.body);
    free(attest.body);
    free(resource.body);
    free(evidence);
    json_object_put(o);
    json_object_put(q);
    return sum;
}

/* The cryptography in it: the report's signature, verdict (@token bytes) and two lines of the log signed, the key sealed. */
static double bare(EVP_PKEY *sign, size_t token) {
    const uint8_t nonce[64] = {2};
    uint8_t point[CVM_POINT_SIZE], sig[CVM_SIGNATURE_MAX];
    static const uint8_t bytes[TOKEN_MAX];
    struct cvm_report wire, r;
    struct cvm_key_blob blob;
    double t;

    make_report(nonce, &wire);
    check(cvm_report_decode(&wire, sizeof(wire), &r, NULL) == 0 && cvm_key_to_point(report_key, point) == 0, "report");
    check(token <= sizeof(bytes), "a token that is so long");
    t = now();
    check(cvm_key_verify(point, &wire, CVM_REPORT_SIGNED, wire.signature) == 0, "verify");
    check(cvm_key_sign(sign, bytes, token, sig) == CVM_SIGNATURE_SIZE, "sign");
    for (unsigned i = 0; i < 2; i++)
        check(cvm_key_sign(sign, bytes, LINE_SIZE, sig) == CVM_SIGNATURE_SIZE, "sign");
    check(cvm_key_release(&r, bytes, 32, &blob) == 0, "release");
    return now() - t;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct figures {
    double full, crypto; /* seconds, of all sessions */
    double time_of[SESSIONS];
};

struct client {
    struct cvm_broker *broker;
    EVP_PKEY *sign;
    double *time_of; /* its share */
    double crypto;
    unsigned nr;
};

/* Turn and turn about, so that what else the machine does falls on both alike. */
static void *serve(void *p) {
    struct client *c = p;
    size_t token;

    for (unsigned i = 0; i < c->nr; i++) {
        c->time_of[i] = session(c->broker, &token);
        c->crypto += bare(c->sign, token);
    }
    return NULL;
}

static void run(const char *below, unsigned clients, struct figures *ret) {
    static struct cvm_broker_store store;
    struct client client[CLIENTS];
    pthread_t thread[CLIENTS];
    char dir[128], command[160];
    struct cvm_broker *b;

    snprintf(dir, sizeof(dir), "%s/bench-broker.XXXXXX", below);
    check(mkdtemp(dir), dir);
    make_store(dir, &store);
    check(cvm_broker_open(&store, &b) == 0, "broker");
    session(b, NULL); /* warm up */
    *ret = (struct figures){0};
    for (unsigned i = 0; i < clients; i++) {
        client[i] = (struct client){
            .broker = b, .sign = store.signing_key, .time_of = ret->time_of + i * (SESSIONS / clients), .nr = SESSIONS / clients};
        check(pthread_create(&thread[i], NULL, serve, &client[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < clients; i++) {
        pthread_join(thread[i], NULL);
        ret->crypto += client[i].crypto;
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        ret->full += ret->time_of[i];
    qsort(ret->time_of, SESSIONS, sizeof(ret->time_of[0]), by_size);
    cvm_broker_free(b);
    cvm_broker_store_close(&store);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    check(system(command) == 0, command);
}

/* At least 60 % of the CPU's time. */
static void share(const char *name, const struct figures *f) {
    double percent = 100 * f->crypto / f->full;

    printf("  {\"name\": \"broker: %s\", \"unit\": \"%%\", \"value\": %.1f, \"baseline\": 0, \"target\": 60, \"at_least\": true, \"met\": %s},\n", name,
           percent, percent >= 60 ? "true" : "false");
}

static void figure(const char *name, const char *unit, double value, double baseline, bool last) {
    printf("  {\"name\": \"broker: %s\", \"unit\": \"%s\", \"value\": %.1f, \"baseline\": %.1f, \"target\": null}%s\n", name, unit, value,
           baseline, last ? "" : ",");
}

/* All threads on the CPU that this one runs on. */
static void one_core(void) {
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    check(sched_setaffinity(0, sizeof(set), &set) == 0, "affinity");
}

int main(void) {
    static struct figures memory, disk, shared;

    report_key = EVP_EC_gen("P-256");
    kex = EVP_EC_gen("P-256");
    check(report_key && kex, "start");
    one_core();
    run("/dev/shm", 1, &memory);
    run("/var/tmp", 1, &disk);
    run("/var/tmp", CLIENTS, &shared);
    printf("{\"figures\": [\n");
    figure("release sessions, without TLS", "1/s", SESSIONS / memory.full, SESSIONS / memory.crypto, false);
    figure("p99 of a session's CPU time", "us", memory.time_of[SESSIONS * 99 / 100] * 1e6, 0, false);
    share("share of cryptography in a session", &memory);
    figure("the same, the log on this machine's disk, one client", "%", 100 * disk.crypto / disk.full, 0, false);
    share("the same, 16 clients at once", &shared);
    figure("release sessions, the log on disk, 16 clients at once", "1/s", SESSIONS / shared.full, SESSIONS / shared.crypto, false);
    figure("p99 of a session's CPU time, the log on disk, 16 clients at once", "us", shared.time_of[SESSIONS * 99 / 100] * 1e6, 0, true);
    printf("]}\n");
    EVP_PKEY_free(report_key);
    EVP_PKEY_free(kex);
    return 0;
}
