/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quote.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <string.h>

#include "key.h"
#include "reader.h"

CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)

/* A TPM2B that must fit into @max bytes. */
static bool take_into(struct cvm_reader *r, uint8_t *out, size_t max, size_t *size) {
    const uint8_t *p = cvm_take_2b(r, size);

    if (!p || *size > max)
        return false;
    memcpy(out, p, *size);
    return true;
}

/* TPML_PCR_SELECTION */
static int parse_selection(struct cvm_reader *r, struct cvm_quote *q, struct cvm_error *e) {
    uint32_t count = cvm_be32(r);

    if (r->bad || count == 0 || count > CVM_QUOTE_BANKS)
        return cvm_error_set(e, -EINVAL, "the quote selects PCRs of %u banks, 1 to %u are taken", count,
                             CVM_QUOTE_BANKS);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t hash = cvm_be16(r);
        size_t size = (size_t)cvm_take_be(r, 1);
        const uint8_t *bits = cvm_take(r, size);

        if (!bits || size > 4)
            return cvm_error_set(e, -EINVAL, "the PCR selection of the quote is malformed");
        for (unsigned k = 0; k < i; k++)
            if (q->bank[k].hash == hash)
                return cvm_error_set(e, -EINVAL, "the quote selects one bank twice");
        q->bank[i].hash = hash;
        for (size_t k = 0; k < size; k++)
            q->bank[i].pcrs |= (uint32_t)bits[k] << 8 * k;
        if (q->bank[i].pcrs >> CVM_PCRS)
            return cvm_error_set(e, -EINVAL, "the quote selects a PCR above %u", CVM_PCRS - 1);
    }
    q->nr_banks = count;
    return 0;
}

int cvm_quote_parse(const void *buf, size_t size, struct cvm_quote *q, struct cvm_error *e) {
    struct cvm_reader r = {.p = buf, .n = size};
    uint32_t magic;
    uint16_t type;
    uint8_t safe;
    int s;

    memset(q, 0, sizeof(*q));
    magic = cvm_be32(&r);
    type = cvm_be16(&r);
    if (r.bad)
        return cvm_error_set(e, -EINVAL, "the quote is cut short");
    if (magic != CVM_TPM_GENERATED)
        return cvm_error_set(e, -EINVAL, "these bytes do not say that a TPM made them (magic 0x%x)", magic);
    if (type != CVM_TPM_ST_ATTEST_QUOTE)
        return cvm_error_set(e, -EINVAL, "the TPM attests something else than PCRs (type 0x%x)", type);
    if (!take_into(&r, q->signer, sizeof(q->signer), &q->signer_size) ||
        !take_into(&r, q->extra, sizeof(q->extra), &q->extra_size))
        return cvm_error_set(e, -EINVAL,
                             "the signer's name or the nonce of the quote is cut short or too long");
    q->clock = cvm_be64(&r);
    q->reset_count = cvm_be32(&r);
    q->restart_count = cvm_be32(&r);
    safe = (uint8_t)cvm_take_be(&r, 1);
    q->firmware_version = cvm_be64(&r);
    if (r.bad)
        return cvm_error_set(e, -EINVAL, "the quote is cut short");
    if (safe > 1)
        return cvm_error_set(e, -EINVAL, "field 'safe' of the quote is %u", safe);
    q->safe = safe;
    s = parse_selection(&r, q, e);
    if (s < 0)
        return s;
    if (!take_into(&r, q->digest, sizeof(q->digest), &q->digest_size))
        return cvm_error_set(e, -EINVAL, "the PCR digest of the quote is cut short or too long");
    if (r.n)
        return cvm_error_set(e, -EINVAL, "%zu bytes stand behind the quote", r.n);
    return 0;
}

/* TPMS_SIGNATURE_ECC to DER. */
static int ecdsa_der(struct cvm_reader *r, size_t coordinate, uint8_t **der, size_t *len,
                     struct cvm_error *e) {
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *n[2] = {NULL, NULL};
    unsigned char *out = NULL;
    int size;

    for (int i = 0; i < 2; i++) {
        size_t k = 0;
        const uint8_t *p = cvm_take_2b(r, &k);

        if (p && k <= coordinate)
            n[i] = BN_bin2bn(p, (int)k, NULL);
    }
    if (!sig || !n[0] || !n[1] || ECDSA_SIG_set0(sig, n[0], n[1]) != 1) {
        BN_free(n[0]);
        BN_free(n[1]);
        return cvm_error_set(e, -EINVAL, "the ECDSA signature is cut short or too long");
    }
    size = i2d_ECDSA_SIG(sig, &out);
    if (size <= 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    *der = out;
    *len = (size_t)size;
    return 0;
}

static const char changed[] = "the quote was changed after it was signed, or another key signed it";

/* P-256 and SHA-256, as nearly all TPMs have them: the way that keeps keys. */
static int verify_p256(const struct cvm_tpm_public *ak, const void *data, size_t data_size, const uint8_t *sig, size_t size,
                       struct cvm_error *e) {
    uint8_t point[CVM_POINT_SIZE] = {4}, digest[32];
    int r;

    memcpy(point + 1, ak->unique, sizeof(point) - 1);
    if (EVP_Digest(data, data_size, digest, NULL, cvm_tpm_md(CVM_TPM_ALG_SHA256), NULL) != 1)
        return cvm_error_set(e, -EIO, "libcrypto cannot hash");
    r = cvm_key_verify_digest(point, digest, sig, size);
    if (r == -EBADMSG)
        return cvm_error_set(e, r, changed);
    return r < 0 ? cvm_error_set(e, r, r == -EINVAL ? "the key is no point of its curve" : "libcrypto cannot check signatures") : 0;
}

static int verify_with(const struct cvm_tpm_public *ak, const void *data, size_t data_size,
                       const uint8_t *sig, size_t size, struct cvm_error *e) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *pctx = NULL; /* belongs to ctx */
    int r;

    r = cvm_tpm_public_to_key(ak, &key, e);
    if (r < 0)
        return r;
    if (!ctx || EVP_DigestVerifyInit(ctx, &pctx, cvm_tpm_md(ak->scheme_hash), NULL, key) != 1)
        return cvm_error_set(e, ctx ? -EIO : -ENOMEM, "libcrypto cannot check signatures");
    /* TPM 2.0 part 1, B.7: the salt is as long as the digest, or as the key allows. */
    if (ak->scheme == CVM_TPM_ALG_RSAPSS &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) != 1))
        return cvm_error_set(e, -EIO, "libcrypto cannot check RSA-PSS");
    return EVP_DigestVerify(ctx, sig, size, data, data_size) == 1
               ? 0
               : cvm_error_set(e, -EBADMSG, changed);
}

int cvm_quote_verify(const struct cvm_tpm_public *ak, const void *attest, size_t attest_size, const void *sig,
                     size_t size, struct cvm_error *e) {
    struct cvm_reader r = {.p = sig, .n = size};
    uint16_t scheme = cvm_be16(&r), hash = cvm_be16(&r);
    const uint8_t *raw = NULL;
    uint8_t *der = NULL;
    size_t len = 0;
    int q;

    q = cvm_tpm_public_is_ak(ak, e);
    if (q < 0)
        return q;
    if (r.bad)
        return cvm_error_set(e, -EINVAL, "the signature of the quote is cut short");
    if (scheme != ak->scheme || hash != ak->scheme_hash)
        return cvm_error_set(e, -EINVAL,
                             "the signature has scheme 0x%x with hash 0x%x, the key 0x%x with 0x%x", scheme,
                             hash, ak->scheme, ak->scheme_hash);
    if (scheme == CVM_TPM_ALG_ECDSA) {
        q = ecdsa_der(&r, ak->unique_size, &der, &len, e);
        if (q < 0)
            return q;
    } else {
        raw = cvm_take_2b(&r, &len);
        if (!raw || len != ak->unique_size)
            return cvm_error_set(e, -EINVAL, "the RSA signature is cut short or too long");
    }
    if (r.n)
        q = cvm_error_set(e, -EINVAL, "%zu bytes stand behind the signature", r.n);
    else
        q = (der && ak->curve == CVM_TPM_ECC_P256 && hash == CVM_TPM_ALG_SHA256 ? verify_p256 : verify_with)(ak, attest, attest_size, der ?: raw,
                                                                                                          len, e);
    OPENSSL_free(der);
    return q;
}

int cvm_quote_qualify(const uint8_t *nonce, uint8_t *ret) {
    uint8_t text[16 + 64];

    _Static_assert(sizeof(CVM_QUOTE_PREFIX) == 16, "prefix");
    memcpy(text, CVM_QUOTE_PREFIX, 16);
    memcpy(text + 16, nonce, 64);
    return EVP_Digest(text, sizeof(text), ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}
