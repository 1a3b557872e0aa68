/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HPKE, both sides: libcvmattest seals with OpenSSL, the Guardian opens with BearSSL. RFC 9180,
 * appendix A.3.1 for each of them; then each against the other with the suite that keys travel under.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "attest/hpke.h"
#include "attest/key.h"
#include "guardian-fixture.h"

/* A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode; sequence number 0. */
static const char info_hex[] = "4f6465206f6e2061204772656369616e2055726e";
static const char sk_e[] = "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb";
static const char enc_hex[] = "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f"
                              "951c0900be863c403ce65c9bfcb9382657222d18c4";
static const char sk_r[] = "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2";
static const char pk_r[] = "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62f"
                           "b3d30ad6aa8f80e30f1d128aafd68a2ce72ea0";
static const char text_hex[] = "4265617574792069732074727574682c20747275746820626561757479";
static const char aad_hex[] = "436f756e742d30";
static const char sealed_hex[] = "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f3951"
                                 "3434";

#define TEXT_SIZE 29u

static size_t bytes(const char *hex, uint8_t *out) {
    size_t n = strlen(hex) / 2;

    assert_int_equal(cvm_hex_decode(hex, strlen(hex), out, n), 0);
    return n;
}

static EVP_PKEY *private_key(const char *secret, const char *point) {
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *d = NULL;
    EVP_PKEY *k = NULL;
    OSSL_PARAM *params;
    uint8_t raw[65];

    assert_true(BN_hex2bn(&d, secret) > 0);
    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d);
    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, raw, bytes(point, raw));
    params = OSSL_PARAM_BLD_to_param(b);
    assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
    assert_int_equal(EVP_PKEY_fromdata(c, &k, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(c);
    BN_free(d);
    return k;
}

static void rfc_key(struct ec_key *k) {
    bytes(sk_r, k->secret);
    bytes(pk_r, k->point);
}

static void test_rfc_seal(void **state) {
    uint8_t info[32], aad[16], text[64], receiver[65], want[64], want_enc[65], enc[65], out[64];
    EVP_PKEY *sender = private_key(sk_e, enc_hex);
    struct cvm_hpke_message m = {
        .receiver = receiver, .aead = CVM_HPKE_AES_128_GCM, .info = info, .aad = aad, .text = text, .sender = sender,
        .info_size = bytes(info_hex, info), .aad_size = bytes(aad_hex, aad), .size = bytes(text_hex, text),
    };

    (void)state;
    bytes(pk_r, receiver);
    bytes(enc_hex, want_enc);
    assert_int_equal(bytes(sealed_hex, want), TEXT_SIZE + 16);
    assert_int_equal(cvm_hpke_seal(&m, enc, out), 0);
    assert_memory_equal(enc, want_enc, 65);
    assert_memory_equal(out, want, TEXT_SIZE + 16);
    EVP_PKEY_free(sender);
}

static void test_rfc_open(void **state) {
    uint8_t info[32], aad[16], want[64], enc[65], text[64];
    struct ec_key k;

    (void)state;
    rfc_key(&k);
    bytes(enc_hex, enc);
    bytes(text_hex, want);
    bytes(sealed_hex, text);
    assert_int_equal(hpke_open(&k, HPKE_AES_128_GCM, enc, info, bytes(info_hex, info), aad, bytes(aad_hex, aad), text,
                               TEXT_SIZE, text + TEXT_SIZE),
                     0);
    assert_memory_equal(text, want, TEXT_SIZE);
}

/* The suite that keys travel under: what one side seals, the other opens. */
struct sealed {
    struct ec_key key;
    uint8_t enc[65], info[160], aad[32], text[256], out[256 + 16];
};

static int setup(void **state) {
    struct sealed *s = test_calloc(1, sizeof(*s));
    struct cvm_hpke_message m = {
        .receiver = s->key.point, .aead = CVM_HPKE_AES_256_GCM, .info = s->info, .aad = s->aad, .text = s->text,
        .info_size = sizeof(s->info), .aad_size = sizeof(s->aad), .size = sizeof(s->text),
    };

    rfc_key(&s->key);
    fixture_fill(s->info, sizeof(s->info), 1);
    fixture_fill(s->aad, sizeof(s->aad), 2);
    fixture_fill(s->text, sizeof(s->text), 3);
    *state = s;
    return cvm_hpke_seal(&m, s->enc, s->out);
}

static int teardown(void **state) {
    test_free(*state);
    return 0;
}

static int open_it(const struct sealed *s, uint8_t *text) {
    memcpy(text, s->out, sizeof(s->text));
    return hpke_open(&s->key, HPKE_AES_256_GCM, s->enc, s->info, sizeof(s->info), s->aad, sizeof(s->aad), text,
                     sizeof(s->text), s->out + sizeof(s->text));
}

static void test_both(void **state) {
    struct sealed *s = *state;
    uint8_t text[256], enc[65];

    assert_int_equal(open_it(s, text), 0);
    assert_memory_equal(text, s->text, sizeof(text));
    /* Another message to the same key: another sender's key, so nothing repeats. */
    memcpy(enc, s->enc, sizeof(enc));
    memcpy(text, s->out, sizeof(text));
    teardown(state);
    assert_int_equal(setup(state), 0);
    s = *state;
    assert_memory_not_equal(enc, s->enc, sizeof(enc));
    assert_memory_not_equal(text, s->out, sizeof(text));
}

/* Every byte that travels or is bound: one bit changed, and nothing of the text comes out. */
static void test_changed(void **state) {
    static const uint8_t zero[256];
    struct sealed *s = *state;
    const struct { uint8_t *p; size_t size; } parts[] = {
        {s->enc, sizeof(s->enc)}, {s->info, sizeof(s->info)}, {s->aad, sizeof(s->aad)}, {s->out, sizeof(s->out)},
        {s->key.secret, sizeof(s->key.secret)}, {s->key.point, sizeof(s->key.point)},
    };
    uint8_t text[256];

    for (unsigned i = 0; i < ELEMENTSOF(parts); i++)
        for (size_t n = 0; n < parts[i].size; n += i < 4 ? 1 : 7) {
            parts[i].p[n] ^= 1u << n % 8;
            assert_int_equal(open_it(s, text), -EBADMSG);
            assert_memory_equal(text, zero, sizeof(text));
            parts[i].p[n] ^= 1u << n % 8;
        }
    assert_int_equal(open_it(s, text), 0); /* control */
}

/* Points that are none: infinity, off the curve, compressed, out of range. */
static void test_points(void **state) {
    struct sealed *s = *state;
    uint8_t text[256], good[65], enc[65], out[256 + 16];
    struct cvm_hpke_message m = {.receiver = good, .aead = CVM_HPKE_AES_256_GCM, .text = text, .size = 16};

    memcpy(good, s->enc, 65);
    memset(s->enc, 0, 65);
    assert_int_equal(open_it(s, text), -EBADMSG);
    s->enc[0] = 4;
    assert_int_equal(open_it(s, text), -EBADMSG);
    memset(s->enc + 1, 0xff, 64);
    assert_int_equal(open_it(s, text), -EBADMSG);
    memcpy(s->enc, good, 65);
    s->enc[0] = 2 + (good[64] & 1);
    assert_int_equal(open_it(s, text), -EBADMSG);
    assert_int_equal(cvm_hpke_seal(&m, enc, out), 0); /* control */
    good[40] ^= 1;
    assert_int_equal(cvm_hpke_seal(&m, enc, out), -EINVAL);
    memset(good, 0, 65);
    assert_int_equal(cvm_hpke_seal(&m, enc, out), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_seal),
        cmocka_unit_test(test_rfc_open),
        cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_points, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
