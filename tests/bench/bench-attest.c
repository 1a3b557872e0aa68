/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rate of full appraisals (container, TPM quote, event log of 100 events, enrolment, key, report, signature,
 * reference values, policy) against the bare signature checks in them, report and quote (keys that are ready,
 * DER signatures), on one core; and the memory that it takes. Prints the figures as JSON, as `./dev bench`
 * wants them. Both are measured in turns, so that other load on the machine hits both.
 */
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "attest/appraise.h"
#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/key.h"
#include "attest/report.h"
#include "tests/unit/soft-tpm.h"

#define ROUNDS 40
#define BATCH 50
#define FIRMWARE_EVENTS 94 /* and six of RootVisor */

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "bench-attest: %s\n", what);
        exit(1);
    }
}

/* The least that any program must do for one signature. */
struct bare {
    EVP_PKEY *key;
    unsigned char *der;
    int len;
};

static struct bare bare_prepare(EVP_PKEY *key, const uint8_t *r, const uint8_t *s) {
    struct bare b = {.key = key};
    ECDSA_SIG *ec = ECDSA_SIG_new();

    check(ec, "key");
    ECDSA_SIG_set0(ec, BN_bin2bn(r, 32, NULL), BN_bin2bn(s, 32, NULL));
    b.len = i2d_ECDSA_SIG(ec, &b.der);
    ECDSA_SIG_free(ec);
    return b;
}

static void bare_verify(const struct bare *b, const uint8_t *data, size_t size) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    check(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, b->key) == 1 &&
              EVP_DigestVerify(ctx, b->der, (size_t)b->len, data, size) == 1,
          "bare signature");
    EVP_MD_CTX_free(ctx);
}

static struct cvm_reference reference;
static struct cvm_enrolment enrolment;
static struct cvm_platform platform;
static struct cvm_policy policy;
static struct cvm_verdict verdict;
static struct soft_tpm tpm;

static void make_report(EVP_PKEY *key, const uint8_t *nonce, uint8_t *wire) {
    struct cvm_report r = {.magic = CVM_REPORT_MAGIC,
                           .version = CVM_REPORT_VERSION,
                           .size = sizeof(r),
                           .vm_id = 1,
                           .platform = CVM_F_TPM | CVM_F_VT_D,
                           .nr_measured = 4,
                           .kex_alg = CVM_KEX_P256};
    uint8_t point[CVM_POINT_SIZE];

    for (uint32_t i = 0; i < 4; i++)
        r.measured[i] = (struct cvm_measured){.kind = i + 1, .size = 4096 * (i + 1), .digest = {(uint8_t)i}};
    check(cvm_launch_digest(r.measured, 4, r.launch_digest) == 0, "launch digest");
    check(cvm_key_to_point(key, point) == 0 && cvm_key_id(point, r.report_key_id) == 0, "key");
    memcpy(r.kex_public, point, sizeof(point));
    memcpy(r.user_data, nonce, sizeof(r.user_data));
    cvm_report_encode(&r, wire);
    check(cvm_key_sign(key, wire, CVM_REPORT_SIGNED, wire + CVM_REPORT_SIGNED) == CVM_SIGNATURE_SIZE, "sign");

    soft_tpm_init(&tpm, SOFT_TPM_P256);
    soft_tpm_boot(&tpm, FIRMWARE_EVENTS, "GRUB", &r);
    soft_tpm_quote(&tpm, CVM_TPM_ALG_SHA256, nonce, &platform);
    soft_tpm_enrolment(&tpm, &enrolment);
    soft_tpm_reference(&tpm, CVM_TPM_ALG_SHA256, &reference.boot[0]);
    reference.nr_boot = 1;
    policy.require_anchor = policy.require_dma_protection = true;
    reference.nr_rootvisor = reference.nr_guardian = reference.nr_launch = 1;
    memcpy(reference.launch[0].digest, r.launch_digest, CVM_DIGEST_SIZE);
    memcpy(reference.launch[0].component, r.measured, sizeof(r.measured));
    reference.launch[0].nr = 4;
    strcpy(policy.id, "bench");
}

static void appraise(const char *evidence, const uint8_t *nonce) {
    check(cvm_appraise(&(struct cvm_appraisal){.evidence = evidence,
                                               .evidence_size = strlen(evidence),
                                               .nonce = nonce,
                                               .reference = &reference,
                                               .enrolment = &enrolment,
                                               .nr_enrolment = 1,
                                               .now = 2000,
                                               .policy = &policy},
                       &verdict) == 0 &&
              cvm_verdict_exit(&verdict) == CVM_EXIT_AFFIRMING,
          "appraisal");
}

static void figure(const char *name, const char *unit, double value, double baseline, double ratio,
                   double target, bool met, bool last) {
    printf("  {\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.1f, \"baseline\": %.1f, \"ratio\": %.3f, "
           "\"target\": %.2f, "
           "\"met\": %s}%s\n",
           name, unit, value, baseline, ratio, target, met ? "true" : "false", last ? "" : ",");
}

int main(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t wire[sizeof(struct cvm_report)], nonce[CVM_NONCE_SIZE] = {1}, point[CVM_POINT_SIZE];
    double bare = 0, full = 0, t;
    struct cvm_report_key rk = {0};
    struct bare b, q;
    EVP_PKEY *report_key = NULL;
    struct cvm_report rep;
    struct rusage before, after;
    char *evidence = NULL;

    check(key, "key");
    make_report(key, nonce, wire);
    check(cvm_key_to_point(key, point) == 0, "point");
    memcpy(rk.point, point, sizeof(point));
    memcpy(&rep, wire, sizeof(rep));
    check(cvm_evidence_compose(&rep, &rk, &platform, &evidence) == 0, "evidence");
    appraise(evidence, nonce); /* warm up */
    check(cvm_key_from_point(point, &report_key) == 0, "key");
    b = bare_prepare(report_key, wire + CVM_REPORT_SIGNED, wire + CVM_REPORT_SIGNED + 32);
    q = bare_prepare(tpm.key, platform.signature + 6, platform.signature + 40);
    getrusage(RUSAGE_SELF, &before);
    for (int r = 0; r < ROUNDS; r++) {
        t = now();
        for (int i = 0; i < BATCH; i++) {
            bare_verify(&b, wire, CVM_REPORT_SIGNED);
            bare_verify(&q, platform.quote, platform.quote_size);
        }
        bare += now() - t;
        t = now();
        for (int i = 0; i < BATCH; i++)
            appraise(evidence, nonce);
        full += now() - t;
    }
    getrusage(RUSAGE_SELF, &after);
    bare = ROUNDS * BATCH / bare;
    full = ROUNDS * BATCH / full;
    printf("{\"figures\": [\n");
    figure("full appraisals", "1/s", full, bare, full / bare, 0.7, full / bare >= 0.7, false);
    figure("growth of memory over all appraisals", "KiB", (double)(after.ru_maxrss - before.ru_maxrss), 0, 0,
           4096, after.ru_maxrss - before.ru_maxrss <= 4096, true);
    printf("]}\n");
    OPENSSL_free(b.der);
    OPENSSL_free(q.der);
    EVP_PKEY_free(report_key);
    soft_tpm_done(&tpm);
    free(platform.log);
    EVP_PKEY_free(key);
    free(evidence);
    return 0;
}
