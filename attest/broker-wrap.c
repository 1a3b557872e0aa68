/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-wrap.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define IV_SIZE 12u
#define TAG_SIZE 16u

CVM_DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

int cvm_broker_gcm(const uint8_t *key, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out, size_t *ret) {
    _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t iv[IV_SIZE], tag[TAG_SIZE];
    int n = 0;

    if (!c)
        return -ENOMEM;
    if (size > INT_MAX - CVM_BROKER_GCM_EXTRA || (!wrap && size < CVM_BROKER_GCM_EXTRA))
        return -EBADMSG;
    if (wrap) {
        if (RAND_bytes(iv, sizeof(iv)) != 1)
            return -EIO;
    } else {
        memcpy(iv, in, sizeof(iv));
        memcpy(tag, in + sizeof(iv), sizeof(tag));
        in += CVM_BROKER_GCM_EXTRA;
        size -= CVM_BROKER_GCM_EXTRA;
    }
    if (EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv, wrap) != 1 ||
        EVP_CipherUpdate(c, NULL, &n, (const uint8_t *)name, (int)strlen(name)) != 1 ||
        EVP_CipherUpdate(c, out + (wrap ? CVM_BROKER_GCM_EXTRA : 0), &n, in, (int)size) != 1 ||
        (!wrap && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1))
        return -EIO;
    if (EVP_CipherFinal_ex(c, tag, &n) != 1) /* nothing is left to write */
        return wrap ? -EIO : -EBADMSG;
    if (wrap) {
        if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) != 1)
            return -EIO;
        memcpy(out, iv, sizeof(iv));
        memcpy(out + sizeof(iv), tag, sizeof(tag));
        size += CVM_BROKER_GCM_EXTRA;
    }
    *ret = size;
    return 0;
}
