/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each bit of what an enrolment is made of: the EK certificate and its issuer's, both public areas, the challenge, the response.
 * The TPM here opens credentials as the TPM 2.0 Library says (part 1, 24; part 3, 12.5), written without the code under test.
 */
#include "attest-fixture.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "attest/credential.h"
#include "attest/enrolment.h"
#include "attest/key.h"
#include "soft-tpm.h"

#define NOW 1800000000
#define MAC 32 /* SHA-256: the name algorithm of both EKs */

struct host {
    struct soft_tpm tpm; /* its AK */
    EVP_PKEY *ek;
    struct cvm_endorsement endorsement;
    uint8_t name[2 + MAC]; /* of the AK */
};

struct state {
    EVP_PKEY *ca_key[2]; /* root, intermediate */
    X509 *ca[2];
    struct cvm_ek_trust trust;
    struct host rsa, ecc;
    EVP_PKEY *tenant;
};

/* --- certificates ------------------------------------------------------------------------ */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509_EXTENSION *x;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(x);
    assert_int_equal(X509_add_ext(cert, x, -1), 1);
    X509_EXTENSION_free(x);
}

static X509 *issue(const char *name, EVP_PKEY *key, bool is_ca, X509 *issuer, EVP_PKEY *issuer_key) {
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    assert_int_equal(X509_set_version(cert, 2), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    ASN1_TIME_set(X509_getm_notBefore(cert), NOW - 1000);
    ASN1_TIME_set(X509_getm_notAfter(cert), NOW + 1000);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
    assert_int_equal(X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    add_extension(cert, issuer ?: cert, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(cert, issuer ?: cert, NID_key_usage, is_ca ? "critical,keyCertSign" : "critical,keyEncipherment,keyAgreement");
    if (!is_ca)
        add_extension(cert, issuer ?: cert, NID_ext_key_usage, "2.23.133.8.1");
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static size_t to_der(X509 *cert, uint8_t *out, size_t max) {
    unsigned char *p = out;
    int n = i2d_X509(cert, NULL);

    assert_true(n > 0 && (size_t)n <= max);
    assert_int_equal(i2d_X509(cert, &p), n);
    return (size_t)n;
}

/* --- a TPM that holds an EK -------------------------------------------------------------- */

static uint8_t *put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

/* The default templates of the EK Credential Profile (B.3.3, B.3.4), with any 32 bytes as policy. */
static size_t ek_public(EVP_PKEY *ek, bool rsa, uint8_t *out) {
    uint8_t *p = out, point[65];
    size_t len = 0;

    p = put16(p, rsa ? CVM_TPM_ALG_RSA : CVM_TPM_ALG_ECC);
    p = put16(p, CVM_TPM_ALG_SHA256);
    p = put16(p, 0x0003);
    p = put16(p, 0x00b2);
    p = put16(p, MAC);
    memset(p, 0x83, MAC);
    p += MAC;
    p = put16(p, CVM_TPM_ALG_AES);
    p = put16(p, 128);
    p = put16(p, CVM_TPM_ALG_CFB);
    p = put16(p, CVM_TPM_ALG_NULL);
    if (rsa) {
        BIGNUM *n = NULL;

        assert_int_equal(EVP_PKEY_get_bn_param(ek, OSSL_PKEY_PARAM_RSA_N, &n), 1);
        p = put16(p, 2048);
        p = put16(p, 0);
        p = put16(p, 0);
        p = put16(p, 256);
        assert_int_equal(BN_bn2binpad(n, p, 256), 256);
        p += 256;
        BN_free(n);
    } else {
        assert_int_equal(EVP_PKEY_get_octet_string_param(ek, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &len), 1);
        p = put16(p, CVM_TPM_ECC_P256);
        p = put16(p, CVM_TPM_ALG_NULL);
        for (unsigned i = 0; i < 2; i++) {
            p = put16(p, 32);
            memcpy(p, point + 1 + 32 * i, 32);
            p += 32;
        }
    }
    return (size_t)(p - out);
}

/* KDFa with SHA-256: one block is enough. */
static void kdfa(const uint8_t *key, const char *label, const uint8_t *context, size_t context_size, unsigned bits, uint8_t *out) {
    uint8_t text[128], mac[MAC];
    size_t n = 0;

    n += (size_t)sprintf((char *)text, "%c%c%c%c%s", 0, 0, 0, 1, label);
    text[n++] = 0;
    if (context_size)
        memcpy(text + n, context, context_size);
    n += context_size;
    memcpy(text + n, (uint8_t[]){0, 0, (uint8_t)(bits >> 8), (uint8_t)bits}, 4);
    assert_non_null(HMAC(EVP_sha256(), key, MAC, text, n + 4, mac, NULL));
    memcpy(out, mac, bits / 8);
}

static bool seed_by_rsa(const struct host *h, const struct cvm_credential *c, uint8_t *seed) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(h->ek, NULL);
    uint8_t out[256];
    size_t n = sizeof(out);
    bool good;

    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()), 1);
    assert_int_equal(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_strdup("IDENTITY"), 9), 1);
    good = EVP_PKEY_decrypt(ctx, out, &n, c->seed, c->seed_size) == 1 && n == MAC;
    if (good)
        memcpy(seed, out, MAC);
    EVP_PKEY_CTX_free(ctx);
    return good;
}

static bool seed_by_ecc(const struct host *h, const struct cvm_credential *c, uint8_t *seed) {
    uint8_t point[65] = {4}, own[65], text[4 + 32 + 9 + 32 + 32] = {0, 0, 0, 1};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(h->ek, NULL);
    EVP_PKEY *peer = NULL;
    size_t n = 32;
    bool good;

    good = c->seed_size == 68 && c->seed[0] == 0 && c->seed[1] == 32 && c->seed[34] == 0 && c->seed[35] == 32;
    memcpy(point + 1, c->seed + 2, 32);
    memcpy(point + 33, c->seed + 36, 32);
    good = good && cvm_key_from_point(point, &peer) == 0 && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
           EVP_PKEY_derive(ctx, text + 4, &n) == 1 && n == 32;
    if (good) {
        assert_int_equal(EVP_PKEY_get_octet_string_param(h->ek, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, own, sizeof(own), &n), 1);
        memcpy(text + 36, "IDENTITY", 9);
        memcpy(text + 45, point + 1, 32);
        memcpy(text + 77, own + 1, 32);
        assert_int_equal(EVP_Digest(text, sizeof(text), seed, NULL, EVP_sha256(), NULL), 1);
    }
    EVP_PKEY_free(peer);
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* TPM2_ActivateCredential, for the AK that this TPM has loaded. */
static bool activate(const struct host *h, const struct cvm_credential *c, uint8_t *secret) {
    uint8_t seed[MAC], key[MAC], mac[MAC], text[34 + sizeof(h->name)], plain[34];
    static const uint8_t iv[16];
    EVP_CIPHER_CTX *ctx;
    int n = 0;

    if (c->blob_size != 2 + MAC + 34 || c->blob[0] || c->blob[1] != MAC)
        return false;
    if (!(EVP_PKEY_is_a(h->ek, "RSA") ? seed_by_rsa(h, c, seed) : seed_by_ecc(h, c, seed)))
        return false;
    memcpy(text, c->blob + 2 + MAC, 34);
    memcpy(text + 34, h->name, sizeof(h->name));
    kdfa(seed, "INTEGRITY", NULL, 0, 256, key);
    assert_non_null(HMAC(EVP_sha256(), key, MAC, text, sizeof(text), mac, NULL));
    if (memcmp(mac, c->blob + 2, MAC))
        return false;
    kdfa(seed, "STORAGE", h->name, sizeof(h->name), 128, key);
    ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, iv), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, plain, &n, c->blob + 2 + MAC, 34), 1);
    EVP_CIPHER_CTX_free(ctx);
    if (plain[0] || plain[1] != CVM_CREDENTIAL_SECRET)
        return false;
    memcpy(secret, plain + 2, CVM_CREDENTIAL_SECRET);
    return true;
}

/* --- fixture ----------------------------------------------------------------------------- */

static void make_host(struct state *s, struct host *h, bool rsa) {
    struct cvm_tpm_public ak;
    X509 *cert;

    h->ek = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    soft_tpm_init(&h->tpm, SOFT_TPM_P256);
    assert_int_equal(cvm_tpm_public_parse(h->tpm.ak, h->tpm.ak_size, &ak, NULL), 0);
    assert_int_equal(ak.name_size, sizeof(h->name));
    memcpy(h->name, ak.name, sizeof(h->name));
    cert = issue("TPM", h->ek, false, s->ca[1], s->ca_key[1]);
    h->endorsement.cert_size = to_der(cert, h->endorsement.cert, sizeof(h->endorsement.cert));
    X509_free(cert);
    h->endorsement.ek_size = ek_public(h->ek, rsa, h->endorsement.ek);
    memcpy(h->endorsement.ak, h->tpm.ak, h->tpm.ak_size);
    h->endorsement.ak_size = h->tpm.ak_size;
}

static int setup(void **state) {
    struct state *s = calloc(1, sizeof(*s));

    for (unsigned i = 0; i < 2; i++) {
        s->ca_key[i] = EVP_EC_gen("P-256");
        s->ca[i] = issue(i ? "issuing CA" : "root CA", s->ca_key[i], true, i ? s->ca[0] : NULL, s->ca_key[0]);
    }
    s->trust.roots = X509_STORE_new();
    assert_int_equal(X509_STORE_add_cert(s->trust.roots, s->ca[0]), 1);
    s->trust.intermediates = sk_X509_new_null();
    X509_up_ref(s->ca[1]);
    assert_true(sk_X509_push(s->trust.intermediates, s->ca[1]) > 0);
    s->trust.now = NOW;
    s->tenant = EVP_EC_gen("P-256");
    make_host(s, &s->rsa, true);
    make_host(s, &s->ecc, false);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    struct state *s = *state;

    for (unsigned i = 0; i < 2; i++) {
        X509_free(s->ca[i]);
        EVP_PKEY_free(s->ca_key[i]);
    }
    cvm_ek_trust_done(&s->trust);
    EVP_PKEY_free(s->tenant);
    soft_tpm_done(&s->rsa.tpm);
    soft_tpm_done(&s->ecc.tpm);
    EVP_PKEY_free(s->rsa.ek);
    EVP_PKEY_free(s->ecc.ek);
    free(s);
    return 0;
}

/* The tenant's part: @c is what it sends. Negative if it refuses. */
static int begin(const struct state *s, const struct cvm_endorsement *en, struct cvm_enrolment_session *session, struct cvm_credential *c) {
    char *text = NULL, *challenge = NULL;
    struct cvm_error e = {""};
    int r;

    assert_int_equal(cvm_endorsement_compose(en, &text), 0);
    r = cvm_enrolment_begin(&s->trust, "host-1", text, strlen(text), session, &challenge, &e);
    if (r == 0)
        assert_int_equal(cvm_challenge_parse(challenge, strlen(challenge), c, &e), 0);
    else if (!*e.text)
        fail_msg("refused without a word: %d", r);
    free(text);
    free(challenge);
    return r;
}

static int finish(const struct state *s, const struct cvm_enrolment_session *session, const char *response, size_t size) {
    char *record = NULL;
    struct cvm_error e = {""};
    int r = cvm_enrolment_finish(session, response, size, s->tenant, NOW, 0, &record, &e);

    if (r < 0 && !*e.text)
        fail_msg("refused without a word: %d", r);
    free(record);
    return r;
}

/* What an honest host does; the control of all that follows. */
static void test_honest(void **state) {
    struct state *s = *state;
    struct host *host[] = {&s->rsa, &s->ecc};

    for (unsigned i = 0; i < 2; i++) {
        struct cvm_enrolment_session session;
        uint8_t secret[CVM_CREDENTIAL_SECRET];
        struct cvm_credential c;
        char *response = NULL;

        assert_int_equal(begin(s, &host[i]->endorsement, &session, &c), 0);
        assert_true(activate(host[i], &c, secret));
        assert_memory_equal(secret, session.secret, sizeof(secret));
        assert_false(activate(host[!i], &c, secret));
        assert_int_equal(cvm_response_compose(session.secret, &response), 0);
        assert_int_equal(finish(s, &session, response, strlen(response)), 0);
        free(response);
    }
}

/* --- certificates, each bit -------------------------------------------------------------- */

static int check_certificate(const struct state *s, const struct cvm_ek_trust *trust, const struct host *h, const void *der, size_t size) {
    struct cvm_ek_facts facts;
    struct cvm_tpm_public ek;
    struct cvm_error e = {""};
    int r;

    (void)s;
    assert_int_equal(cvm_tpm_public_parse(h->endorsement.ek, h->endorsement.ek_size, &ek, NULL), 0);
    r = cvm_ek_check(trust, der, size, &ek, &facts, &e);
    if (r < 0 && !*e.text)
        fail_msg("refused without a word: %d", r);
    ERR_clear_error();
    return r;
}

/* No bit may be another, none too few, none too many. */
static void test_ek_certificate(void **state) {
    struct state *s = *state;
    struct host *host[] = {&s->rsa, &s->ecc};

    for (unsigned i = 0; i < 2; i++) {
        struct cvm_endorsement en = host[i]->endorsement;

        assert_int_equal(check_certificate(s, &s->trust, host[i], en.cert, en.cert_size), 0);
        for (size_t bit = 0; bit < 8 * en.cert_size; bit++) {
            en.cert[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (check_certificate(s, &s->trust, host[i], en.cert, en.cert_size) == 0)
                fail_msg("bit %zu of %zu octets is not looked at", bit, en.cert_size);
            en.cert[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < en.cert_size; n++)
            assert_true(check_certificate(s, &s->trust, host[i], en.cert, n) < 0);
        en.cert[en.cert_size] = 0;
        assert_true(check_certificate(s, &s->trust, host[i], en.cert, en.cert_size + 1) < 0);
        /* The other TPM's, whole. */
        assert_true(check_certificate(s, &s->trust, host[i], host[!i]->endorsement.cert, host[!i]->endorsement.cert_size) < 0);
    }
}

/* The intermediate comes with the host's TPM, from its maker: the tenant trusts it by its signature alone. */
static void test_intermediate_certificate(void **state) {
    struct state *s = *state;
    const struct host *h = &s->ecc;
    uint8_t der[1024];
    size_t size = to_der(s->ca[1], der, sizeof(der));
    unsigned parsed = 0;

    for (size_t bit = 0; bit <= 8 * size; bit++) {
        struct cvm_ek_trust trust = {.roots = s->trust.roots, .now = NOW, .intermediates = sk_X509_new_null()};
        const unsigned char *p = der;
        X509 *cert;
        int r;

        if (bit < 8 * size)
            der[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cert = d2i_X509(NULL, &p, (long)size);
        if (cert) {
            assert_true(sk_X509_push(trust.intermediates, cert) > 0);
            parsed++;
        }
        r = check_certificate(s, &trust, h, h->endorsement.cert, h->endorsement.cert_size);
        if ((r == 0) != (bit == 8 * size)) /* the last one is the control */
            fail_msg("bit %zu of the intermediate's %zu octets: %d", bit, size, r);
        if (bit < 8 * size)
            der[bit / 8] ^= (uint8_t)(1 << bit % 8);
        sk_X509_pop_free(trust.intermediates, X509_free);
    }
    assert_true(parsed > 4 * size); /* not all of them for being no certificate */
}

/* --- public areas, each bit -------------------------------------------------------------- */

/*
 * The EK's: the certificate vouches for the key alone. Whoever says other things of it (its policy, say) is refused, or gets a challenge for
 * that very key all the same: only the certified TPM can open it.
 */
static void test_ek_public(void **state) {
    struct state *s = *state;
    struct host *host[] = {&s->rsa, &s->ecc};

    for (unsigned i = 0; i < 2; i++) {
        struct cvm_endorsement en = host[i]->endorsement;
        unsigned taken = 0;

        for (size_t bit = 0; bit < 8 * en.ek_size; bit++) {
            struct cvm_enrolment_session session;
            uint8_t secret[CVM_CREDENTIAL_SECRET];
            struct cvm_credential c;
            size_t at = bit / 8;

            en.ek[at] ^= (uint8_t)(1 << bit % 8);
            if (begin(s, &en, &session, &c) == 0) {
                /* Attributes, policy, exponent 0 or 65537: nothing of the key. */
                if (at < 4 || at >= 42)
                    fail_msg("bit %zu of the EK's public area is not looked at", bit);
                assert_false(activate(host[!i], &c, secret));
                assert_true(activate(host[i], &c, secret));
                assert_memory_equal(session.record.ak, host[i]->tpm.ak, host[i]->tpm.ak_size);
                taken++;
            }
            en.ek[at] ^= (uint8_t)(1 << bit % 8);
        }
        /* 32 attributes, of which two are demanded, and the policy's 32 octets. */
        assert_int_equal(taken, 30 + 8 * MAC);
    }
}

/* The AK's: what comes of it is no AK, or another key, whose challenge the TPM does not open for the one that it has. */
static void test_ak_public(void **state) {
    struct state *s = *state;
    const struct host *h = &s->ecc;
    struct cvm_endorsement en = h->endorsement;
    unsigned refused = 0;

    for (size_t bit = 0; bit < 8 * en.ak_size; bit++) {
        struct cvm_enrolment_session session;
        uint8_t secret[CVM_CREDENTIAL_SECRET];
        struct cvm_credential c;

        en.ak[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (begin(s, &en, &session, &c) < 0)
            refused++;
        else if (activate(h, &c, secret))
            fail_msg("bit %zu of the AK's public area is not bound", bit);
        en.ak[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > 0);
}

/* --- challenge and response -------------------------------------------------------------- */

/* A TPM opens what the tenant made, bit for bit; nothing of it, cut, or put together of two. */
static void test_challenge(void **state) {
    struct state *s = *state;
    struct host *host[] = {&s->rsa, &s->ecc};

    for (unsigned i = 0; i < 2; i++) {
        struct cvm_enrolment_session session, later;
        uint8_t secret[CVM_CREDENTIAL_SECRET];
        struct cvm_credential c, d, bad;

        assert_int_equal(begin(s, &host[i]->endorsement, &session, &c), 0);
        assert_int_equal(begin(s, &host[i]->endorsement, &later, &d), 0);
        assert_memory_not_equal(session.secret, later.secret, sizeof(session.secret));
        for (size_t bit = 0; bit < 8 * (c.blob_size + c.seed_size); bit++) {
            size_t at = bit / 8;
            uint8_t *p;

            bad = c;
            p = at < c.blob_size ? &bad.blob[at] : &bad.seed[at - c.blob_size];
            *p ^= (uint8_t)(1 << bit % 8);
            if (activate(host[i], &bad, secret))
                fail_msg("bit %zu of the challenge does nothing", bit);
        }
        for (bad = c; bad.blob_size--;)
            assert_false(activate(host[i], &bad, secret));
        for (bad = c; bad.seed_size--;)
            assert_false(activate(host[i], &bad, secret));
        bad = c;
        memcpy(bad.seed, d.seed, d.seed_size);
        assert_false(activate(host[i], &bad, secret));
        ERR_clear_error();
        /* Another session's, whole: it opens, and its answer is none to this one. */
        assert_true(activate(host[i], &d, secret));
        assert_memory_equal(secret, later.secret, sizeof(secret));
        assert_memory_not_equal(secret, session.secret, sizeof(secret));
    }
}

/* Each character of a response: refused, or the same answer written in another way (white space). */
static void test_response(void **state) {
    struct state *s = *state;
    struct cvm_enrolment_session session, later;
    struct cvm_credential c;
    char *good = NULL, *text, *other = NULL;
    unsigned refused = 0, same = 0;
    size_t size;

    assert_int_equal(begin(s, &s->ecc.endorsement, &session, &c), 0);
    assert_int_equal(begin(s, &s->ecc.endorsement, &later, &c), 0);
    assert_int_equal(cvm_response_compose(session.secret, &good), 0);
    assert_int_equal(cvm_response_compose(later.secret, &other), 0);
    size = strlen(good);
    text = strdup(good);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (finish(s, &session, text, size) < 0)
            refused++;
        else if (!strchr(" \n", good[bit / 8]))
            fail_msg("bit %zu of the response is not looked at", bit);
        else
            same++;
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(refused + same, 8 * size);
    assert_true(refused > 7 * size);
    for (size_t n = 0; n + 1 < size; n++) /* without the newline it is whole */
        assert_true(finish(s, &session, text, n) < 0);
    assert_true(finish(s, &session, other, strlen(other)) < 0);
    assert_int_equal(finish(s, &session, text, size), 0);
    free(good);
    free(text);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_ek_certificate),
        cmocka_unit_test(test_intermediate_certificate),
        cmocka_unit_test(test_ek_public),
        cmocka_unit_test(test_ak_public),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_response),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
