/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the TPM's wire format (big-endian, TPM 2.0 Library part 1, 4) and event logs (little-endian) out of
 * untrusted bytes. A reader that ran over its end stays bad and yields zeros: check once, at the end.
 */
#ifndef CVM_ATTEST_READER_H
#define CVM_ATTEST_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvm_reader {
    const uint8_t *p;
    size_t n; /* bytes left */
    bool bad;
};

/* @size bytes, lent; NULL if there are not so many. */
static inline const uint8_t *cvm_take(struct cvm_reader *r, size_t size) {
    const uint8_t *p = r->p;

    if (r->bad || size > r->n) {
        r->bad = true;
        r->n = 0;
        return NULL;
    }
    r->p += size;
    r->n -= size;
    return p;
}

static inline uint64_t cvm_take_be(struct cvm_reader *r, size_t size) {
    const uint8_t *p = cvm_take(r, size);
    uint64_t v = 0;

    for (size_t i = 0; p && i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static inline uint16_t cvm_be16(struct cvm_reader *r) {
    return (uint16_t)cvm_take_be(r, 2);
}

static inline uint32_t cvm_be32(struct cvm_reader *r) {
    return (uint32_t)cvm_take_be(r, 4);
}

static inline uint64_t cvm_be64(struct cvm_reader *r) {
    return cvm_take_be(r, 8);
}

static inline uint32_t cvm_take_le(struct cvm_reader *r, size_t size) {
    const uint8_t *p = cvm_take(r, size);
    uint32_t v = 0;

    for (size_t i = 0; p && i < size; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

/* TPM2B: a 16-bit size and as many bytes, lent. */
static inline const uint8_t *cvm_take_2b(struct cvm_reader *r, size_t *size) {
    *size = cvm_be16(r);
    return cvm_take(r, *size);
}

#endif
