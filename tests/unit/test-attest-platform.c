/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The platform anchor: what a good TPM gives, and what becomes of every lie about it. */
#include "attest-fixture.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/ec.h>
#include <string.h>

#include "attest/identity.h"
#include "attest/report.h"
#include "soft-tpm.h"

#define NOW 2000

struct anchored {
    struct fixture *f;
    struct soft_tpm tpm;
    struct cvm_report rep;
    struct cvm_platform platform;
    struct cvm_enrolment enrolment;
    struct cvm_reference reference;
    struct cvm_policy policy;
};

static int setup_kind(void **state, enum soft_tpm_key kind, uint16_t bank) {
    struct anchored *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    assert_int_equal(fixture_setup((void **)&a->f), 0);
    a->rep = fixture_report(a->f);
    a->rep.platform |= CVM_F_TPM | CVM_F_VT_D;
    soft_tpm_init(&a->tpm, kind);
    soft_tpm_boot(&a->tpm, 12, "GRUB", &a->rep);
    soft_tpm_quote(&a->tpm, bank, a->f->nonce, &a->platform);
    soft_tpm_enrolment(&a->tpm, &a->enrolment);
    a->reference = a->f->reference;
    soft_tpm_reference(&a->tpm, bank, &a->reference.boot[0]);
    a->reference.nr_boot = 1;
    strcpy(a->policy.id, "test");
    a->policy.require_anchor = true;
    *state = a;
    return 0;
}

static int setup(void **state) {
    return setup_kind(state, SOFT_TPM_P256, CVM_TPM_ALG_SHA256);
}

static int teardown(void **state) {
    struct anchored *a = *state;

    soft_tpm_done(&a->tpm);
    free(a->platform.log);
    fixture_teardown((void **)&a->f);
    free(a);
    return 0;
}

/* What the host sends; the caller frees. */
static char *evidence_of(const struct anchored *a) {
    uint8_t wire[sizeof(a->rep)];

    fixture_sign(a->f, &a->rep, wire);
    return fixture_evidence_with(a->f, wire, &a->platform);
}

static void appraise_text(const struct anchored *a, const char *text, size_t size, struct cvm_verdict *v) {
    assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = text,
                                                          .evidence_size = size,
                                                          .nonce = a->f->nonce,
                                                          .reference = &a->reference,
                                                          .policy = &a->policy,
                                                          .enrolment = &a->enrolment,
                                                          .nr_enrolment = 1,
                                                          .now = NOW},
                                  v),
                     0);
}

static void appraise(const struct anchored *a, struct cvm_verdict *v) {
    char *text = evidence_of(a);

    appraise_text(a, text, strlen(text), v);
    free(text);
}

static void expect(const struct anchored *a, const char *code, enum cvm_verify_exit status) {
    struct cvm_verdict *v = calloc(1, sizeof(*v));
    const char *seen;

    appraise(a, v);
    seen = v->primary < 0 ? "none" : v->finding[v->primary].code;
    if (strcmp(seen, code) != 0 || cvm_verdict_exit(v) != status)
        fail_msg("code %s exit %d, expected %s %d: %s", seen, cvm_verdict_exit(v), code, status,
                 v->primary < 0 ? "" : v->finding[v->primary].detail);
    free(v);
}

static void quote_again(struct anchored *a) {
    soft_tpm_quote(&a->tpm, CVM_TPM_ALG_SHA256, a->f->nonce, &a->platform);
}

static void sign_again(struct anchored *a) {
    a->platform.signature_size =
        soft_tpm_sign(&a->tpm, a->platform.quote, a->platform.quote_size, a->platform.signature);
}

static void test_affirming(void **state) {
    static const struct {
        enum soft_tpm_key kind;
        uint16_t bank;
    } kinds[] = {{SOFT_TPM_P256, CVM_TPM_ALG_SHA256},   {SOFT_TPM_P256, CVM_TPM_ALG_SHA384},
                 {SOFT_TPM_P384, CVM_TPM_ALG_SHA384},   {SOFT_TPM_P384, CVM_TPM_ALG_SHA256},
                 {SOFT_TPM_RSASSA, CVM_TPM_ALG_SHA256}, {SOFT_TPM_RSAPSS, CVM_TPM_ALG_SHA256}};
    struct cvm_verdict *v = calloc(1, sizeof(*v));

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct anchored *a = NULL;

        setup_kind((void **)&a, kinds[i].kind, kinds[i].bank);
        expect(a, "none", CVM_EXIT_AFFIRMING);
        appraise(a, v);
        assert_int_equal(v->tier, CVM_TIER_AFFIRMING);
        assert_int_equal(v->vector[CVM_CLAIM_INSTANCE_IDENTITY], 2);
        assert_int_equal(v->vector[CVM_CLAIM_HARDWARE], 2);
        assert_int_equal(v->vector[CVM_CLAIM_RUNTIME_OPAQUE], 2);
        assert_int_equal(v->vector[CVM_CLAIM_CONFIGURATION], 2);
        assert_non_null(strstr(v->finding[CVM_CHECK_AK].detail, "EMULATED"));
        /* The log alone says as much. */
        a->platform.pcrs.mask = 0;
        expect(a, "none", CVM_EXIT_AFFIRMING);
        teardown((void **)&a);
    }
    free(v);
}

static void test_no_dma_protection(void **state) {
    struct anchored *a = *state;

    a->rep.platform &= ~CVM_F_VT_D;
    expect(a, "platform.no-dma-protection", CVM_EXIT_WARNING);
    /* A risk that the policy takes by name; the vector asserts nothing about it. */
    a->policy.accept_no_dma_protection = true;
    expect(a, "none", CVM_EXIT_AFFIRMING);
    {
        struct cvm_verdict *v = calloc(1, sizeof(*v));

        appraise(a, v);
        assert_int_equal(v->vector[CVM_CLAIM_RUNTIME_OPAQUE], 0);
        free(v);
    }
}

static void test_no_quote(void **state) {
    struct anchored *a = *state;
    struct cvm_verdict *v = calloc(1, sizeof(*v));
    uint8_t wire[sizeof(a->rep)];
    char *text;

    fixture_sign(a->f, &a->rep, wire);
    text = fixture_evidence(a->f, wire);
    assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = text,
                                                          .evidence_size = strlen(text),
                                                          .nonce = a->f->nonce,
                                                          .reference = &a->reference,
                                                          .policy = &a->policy,
                                                          .enrolment = &a->enrolment,
                                                          .nr_enrolment = 1,
                                                          .now = NOW},
                                  v),
                     0);
    assert_string_equal(v->finding[v->primary].code, "platform.no-anchor");
    assert_int_equal(cvm_verdict_exit(v), CVM_EXIT_POLICY_VIOLATION);
    free(text);
    free(v);
}

static void test_enrolment_missing(void **state) {
    struct anchored *a = *state;
    struct cvm_enrolment en = a->enrolment;

    /* Without a demand a warning, with it its own state. */
    a->enrolment.name[5] ^= 1;
    expect(a, "ak.not-enrolled", CVM_EXIT_POLICY_VIOLATION);
    a->enrolment = en;
    a->enrolment.issued = NOW + 1;
    expect(a, "ak.not-yet-valid", CVM_EXIT_POLICY_MISSING);
    a->enrolment = en;
    a->enrolment.expires = NOW - 1;
    expect(a, "ak.expired", CVM_EXIT_POLICY_MISSING);
    a->enrolment.expires = NOW;
    expect(a, "none", CVM_EXIT_AFFIRMING);
}

static void test_ak_of_another_host(void **state) {
    struct anchored *a = *state;
    struct soft_tpm other;

    /* A TPM of its own, with the very same values: it is not the one enrolled. */
    soft_tpm_init(&other, SOFT_TPM_P256);
    soft_tpm_boot(&other, 12, "GRUB", &a->rep);
    soft_tpm_quote(&other, CVM_TPM_ALG_SHA256, a->f->nonce, &a->platform);
    expect(a, "ak.not-enrolled", CVM_EXIT_POLICY_VIOLATION);
    /* It cannot borrow the enrolled key's public area either. */
    memcpy(a->platform.ak, a->tpm.ak, a->tpm.ak_size);
    expect(a, "quote.signature", CVM_EXIT_BROKEN_EVIDENCE);
    soft_tpm_done(&other);
}

/* A key that signs what it is given could sign a forged quote. */
static void test_ak_is_no_ak(void **state) {
    struct anchored *a = *state;
    static const uint32_t flips[] = {CVM_TPM_FIXED_TPM,  CVM_TPM_FIXED_PARENT, CVM_TPM_SENSITIVE_DATA_ORIGIN,
                                     CVM_TPM_RESTRICTED, CVM_TPM_SIGN,         CVM_TPM_DECRYPT};
    uint32_t attributes = a->tpm.attributes;

    for (size_t i = 0; i < ELEMENTSOF(flips); i++) {
        a->tpm.attributes = attributes ^ flips[i];
        soft_tpm_public(&a->tpm);
        soft_tpm_enrolment(&a->tpm, &a->enrolment); /* even if the tenant signed it */
        quote_again(a);
        expect(a, "ak.malformed", CVM_EXIT_BROKEN_EVIDENCE);
    }
}

static void test_weak_algorithms(void **state) {
    struct anchored *a = *state;
    uint8_t *sig = a->platform.signature;
    uint8_t scheme[2], hash[2];
    EVP_PKEY *weak;

    memcpy(scheme, sig, 2);
    memcpy(hash, sig + 2, 2);
    /* The signature claims RSASSA, RSAPSS, HMAC, NULL, SM2; SHA-1, SHA-384, none. */
    for (size_t i = 0; i < 5; i++) {
        memcpy(sig, (uint8_t[][2]){{0, 0x14}, {0, 0x16}, {0, 0x05}, {0, 0x10}, {0, 0x1b}}[i], 2);
        expect(a, "quote.algorithm", CVM_EXIT_BROKEN_EVIDENCE);
    }
    memcpy(sig, scheme, 2);
    for (size_t i = 0; i < 3; i++) {
        memcpy(sig + 2, (uint8_t[][2]){{0, 0x04}, {0, 0x0c}, {0, 0x10}}[i], 2);
        expect(a, "quote.algorithm", CVM_EXIT_BROKEN_EVIDENCE);
    }
    memcpy(sig + 2, hash, 2);
    expect(a, "none", CVM_EXIT_AFFIRMING);
    /* The key says SHA-1, or no scheme. */
    memcpy(a->platform.ak + 14, (uint8_t[]){0, 0x04}, 2);
    expect(a, "ak.malformed", CVM_EXIT_BROKEN_EVIDENCE);
    /* P-224 and P-521, whatever their points. */
    memcpy(a->platform.ak, a->tpm.ak, a->tpm.ak_size);
    for (uint8_t curve = 0; curve < 0x21; curve++) {
        if (curve == CVM_TPM_ECC_P256)
            continue;
        a->platform.ak[17] = curve;
        expect(a, curve == CVM_TPM_ECC_P384 ? "ak.not-enrolled" : "ak.malformed",
               curve == CVM_TPM_ECC_P384 ? CVM_EXIT_POLICY_VIOLATION : CVM_EXIT_BROKEN_EVIDENCE);
    }
    /* RSA of 1024 bits. */
    weak = EVP_RSA_gen(1024);
    EVP_PKEY_free(a->tpm.key);
    a->tpm.key = weak;
    a->tpm.type = CVM_TPM_ALG_RSA;
    a->tpm.scheme = CVM_TPM_ALG_RSASSA;
    soft_tpm_public(&a->tpm);
    quote_again(a);
    expect(a, "ak.malformed", CVM_EXIT_BROKEN_EVIDENCE);
}

static void test_stale_quote(void **state) {
    struct anchored *a = *state;
    uint8_t other[CVM_NONCE_SIZE] = {9};

    soft_tpm_quote(&a->tpm, CVM_TPM_ALG_SHA256, other, &a->platform);
    expect(a, "quote.nonce", CVM_EXIT_BROKEN_EVIDENCE);
}

static void test_no_quote_but_attest(void **state) {
    struct anchored *a = *state;

    a->platform.quote[5] = 0x17; /* TPM_ST_ATTEST_CERTIFY, signed by the very key */
    sign_again(a);
    expect(a, "quote.malformed", CVM_EXIT_BROKEN_EVIDENCE);
    quote_again(a);
    a->platform.quote[0] = 0; /* what a TPM never signs with a restricted key */
    sign_again(a);
    expect(a, "quote.malformed", CVM_EXIT_BROKEN_EVIDENCE);
}

static void test_selection(void **state) {
    struct anchored *a = *state;
    uint8_t *q = a->platform.quote;
    size_t at = a->platform.quote_size - 2 - 32 - 3; /* the bits */

    assert_int_equal(q[at - 1], 3);
    q[at + 1] &= (uint8_t) ~(1u << 4); /* without PCR 12 */
    sign_again(a);
    expect(a, "quote.selection", CVM_EXIT_BROKEN_EVIDENCE);
    quote_again(a);
    q[at - 2] = 0x04; /* SHA-1 bank */
    sign_again(a);
    expect(a, "quote.selection", CVM_EXIT_BROKEN_EVIDENCE);
    /* A quote that leaves the loader's PCRs out cannot be compared, so it is not accepted. */
    quote_again(a);
    {
        uint8_t digest[32];

        q[at] = 0;
        q[at + 1] = 0x30;
        assert_int_equal(cvm_pcrs_digest(&a->tpm.bank[0], 0x3000, CVM_TPM_ALG_SHA256, digest), 32);
        memcpy(q + at + 5, digest, 32);
        a->platform.pcrs.mask = 0x3000;
    }
    sign_again(a);
    expect(a, "boot.no-reference", CVM_EXIT_POLICY_MISSING);
}

static void test_quote_of_another_boot(void **state) {
    struct anchored *a = *state;
    struct cvm_report rep = a->rep;

    /* The same host started again: another report key. */
    rep.report_key_id[0] ^= 1;
    soft_tpm_boot(&a->tpm, 12, "GRUB", &rep);
    quote_again(a);
    expect(a, "measured.key", CVM_EXIT_BROKEN_EVIDENCE);
}

/* Plain Linux was started and played RootVisor: only the loader's PCRs tell. */
static void test_other_loader(void **state) {
    struct anchored *a = *state;

    soft_tpm_boot(&a->tpm, 12, "evil", &a->rep);
    quote_again(a);
    expect(a, "boot.pcrs", CVM_EXIT_POLICY_VIOLATION);
    a->reference.nr_boot = 0;
    expect(a, "boot.no-reference", CVM_EXIT_POLICY_MISSING);
    a->policy.require_anchor = false;
    expect(a, "boot.no-reference", CVM_EXIT_WARNING);
}

static void test_boot_alternatives(void **state) {
    struct anchored *a = *state;

    /* Old and new firmware are valid together; a bank that was not quoted does not count. */
    a->reference.boot[1] = a->reference.boot[0];
    a->reference.boot[0].value[4][0] ^= 1;
    a->reference.nr_boot = 2;
    expect(a, "none", CVM_EXIT_AFFIRMING);
    a->reference.boot[1].value[9][0] ^= 1;
    expect(a, "boot.pcrs", CVM_EXIT_POLICY_VIOLATION);
    soft_tpm_reference(&a->tpm, CVM_TPM_ALG_SHA384, &a->reference.boot[0]);
    a->reference.nr_boot = 1;
    expect(a, "boot.no-reference", CVM_EXIT_POLICY_MISSING);
}

static void test_report_of_another_rootvisor(void **state) {
    struct anchored *a = *state;
    struct cvm_report rep = a->rep;

    a->rep.rootvisor_digest[0] ^= 1;
    memcpy(a->reference.rootvisor[0].digest, a->rep.rootvisor_digest, CVM_DIGEST_SIZE);
    expect(a, "measured.rootvisor", CVM_EXIT_BROKEN_EVIDENCE);
    a->reference = a->f->reference;
    soft_tpm_reference(&a->tpm, CVM_TPM_ALG_SHA256, &a->reference.boot[0]);
    a->reference.nr_boot = 1;
    a->rep = rep;
    a->rep.rootvisor_svn++; /* a downgrade that calls itself new */
    expect(a, "measured.version", CVM_EXIT_BROKEN_EVIDENCE);
    a->rep = rep;
    a->rep.guardian_svn++;
    expect(a, "measured.guardian", CVM_EXIT_BROKEN_EVIDENCE);
    a->rep = rep;
    a->rep.platform &= ~CVM_F_TPM;
    expect(a, "measured.denied", CVM_EXIT_BROKEN_EVIDENCE);
}

/* An old RootVisor, truly measured and truly reported, is refused by its number. */
static void test_downgrade(void **state) {
    struct anchored *a = *state;

    a->rep.rootvisor_svn--;
    soft_tpm_boot(&a->tpm, 12, "GRUB", &a->rep);
    quote_again(a);
    soft_tpm_reference(&a->tpm, CVM_TPM_ALG_SHA256, &a->reference.boot[0]);
    expect(a, "rootvisor.svn", CVM_EXIT_POLICY_VIOLATION);
}

static void test_log_cut_and_swapped(void **state) {
    struct anchored *a = *state;
    struct soft_tpm other;

    a->platform.log_size -= 1;
    expect(a, "log.malformed", CVM_EXIT_BROKEN_EVIDENCE);
    quote_again(a);
    /* Without its last event. */
    a->platform.log_size -= 4 + 4 + 4 + 2 + 32 + 2 + 48 + 4 + 4;
    expect(a, "log.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    a->platform.pcrs.mask = 0;
    expect(a, "log.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    /* The log of another boot under this boot's quote. */
    quote_again(a);
    soft_tpm_init(&other, SOFT_TPM_P256);
    soft_tpm_boot(&other, 13, "GRUB", &a->rep);
    memcpy(a->platform.log, other.log, a->platform.log_size);
    a->platform.log = realloc(a->platform.log, other.log_size);
    memcpy(a->platform.log, other.log, other.log_size);
    a->platform.log_size = other.log_size;
    expect(a, "log.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    soft_tpm_done(&other);
    /* PCR values that are not the quoted ones. */
    quote_again(a);
    a->platform.pcrs.value[4][0] ^= 1;
    expect(a, "quote.pcrs", CVM_EXIT_BROKEN_EVIDENCE);
    a->platform.pcrs.mask &= ~1u;
    expect(a, "quote.pcrs", CVM_EXIT_BROKEN_EVIDENCE);
}

static void test_log_without_firmware(void **state) {
    struct anchored *a = *state;
    struct soft_tpm t;

    /* The firmware's log was lost, its PCRs were not: their values decide. */
    soft_tpm_init(&t, SOFT_TPM_P256);
    soft_tpm_identity(&t, &a->rep);
    memcpy(a->platform.log, t.log, t.log_size);
    a->platform.log_size = t.log_size;
    expect(a, "none", CVM_EXIT_AFFIRMING);
    a->platform.pcrs.mask = 0;
    expect(a, "log.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    soft_tpm_done(&t);
}

/* What the Quoter extends has one form; the host may extend more, or before it, and gains nothing. */
static void test_identity_forms(void **state) {
    static const uint8_t ones[4] = {255, 255, 255, 255};
    struct anchored *a = *state;

    soft_tpm_event(&a->tpm, CVM_PCR_IDENTITY, CVM_EV_EVENT_TAG, "x", 1, "x", 1);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);

    soft_tpm_boot(&a->tpm, 12, "GRUB", &a->rep);
    soft_tpm_event(&a->tpm, CVM_PCR_KEY, CVM_EV_SEPARATOR, "\0\0\0", 4, "\0\0\0", 4);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);

    /* Twice: the second after the first. */
    soft_tpm_boot(&a->tpm, 12, "GRUB", &a->rep);
    soft_tpm_identity(&a->tpm, &a->rep);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);

    /* The host extended first. */
    soft_tpm_reset(&a->tpm);
    soft_tpm_event(&a->tpm, CVM_PCR_KEY, CVM_EV_SEPARATOR, "\0\0\0", 4, "\0\0\0", 4);
    soft_tpm_identity(&a->tpm, &a->rep);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);

    /* Nothing, or a failed extend. */
    soft_tpm_reset(&a->tpm);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);
    soft_tpm_event(&a->tpm, CVM_PCR_IDENTITY, CVM_EV_SEPARATOR, ones, 4, ones, 4);
    quote_again(a);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);
}

/* The digest of the report's key, the data of another: replays, and is a lie. */
static void test_log_lies_in_data(void **state) {
    struct anchored *a = *state;
    uint8_t truth[40] = {0x04, 0x4d, 0x56, 0x43, 32, 0, 0, 0, 77}, lie[40];
    struct cvm_report genuine = a->rep;

    genuine.report_key_id[0] ^= 0xff; /* of the boot that was measured */
    soft_tpm_boot(&a->tpm, 12, "GRUB", &genuine);
    memcpy(lie, truth, sizeof(lie));
    quote_again(a);
    for (size_t i = 0; i + 40 <= a->platform.log_size; i++)
        if (memcmp(a->platform.log + i, truth, 8) == 0)
            memcpy(a->platform.log + i + 8, a->rep.report_key_id, 32);
    expect(a, "log.identity", CVM_EXIT_BROKEN_EVIDENCE);
}

/* A bit of the log that the quoted bank does not cover: it must not matter. The others must be noticed. */
static bool is_unmeasured(const struct cvm_platform *p, size_t at) {
    struct cvm_log_event ev;
    struct cvm_log log;
    int sha384;

    assert_int_equal(cvm_log_open(p->log, p->log_size, &log, NULL), 0);
    /* In the header: the (unused) SHA-1 digest, platform class, version, errata, UINTN size. */
    if ((at >= 8 && at < 28) || (at >= 48 && at < 56))
        return true;
    sha384 = cvm_log_bank(&log, CVM_TPM_ALG_SHA384);
    while (cvm_log_next(&log, &ev, NULL) > 0) {
        size_t data = (size_t)(ev.data - p->log), digest = (size_t)(ev.digest[sha384] - p->log);
        size_t start = (size_t)(ev.digest[0] - p->log) - 2 - 12;

        if (at >= digest && at < digest + 48)
            return true;
        if (ev.pcr != CVM_PCR_IDENTITY && ev.pcr != CVM_PCR_KEY &&
            ((at >= data && at < data + ev.size) || (at >= start + 4 && at < start + 8)))
            return true;
    }
    return false;
}

static void test_bit_flips(void **state) {
    struct anchored *a = *state;
    struct cvm_verdict *v = calloc(1, sizeof(*v));
    struct {
        uint8_t *p;
        size_t size;
    } parts[] = {{a->platform.quote, a->platform.quote_size},
                 {a->platform.signature, a->platform.signature_size},
                 {a->platform.ak, a->platform.ak_size}};
    unsigned accepted = 0, refused = 0;

    for (size_t i = 0; i < ELEMENTSOF(parts); i++)
        for (size_t bit = 0; bit < 8 * parts[i].size; bit++) {
            parts[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            appraise(a, v);
            if (cvm_verdict_exit(v) != CVM_EXIT_BROKEN_EVIDENCE &&
                cvm_verdict_exit(v) != CVM_EXIT_POLICY_VIOLATION)
                fail_msg("part %zu bit %zu: exit %d", i, bit, cvm_verdict_exit(v));
            parts[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    for (size_t at = 0; at < a->platform.log_size; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        bool unmeasured = is_unmeasured(&a->platform, at);

        a->platform.log[at] ^= bit;
        appraise(a, v);
        a->platform.log[at] ^= bit;
        if (cvm_verdict_exit(v) == CVM_EXIT_AFFIRMING ? !unmeasured
                                                      : cvm_verdict_exit(v) != CVM_EXIT_BROKEN_EVIDENCE)
            fail_msg("log byte %zu: exit %d, %smeasured", at, cvm_verdict_exit(v), unmeasured ? "un" : "");
        if (cvm_verdict_exit(v) == CVM_EXIT_AFFIRMING)
            accepted++;
        else
            refused++;
    }
    assert_true(accepted > 500 && refused > 500); /* both kinds were there */
    expect(a, "none", CVM_EXIT_AFFIRMING);
    free(v);
}

/* Every prefix of the quote, signature and key; the log at each event. */
static void test_cuts(void **state) {
    struct anchored *a = *state;
    size_t *sizes[] = {&a->platform.quote_size, &a->platform.signature_size, &a->platform.ak_size};
    struct cvm_verdict *v = calloc(1, sizeof(*v));

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        size_t full = *sizes[i];

        for (*sizes[i] = 1; *sizes[i] < full; ++*sizes[i]) {
            appraise(a, v);
            assert_int_equal(cvm_verdict_exit(v), CVM_EXIT_BROKEN_EVIDENCE);
        }
    }
    for (size_t n = 1; n < a->tpm.log_size; n += 13) {
        a->platform.log_size = n;
        appraise(a, v);
        assert_int_equal(cvm_verdict_exit(v), CVM_EXIT_BROKEN_EVIDENCE);
    }
    free(v);
}

static bool is_refused(const struct cvm_verdict *v) {
    return cvm_verdict_exit(v) == CVM_EXIT_BROKEN_EVIDENCE || cvm_verdict_exit(v) == CVM_EXIT_POLICY_VIOLATION ||
           cvm_verdict_exit(v) == CVM_EXIT_POLICY_MISSING;
}

/* Is what is judged in both the same? PCR values may be left out: the log tells them. */
static bool is_the_same(const char *a, const char *b, size_t size) {
    struct cvm_evidence one, other;
    bool same;

    assert_int_equal(cvm_evidence_parse(a, size, &one, NULL), 0);
    assert_int_equal(cvm_evidence_parse(b, size, &other, NULL), 0);
    same = one.platform && other.platform && memcmp(one.report, other.report, sizeof(one.report)) == 0 &&
           one.has_key == other.has_key && memcmp(one.key, other.key, sizeof(one.key)) == 0 &&
           one.platform->ak_size == other.platform->ak_size && memcmp(one.platform->ak, other.platform->ak, one.platform->ak_size) == 0 &&
           one.platform->quote_size == other.platform->quote_size &&
           memcmp(one.platform->quote, other.platform->quote, one.platform->quote_size) == 0 &&
           one.platform->signature_size == other.platform->signature_size &&
           memcmp(one.platform->signature, other.platform->signature, one.platform->signature_size) == 0 &&
           (!other.platform->pcrs.mask || memcmp(&one.platform->pcrs, &other.platform->pcrs, sizeof(one.platform->pcrs)) == 0);
    cvm_evidence_done(&one);
    cvm_evidence_done(&other);
    return same;
}

/* Every character of what the host sends, but for the log, whose bytes test_bit_flips() changes one by one. */
static void test_each_character(void **state) {
    struct anchored *a = *state;
    struct cvm_verdict *v = calloc(1, sizeof(*v));
    char *text = evidence_of(a), *good = strdup(text), *log = strstr(text, "\"event_log\""), *end;
    size_t size = strlen(text);
    unsigned refused = 0;

    assert_non_null(log);
    log = strchr(strchr(log, ':'), '"') + 1;
    end = strchr(log, '"');
    for (char *p = text; p < text + size; p++)
        for (unsigned bit = 1; bit < 128 && (p < log || p >= end); bit <<= 1) {
            *p ^= (char)bit;
            appraise_text(a, text, size, v);
            refused += is_refused(v);
            if (!is_refused(v) && !is_the_same(good, text, size))
                fail_msg("byte %zu, bit 0x%x: exit %d for other evidence", (size_t)(p - text), bit, cvm_verdict_exit(v));
            *p ^= (char)bit;
        }
    assert_string_equal(text, good);
    assert_true(refused > 7 * 3000);
    free(good);
    free(text);
    free(v);
}

/* Puts members of @other in place of those of @o, one by one and then each part as a whole, and has each judged. Returns how many. */
static unsigned swap_members(const struct anchored *a, json_object *all, json_object *o, json_object *other, struct cvm_verdict *v) {
    unsigned n = 0;

    json_object_object_foreach(o, name, value) {
        json_object *theirs = NULL, *mine = json_object_get(value);

        assert_true(json_object_object_get_ex(other, name, &theirs));
        if (json_object_is_type(mine, json_type_object))
            n += swap_members(a, all, mine, theirs, v);
        if (!json_object_equal(mine, theirs)) {
            const char *text;
            size_t size;

            json_object_object_add(o, name, json_object_get(theirs));
            text = json_object_to_json_string_length(all, JSON_C_TO_STRING_PLAIN, &size);
            appraise_text(a, text, size, v);
            if (!is_refused(v))
                fail_msg("'%s' of another host: exit %d", name, cvm_verdict_exit(v));
            n++;
            json_object_object_add(o, name, json_object_get(mine));
        }
        json_object_put(mine);
    }
    return n;
}

/* Another host, another VM on it, another nonce: no part of its evidence stands in for ours. */
static void test_each_member_swapped(void **state) {
    struct anchored *a = *state, *b = NULL;
    struct cvm_verdict *v = calloc(1, sizeof(*v));
    json_object *mine, *theirs;
    char *text;
    size_t size;

    assert_int_equal(setup((void **)&b), 0);
    b->rep.uuid[0] ^= 1;
    b->f->nonce[0] ^= 1;
    memcpy(b->rep.user_data, b->f->nonce, sizeof(b->rep.user_data));
    soft_tpm_quote(&b->tpm, CVM_TPM_ALG_SHA256, b->f->nonce, &b->platform);
    expect(b, "none", CVM_EXIT_AFFIRMING); /* each by itself is good */
    expect(a, "none", CVM_EXIT_AFFIRMING);
    text = evidence_of(a);
    mine = json_tokener_parse(text);
    free(text);
    text = evidence_of(b);
    theirs = json_tokener_parse(text);
    free(text);
    /* report_key, x, y, report, platform, ak_public, quote, signature, pcrs and the values of 12 and 13 (the key's), event_log */
    assert_true(swap_members(a, mine, mine, theirs, v) >= 10);
    text = strdup(json_object_to_json_string_length(mine, JSON_C_TO_STRING_PLAIN, &size));
    appraise_text(a, text, size, v);
    assert_int_equal(cvm_verdict_exit(v), CVM_EXIT_AFFIRMING); /* put back, it is good again */
    free(text);
    json_object_put(mine);
    json_object_put(theirs);
    teardown((void **)&b);
    free(v);
}

/* Giants: a log that claims to be large, more events than are taken, sizes that wrap. */
static void test_giant_log(void **state) {
    struct anchored *a = *state;
    struct cvm_error e = {""};
    struct cvm_log log;
    size_t header = 28 + 16 + 4 + 4 + 4 + 8 + 1 + 4, n = header;
    uint8_t *buf = calloc(1, CVM_LOG_MAX + 1);
    struct cvm_pcrs pcrs;

    memcpy(buf, a->tpm.log, a->tpm.log_size);
    assert_int_equal(cvm_log_open(buf, CVM_LOG_MAX + 1, &log, &e), -EFBIG);
    while (n + 4 + 4 + 4 + 34 + 50 + 4 <= CVM_LOG_MAX) {
        memcpy(buf + n, a->tpm.log + header, 12 + 34 + 50);
        memset(buf + n + 12 + 34 + 50, 0, 4);
        n += 12 + 34 + 50 + 4;
    }
    assert_int_equal(cvm_log_open(buf, n, &log, &e), 0);
    assert_int_equal(cvm_log_replay(&log, CVM_TPM_ALG_SHA256, &pcrs, &e), -E2BIG);
    memset(buf + header + 12 + 34 + 50, 0xff, 4); /* event of 4 GiB */
    assert_int_equal(cvm_log_open(buf, n, &log, &e), 0);
    assert_int_equal(cvm_log_replay(&log, CVM_TPM_ALG_SHA256, &pcrs, &e), -EINVAL);
    free(buf);
}

static void test_startup_locality(void **state) {
    struct anchored *a = *state;
    struct cvm_reference ref = {.nr_boot = 0};
    struct cvm_pcrs pcrs;
    struct cvm_log log;

    soft_tpm_reset(&a->tpm);
    a->tpm.bank[0].value[0][31] = 3; /* TPM2_Startup from locality 3 */
    a->tpm.bank[1].value[0][47] = 3;
    {
        size_t at = a->tpm.log_size;
        struct soft_tpm copy = a->tpm;

        soft_tpm_event(&copy, 0, CVM_EV_NO_ACTION, "", 0, "StartupLocality\0\3", 17);
        memcpy(a->tpm.log + at, copy.log + at, copy.log_size - at); /* logged, not extended */
        a->tpm.log_size = copy.log_size;
    }
    soft_tpm_event(&a->tpm, 0, CVM_EV_POST_CODE, "crtm", 4, "crtm", 4);
    assert_int_equal(cvm_log_open(a->tpm.log, a->tpm.log_size, &log, NULL), 0);
    assert_int_equal(cvm_log_replay(&log, CVM_TPM_ALG_SHA256, &pcrs, NULL), 0);
    assert_memory_equal(pcrs.value[0], a->tpm.bank[0].value[0], 32);
    assert_int_equal(cvm_reference_from_log(a->tpm.log, a->tpm.log_size, &ref, NULL), 0);
    assert_int_equal(ref.nr_boot, 2);
    assert_memory_equal(ref.boot[1].value[0], a->tpm.bank[1].value[0], 48);
}

#define with_tpm(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affirming),
        with_tpm(test_no_dma_protection),
        with_tpm(test_no_quote),
        with_tpm(test_enrolment_missing),
        with_tpm(test_ak_of_another_host),
        with_tpm(test_ak_is_no_ak),
        with_tpm(test_weak_algorithms),
        with_tpm(test_stale_quote),
        with_tpm(test_no_quote_but_attest),
        with_tpm(test_selection),
        with_tpm(test_quote_of_another_boot),
        with_tpm(test_other_loader),
        with_tpm(test_boot_alternatives),
        with_tpm(test_report_of_another_rootvisor),
        with_tpm(test_downgrade),
        with_tpm(test_log_cut_and_swapped),
        with_tpm(test_log_without_firmware),
        with_tpm(test_identity_forms),
        with_tpm(test_log_lies_in_data),
        with_tpm(test_bit_flips),
        with_tpm(test_cuts),
        with_tpm(test_each_character),
        with_tpm(test_each_member_swapped),
        with_tpm(test_giant_log),
        with_tpm(test_startup_locality),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
