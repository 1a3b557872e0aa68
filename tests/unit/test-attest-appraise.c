/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts: what a tenant is told for good, foreign, stale, swapped and unexpected evidence. */
#include "attest-fixture.h"

#include <openssl/ec.h>
#include <errno.h>
#include <string.h>

#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/explain.h"

static void expect(const struct cvm_verdict *v, enum cvm_tier tier, enum cvm_failure failure,
                   const char *code, enum cvm_verify_exit status) {
    const char *seen = v->primary < 0 ? "none" : v->finding[v->primary].code;

    if (v->tier != tier || v->failure != failure || cvm_verdict_exit(v) != status || strcmp(seen, code) != 0)
        fail_msg("tier %d failure %d exit %d code %s, expected %d %d %d %s", v->tier, v->failure,
                 cvm_verdict_exit(v), seen, tier, failure, status, code);
}

static void sign_and_appraise(const struct fixture *f, const struct cvm_report *rep, struct cvm_verdict *v) {
    uint8_t wire[sizeof(*rep)];

    fixture_sign(f, rep, wire);
    fixture_appraise(f, wire, v);
}

static void test_no_anchor_is_warning(void **state) {
    const struct fixture *f = *state;
    struct cvm_verdict v;

    sign_and_appraise(f, &f->report, &v);
    expect(&v, CVM_TIER_WARNING, CVM_FAILURE_NONE, "platform.no-anchor", CVM_EXIT_WARNING);
    assert_non_null(
        strstr(v.finding[CVM_CHECK_ANCHOR].detail,
               "platform anchor missing: nothing proves that the report key belongs to a genuine RootVisor"));
    assert_int_equal(v.vector[CVM_CLAIM_INSTANCE_IDENTITY], 0);
    assert_int_equal(v.vector[CVM_CLAIM_EXECUTABLES], 3);
    assert_int_equal(v.vector[CVM_CLAIM_CONFIGURATION], 36);
    assert_int_equal(v.vector[CVM_CLAIM_HARDWARE], 0);
    assert_int_equal(v.vector[CVM_CLAIM_RUNTIME_OPAQUE], 0);
}

/* What the report claims of its platform cannot lift the verdict: only a verified quote can. */
static void test_claimed_tpm_is_still_warning(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    rep.platform |= CVM_F_TPM | CVM_F_VT_D;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_WARNING, CVM_FAILURE_NONE, "platform.no-anchor", CVM_EXIT_WARNING);
    assert_int_equal(v.finding[CVM_CHECK_DMA].state, CVM_OK);
}

static int appraise(const struct fixture *f, const struct cvm_report *rep, const uint8_t *pinned,
                    const struct cvm_reference *ref, struct cvm_verdict *v) {
    uint8_t wire[sizeof(*rep)];
    char *text;
    int r;

    fixture_sign(f, rep, wire);
    text = fixture_evidence(f, wire);
    r = cvm_appraise(
        &(struct cvm_appraisal){
            .evidence = text,
            .evidence_size = strlen(text),
            .nonce = f->nonce,
            .pinned_key = pinned,
            .reference = ref,
        },
        v);
    free(text);
    return r;
}

static void test_pinned_key_is_still_warning(void **state) {
    const struct fixture *f = *state;
    struct cvm_verdict v;

    assert_int_equal(appraise(f, &f->report, f->point, &f->reference, &v), 0);
    expect(&v, CVM_TIER_WARNING, CVM_FAILURE_NONE, "platform.no-anchor", CVM_EXIT_WARNING);
    assert_int_equal(v.vector[CVM_CLAIM_INSTANCE_IDENTITY], 2);
}

static void test_keys(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    EVP_PKEY *other = EVP_EC_gen("P-256");
    uint8_t point[CVM_POINT_SIZE], wire[sizeof(rep)];
    struct cvm_verdict v;

    assert_int_equal(cvm_key_to_point(other, point), 0);

    /* The tenant pinned another key. */
    assert_int_equal(appraise(f, &rep, point, &f->reference, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "key.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    assert_int_equal(v.finding[CVM_CHECK_SIGNATURE].state, CVM_SKIPPED);
    assert_int_equal(v.finding[CVM_CHECK_LAUNCH].state, CVM_SKIPPED);

    /* The report names another key than it was signed with. */
    assert_int_equal(cvm_key_id(point, rep.report_key_id), 0);
    assert_int_equal(appraise(f, &rep, point, &f->reference, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "signature.invalid", CVM_EXIT_BROKEN_EVIDENCE);

    /* Bare report bytes carry no key. */
    fixture_sign(f, &f->report, wire);
    assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = wire,
                                                          .evidence_size = sizeof(wire),
                                                          .nonce = f->nonce,
                                                          .reference = &f->reference},
                                  &v),
                     0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "key.missing", CVM_EXIT_BROKEN_EVIDENCE);
    assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = wire,
                                                          .evidence_size = sizeof(wire),
                                                          .nonce = f->nonce,
                                                          .pinned_key = f->point,
                                                          .reference = &f->reference},
                                  &v),
                     0);
    expect(&v, CVM_TIER_WARNING, CVM_FAILURE_NONE, "platform.no-anchor", CVM_EXIT_WARNING);
    EVP_PKEY_free(other);
}

/* r and s at their bounds never verify and never crash. */
static void test_signature_bounds(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report)];
    struct cvm_verdict v;

    for (int half = 0; half < 3; half++)
        for (int fill = 0; fill < 2; fill++) {
            fixture_sign(f, &f->report, wire);
            memset(wire + CVM_REPORT_SIGNED + (half == 1 ? 32 : 0), fill ? 0xff : 0, half == 2 ? 64 : 32);
            fixture_appraise(f, wire, &v);
            expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "signature.invalid",
                   CVM_EXIT_BROKEN_EVIDENCE);
        }
}

static void test_stale_nonce(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    rep.user_data[63] ^= 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "nonce.mismatch", CVM_EXIT_BROKEN_EVIDENCE);
    assert_int_equal(v.vector[CVM_CLAIM_INSTANCE_IDENTITY], 99);
}

static void test_kex_off_curve(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    rep.kex_public[64] ^= 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "kex.invalid", CVM_EXIT_BROKEN_EVIDENCE);
}

/* The measurement must be the one of the listed components, or a host could show one list and
 * mean another. */
static void test_inconsistent_launch(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    rep.measured[2].digest[0] ^= 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, "launch.inconsistent",
           CVM_EXIT_BROKEN_EVIDENCE);
}

static void test_component_named(void **state) {
    const struct fixture *f = *state;
    static const char *const codes[] = {"launch.firmware", "launch.kernel", "launch.initrd",
                                        "launch.cmdline"};

    for (unsigned i = 0; i < 4; i++) {
        struct cvm_report rep = fixture_report(f);
        struct cvm_verdict v;

        rep.measured[i].digest[5] ^= 0x10;
        assert_int_equal(cvm_launch_digest(rep.measured, rep.nr_measured, rep.launch_digest), 0);
        sign_and_appraise(f, &rep, &v);
        expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, codes[i], CVM_EXIT_POLICY_VIOLATION);
        assert_int_equal(v.finding[CVM_CHECK_LAUNCH].state, CVM_FAIL);
        for (unsigned k = 0; k < 4; k++) {
            const struct cvm_finding *c = &v.finding[CVM_CHECK_FIRMWARE + k];

            assert_int_equal(c->state, k == i ? CVM_FAIL : CVM_OK);
            assert_int_equal(strcmp(c->expected, c->seen) == 0, k != i);
        }

        /* Same content, other length: cannot be, but the size is compared too. */
        rep = fixture_report(f);
        rep.measured[i].size += i ? 1 : 4096;
        assert_int_equal(cvm_launch_digest(rep.measured, rep.nr_measured, rep.launch_digest), 0);
        sign_and_appraise(f, &rep, &v);
        expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, codes[i], CVM_EXIT_POLICY_VIOLATION);
    }
}

static void test_component_missing_and_added(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *ref = malloc(sizeof(*ref));
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    /* VM without the command line that was expected. */
    rep.nr_measured = 3;
    memset(&rep.measured[3], 0, sizeof(rep.measured[3]));
    assert_int_equal(cvm_launch_digest(rep.measured, rep.nr_measured, rep.launch_digest), 0);
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.cmdline", CVM_EXIT_POLICY_VIOLATION);
    assert_string_equal(v.finding[CVM_CHECK_CMDLINE].seen, "none");

    /* VM with one that was not expected. */
    *ref = f->reference;
    ref->launch[0].nr = 3;
    assert_int_equal(cvm_launch_digest(ref->launch[0].component, 3, ref->launch[0].digest), 0);
    assert_int_equal(appraise(f, &f->report, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.cmdline", CVM_EXIT_POLICY_VIOLATION);
    assert_string_equal(v.finding[CVM_CHECK_CMDLINE].expected, "none");
    free(ref);
}

static void test_vcpus(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *ref = malloc(sizeof(*ref));
    struct cvm_report rep = fixture_report(f);
    struct cvm_error e = {""};
    struct cvm_verdict v;

    assert_non_null(ref);
    assert_int_equal(appraise(f, &f->report, NULL, &f->reference, &v), 0);
    assert_int_equal(v.finding[CVM_CHECK_VCPUS].state, CVM_OK);
    assert_string_equal(v.finding[CVM_CHECK_VCPUS].detail, "one, as expected");

    /* One more than expected, then as expected, then one too many, then too few. */
    assert_int_equal(cvm_measure_vcpus(2, rep.measured, &rep.nr_measured, &e), 0);
    assert_int_equal(cvm_launch_digest(rep.measured, rep.nr_measured, rep.launch_digest), 0);
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.vcpus", CVM_EXIT_POLICY_VIOLATION);
    assert_string_equal(v.finding[CVM_CHECK_VCPUS].detail, "the VM was started with another number of vCPUs");
    assert_string_equal(v.finding[CVM_CHECK_VCPUS].seen, "2 vCPUs");
    for (unsigned n = 2; n <= 3; n++) {
        *ref = f->reference;
        assert_int_equal(cvm_measure_vcpus(n, ref->launch[0].component, &ref->launch[0].nr, &e), 0);
        assert_int_equal(cvm_launch_digest(ref->launch[0].component, ref->launch[0].nr, ref->launch[0].digest), 0);
        assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
        assert_int_equal(v.finding[CVM_CHECK_VCPUS].state, n == 2 ? CVM_OK : CVM_FAIL);
        assert_int_equal(v.finding[CVM_CHECK_LAUNCH].state, n == 2 ? CVM_OK : CVM_FAIL);
    }
    assert_string_equal(v.finding[CVM_CHECK_VCPUS].expected, "3 vCPUs");
    assert_int_equal(appraise(f, &f->report, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.vcpus", CVM_EXIT_POLICY_VIOLATION);
    assert_int_equal(cvm_measure_vcpus(CVM_MAX_CPUS + 1, rep.measured, &rep.nr_measured, &e), -ERANGE);
    free(ref);
}

static void test_images(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep;
    struct cvm_verdict v;

    rep = fixture_report(f);
    rep.rootvisor_digest[47] ^= 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "rootvisor.digest", CVM_EXIT_POLICY_VIOLATION);
    rep = fixture_report(f);
    rep.rootvisor_svn = 2;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "rootvisor.svn", CVM_EXIT_POLICY_VIOLATION);
    rep = fixture_report(f);
    rep.guardian_digest[0] ^= 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "guardian.digest", CVM_EXIT_POLICY_VIOLATION);
    rep = fixture_report(f);
    rep.guardian_svn = 1;
    sign_and_appraise(f, &rep, &v);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "guardian.svn", CVM_EXIT_POLICY_VIOLATION);
    assert_int_equal(v.vector[CVM_CLAIM_EXECUTABLES], 96);
}

/* Old and new values are valid together; a mismatch is told against the closest. */
static void test_alternatives(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *ref = malloc(sizeof(*ref)), *old = malloc(sizeof(*old));
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    *old = f->reference;
    old->rootvisor[0].digest[0] ^= 0xff;
    old->guardian[0].digest[0] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        old->launch[0].component[i].digest[0] ^= 0xff;
    assert_int_equal(cvm_launch_digest(old->launch[0].component, 4, old->launch[0].digest), 0);
    *ref = *old;
    assert_int_equal(cvm_reference_merge(ref, &f->reference), 0);
    assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_WARNING, CVM_FAILURE_NONE, "platform.no-anchor", CVM_EXIT_WARNING);

    rep.measured[2].digest[0] ^= 1;
    assert_int_equal(cvm_launch_digest(rep.measured, 4, rep.launch_digest), 0);
    assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.initrd", CVM_EXIT_POLICY_VIOLATION);
    assert_int_equal(v.finding[CVM_CHECK_KERNEL].state, CVM_OK);

    /* Components of two alternatives do not mix into an accepted third. */
    rep = fixture_report(f);
    memcpy(&rep.measured[1], &old->launch[0].component[1], sizeof(rep.measured[1]));
    assert_int_equal(cvm_launch_digest(rep.measured, 4, rep.launch_digest), 0);
    assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.kernel", CVM_EXIT_POLICY_VIOLATION);
    free(ref);
    free(old);
}

/* Nothing to compare with is a state of its own and never a pass. */
static void test_policy_missing(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *ref = malloc(sizeof(*ref));
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;

    rep.platform |= CVM_F_TPM | CVM_F_VT_D;
    assert_int_equal(appraise(f, &rep, NULL, NULL, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_MISSING, "rootvisor.no-reference",
           CVM_EXIT_POLICY_MISSING);

    for (int part = 0; part < 3; part++) {
        static const char *const codes[] = {"rootvisor.no-reference", "guardian.no-reference",
                                            "launch.no-reference"};

        *ref = f->reference;
        *(part == 0 ? &ref->nr_rootvisor : part == 1 ? &ref->nr_guardian : &ref->nr_launch) = 0;
        assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
        expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_MISSING, codes[part], CVM_EXIT_POLICY_MISSING);
    }
    /* A violation weighs more than a gap. */
    rep.measured[2].digest[0] ^= 1;
    assert_int_equal(cvm_launch_digest(rep.measured, 4, rep.launch_digest), 0);
    *ref = f->reference;
    ref->nr_rootvisor = 0;
    assert_int_equal(appraise(f, &rep, NULL, ref, &v), 0);
    expect(&v, CVM_TIER_CONTRAINDICATED, CVM_POLICY_VIOLATION, "launch.initrd", CVM_EXIT_POLICY_VIOLATION);
    free(ref);
}

static void test_garbage(void **state) {
    const struct fixture *f = *state;
    static const struct {
        const char *text, *code;
    } cases[] = {
        {"", "evidence.malformed"},
        {"{", "evidence.malformed"},
        {"{}", "evidence.malformed"},
        {"hello", "report.malformed"},
        {"CV", "report.truncated"},
        {"{\"profile\":\"tag:cvmd.org,2026:evidence#2\",\"report\":\"\"}", "evidence.unsupported"},
        {"{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"\"}", "report.truncated"},
        {"{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AAAAAA\"}", "report.malformed"},
    };
    struct cvm_verdict v;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(cvm_appraise(&(struct cvm_appraisal){.evidence = cases[i].text,
                                                              .evidence_size = strlen(cases[i].text),
                                                              .nonce = f->nonce,
                                                              .reference = &f->reference},
                                      &v),
                         0);
        expect(&v, CVM_TIER_CONTRAINDICATED, CVM_BROKEN_EVIDENCE, cases[i].code, CVM_EXIT_BROKEN_EVIDENCE);
        assert_false(v.has_report);
    }
}

static void test_explain(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    char *text = NULL;
    size_t size = 0;
    struct cvm_verdict v;
    json_object *o, *x = NULL;
    FILE *out;

    rep.measured[2].digest[0] ^= 1;
    assert_int_equal(cvm_launch_digest(rep.measured, rep.nr_measured, rep.launch_digest), 0);
    sign_and_appraise(f, &rep, &v);
    out = open_memstream(&text, &size);
    cvm_verdict_print(&v, true, out);
    fclose(out);
    assert_non_null(strstr(text, "verdict: contraindicated (policy_violation)"));
    assert_non_null(strstr(text, "✗ initrd"));
    assert_non_null(strstr(text, "✓ kernel"));
    assert_non_null(strstr(text, "! platform anchor"));
    assert_non_null(strstr(text, v.finding[CVM_CHECK_INITRD].expected));
    assert_non_null(strstr(text, v.finding[CVM_CHECK_INITRD].seen));
    free(text);

    o = cvm_verdict_to_json(&v);
    assert_true(json_object_object_get_ex(o, "code", &x));
    assert_string_equal(json_object_get_string(x), "launch.initrd");
    assert_true(json_object_object_get_ex(o, "exit_status", &x));
    assert_int_equal(json_object_get_int(x), 5);
    assert_true(json_object_object_get_ex(o, "checks", &x));
    assert_int_equal(json_object_array_length(x), CVM_CHECK_MAX);
    json_object_put(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_anchor_is_warning),
        cmocka_unit_test(test_claimed_tpm_is_still_warning),
        cmocka_unit_test(test_pinned_key_is_still_warning),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_signature_bounds),
        cmocka_unit_test(test_stale_nonce),
        cmocka_unit_test(test_kex_off_curve),
        cmocka_unit_test(test_inconsistent_launch),
        cmocka_unit_test(test_component_named),
        cmocka_unit_test(test_component_missing_and_added),
        cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_policy_missing),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_explain),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
