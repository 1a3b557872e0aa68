/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HPKE (RFC 9180), the sender's side: base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-GCM, one
 * message. The receiver is a Guardian (hypervisor/guardian/crypto/hpke.c).
 */
#ifndef CVM_ATTEST_HPKE_H
#define CVM_ATTEST_HPKE_H

#include <openssl/evp.h>

#include "util.h"

#define CVM_HPKE_ENC_SIZE 65 /* the sender's point */
#define CVM_HPKE_TAG_SIZE 16

/* Identifiers of RFC 9180, 7.3. A Guardian takes AES-256-GCM alone. */
enum cvm_hpke_aead {
    CVM_HPKE_AES_128_GCM = 1,
    CVM_HPKE_AES_256_GCM = 2,
};

struct cvm_hpke_message {
    const uint8_t *receiver; /* point of its public key, 65 untrusted bytes */
    enum cvm_hpke_aead aead;
    const void *info, *aad, *text;
    size_t info_size, aad_size, size;
    EVP_PKEY *sender; /* ephemeral key, used once; NULL: made here. Given by tests alone */
};

/**
 * cvm_hpke_seal - encrypt to a public key
 * @enc: CVM_HPKE_ENC_SIZE bytes
 * @out: @m->size + CVM_HPKE_TAG_SIZE bytes, ciphertext and tag
 *
 * Returns 0; -EINVAL if the receiver's point is none of P-256; -ENOMEM; -EIO if libcrypto failed.
 */
int cvm_hpke_seal(const struct cvm_hpke_message *m, uint8_t *enc, uint8_t *out);

#endif
