/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest-fixture.h"

#include <openssl/ec.h>
#include <string.h>

#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/report.h"

static void fill(uint8_t *p, size_t size, uint8_t seed) {
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(seed + 7 * i);
}

static void make_report(struct fixture *f) {
    struct cvm_report *r = &f->report;
    static const uint64_t sizes[] = {8192, 7000001, 12345678, 40};
    EVP_PKEY *kex = EVP_EC_gen("P-256");

    assert_non_null(kex);
    memset(r, 0, sizeof(*r));
    r->magic = CVM_REPORT_MAGIC;
    r->version = CVM_REPORT_VERSION;
    r->size = sizeof(*r);
    r->rootvisor_version = 0x000100;
    r->rootvisor_svn = 3;
    r->guardian_svn = 2;
    r->vm_id = 5;
    r->platform = CVM_F_FEATURE_MBE;
    r->uptime_tsc = 123456789012;
    r->tsc_khz = 2000000;
    r->counter = 42;
    fill(r->rootvisor_digest, CVM_DIGEST_SIZE, 1);
    fill(r->guardian_digest, CVM_DIGEST_SIZE, 2);
    fill(r->uuid, sizeof(r->uuid), 3);
    fill(r->rtmr[0], sizeof(r->rtmr), 4);
    r->nr_measured = 4;
    for (uint32_t i = 0; i < 4; i++) {
        r->measured[i].kind = i + 1;
        r->measured[i].size = sizes[i];
        fill(r->measured[i].digest, CVM_DIGEST_SIZE, (uint8_t)(20 + i));
    }
    assert_int_equal(cvm_launch_digest(r->measured, r->nr_measured, r->launch_digest), 0);
    r->kex_alg = CVM_KEX_P256;
    assert_int_equal(cvm_key_to_point(kex, r->kex_public), 0);
    memcpy(r->user_data, f->nonce, sizeof(r->user_data));
    assert_int_equal(cvm_key_id(f->point, r->report_key_id), 0);
    EVP_PKEY_free(kex);
}

int fixture_setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->quoter = EVP_EC_gen("P-256");
    assert_non_null(f->quoter);
    assert_int_equal(cvm_key_to_point(f->quoter, f->point), 0);
    fill(f->nonce, sizeof(f->nonce), 99);
    make_report(f);
    f->reference.nr_rootvisor = f->reference.nr_guardian = f->reference.nr_firmware = f->reference.nr_launch =
        1;
    f->reference.firmware[0] = f->report.measured[0];
    memcpy(f->reference.rootvisor[0].digest, f->report.rootvisor_digest, CVM_DIGEST_SIZE);
    f->reference.rootvisor[0].min_svn = 3;
    memcpy(f->reference.guardian[0].digest, f->report.guardian_digest, CVM_DIGEST_SIZE);
    f->reference.guardian[0].min_svn = 2;
    memcpy(f->reference.launch[0].digest, f->report.launch_digest, CVM_DIGEST_SIZE);
    f->reference.launch[0].nr = f->report.nr_measured;
    memcpy(f->reference.launch[0].component, f->report.measured, sizeof(f->report.measured));
    *state = f;
    return 0;
}

int fixture_teardown(void **state) {
    struct fixture *f = *state;

    EVP_PKEY_free(f->quoter);
    free(f);
    return 0;
}

struct cvm_report fixture_report(const struct fixture *f) {
    return f->report;
}

void fixture_sign(const struct fixture *f, const struct cvm_report *rep, uint8_t *wire) {
    cvm_report_encode(rep, wire);
    assert_int_equal(cvm_key_sign(f->quoter, wire, CVM_REPORT_SIGNED, wire + CVM_REPORT_SIGNED),
                     CVM_SIGNATURE_SIZE);
}

char *fixture_evidence(const struct fixture *f, const uint8_t *wire) {
    return fixture_evidence_with(f, wire, NULL);
}

char *fixture_evidence_with(const struct fixture *f, const uint8_t *wire,
                            const struct cvm_platform *platform) {
    struct cvm_report_key key = {0};
    struct cvm_report rep;
    char *text = NULL;

    memcpy(key.point, f->point, sizeof(key.point));
    memcpy(&rep, wire, sizeof(rep));
    assert_int_equal(cvm_evidence_compose(&rep, &key, platform, &text), 0);
    return text;
}

void fixture_appraise(const struct fixture *f, const uint8_t *wire, struct cvm_verdict *v) {
    char *text = fixture_evidence(f, wire);

    assert_int_equal(cvm_appraise(
                         &(struct cvm_appraisal){
                             .evidence = text,
                             .evidence_size = strlen(text),
                             .nonce = f->nonce,
                             .reference = &f->reference,
                         },
                         v),
                     0);
    free(text);
}
