/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release.h"

#include <endian.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "hpke.h"

int cvm_key_release(const struct cvm_report *report, const void *key, size_t size, struct cvm_key_blob *ret) {
    struct cvm_key_blob blob = {
        .magic = htole32(CVM_KEY_MAGIC),
        .version = htole32(CVM_KEY_VERSION),
        .size = htole32(sizeof(blob)),
        .counter = htole64(report->counter),
        .rollback = htole64((uint64_t)report->rollback_epoch << 32 | report->rollback),
    };
    struct cvm_key_binding binding = {.label = CVM_KEY_LABEL, .counter = blob.counter, .rollback = blob.rollback};
    struct cvm_key plain = {.size = htole32((uint32_t)size)};
    uint8_t out[sizeof(blob.text) + sizeof(blob.tag)];
    struct cvm_hpke_message m = {
        .receiver = report->kex_public,
        .aead = CVM_HPKE_AES_256_GCM,
        .info = &binding,
        .info_size = sizeof(binding),
        .aad = &blob,
        .aad_size = offsetof(struct cvm_key_blob, enc),
        .text = &plain,
        .size = sizeof(plain),
    };
    int r;

    if (size < 1 || size > CVM_KEY_MAX)
        return -EMSGSIZE;
    if (report->kex_alg != CVM_KEX_P256)
        return -EINVAL;
    memcpy(binding.uuid, report->uuid, sizeof(binding.uuid));
    memcpy(binding.launch_digest, report->launch_digest, sizeof(binding.launch_digest));
    memcpy(binding.user_data, report->user_data, sizeof(binding.user_data));
    memcpy(plain.bytes, key, size);
    r = cvm_hpke_seal(&m, blob.enc, out);
    OPENSSL_cleanse(&plain, sizeof(plain));
    if (r < 0)
        return r;
    memcpy(blob.text, out, sizeof(blob.text));
    memcpy(blob.tag, out + sizeof(blob.text), sizeof(blob.tag));
    *ret = blob;
    return 0;
}
