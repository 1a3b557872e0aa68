/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The EAR: checked with libcrypto directly, member by member against draft-ietf-rats-ear-04. */
#include "attest-fixture.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/claims.h"
#include "attest/ear.h"

/* Independent of the library: OpenSSL's own base64, after translating the alphabet. */
static uint8_t *decode(const char *s, size_t len, size_t *ret) {
    size_t padded = (len + 3) / 4 * 4;
    char *t = malloc(padded + 1);
    uint8_t *out = malloc(padded + 1);
    int n;

    for (size_t i = 0; i < padded; i++)
        t[i] = i >= len ? '=' : s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
    n = EVP_DecodeBlock(out, (uint8_t *)t, (int)padded);
    assert_true(n >= 0);
    *ret = (size_t)n - (padded - len);
    out[*ret] = 0;
    free(t);
    return out;
}

static void verify_es256(EVP_PKEY *key, const char *jwt) {
    const char *dot = strrchr(jwt, '.');
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *der = NULL;
    size_t n = 0;
    uint8_t *raw = decode(dot + 1, strlen(dot + 1), &n);
    int len;

    assert_int_equal(n, 64);
    assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
    len = i2d_ECDSA_SIG(sig, &der);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, der, (size_t)len, (const uint8_t *)jwt, (size_t)(dot - jwt)), 1);
    /* and not for another text */
    EVP_MD_CTX_reset(ctx);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_not_equal(
        EVP_DigestVerify(ctx, der, (size_t)len, (const uint8_t *)jwt, (size_t)(dot - jwt) - 1), 1);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    free(raw);
}

static json_object *part(const char *jwt, int which) {
    const char *start = jwt, *end = strchr(jwt, '.');
    json_object *o;
    uint8_t *text;
    size_t n = 0;

    if (which) {
        start = end + 1;
        end = strchr(start, '.');
    }
    text = decode(start, (size_t)(end - start), &n);
    o = json_tokener_parse((char *)text);
    assert_non_null(o);
    free(text);
    return o;
}

static json_object *get(json_object *o, const char *name) {
    json_object *v = NULL;

    if (!json_object_object_get_ex(o, name, &v))
        fail_msg("claim '%s' is missing", name);
    return v;
}

static char *make(const struct fixture *f, const struct cvm_report *rep, EVP_PKEY *signer,
                  struct cvm_verdict *v) {
    uint8_t wire[sizeof(*rep)];
    char *jwt = NULL;

    fixture_sign(f, rep, wire);
    fixture_appraise(f, wire, v);
    assert_int_equal(cvm_ear_create(
                         &(struct cvm_ear_input){
                             .verdict = v,
                             .nonce = f->nonce,
                             .evidence = wire,
                             .evidence_size = sizeof(wire),
                             .policy_id = "urn:example:policy",
                             .now = 1790000000,
                             .signing_key = signer,
                         },
                         &jwt),
                     0);
    return jwt;
}

static void test_warning(void **state) {
    const struct fixture *f = *state;
    EVP_PKEY *signer = EVP_EC_gen("P-256");
    struct cvm_verdict v;
    char *jwt = make(f, &f->report, signer, &v), *kid = cvm_key_thumbprint(signer);
    json_object *h = part(jwt, 0), *c = part(jwt, 1), *sub, *vector;

    verify_es256(signer, jwt);
    assert_string_equal(json_object_get_string(get(h, "alg")), "ES256");
    assert_string_equal(json_object_get_string(get(h, "kid")), kid);
    assert_string_equal(json_object_get_string(get(c, "eat_profile")), "tag:ietf.org,2026:rats/ear#04");
    assert_true(json_object_is_type(get(c, "iat"), json_type_int));
    assert_int_equal(json_object_get_int64(get(c, "iat")), 1790000000);
    assert_true(json_object_is_type(get(c, "exp"), json_type_int));
    assert_int_equal(json_object_get_int64(get(c, "exp")), 1790003600);
    assert_string_equal(json_object_get_string(get(c, "ear_status")), "warning");
    assert_true(json_object_is_type(get(get(c, "ear_verifier_id"), "developer"), json_type_string));
    assert_true(json_object_is_type(get(get(c, "ear_verifier_id"), "build"), json_type_string));
    assert_int_equal(json_object_object_length(get(c, "ear_verifier_id")), 2);
    assert_int_equal(json_object_object_length(get(c, "submods")), 1);
    sub = get(get(c, "submods"), "cvmd");
    assert_string_equal(json_object_get_string(get(sub, "ear_status")), "warning");
    vector = get(sub, "ear_trustworthiness_vector");
    assert_int_equal(json_object_get_int(get(vector, "executables")), 3);
    assert_int_equal(json_object_get_int(get(vector, "configuration")), 36);
    assert_int_equal(json_object_array_length(get(sub, "ear_appraisal_policy_ids")), 1);
    assert_int_equal(json_object_get_string_len(get(sub, "eat_nonce")), 86); /* 64 bytes; RFC 9711: 8 to 88 */
    assert_string_equal(json_object_get_string(get(get(sub, "ear_attester_claims"), "cvm_vm_uuid")),
                        "030a1118-1f26-2d34-3b42-495057"
                        "5e656c");
    assert_string_equal(json_object_get_string(get(get(sub, "ear_attester_claims"), "eat_profile")),
                        "tag:cvmd.org,2026:report#1");
    assert_string_equal(json_object_get_string(get(get(sub, "ear_attester_claims"), "eat_nonce")),
                        json_object_get_string(get(sub, "eat_nonce")));
    assert_int_equal(json_object_get_int(get(get(sub, "ear_attester_claims"), "uptime")),
                     61); /* 123456789012 / 2 GHz */
    assert_string_equal(json_object_get_string(
                            json_object_array_get_idx(get(get(sub, "ear_attester_claims"), "swversion"), 0)),
                        "0.1.0");
    assert_int_equal(json_object_array_length(get(get(sub, "ear_verifier_claims"), "cvm_findings")), 2);
    json_object_put(h);
    json_object_put(c);
    EVP_PKEY_free(signer);
    free(jwt);
    free(kid);
}

/* Claims of evidence whose signature does not hold are not repeated as if somebody had made them. */
static void test_broken(void **state) {
    const struct fixture *f = *state;
    EVP_PKEY *signer = EVP_EC_gen("P-256");
    struct cvm_report rep = fixture_report(f);
    struct cvm_verdict v;
    json_object *c, *sub;
    char *jwt;

    memset(rep.report_key_id, 0, sizeof(rep.report_key_id));
    jwt = make(f, &rep, signer, &v);
    c = part(jwt, 1);
    verify_es256(signer, jwt);
    sub = get(get(c, "submods"), "cvmd");
    assert_string_equal(json_object_get_string(get(sub, "ear_status")), "contraindicated");
    assert_string_equal(json_object_get_string(get(c, "ear_status")), "contraindicated");
    assert_int_equal(json_object_get_int(get(get(sub, "ear_trustworthiness_vector"), "instance-identity")),
                     99);
    assert_false(json_object_object_get_ex(sub, "ear_attester_claims", NULL));
    assert_string_equal(json_object_get_string(get(get(sub, "ear_verifier_claims"), "cvm_reason")),
                        "broken_evidence");
    json_object_put(c);
    EVP_PKEY_free(signer);
    free(jwt);
}

/* No tier is better than its worst claim (draft-ietf-rats-ear-04, 3.1). */
static void test_status_matches_vector(void **state) {
    const struct fixture *f = *state;

    for (int change = 0; change < 6; change++) {
        struct cvm_report rep = fixture_report(f);
        uint8_t wire[sizeof(rep)];
        struct cvm_verdict v;
        int worst = 0;

        switch (change) {
        case 1:
            rep.user_data[0] ^= 1;
            break;
        case 2:
            rep.rootvisor_digest[0] ^= 1;
            break;
        case 3:
            rep.platform |= CVM_F_VT_D;
            break;
        case 4:
            rep.guardian_svn = 0;
            break;
        case 5:
            rep.launch_digest[0] ^= 1;
            break;
        }
        fixture_sign(f, &rep, wire);
        fixture_appraise(f, wire, &v);
        for (int i = 0; i < CVM_CLAIM_MAX; i++)
            worst = v.vector[i] > worst ? v.vector[i] : worst;
        assert_true((int)v.tier >= (worst >= 96 ? 96 : worst >= 32 ? 32 : worst >= 2 ? 2 : 0));
    }
}

static void test_wrong_key_kind(void **state) {
    const struct fixture *f = *state;
    EVP_PKEY *signer = EVP_EC_gen("P-521");
    struct cvm_verdict v = {.primary = -1};
    char *jwt = NULL;

    assert_true(
        cvm_ear_create(&(struct cvm_ear_input){.verdict = &v, .nonce = f->nonce, .signing_key = signer},
                       &jwt) < 0);
    assert_null(jwt);
    EVP_PKEY_free(signer);
}

/* The example of draft-ietf-rats-ear-04, appendix A.1, in JSON, must become its example in CBOR, to the byte. The raw
 * evidence of the two differs in the draft; here it is that of the CBOR. */
static void test_draft_example_in_cbor(void **state) {
    static const char json[] =
        "{\"eat_profile\":\"tag:ietf.org,2026:rats/ear#04\",\"iat\":1666529184,\"ear_verifier_id\":{\"dev"
        "eloper\":\"https://veraison-project.org\",\"build\":\"vts 0.0.1\"},\"ear_raw_evidence\":\"bGlmZW"
        "JvYXRtYW4\",\"submods\":{\"PSA\":{\"ear_status\":\"contraindicated\",\"ear_trustworthiness_vecto"
        "r\":{\"instance-identity\":2,\"executables\":96,\"hardware\":2},\"ear_appraisal_policy_ids\":[\""
        "https://veraison.example/policy/1/60a0068d\"]}}}";
    static const char want[] =
        "a5190109781d7461673a696574662e6f72672c323032363a726174732f656172233034061a635537a01903eca200781c"
        "68747470733a2f2f7665726169736f6e2d70726f6a6563742e6f7267016976747320302e302e311903ea4b6c69666562"
        "6f61746d616e19010aa163505341a31903e818601903e9a3000202186004021903eb81782a68747470733a2f2f766572"
        "6169736f6e2e6578616d706c652f706f6c6963792f312f3630613030363864";
    json_object *o = json_tokener_parse(json);
    void *cbor = NULL;
    char *hex;
    size_t n = 0;

    (void)state;
    assert_non_null(o);
    assert_int_equal(cvm_claims_to_cbor(o, &cbor, &n), 0);
    assert_int_equal(2 * n, strlen(want));
    hex = malloc(2 * n + 1);
    cvm_hex_encode(cbor, n, hex);
    assert_string_equal(hex, want);
    free(hex);
    free(cbor);
    json_object_put(o);
}

/* What has no place in CBOR is refused, not guessed. */
static void test_bad_claims_in_cbor(void **state) {
    static const char *const bad[] = {
        "{\"ear_status\":\"good\"}",
        "{\"submods\":{\"a\":{\"ear_status\":\"fine\"}}}",
        "{\"submods\":{\"a\":1}}",
        "{\"submods\":{\"a\":{\"ear_trustworthiness_vector\":{\"Hardware\":2}}}}",
        "{\"eat_nonce\":\"+/\"}",
        "{\"ear_raw_evidence\":\"a\"}",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        json_object *o = json_tokener_parse(bad[i]);
        void *cbor = NULL;
        size_t n = 0;

        assert_int_equal(cvm_claims_to_cbor(o, &cbor, &n), -EINVAL);
        json_object_put(o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warning),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_status_matches_vector),
        cmocka_unit_test(test_wrong_key_kind),
        cmocka_unit_test(test_draft_example_in_cbor),
        cmocka_unit_test(test_bad_claims_in_cbor),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
