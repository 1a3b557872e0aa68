/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "soft-tpm.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

static void check(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "soft-tpm: %s\n", what);
    abort();
}

struct writer {
    uint8_t *p;
    size_t n, max;
};

static void put(struct writer *w, const void *p, size_t size) {
    check(w->n + size <= w->max, "no room");
    memcpy(w->p + w->n, p, size);
    w->n += size;
}

static void put_be(struct writer *w, uint64_t v, size_t size) {
    uint8_t b[8];

    for (size_t i = 0; i < size; i++)
        b[i] = (uint8_t)(v >> 8 * (size - 1 - i));
    put(w, b, size);
}

static void put_le(struct writer *w, uint64_t v, size_t size) {
    uint8_t b[8];

    for (size_t i = 0; i < size; i++)
        b[i] = (uint8_t)(v >> 8 * i);
    put(w, b, size);
}

static void put_2b(struct writer *w, const void *p, size_t size) {
    put_be(w, size, 2);
    put(w, p, size);
}

void soft_tpm_public(struct soft_tpm *t) {
    struct writer w = {t->ak, 0, sizeof(t->ak)};

    put_be(&w, t->type, 2);
    put_be(&w, CVM_TPM_ALG_SHA256, 2);
    put_be(&w, t->attributes, 4);
    put_2b(&w, "", 0);
    put_be(&w, CVM_TPM_ALG_NULL, 2);
    put_be(&w, t->scheme, 2);
    put_be(&w, t->hash, 2);
    if (t->type == CVM_TPM_ALG_RSA) {
        uint8_t n[512];
        BIGNUM *bn = NULL;

        check(EVP_PKEY_get_bn_param(t->key, OSSL_PKEY_PARAM_RSA_N, &bn) == 1, "modulus");
        put_be(&w, (uint64_t)BN_num_bits(bn), 2);
        put_be(&w, 0, 4);
        put_2b(&w, n, (size_t)BN_bn2bin(bn, n));
        BN_free(bn);
    } else {
        uint8_t point[200];
        size_t len = 0;

        check(EVP_PKEY_get_octet_string_param(t->key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                              sizeof(point), &len) == 1,
              "point");
        put_be(&w, t->curve, 2);
        put_be(&w, CVM_TPM_ALG_NULL, 2);
        put_2b(&w, point + 1, len / 2);
        put_2b(&w, point + 1 + len / 2, len / 2);
    }
    t->ak_size = w.n;
}

void soft_tpm_init(struct soft_tpm *t, enum soft_tpm_key kind) {
    memset(t, 0, sizeof(*t));
    t->attributes = CVM_TPM_FIXED_TPM | CVM_TPM_FIXED_PARENT | CVM_TPM_SENSITIVE_DATA_ORIGIN |
                    CVM_TPM_RESTRICTED | CVM_TPM_SIGN | 1u << 6;
    t->hash = kind == SOFT_TPM_P384 ? CVM_TPM_ALG_SHA384 : CVM_TPM_ALG_SHA256;
    if (kind == SOFT_TPM_P256 || kind == SOFT_TPM_P384) {
        t->key = EVP_EC_gen(kind == SOFT_TPM_P256 ? "P-256" : "P-384");
        t->type = CVM_TPM_ALG_ECC;
        t->scheme = CVM_TPM_ALG_ECDSA;
        t->curve = kind == SOFT_TPM_P256 ? CVM_TPM_ECC_P256 : CVM_TPM_ECC_P384;
    } else {
        t->key = EVP_RSA_gen(2048);
        t->type = CVM_TPM_ALG_RSA;
        t->scheme = kind == SOFT_TPM_RSASSA ? CVM_TPM_ALG_RSASSA : CVM_TPM_ALG_RSAPSS;
    }
    check(t->key, "key");
    soft_tpm_public(t);
    soft_tpm_reset(t);
}

void soft_tpm_done(struct soft_tpm *t) {
    EVP_PKEY_free(t->key);
}

void soft_tpm_reset(struct soft_tpm *t) {
    static const uint16_t hash[] = {CVM_TPM_ALG_SHA256, CVM_TPM_ALG_SHA384};
    struct writer w = {t->log, 0, sizeof(t->log)};
    uint8_t zeros[20] = {0};

    put_le(&w, 0, 4);
    put_le(&w, CVM_EV_NO_ACTION, 4);
    put(&w, zeros, 20);
    put_le(&w, 16 + 4 + 4 + 4 + 2 * 4 + 1, 4);
    put(&w, "Spec ID Event03", 16);
    put_le(&w, 0, 4);
    put(&w, (uint8_t[]){0, 2, 105, 2}, 4);
    put_le(&w, 2, 4);
    for (int i = 0; i < 2; i++) {
        put_le(&w, hash[i], 2);
        put_le(&w, cvm_tpm_hash_size(hash[i]), 2);
        memset(&t->bank[i], 0, sizeof(t->bank[i]));
        t->bank[i].hash = hash[i];
        t->bank[i].size = cvm_tpm_hash_size(hash[i]);
    }
    put_le(&w, 0, 1);
    t->log_size = w.n;
}

void soft_tpm_event(struct soft_tpm *t, uint32_t pcr, uint32_t type, const void *measured,
                    size_t measured_size, const void *data, size_t size) {
    struct writer w = {t->log, t->log_size, sizeof(t->log)};

    put_le(&w, pcr, 4);
    put_le(&w, type, 4);
    put_le(&w, 2, 4);
    for (int i = 0; i < 2; i++) {
        struct cvm_pcrs *b = &t->bank[i];
        uint8_t both[2 * CVM_TPM_HASH_MAX];

        memcpy(both, b->value[pcr], b->size);
        check(EVP_Digest(measured, measured_size, both + b->size, NULL, cvm_tpm_md(b->hash), NULL) == 1 &&
                  EVP_Digest(both, 2 * b->size, b->value[pcr], NULL, cvm_tpm_md(b->hash), NULL) == 1,
              "extend");
        put_le(&w, b->hash, 2);
        put(&w, both + b->size, b->size);
    }
    put_le(&w, size, 4);
    put(&w, data, size);
    t->log_size = w.n;
}

static void image(struct soft_tpm *t, uint32_t tag, uint32_t version, uint32_t svn, const uint8_t *digest) {
    uint8_t data[64];
    struct writer w = {data, 0, sizeof(data)};

    put_le(&w, tag, 4);
    put_le(&w, 56, 4);
    put_le(&w, version, 4);
    put_le(&w, svn, 4);
    put(&w, digest, CVM_DIGEST_SIZE);
    soft_tpm_event(t, CVM_PCR_IDENTITY, CVM_EV_EVENT_TAG, data, sizeof(data), data, sizeof(data));
}

void soft_tpm_identity(struct soft_tpm *t, const struct cvm_report *rep) {
    static const char config[] = "\x02\x4d\x56\x43\x07\0\0\0verbose";
    uint8_t key[40] = {0x04, 0x4d, 0x56, 0x43, 32};

    image(t, CVM_TPM_TAG_ROOTVISOR, rep->rootvisor_version, rep->rootvisor_svn, rep->rootvisor_digest);
    soft_tpm_event(t, CVM_PCR_IDENTITY, CVM_EV_EVENT_TAG, config, 15, config, 15);
    image(t, CVM_TPM_TAG_GUARDIAN, 0, rep->guardian_svn, rep->guardian_digest);
    memcpy(key + 8, rep->report_key_id, 32);
    soft_tpm_event(t, CVM_PCR_KEY, CVM_EV_EVENT_TAG, key, sizeof(key), key, sizeof(key));
    soft_tpm_event(t, CVM_PCR_KEY, CVM_EV_SEPARATOR, "\0\0\0", 4, "\0\0\0", 4);
    soft_tpm_event(t, CVM_PCR_IDENTITY, CVM_EV_SEPARATOR, "\0\0\0", 4, "\0\0\0", 4);
}

void soft_tpm_boot(struct soft_tpm *t, unsigned nr, const char *loader, const struct cvm_report *rep) {
    soft_tpm_reset(t);
    for (unsigned i = 0; i < nr; i++) {
        char text[80];
        int n =
            snprintf(text, sizeof(text), "event %u %s", i, i % 10 == 4 || i % 10 >= 8 ? loader : "firmware");

        soft_tpm_event(t, i % 10, i % 10 >= 8 ? CVM_EV_IPL : CVM_EV_POST_CODE, text, (size_t)n, text,
                       (size_t)n);
    }
    soft_tpm_identity(t, rep);
}

size_t soft_tpm_sign(const struct soft_tpm *t, const void *data, size_t size, uint8_t *out) {
    struct writer w = {out, 0, CVM_QUOTE_SIGNATURE_MAX};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t sig[512];
    size_t len = sizeof(sig);

    check(ctx && EVP_DigestSignInit(ctx, &pctx, cvm_tpm_md(t->hash), NULL, t->key) == 1, "sign");
    if (t->scheme == CVM_TPM_ALG_RSAPSS)
        check(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                  EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1,
              "pss");
    check(EVP_DigestSign(ctx, sig, &len, data, size) == 1, "sign");
    EVP_MD_CTX_free(ctx);
    put_be(&w, t->scheme, 2);
    put_be(&w, t->hash, 2);
    if (t->type == CVM_TPM_ALG_ECC) {
        const unsigned char *p = sig;
        ECDSA_SIG *ec = d2i_ECDSA_SIG(NULL, &p, (long)len);
        int half = t->curve == CVM_TPM_ECC_P256 ? 32 : 48;
        uint8_t n[48];

        check(ec && BN_bn2binpad(ECDSA_SIG_get0_r(ec), n, half) == half, "r");
        put_2b(&w, n, (size_t)half);
        check(BN_bn2binpad(ECDSA_SIG_get0_s(ec), n, half) == half, "s");
        put_2b(&w, n, (size_t)half);
        ECDSA_SIG_free(ec);
    } else
        put_2b(&w, sig, len);
    return w.n;
}

void soft_tpm_quote(const struct soft_tpm *t, uint16_t bank, const uint8_t *nonce, struct cvm_platform *ret) {
    const struct cvm_pcrs *b = &t->bank[bank == CVM_TPM_ALG_SHA384];
    struct writer w = {ret->quote, 0, sizeof(ret->quote)};
    uint8_t extra[32], digest[CVM_TPM_HASH_MAX], signer[34] = {0, 0x0b, 1, 2, 3};
    uint32_t select = 0x73ff;

    check(cvm_quote_qualify(nonce, extra) == 0 && cvm_pcrs_digest(b, select, t->hash, digest) > 0, "quote");
    put_be(&w, CVM_TPM_GENERATED, 4);
    put_be(&w, CVM_TPM_ST_ATTEST_QUOTE, 2);
    put_2b(&w, signer, sizeof(signer));
    put_2b(&w, extra, sizeof(extra));
    put_be(&w, 123456, 8);
    put_be(&w, 7, 4);
    put_be(&w, 0, 4);
    put_be(&w, 1, 1);
    put_be(&w, 0x2020, 8);
    put_be(&w, 1, 4);
    put_be(&w, bank, 2);
    put_be(&w, 3, 1);
    put_le(&w, select, 3);
    put_2b(&w, digest, cvm_tpm_hash_size(t->hash));
    ret->quote_size = w.n;
    ret->signature_size = soft_tpm_sign(t, ret->quote, ret->quote_size, ret->signature);
    memcpy(ret->ak, t->ak, t->ak_size);
    ret->ak_size = t->ak_size;
    ret->pcrs = *b;
    ret->pcrs.mask = select;
    free(ret->log);
    ret->log = malloc(t->log_size);
    check(ret->log, "memory");
    memcpy(ret->log, t->log, t->log_size);
    ret->log_size = t->log_size;
}

void soft_tpm_enrolment(const struct soft_tpm *t, struct cvm_enrolment *ret) {
    struct cvm_tpm_public ak;

    memset(ret, 0, sizeof(*ret));
    check(cvm_tpm_public_parse(t->ak, t->ak_size, &ak, NULL) == 0, "public area");
    strcpy(ret->host, "host-1");
    memcpy(ret->ak, t->ak, t->ak_size);
    ret->ak_size = t->ak_size;
    memcpy(ret->name, ak.name, ak.name_size);
    ret->name_size = ak.name_size;
    strcpy(ret->ek.manufacturer, "id:00000000");
    strcpy(ret->ek.model, "swtpm");
    ret->ek.emulated = true;
    ret->issued = 1000;
}

void soft_tpm_reference(const struct soft_tpm *t, uint16_t bank, struct cvm_pcrs *ret) {
    *ret = t->bank[bank == CVM_TPM_ALG_SHA384];
    ret->mask = 0x3ff;
}
