/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define OPENSSL_API_COMPAT 0x10101000L /* as merkle.c */
#include "log-head.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "key.h"

int cvm_log_head_decode(const void *buf, size_t size, struct cvm_log_head *ret, struct cvm_error *e) {
    struct cvm_log_head h;

    if (size != sizeof(h))
        return cvm_error_set(e, -EBADMSG, "a head of the security log has %zu bytes, not %zu", sizeof(h), size);
    memcpy(&h, buf, sizeof(h));
    if (h.magic != CVM_HEAD_MAGIC || h.size != sizeof(h))
        return cvm_error_set(e, -EBADMSG, "this is no head of a security log");
    if (h.version != CVM_HEAD_VERSION || h.flags != 0)
        return cvm_error_set(e, -EBADMSG, "head of version %u, flags %#x: not known", h.version, h.flags);
    *ret = h;
    return 0;
}

int cvm_log_head_verify(const struct cvm_log_head *head, const uint8_t *point) {
    uint8_t id[CVM_KEY_ID_SIZE];
    int r;

    r = cvm_point_check(point);
    if (r >= 0)
        r = cvm_key_id(point, id);
    if (r < 0)
        return r;
    if (memcmp(id, head->report_key_id, sizeof(id)) != 0)
        return -ENOKEY;
    return cvm_key_verify(point, head, CVM_HEAD_SIGNED, head->signature);
}

void cvm_log_genesis(const struct cvm_log_head *head, uint8_t chain[CVM_CHAIN_SIZE]) {
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, CVM_LOG_PREFIX, sizeof(CVM_LOG_PREFIX));
    SHA256_Update(&c, head->report_key_id, sizeof(head->report_key_id));
    SHA256_Update(&c, head->rootvisor_digest, sizeof(head->rootvisor_digest));
    SHA256_Update(&c, head->guardian_digest, sizeof(head->guardian_digest));
    SHA256_Final(chain, &c);
}

void cvm_log_step(uint8_t chain[CVM_CHAIN_SIZE], const void *event) {
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, chain, CVM_CHAIN_SIZE);
    SHA256_Update(&c, event, sizeof(struct cvm_event));
    SHA256_Final(chain, &c);
}
