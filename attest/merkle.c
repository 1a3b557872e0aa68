/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA256_*() keep their state on the stack and cannot fail; EVP would allocate for each of millions of hashes. */
#define OPENSSL_API_COMPAT 0x10101000L
#include "merkle.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

void cvm_merkle_leaf(const void *data, size_t size, uint8_t out[CVM_HASH_SIZE]) {
    static const uint8_t prefix = 0;
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, &prefix, 1);
    SHA256_Update(&c, data, size);
    SHA256_Final(out, &c);
}

void cvm_merkle_node(const uint8_t left[CVM_HASH_SIZE], const uint8_t right[CVM_HASH_SIZE],
                     uint8_t out[CVM_HASH_SIZE]) {
    uint8_t both[1 + 2 * CVM_HASH_SIZE];
    SHA256_CTX c;

    both[0] = 1;
    memcpy(both + 1, left, CVM_HASH_SIZE);
    memcpy(both + 1 + CVM_HASH_SIZE, right, CVM_HASH_SIZE);
    SHA256_Init(&c);
    SHA256_Update(&c, both, sizeof(both));
    SHA256_Final(out, &c);
}

void cvm_merkle_empty(uint8_t out[CVM_HASH_SIZE]) {
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Final(out, &c);
}

unsigned cvm_merkle_nodes(uint64_t size) {
    return (unsigned)__builtin_popcountll(size);
}

int cvm_merkle_append(struct cvm_merkle *t, const uint8_t leaf[CVM_HASH_SIZE]) {
    unsigned n = cvm_merkle_nodes(t->size);

    if (t->size >> CVM_MERKLE_HEIGHT)
        return -EFBIG;
    memcpy(t->node[n], leaf, CVM_HASH_SIZE);
    /* Each trailing 1 of the size is a subtree that the new one completes. */
    for (uint64_t s = t->size; s & 1; s >>= 1, n--)
        cvm_merkle_node(t->node[n - 1], t->node[n], t->node[n - 1]);
    t->size++;
    return 0;
}

void cvm_merkle_root(const struct cvm_merkle *t, uint8_t out[CVM_HASH_SIZE]) {
    unsigned n = cvm_merkle_nodes(t->size);

    if (n == 0) {
        cvm_merkle_empty(out);
        return;
    }
    memcpy(out, t->node[n - 1], CVM_HASH_SIZE);
    for (unsigned i = n - 1; i-- > 0;)
        cvm_merkle_node(t->node[i], out, out);
}

/* The largest power of two below n, n > 1. */
static uint64_t split(uint64_t n) {
    return 1ull << (63 - __builtin_clzll(n - 1));
}

static int range(cvm_merkle_get get, void *userdata, uint64_t lo, uint64_t hi, uint8_t *out) {
    uint64_t n = hi - lo, tile = 1;
    uint8_t right[CVM_HASH_SIZE];
    int r;

    for (unsigned level = 0; level < CVM_MERKLE_LEVELS; level++, tile *= CVM_MERKLE_TILE)
        if (n == tile && lo % tile == 0)
            return get(userdata, level, lo / tile, out);
    r = range(get, userdata, lo, lo + split(n), out);
    if (r >= 0)
        r = range(get, userdata, lo + split(n), hi, right);
    if (r >= 0)
        cvm_merkle_node(out, right, out);
    return r;
}

int cvm_merkle_range(cvm_merkle_get get, void *userdata, uint64_t lo, uint64_t hi,
                     uint8_t out[CVM_HASH_SIZE]) {
    if (lo > hi || hi >> CVM_MERKLE_HEIGHT)
        return -EINVAL;
    if (lo == hi) {
        cvm_merkle_empty(out);
        return 0;
    }
    return range(get, userdata, lo, hi, out);
}

int cvm_merkle_load(cvm_merkle_get get, void *userdata, uint64_t size, struct cvm_merkle *t) {
    uint64_t lo = 0;
    unsigned n = 0;

    if (size >> CVM_MERKLE_HEIGHT)
        return -EINVAL;
    *t = (struct cvm_merkle){.size = size};
    for (unsigned bit = CVM_MERKLE_HEIGHT; bit-- > 0;)
        if (size >> bit & 1) {
            int r = range(get, userdata, lo, lo + (1ull << bit), t->node[n++]);

            if (r < 0)
                return r;
            lo += 1ull << bit;
        }
    return 0;
}

int cvm_merkle_prove_inclusion(cvm_merkle_get get, void *userdata, uint64_t index, uint64_t size,
                               uint8_t proof[][CVM_HASH_SIZE]) {
    uint64_t lo = 0, hi = size;
    struct {
        uint64_t lo, hi;
    } sibling[CVM_MERKLE_HEIGHT];
    int n = 0;

    if (index >= size || size >> CVM_MERKLE_HEIGHT)
        return -EINVAL;
    while (hi - lo > 1) {
        uint64_t middle = lo + split(hi - lo);

        if (index < middle) {
            sibling[n].lo = middle;
            sibling[n++].hi = hi;
            hi = middle;
        } else {
            sibling[n].lo = lo;
            sibling[n++].hi = middle;
            lo = middle;
        }
    }
    for (int i = 0; i < n; i++) { /* from the leaf up */
        int r = range(get, userdata, sibling[n - 1 - i].lo, sibling[n - 1 - i].hi, proof[i]);

        if (r < 0)
            return r;
    }
    return n;
}

/* SUBPROOF(m, D[lo:hi], whole) of RFC 6962; m relative to lo. */
static int subproof(cvm_merkle_get get, void *userdata, uint64_t m, uint64_t lo, uint64_t hi, bool whole,
                    uint8_t proof[][CVM_HASH_SIZE], int n) {
    uint64_t k;
    int r;

    if (m == hi - lo) {
        if (whole)
            return n;
        r = range(get, userdata, lo, hi, proof[n]);
        return r < 0 ? r : n + 1;
    }
    k = split(hi - lo);
    if (m <= k) {
        n = subproof(get, userdata, m, lo, lo + k, whole, proof, n);
        r = n < 0 ? n : range(get, userdata, lo + k, hi, proof[n]);
    } else {
        n = subproof(get, userdata, m - k, lo + k, hi, false, proof, n);
        r = n < 0 ? n : range(get, userdata, lo, lo + k, proof[n]);
    }
    return r < 0 ? r : n + 1;
}

int cvm_merkle_prove_consistency(cvm_merkle_get get, void *userdata, uint64_t old, uint64_t size,
                                 uint8_t proof[][CVM_HASH_SIZE]) {
    if (old == 0 || old > size || size >> CVM_MERKLE_HEIGHT)
        return -EINVAL;
    return subproof(get, userdata, old, 0, size, true, proof, 0);
}

int cvm_merkle_verify_inclusion(const uint8_t leaf[CVM_HASH_SIZE], uint64_t index, uint64_t size,
                                const uint8_t proof[][CVM_HASH_SIZE], size_t n,
                                const uint8_t root[CVM_HASH_SIZE]) {
    uint64_t fn = index, sn = size - 1;
    uint8_t h[CVM_HASH_SIZE];

    if (index >= size)
        return -EBADMSG;
    memcpy(h, leaf, CVM_HASH_SIZE);
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return -EBADMSG;
        if ((fn & 1) || fn == sn) {
            cvm_merkle_node(proof[i], h, h);
            if (!(fn & 1))
                while (fn && !(fn & 1)) {
                    fn >>= 1;
                    sn >>= 1;
                }
        } else
            cvm_merkle_node(h, proof[i], h);
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(h, root, CVM_HASH_SIZE) == 0 ? 0 : -EBADMSG;
}

int cvm_merkle_verify_consistency(uint64_t old, const uint8_t old_root[CVM_HASH_SIZE], uint64_t size,
                                  const uint8_t root[CVM_HASH_SIZE], const uint8_t proof[][CVM_HASH_SIZE],
                                  size_t n) {
    uint8_t fr[CVM_HASH_SIZE], sr[CVM_HASH_SIZE];
    uint64_t fn, sn;
    size_t i = 0;

    if (old > size)
        return -EBADMSG;
    if (old == size)
        return n == 0 && memcmp(old_root, root, CVM_HASH_SIZE) == 0 ? 0 : -EBADMSG;
    if (old == 0) { /* everything begins with nothing */
        cvm_merkle_empty(fr);
        return n == 0 && memcmp(old_root, fr, CVM_HASH_SIZE) == 0 ? 0 : -EBADMSG;
    }
    if ((old & (old - 1)) == 0)
        memcpy(fr, old_root, CVM_HASH_SIZE);
    else if (n == 0)
        return -EBADMSG;
    else
        memcpy(fr, proof[i++], CVM_HASH_SIZE);
    memcpy(sr, fr, CVM_HASH_SIZE);
    fn = old - 1;
    sn = size - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; i < n; i++) {
        if (sn == 0)
            return -EBADMSG;
        if ((fn & 1) || fn == sn) {
            cvm_merkle_node(proof[i], fr, fr);
            cvm_merkle_node(proof[i], sr, sr);
            if (!(fn & 1))
                while (fn && !(fn & 1)) {
                    fn >>= 1;
                    sn >>= 1;
                }
        } else
            cvm_merkle_node(sr, proof[i], sr);
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(fr, old_root, CVM_HASH_SIZE) == 0 && memcmp(sr, root, CVM_HASH_SIZE) == 0
               ? 0
               : -EBADMSG;
}
