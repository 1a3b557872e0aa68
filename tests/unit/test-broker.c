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

#include "attest/broker.h"
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
                             .nr_measured = 1, .kex_alg = CVM_KEX_P256, .measured = {{.kind = 1, .size = 4096}}};
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
        cmocka_unit_test_setup_teardown(test_a_policy_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_brokers, setup, teardown),
    };

    umask(077);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
