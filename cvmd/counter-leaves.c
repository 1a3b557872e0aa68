/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counter-leaves.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define FILE_MAX (16u << 20)
#define DIGITS (2 * CVM_DIGEST_SIZE)

static const uint8_t nothing[CVM_COUNTER_HASH];

void counter_leaves_free(struct counter_leaves *l) {
    if (!l)
        return;
    free(l->leaf);
    free(l->begun);
    free(l);
}

static uint64_t position_of(const uint8_t *identity) {
    uint8_t in[sizeof(CVM_COUNTER_PREFIX) + CVM_DIGEST_SIZE], out[SHA256_DIGEST_LENGTH];
    uint64_t at = 0;

    memcpy(in, CVM_COUNTER_PREFIX, sizeof(CVM_COUNTER_PREFIX));
    memcpy(in + sizeof(CVM_COUNTER_PREFIX), identity, CVM_DIGEST_SIZE);
    SHA256(in, sizeof(in), out);
    for (unsigned i = 0; i < 8; i++)
        at = at << 8 | out[i];
    return at;
}

/* The place of the first leaf that is not before. */
static size_t find(const struct counter_leaves *l, uint64_t position) {
    size_t low = 0, high = l->nr;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->leaf[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The leaf of that position, or NULL. */
static struct counter_leaf *leaf_at(const struct counter_leaves *l, uint64_t position) {
    size_t at = find(l, position);

    return at < l->nr && l->leaf[at].position == position ? &l->leaf[at] : NULL;
}

static int add(struct counter_leaves *l, const uint8_t *identity, uint32_t more) {
    struct counter_leaf new = {.position = position_of(identity), .count = more}, *leaf;
    size_t at = find(l, new.position);

    memcpy(new.identity, identity, sizeof(new.identity));
    if (at < l->nr && l->leaf[at].position == new.position) {
        if (memcmp(l->leaf[at].identity, identity, sizeof(new.identity)) || l->leaf[at].count > UINT32_MAX - more)
            return -EEXIST;
        l->leaf[at].count += more;
        return 0;
    }
    leaf = reallocarray(l->leaf, l->nr + 1, sizeof(*leaf));
    if (!leaf)
        return -ENOMEM;
    l->leaf = leaf;
    memmove(leaf + at + 1, leaf + at, (l->nr - at) * sizeof(*leaf));
    leaf[at] = new;
    l->nr++;
    return 0;
}

int counter_leaves_begin(struct counter_leaves *l, const uint8_t identity[CVM_DIGEST_SIZE]) {
    const struct counter_leaf *there = leaf_at(l, position_of(identity));
    uint8_t(*begun)[CVM_DIGEST_SIZE];

    if (there && memcmp(there->identity, identity, CVM_DIGEST_SIZE))
        return -EEXIST;
    begun = reallocarray(l->begun, l->nr_begun + 1, sizeof(*begun));
    if (!begun)
        return -ENOMEM;
    l->begun = begun;
    memcpy(begun[l->nr_begun++], identity, CVM_DIGEST_SIZE);
    return 0;
}

int counter_leaves_settle(struct counter_leaves *l, size_t taken) {
    for (size_t i = 0; i < taken && i < l->nr_begun; i++) {
        int r = add(l, l->begun[i], 1);

        if (r < 0)
            return r;
    }
    l->nr_begun = 0;
    return 0;
}

/* --- the file --- */

/* One line, without its end. */
static int parse_line(struct counter_leaves *l, const char *line, size_t n) {
    uint8_t identity[CVM_DIGEST_SIZE];
    uint64_t count = 0;

    if (n == 2 + DIGITS && line[0] == '+' && line[1] == ' ')
        return cvm_hex_decode(line + 2, DIGITS, identity, sizeof(identity)) < 0 ? -EBADMSG : counter_leaves_begin(l, identity);
    if (n < DIGITS + 2 || n > DIGITS + 11 || line[DIGITS] != ' ' || l->nr_begun ||
        cvm_hex_decode(line, DIGITS, identity, sizeof(identity)) < 0)
        return -EBADMSG;
    for (size_t i = DIGITS + 1; i < n; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -EBADMSG;
        count = 10 * count + (uint64_t)(line[i] - '0');
    }
    if (!count || count > UINT32_MAX)
        return -EBADMSG;
    if (leaf_at(l, position_of(identity)))
        return -EBADMSG;
    return add(l, identity, (uint32_t)count);
}

int counter_leaves_parse(const char *text, size_t size, struct counter_leaves **ret, struct cvm_error *e) {
    _cleanup_(counter_leaves_freep) struct counter_leaves *l = calloc(1, sizeof(*l));
    unsigned number = 1;

    if (!l)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        int r = end ? parse_line(l, text + at, (size_t)(end - text) - at) : -EBADMSG;

        if (r < 0)
            return cvm_error_set(e, r == -ENOMEM ? r : -EBADMSG, "line %u is no leaf of a counter", number);
        at = (size_t)(end - text) + 1;
    }
    *ret = TAKE_PTR(l);
    return 0;
}

int counter_leaves_load(const char *path, struct counter_leaves **ret, struct cvm_error *e) {
    _cleanup_free_ void *text = NULL;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, FILE_MAX, &text, &size, e);
    if (r < 0 && r != -ENOENT)
        return r;
    return counter_leaves_parse(text, r < 0 ? 0 : size, ret, e);
}

int counter_leaves_save(const struct counter_leaves *l, const char *path, struct cvm_error *e) {
    size_t max = (l->nr + l->nr_begun) * (DIGITS + 13) + 1, at = 0;
    _cleanup_free_ char *text = malloc(max);
    char hex[DIGITS + 1];

    if (!text)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < l->nr; i++)
        at += (size_t)snprintf(text + at, max - at, "%s %" PRIu32 "\n", cvm_hex_encode(l->leaf[i].identity, CVM_DIGEST_SIZE, hex),
                               l->leaf[i].count);
    for (size_t i = 0; i < l->nr_begun; i++)
        at += (size_t)snprintf(text + at, max - at, "+ %s\n", cvm_hex_encode(l->begun[i], CVM_DIGEST_SIZE, hex));
    return cvm_write_file(path, text, at, e);
}

/* --- the tree --- */

static void hash_leaf(const struct counter_leaf *f, uint8_t *out) {
    uint8_t in[1 + CVM_DIGEST_SIZE + 4] = {0};

    memcpy(in + 1, f->identity, CVM_DIGEST_SIZE);
    for (unsigned i = 0; i < 4; i++)
        in[1 + CVM_DIGEST_SIZE + i] = (uint8_t)(f->count >> 8 * i);
    SHA256(in, sizeof(in), out);
}

/* Over leaves [from, to), all of which lie below one node of this level (0: a leaf). */
static void hash_tree(const struct counter_leaves *l, size_t from, size_t to, unsigned level, uint8_t *out) {
    uint8_t in[1 + 2 * CVM_COUNTER_HASH] = {1};
    size_t right = from;

    if (from == to) {
        memset(out, 0, CVM_COUNTER_HASH);
        return;
    }
    if (level == 0) {
        hash_leaf(&l->leaf[from], out);
        return;
    }
    while (right < to && !(l->leaf[right].position >> (level - 1) & 1))
        right++;
    hash_tree(l, from, right, level - 1, in + 1);
    hash_tree(l, right, to, level - 1, in + 1 + CVM_COUNTER_HASH);
    SHA256(in, sizeof(in), out);
}

static int copy(const struct counter_leaves *l, size_t begun, struct counter_leaves *ret) {
    *ret = (struct counter_leaves){.leaf = malloc((l->nr + begun + 1) * sizeof(*ret->leaf)), .nr = l->nr};
    if (!ret->leaf)
        return -ENOMEM;
    if (l->nr)
        memcpy(ret->leaf, l->leaf, l->nr * sizeof(*ret->leaf));
    for (size_t i = 0; i < begun && i < l->nr_begun; i++) {
        int r = add(ret, l->begun[i], 1);

        if (r < 0) {
            free(ret->leaf);
            return r;
        }
    }
    return 0;
}

int counter_leaves_path(const struct counter_leaves *l, size_t begun, const uint8_t identity[CVM_DIGEST_SIZE],
                        struct cvm_counter_call *call) {
    uint64_t position = position_of(identity);
    const struct counter_leaf *leaf;
    struct counter_leaves tree;
    size_t used = 0;
    int r;

    r = copy(l, begun, &tree);
    if (r < 0)
        return r;
    leaf = leaf_at(&tree, position);
    call->count = leaf && memcmp(leaf->identity, identity, CVM_DIGEST_SIZE) == 0 ? leaf->count : 0;
    call->map = 0;
    memset(call->sibling, 0, sizeof(call->sibling));
    for (unsigned level = 0; level < CVM_COUNTER_LEVELS; level++) {
        uint64_t size = UINT64_C(1) << level, first = ((position >> level) ^ 1) << level;
        size_t from = find(&tree, first), to = first + size ? find(&tree, first + size) : tree.nr;
        uint8_t hash[CVM_COUNTER_HASH];

        hash_tree(&tree, from, to, level, hash);
        if (memcmp(hash, nothing, sizeof(hash)) == 0)
            continue;
        call->map |= size;
        memcpy(call->sibling[used++], hash, sizeof(hash));
    }
    free(tree.leaf);
    return 0;
}
