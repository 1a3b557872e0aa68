/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hpke.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <string.h>

#include "key.h"

#define HASH_SIZE 32u
#define NONCE_SIZE 12u
#define LABELED_MAX 512u /* bytes that are hashed at once, labels included */

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CVM_DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* Bytes put one behind the other; too long is an error of the caller, found at the end. */
struct text {
    uint8_t at[LABELED_MAX];
    size_t size;
    bool full;
};

static void put(struct text *t, const void *p, size_t n) {
    if (n > sizeof(t->at) - t->size)
        t->full = true;
    else if (n) {
        memcpy(t->at + t->size, p, n);
        t->size += n;
    }
}

static void put_label(struct text *t, const uint8_t *suite, size_t suite_size, const char *label) {
    put(t, "HPKE-v1", 7);
    put(t, suite, suite_size);
    put(t, label, strlen(label));
}

static int mac(const uint8_t *key, struct text *t, uint8_t *out) {
    bool good = !t->full && HMAC(EVP_sha256(), key, HASH_SIZE, t->at, t->size, out, NULL);

    OPENSSL_cleanse(t, sizeof(*t));
    return good ? 0 : -EIO;
}

/* LabeledExtract(), RFC 9180, 4; @salt: NULL or HASH_SIZE bytes. */
static int extract(const uint8_t *suite, size_t suite_size, const uint8_t *salt, const char *label, const void *ikm,
                   size_t size, uint8_t *out) {
    static const uint8_t zero[HASH_SIZE];
    struct text t = {.size = 0};

    put_label(&t, suite, suite_size, label);
    put(&t, ikm, size);
    return mac(salt ? salt : zero, &t, out);
}

/* LabeledExpand() to at most one block of the hash. */
static int expand(const uint8_t *suite, size_t suite_size, const uint8_t *prk, const char *label, const void *info,
                  size_t info_size, uint8_t *out, size_t size) {
    struct text t = {.at = {0, (uint8_t)size}, .size = 2};
    uint8_t block[HASH_SIZE];
    int r;

    put_label(&t, suite, suite_size, label);
    put(&t, info, info_size);
    put(&t, "\x01", 1);
    r = mac(prk, &t, block);
    if (r == 0)
        memcpy(out, block, size);
    OPENSSL_cleanse(block, sizeof(block));
    return r;
}

static int derive(EVP_PKEY *own, EVP_PKEY *other, uint8_t *dh) {
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
    size_t size = 32;

    if (!ctx)
        return -ENOMEM;
    return EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other) == 1 &&
                   EVP_PKEY_derive(ctx, dh, &size) == 1 && size == 32
               ? 0
               : -EIO;
}

/* Encap(), 4.1 */
static int encapsulate(const struct cvm_hpke_message *m, uint8_t *enc, uint8_t *shared) {
    static const uint8_t suite[] = {'K', 'E', 'M', 0, 0x10};
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *receiver = NULL, *made = NULL;
    EVP_PKEY *sender = m->sender;
    uint8_t dh[32], prk[HASH_SIZE], context[2 * CVM_POINT_SIZE];
    int r;

    r = cvm_key_from_point(m->receiver, &receiver);
    if (r < 0)
        return r;
    if (!sender)
        sender = made = EVP_EC_gen("P-256");
    if (!sender)
        return -EIO;
    r = cvm_key_to_point(sender, enc);
    if (r == 0)
        r = derive(sender, receiver, dh);
    if (r < 0)
        return r;
    memcpy(context, enc, CVM_POINT_SIZE);
    memcpy(context + CVM_POINT_SIZE, m->receiver, CVM_POINT_SIZE);
    r = extract(suite, sizeof(suite), NULL, "eae_prk", dh, sizeof(dh), prk);
    if (r == 0)
        r = expand(suite, sizeof(suite), prk, "shared_secret", context, sizeof(context), shared, HASH_SIZE);
    OPENSSL_cleanse(dh, sizeof(dh));
    OPENSSL_cleanse(prk, sizeof(prk));
    return r;
}

/* KeySchedule() of 5.1 without a PSK; the first message's nonce is the base nonce. */
static int schedule(const struct cvm_hpke_message *m, const uint8_t *shared, uint8_t *key, size_t key_size,
                    uint8_t *nonce) {
    const uint8_t suite[] = {'H', 'P', 'K', 'E', 0, 0x10, 0, 1, 0, (uint8_t)m->aead};
    uint8_t context[1 + 2 * HASH_SIZE] = {0 /* base mode */}, secret[HASH_SIZE];
    int r;

    r = extract(suite, sizeof(suite), NULL, "psk_id_hash", NULL, 0, context + 1);
    if (r == 0)
        r = extract(suite, sizeof(suite), NULL, "info_hash", m->info, m->info_size, context + 1 + HASH_SIZE);
    if (r == 0)
        r = extract(suite, sizeof(suite), shared, "secret", NULL, 0, secret);
    if (r == 0)
        r = expand(suite, sizeof(suite), secret, "key", context, sizeof(context), key, key_size);
    if (r == 0)
        r = expand(suite, sizeof(suite), secret, "base_nonce", context, sizeof(context), nonce, NONCE_SIZE);
    OPENSSL_cleanse(secret, sizeof(secret));
    return r;
}

static int encrypt(const struct cvm_hpke_message *m, const uint8_t *key, const uint8_t *nonce, uint8_t *out) {
    _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *cipher = m->aead == CVM_HPKE_AES_128_GCM ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    int n = 0;

    if (!ctx)
        return -ENOMEM;
    return EVP_EncryptInit_ex(ctx, cipher, NULL, key, nonce) == 1 &&
                   EVP_EncryptUpdate(ctx, NULL, &n, m->aad, (int)m->aad_size) == 1 &&
                   EVP_EncryptUpdate(ctx, out, &n, m->text, (int)m->size) == 1 &&
                   EVP_EncryptFinal_ex(ctx, out + n, &n) == 1 &&
                   EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CVM_HPKE_TAG_SIZE, out + m->size) == 1
               ? 0
               : -EIO;
}

int cvm_hpke_seal(const struct cvm_hpke_message *m, uint8_t *enc, uint8_t *out) {
    uint8_t shared[HASH_SIZE], key[32], nonce[NONCE_SIZE];
    int r;

    r = encapsulate(m, enc, shared);
    if (r == 0)
        r = schedule(m, shared, key, m->aead == CVM_HPKE_AES_128_GCM ? 16 : 32, nonce);
    if (r == 0)
        r = encrypt(m, key, nonce, out);
    OPENSSL_cleanse(shared, sizeof(shared));
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}
