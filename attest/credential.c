/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credential.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

CVM_DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* One block of KDFa (part 1, 11.4.10.2): what is wanted here is never longer than the hash. */
static int kdfa(uint16_t hash, const uint8_t *key, const char *label, const uint8_t *context,
                size_t context_size, size_t size, uint8_t *ret) {
    uint8_t text[4 + 16 + CVM_TPM_NAME_MAX + 4] = {0, 0, 0, 1}, out[CVM_TPM_HASH_MAX];
    size_t n = 4, label_size = strlen(label) + 1, key_size = cvm_tpm_hash_size(hash);

    if (size > key_size || label_size > 16 || context_size > CVM_TPM_NAME_MAX)
        return -EINVAL;
    memcpy(text + n, label, label_size);
    n += label_size;
    if (context_size)
        memcpy(text + n, context, context_size);
    n += context_size;
    text[n + 2] = (uint8_t)(size * 8 >> 8);
    text[n + 3] = (uint8_t)(size * 8);
    if (!HMAC(cvm_tpm_md(hash), key, (int)key_size, text, n + 4, out, NULL))
        return -EIO;
    memcpy(ret, out, size);
    OPENSSL_cleanse(out, sizeof(out));
    return 0;
}

/* B.10.4: OAEP with the key's name algorithm and the label "IDENTITY". */
static int seed_rsa(const struct cvm_tpm_public *ek, EVP_PKEY *key, uint8_t *seed, struct cvm_credential *c) {
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    char *label = OPENSSL_strdup("IDENTITY");
    size_t size = cvm_tpm_hash_size(ek->name_alg);

    if (!ctx || !label || RAND_bytes(seed, (int)size) != 1 || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, cvm_tpm_md(ek->name_alg)) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, cvm_tpm_md(ek->name_alg)) != 1 ||
        EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, 9) != 1) {
        OPENSSL_free(label);
        return -EIO;
    }
    c->seed_size = sizeof(c->seed);
    return EVP_PKEY_encrypt(ctx, c->seed, &c->seed_size, seed, size) == 1 ? 0 : -EIO;
}

/* C.6.1: a point of our own, and KDFe (part 1, 11.4.10.3) over the shared one. */
static int seed_ecc(const struct cvm_tpm_public *ek, EVP_PKEY *key, uint8_t *seed, struct cvm_credential *c) {
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *own = NULL;
    uint8_t text[4 + 48 + 9 + 48 + 48] = {0, 0, 0, 1}, point[1 + 2 * 48];
    size_t size, len, n = 4;
    const char *curve = cvm_tpm_curve(ek->curve, &size);
    int r = -EIO;

    own = EVP_EC_gen(curve);
    ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
    len = size;
    if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, key) != 1 ||
        EVP_PKEY_derive(ctx, text + n, &len) != 1 || len != size ||
        EVP_PKEY_get_octet_string_param(own, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point),
                                        &len) != 1 ||
        len != 1 + 2 * size)
        goto out;
    n += size;
    memcpy(text + n, "IDENTITY", 9);
    n += 9;
    memcpy(text + n, point + 1, size);
    memcpy(text + n + size, ek->unique, size);
    n += 2 * size;
    if (EVP_Digest(text, n, seed, NULL, cvm_tpm_md(ek->name_alg), NULL) != 1)
        goto out;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *to = c->seed + i * (2 + size);

        to[0] = 0;
        to[1] = (uint8_t)size;
        memcpy(to + 2, point + 1 + i * size, size);
    }
    c->seed_size = 2 * (2 + size);
    r = 0;
out:
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

/* AES-CFB with a zero IV, as the TPM does: the key is used once. */
static int encrypt(unsigned bits, const uint8_t *key, const uint8_t *in, int size, uint8_t *out) {
    _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    static const uint8_t iv[16];
    int n = 0;

    return ctx &&
                   EVP_EncryptInit_ex(ctx, bits == 128 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128(), NULL,
                                      key, iv) == 1 &&
                   EVP_EncryptUpdate(ctx, out, &n, in, size) == 1 && n == size
               ? 0
               : -EIO;
}

/* TPMS_ID_OBJECT: TPM2B of the HMAC, then the encrypted TPM2B of the secret. */
static int wrap(const struct cvm_tpm_public *ek, const uint8_t *seed, const uint8_t *name, size_t name_size,
                const uint8_t *secret, struct cvm_credential *c) {
    uint8_t key[CVM_TPM_HASH_MAX], plain[2 + CVM_CREDENTIAL_SECRET] = {0, CVM_CREDENTIAL_SECRET};
    uint8_t text[sizeof(plain) + CVM_TPM_NAME_MAX];
    size_t hash = cvm_tpm_hash_size(ek->name_alg);
    uint8_t *cipher = c->blob + 2 + hash;
    int r;

    memcpy(plain + 2, secret, CVM_CREDENTIAL_SECRET);
    r = kdfa(ek->name_alg, seed, "STORAGE", name, name_size, ek->symmetric_bits / 8u, key);
    if (r == 0)
        r = encrypt(ek->symmetric_bits, key, plain, sizeof(plain), cipher);
    if (r == 0)
        r = kdfa(ek->name_alg, seed, "INTEGRITY", NULL, 0, hash, key);
    if (r == 0) {
        memcpy(text, cipher, sizeof(plain));
        memcpy(text + sizeof(plain), name, name_size);
        c->blob[0] = 0;
        c->blob[1] = (uint8_t)hash;
        if (!HMAC(cvm_tpm_md(ek->name_alg), key, (int)hash, text, sizeof(plain) + name_size, c->blob + 2,
                  NULL))
            r = -EIO;
        c->blob_size = 2 + hash + sizeof(plain);
    }
    OPENSSL_cleanse(plain, sizeof(plain));
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

int cvm_credential_make(const struct cvm_tpm_public *ek, const uint8_t *name, size_t name_size,
                        const uint8_t *secret, struct cvm_credential *ret, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    uint8_t seed[CVM_TPM_HASH_MAX];
    int r;

    memset(ret, 0, sizeof(*ret));
    if (!(ek->attributes & CVM_TPM_DECRYPT) || !(ek->attributes & CVM_TPM_RESTRICTED) ||
        ek->symmetric != CVM_TPM_ALG_AES || ek->symmetric_bits / 8u > cvm_tpm_hash_size(ek->name_alg))
        return cvm_error_set(e, -EINVAL, "this is no endorsement key: no restricted decryption key with AES");
    if (name_size > CVM_TPM_NAME_MAX)
        return cvm_error_set(e, -EINVAL, "the name of the attestation key is too long");
    r = cvm_tpm_public_to_key(ek, &key, e);
    if (r < 0)
        return r;
    r = ek->type == CVM_TPM_ALG_RSA ? seed_rsa(ek, key, seed, ret) : seed_ecc(ek, key, seed, ret);
    if (r == 0)
        r = wrap(ek, seed, name, name_size, secret, ret);
    OPENSSL_cleanse(seed, sizeof(seed));
    return r < 0 ? cvm_error_set(e, r, "libcrypto cannot make the credential") : 0;
}
