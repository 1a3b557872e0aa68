/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What time does to the broker's sessions, policies and leases: the clock is the caller's here. */
#include "attest-fixture.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/broker-log-read.h"
#include "attest/broker.h"
#include "attest/broker-lease.h"
#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/json.h"
#include "attest/key.h"
#include "attest/report.h"

#define NOW 1800000000
#define RESOURCE "/kbs/v0/resource/default/disk/web"

struct state {
    char dir[64];
    EVP_PKEY *report_key, *kex;
    struct cvm_broker_store store;
    struct cvm_broker *broker;
    uint32_t rollback; /* of its reports; 0: none */
    struct cvm_broker_reply reply; /* the last; its body lives until the next */
};

static void write_text(const struct state *s, const char *name, const char *text) {
    char path[128];
    struct cvm_error e = {""};

    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    assert_int_equal(cvm_write_secret_file(path, text, strlen(text), &e), 0);
}

static void make_report(struct state *s, const uint8_t *nonce, struct cvm_report *r) {
    uint8_t point[CVM_POINT_SIZE], wire[sizeof(*r)];

    *r = (struct cvm_report){.magic = CVM_REPORT_MAGIC, .version = CVM_REPORT_VERSION, .size = sizeof(*r), .vm_id = 1, .counter = 1,
                             .nr_measured = 1, .kex_alg = CVM_KEX_P256, .measured = {{.kind = 1, .size = 4096}},
                             .rollback = s->rollback, .rollback_epoch = s->rollback ? 7 : 0};
    assert_int_equal(cvm_launch_digest(r->measured, 1, r->launch_digest), 0);
    assert_int_equal(cvm_key_to_point(s->report_key, point), 0);
    assert_int_equal(cvm_key_id(point, r->report_key_id), 0);
    assert_int_equal(cvm_key_to_point(s->kex, r->kex_public), 0);
    memcpy(r->user_data, nonce, sizeof(r->user_data));
    cvm_report_encode(r, wire);
    assert_int_equal(cvm_key_sign(s->report_key, wire, CVM_REPORT_SIGNED, wire + CVM_REPORT_SIGNED), CVM_SIGNATURE_SIZE);
    memcpy(r, wire, sizeof(*r));
}

static int setup(void **state) {
    struct state *s = calloc(1, sizeof(*s));
    struct cvm_broker_resource res = {.name = "default/disk/web", .nr_accepted = 2, .lease = 60,
                                      .accepted = {"platform.no-anchor", "platform.no-dma-protection"}};
    struct cvm_policy *policy = calloc(1, sizeof(*policy));
    const uint8_t nonce[64] = {1};
    EVP_PKEY *sign = EVP_EC_gen("P-256");
    struct cvm_error e = {""};
    struct cvm_report r;
    json_object *o;
    BIO *pem = BIO_new(BIO_s_mem());
    char *text;

    strcpy(s->dir, "/tmp/test-broker.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->report_key = EVP_EC_gen("P-256");
    s->kex = EVP_EC_gen("P-256");
    make_report(s, nonce, &r);
    strcpy(policy->id, "test");
    policy->not_after = NOW + 1000;
    policy->reference.nr_rootvisor = policy->reference.nr_guardian = policy->reference.nr_launch = 1;
    memcpy(policy->reference.launch[0].digest, r.launch_digest, CVM_DIGEST_SIZE);
    memcpy(policy->reference.launch[0].component, r.measured, sizeof(r.measured[0]));
    policy->reference.launch[0].nr = 1;
    o = cvm_policy_to_json(policy);
    write_text(s, "policy.json", json_object_to_json_string(o));
    json_object_put(o);
    assert_int_equal(PEM_write_bio_PrivateKey(pem, sign, NULL, NULL, 0, NULL, NULL), 1);
    BIO_write(pem, "", 1);
    BIO_get_mem_data(pem, &text);
    write_text(s, "sign.key", text);
    BIO_free_all(pem);
    EVP_PKEY_free(sign);
    free(policy);
    assert_int_equal(cvm_broker_store_open(s->dir, NULL, &s->store, &e), 0);
    assert_int_equal(cvm_broker_resource_save(&s->store, &res, NULL, "a key", 5, &e), 0);
    assert_int_equal(cvm_broker_open(&s->store, &s->broker), 0);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    struct state *s = *state;
    char command[128];

    cvm_broker_free(s->broker);
    cvm_broker_store_close(&s->store);
    EVP_PKEY_free(s->report_key);
    EVP_PKEY_free(s->kex);
    free(s->reply.body);
    snprintf(command, sizeof(command), "rm -rf %s", s->dir);
    assert_int_equal(system(command), 0);
    free(s);
    return 0;
}

static unsigned ask(struct state *s, const char *method, const char *path, const char *session, const char *body, time_t now) {
    const struct cvm_broker_request q = {.method = method, .path = path, .session = session, .peer = "test", .body = body,
                                         .size = strlen(body), .now = now};

    free(s->reply.body);
    assert_int_equal(cvm_broker_handle(s->broker, &q, &s->reply), 0);
    return s->reply.status;
}

static void assert_code(const struct state *s, const char *code) {
    char want[64];

    snprintf(want, sizeof(want), "\"code\":\"%s\"", code);
    if (!strstr(s->reply.body, want))
        fail_msg("%s is not in %s", want, s->reply.body);
}

static void auth(struct state *s, time_t now, char *session, uint8_t *nonce) {
    json_object *o = NULL;

    assert_int_equal(ask(s, "POST", "/kbs/v0/auth", NULL, "{\"version\":\"0.1.0\",\"tee\":\"cvmd\",\"extra-params\":\"\"}", now), 200);
    strcpy(session, s->reply.session);
    assert_int_equal(cvm_json_parse(s->reply.body, strlen(s->reply.body), &o, NULL), 0);
    assert_int_equal(cvm_json_base64url(o, "nonce", nonce, 64, NULL), 0);
    json_object_put(o);
}

static unsigned attest(struct state *s, const char *session, const uint8_t *nonce, time_t now) {
    json_object *q = json_object_new_object();
    struct cvm_report_key rk = {0};
    struct cvm_report r;
    char *evidence = NULL;
    unsigned status;

    make_report(s, nonce, &r);
    assert_int_equal(cvm_key_to_point(s->report_key, rk.point), 0);
    assert_int_equal(cvm_evidence_compose(&r, &rk, NULL, &evidence), 0);
    json_object_object_add(q, "tee-evidence", json_object_new_string(evidence));
    status = ask(s, "POST", "/kbs/v0/attest", session, json_object_to_json_string(q), now);
    free(evidence);
    json_object_put(q);
    return status;
}

static void test_a_session_ends(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    uint8_t nonce[64];

    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + CVM_BROKER_SESSION_SECONDS), 401);
    assert_code(s, "session.unknown");
    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + CVM_BROKER_SESSION_SECONDS - 1), 200); /* the control */
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW + CVM_BROKER_SESSION_SECONDS), 401);
    assert_code(s, "session.unknown");
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW + CVM_BROKER_SESSION_SECONDS - 1), 200);
}

/* Another major version of the protocol is refused as such, what is no version as malformed; nothing else of it decides. */
static void test_version(void **state) {
    static const struct {
        const char *version;
        unsigned status;
        const char *code;
    } rows[] = {
        {"\"0.1.0\"", 200, NULL},
        {"\"0.2.17\"", 200, NULL},
        {"\"0.1.0-rc.1+b\"", 200, NULL},
        {"\"1.0.0\"", 400, "request.version"},
        {"\"99999.0.0\"", 400, "request.version"},
        {"\"0.1\"", 400, "request.malformed"},
        {"\"0.1.0x\"", 400, "request.malformed"},
        {"\"0.1.0.0\"", 400, "request.malformed"},
        {"\"-1.1.0\"", 400, "request.malformed"},
        {"\" 0.1.0\"", 400, "request.malformed"},
        {"\"4294967296.1.0\"", 400, "request.malformed"},
        {"\"\"", 400, "request.malformed"},
        {"0", 400, "request.malformed"},
        {"null", 400, "request.malformed"},
    };
    struct state *s = *state;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char body[128];

        snprintf(body, sizeof(body), "{\"version\":%s,\"tee\":\"cvmd\",\"extra-params\":\"\"}", rows[i].version);
        assert_int_equal(ask(s, "POST", "/kbs/v0/auth", NULL, body, NOW), rows[i].status);
        if (rows[i].code)
            assert_code(s, rows[i].code);
        assert_int_equal(s->reply.session[0] != 0, rows[i].status == 200); /* no session either */
    }
    assert_int_equal(ask(s, "POST", "/kbs/v0/auth", NULL, "{\"version\":\"1.0.0\",\"tee\":\"cvmd\"}", NOW), 400);
    assert_non_null(strstr(s->reply.body, "/ProtocolVersion\""));
    assert_int_equal(ask(s, "POST", "/kbs/v0/auth", NULL, "{\"tee\":\"cvmd\"}", NOW), 400);
    assert_code(s, "request.malformed");
}

/* Answers that give a key. */
static bool is_given(const struct state *s, unsigned status) {
    return status == 200 && strstr(s->reply.body, "\"blob\"");
}

/* Each bit of method, path and cookie of the request for a key, and of what stands around the evidence, which other tests change. */
static void test_each_bit_of_a_request(void **state) {
    static const char before[] = "{\"tee-evidence\":";
    char session[CVM_BROKER_SESSION_HEX + 1], method[] = "GET", path[] = RESOURCE, cookie[sizeof(session)], body[] = "{\"tee-evidence\":{}}";
    struct {
        char *text;
        size_t size;
    } parts[] = {{method, sizeof(method) - 1}, {path, sizeof(path) - 1}, {cookie, sizeof(cookie) - 1}};
    struct state *s = *state;
    uint8_t nonce[64];

    auth(s, NOW, session, nonce);
    for (size_t bit = 0; bit < 8 * (sizeof(before) - 1); bit++) {
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(ask(s, "POST", "/kbs/v0/attest", session, body, NOW), 400);
        assert_code(s, "request.malformed");
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(attest(s, session, nonce, NOW), 200); /* nothing was used up */
    strcpy(cookie, session);
    for (unsigned i = 0; i < ELEMENTSOF(parts); i++)
        for (size_t bit = 0; bit < 8 * parts[i].size; bit++) {
            char *c = &parts[i].text[bit / 8];
            uint8_t id[sizeof(session) / 2], same[sizeof(id)];

            *c = (char)(*c ^ 1 << bit % 8);
            /* A digit in capitals is the same digit. */
            if (i != 2 || cvm_hex_decode(cookie, strlen(cookie), id, sizeof(id)) < 0 ||
                cvm_hex_decode(session, strlen(session), same, sizeof(same)) < 0 || memcmp(id, same, sizeof(id)))
                if (is_given(s, ask(s, method, path, cookie, "", NOW)))
                    fail_msg("part %u, bit %zu: a key was given", i, bit);
            *c = (char)(*c ^ 1 << bit % 8);
        }
    assert_true(is_given(s, ask(s, method, path, cookie, "", NOW))); /* the control */
}

/* The policy's dates count when evidence is judged, not when the broker started. */
static void test_a_policy_ends(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    uint8_t nonce[64];

    auth(s, NOW + 999, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + 999), 200);
    auth(s, NOW + 1001, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + 1001), 401);
    assert_code(s, "policy.expired");
}

static void test_full_house(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    uint8_t nonce[64];

    for (unsigned i = 0; i < CVM_BROKER_SESSIONS; i++)
        auth(s, NOW, session, nonce);
    assert_int_equal(ask(s, "POST", "/kbs/v0/auth", NULL, "{\"version\":\"0.1.0\",\"tee\":\"cvmd\",\"extra-params\":\"\"}", NOW), 503);
    assert_code(s, "sessions.full");
    assert_true(s->reply.retry_after > 0);
    assert_int_equal(attest(s, session, nonce, NOW), 200); /* who is in is served */
    auth(s, NOW + CVM_BROKER_SESSION_SECONDS, session, nonce); /* and places get free by time */
}

static void test_leases(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    uint8_t nonce[64];

    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 59), 0);
    auth(s, NOW + 59, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + 59), 200); /* renewed */
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 118), 0);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 119), 1);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 120), 0); /* told once */
}

/* A VM that fetches its key again has one lease, not two. */
static void test_one_lease(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    uint8_t nonce[64];

    for (unsigned i = 0; i < 3; i++) {
        auth(s, NOW, session, nonce);
        assert_int_equal(attest(s, session, nonce, NOW), 200);
        assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    }
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 60), 1);
}

/* Stops the broker and starts it on what is in its directory. */
static void start_anew(struct state *s) {
    struct cvm_error e = {""};

    cvm_broker_free(s->broker);
    cvm_broker_store_close(&s->store);
    s->broker = NULL;
    if (cvm_broker_store_open(s->dir, NULL, &s->store, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(cvm_broker_open(&s->store, &s->broker), 0);
}

static void keep_last(void *data, json_object *event) {
    json_object **last = data;

    json_object_put(*last);
    *last = json_object_get(event);
}

/* A broker that starts anew knows from its log who must attest again, tells of it once, and of nobody twice. */
static void test_leases_after_a_restart(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1], path[128];
    uint8_t nonce[64], head[32], point[CVM_POINT_SIZE], key[CVM_POINT_SIZE];
    struct state *s = *state;
    struct cvm_error e = {""};
    json_object *last = NULL;
    uint64_t next = 0;
    EVP_PKEY *older = s->kex;

    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    start_anew(s);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 59), 0);
    auth(s, NOW + 59, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW + 59), 200); /* renewed */
    start_anew(s);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 118), 0);
    start_anew(s);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 119), 1);
    start_anew(s);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 1000), 0); /* told once */
    /* A later instance: the older one's lease is over, and nobody waits for it after a restart. */
    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    s->kex = EVP_EC_gen("P-256");
    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    start_anew(s);
    assert_int_equal(cvm_broker_expire(s->broker, NOW + 1000), 1);
    /* The event of a lease that was found in the log tells as much as one that was not. */
    snprintf(path, sizeof(path), "%s/log.jws", s->dir);
    assert_int_equal(cvm_broker_log_verify(path, s->store.point, keep_last, &last, &next, head, &e), 0);
    assert_int_equal(cvm_key_to_point(s->kex, point), 0);
    assert_int_equal(cvm_json_base64url(last, "guardian_key", key, sizeof(key), &e), 0);
    assert_memory_equal(key, point, sizeof(key));
    assert_string_equal(json_object_get_string(json_object_object_get(last, "event")), "lease-expired");
    for (const char *const *name = (const char *const[]){"vm_uuid", "launch_digest", "report_key", "rootvisor_svn", "report_counter", "resource", NULL}; *name; name++)
        assert_non_null(json_object_object_get(last, *name));
    json_object_put(last);
    EVP_PKEY_free(older);
}

static void lease_of(struct cvm_leases *l, const char *name, uint8_t vm, unsigned seconds, time_t now) {
    struct cvm_report r = {.kex_public = {4, vm}};

    cvm_leases_begin(l, name, seconds, &r, now);
}

static unsigned over(struct cvm_leases *l, time_t now) {
    struct cvm_lease lease;
    unsigned n = 0, from = 0;

    while (cvm_leases_take_over(l, now, &from, &lease))
        n++;
    return n;
}

static void test_lease_table(void **state) {
    struct cvm_leases *l = cvm_leases_new();
    struct cvm_report one = {.kex_public = {4, 1}};
    struct cvm_lease lease;
    char name[64];
    unsigned from = 0;

    (void)state;
    assert_non_null(l);
    for (uint8_t vm = 1; vm <= 3; vm++) {
        lease_of(l, "a/b/c", vm, 10, 100);
        lease_of(l, "a/b/d", vm, 20, 100);
    }
    /* The others' on one resource, each once. */
    assert_true(cvm_leases_take_others(l, "a/b/c", &one, &from, &lease));
    assert_string_equal(lease.resource, "a/b/c");
    assert_int_equal(lease.report.kex_public[1], 2);
    assert_true(cvm_leases_take_others(l, "a/b/c", &one, &from, &lease));
    assert_int_equal(lease.report.kex_public[1], 3);
    assert_false(cvm_leases_take_others(l, "a/b/c", &one, &from, &lease));
    from = 0;
    assert_false(cvm_leases_take_others(l, "a/b/c", &one, &from, &lease));
    cvm_leases_renew(l, &one, 105);
    assert_int_equal(over(l, 114), 0);
    assert_int_equal(over(l, 115), 1);  /* a/b/c of the first */
    assert_int_equal(over(l, 120), 2);  /* a/b/d of the others */
    assert_int_equal(over(l, 125), 1);
    assert_int_equal(over(l, 1000), 0);
    /* As many as there is room for, and one more: that which ends first makes room. */
    for (unsigned i = 0; i <= CVM_BROKER_LEASES; i++) {
        snprintf(name, sizeof(name), "a/b/%u", i);
        lease_of(l, name, 1, 100 + i, 0);
    }
    assert_int_equal(over(l, 100), 0);
    assert_int_equal(over(l, 101), 1);
    assert_int_equal(over(l, 100 + CVM_BROKER_LEASES), CVM_BROKER_LEASES - 1);
    cvm_leases_free(l);
}

#define WRITERS 8u
#define LINES 50u

static void *write_lines(void *p) {
    struct cvm_broker_store *store = p;
    struct cvm_broker_event e = {.event = "refused", .peer = "unit", .now = NOW};
    uintptr_t bad = 0;

    for (unsigned i = 0; i < LINES; i++) {
        e.event = i % 3 ? "refused" : "attested";
        bad += cvm_broker_log(store, &e) != 0;
    }
    return (void *)bad;
}

/* Threads that share the way to the disk: every line is there, the chain holds. */
static void test_log_of_many(void **state) {
    struct state *s = *state;
    char path[128];
    pthread_t thread[WRITERS];
    struct cvm_error e = {""};
    uint64_t first = s->store.log_next, next = 0;
    uint8_t head[32];
    void *bad;

    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_lines, &s->store), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(thread[i], &bad), 0);
        assert_null(bad);
    }
    assert_int_equal(cvm_broker_log_sync(&s->store), 0);
    assert_int_equal(s->store.log_commit.safe, s->store.log_next);
    snprintf(path, sizeof(path), "%s/log.jws", s->dir);
    assert_int_equal(cvm_broker_log_verify(path, s->store.point, NULL, NULL, &next, head, &e), 0);
    assert_int_equal(next, first + WRITERS * LINES);
    assert_memory_equal(head, s->store.log_head, sizeof(head));
}

/* What did not reach the disk is not forgotten: no key leaves any more, even if the disk does again. */
static void test_log_that_failed(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;
    int log = s->store.log, pipes[2];
    uint8_t nonce[64];

    assert_int_equal(pipe(pipes), 0);
    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    s->store.log = pipes[1]; /* takes the line, and cannot be brought to a disk */
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 500);
    assert_code(s, "log.failed");
    s->store.log = log;
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 500);
    assert_code(s, "log.failed");
    assert_int_equal(cvm_broker_log_sync(&s->store), -EIO);
    close(pipes[0]);
    close(pipes[1]);
}

static void *write_lines_in_vain(void *p) {
    struct cvm_broker_store *store = p;
    struct cvm_broker_event e = {.event = "refused", .peer = "unit", .now = NOW};
    uintptr_t good = 0;

    for (unsigned i = 0; i < LINES; i++)
        good += cvm_broker_log(store, &e) == 0;
    return (void *)good;
}

/* The disk fails while many wait for it: each of them hears of it, none waits on. */
static void test_log_that_failed_for_many(void **state) {
    struct state *s = *state;
    int log = s->store.log, pipes[2];
    pthread_t thread[WRITERS];
    void *good;

    assert_int_equal(pipe(pipes), 0);
    s->store.log = pipes[1];
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_lines_in_vain, &s->store), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(thread[i], &good), 0);
        assert_null(good);
    }
    s->store.log = log;
    assert_int_equal(cvm_broker_log_sync(&s->store), -EIO);
    close(pipes[0]);
    close(pipes[1]);
}

/* The linker's --wrap: of folders it counts, and fails the one that @folder_fails says. */
static unsigned folders_synced, folder_fails;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    if (!S_ISDIR(st.st_mode) || ++folders_synced != folder_fails)
        return __real_fsync(fd);
    errno = EIO;
    return -1;
}

/* A disk whose starts are counted. */
static void attest_counted(struct state *s, char *session) {
    struct cvm_broker_resource res = {.name = "default/disk/web", .nr_accepted = 2, .lease = 60, .mark = CVM_BROKER_MARK_REFUSE,
                                      .accepted = {"platform.no-anchor", "platform.no-dma-protection"}};
    struct cvm_error e = {""};
    uint8_t nonce[64];

    folder_fails = 0;
    assert_int_equal(cvm_broker_resource_save(&s->store, &res, NULL, "a key", 5, &e), 0);
    s->rollback = 1;
    auth(s, NOW, session, nonce);
    assert_int_equal(attest(s, session, nonce, NOW), 200);
    folders_synced = 0;
}

/* What a broker remembers of a release, rollback counter, instance and mark, is on the disk by its name, too, before the key leaves. */
static void test_names_on_the_disk(void **state) {
    char session[CVM_BROKER_SESSION_HEX + 1];
    struct state *s = *state;

    attest_counted(s, session);
    assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 200);
    assert_int_equal(folders_synced, 3);
}

/* If one is not, none leaves, and none is had by asking again, when all is in memory. */
static void names_lost(struct state *s, unsigned which) {
    char session[CVM_BROKER_SESSION_HEX + 1];

    attest_counted(s, session);
    folder_fails = which;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ask(s, "GET", RESOURCE, session, "", NOW), 500);
        assert_code(s, "log.failed");
    }
    folder_fails = 0;
}

static void test_counter_lost(void **state) {
    names_lost(*state, 1);
}

static void test_instance_lost(void **state) {
    names_lost(*state, 2);
}

static void test_mark_lost(void **state) {
    names_lost(*state, 3);
}

static void test_two_brokers(void **state) {
    struct state *s = *state;
    struct cvm_broker_store store;
    struct cvm_broker *other;
    struct cvm_error e = {""};

    assert_int_equal(cvm_broker_store_open(s->dir, NULL, &store, &e), 0);
    assert_int_equal(cvm_broker_open(&store, &other), -EBUSY);
    cvm_broker_store_close(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_session_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_bit_of_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_policy_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leases_after_a_restart, setup, teardown),
        cmocka_unit_test(test_lease_table),
        cmocka_unit_test_setup_teardown(test_log_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_that_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_that_failed_for_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_on_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counter_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_instance_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_brokers, setup, teardown),
    };

    umask(077);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
