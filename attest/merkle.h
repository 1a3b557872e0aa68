/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Merkle trees as RFC 6962, 2.1 defines them (SHA-256). Pure: no I/O, no allocation.
 */
#ifndef CVM_ATTEST_MERKLE_H
#define CVM_ATTEST_MERKLE_H

#include "util.h"

#define CVM_HASH_SIZE 32u
/* A tree of 2^CVM_MERKLE_HEIGHT entries is the largest; a proof has no more hashes than twice that. */
#define CVM_MERKLE_HEIGHT 40u
#define CVM_MERKLE_PROOF_MAX (2u * CVM_MERKLE_HEIGHT)
/* Hashes are kept for complete subtrees of 256^level entries; level 0 is the entry. */
#define CVM_MERKLE_TILE 256u
#define CVM_MERKLE_LEVELS 5u

/* SHA-256(0x00 || data), SHA-256(0x01 || left || right), and that of no entry at all. */
void cvm_merkle_leaf(const void *data, size_t size, uint8_t out[CVM_HASH_SIZE]);
void cvm_merkle_node(const uint8_t left[CVM_HASH_SIZE], const uint8_t right[CVM_HASH_SIZE],
                     uint8_t out[CVM_HASH_SIZE]);
void cvm_merkle_empty(uint8_t out[CVM_HASH_SIZE]);

/*
 * What grows: the roots of the complete subtrees that make up a tree, largest first. O(1) to append on
 * average, O(log n) for a root.
 */
struct cvm_merkle {
    uint64_t size;
    uint8_t node[CVM_MERKLE_HEIGHT + 1][CVM_HASH_SIZE]; /* popcount(size) of them are valid */
};

/* Appends an entry by its leaf hash; -EFBIG: the tree is full. */
int cvm_merkle_append(struct cvm_merkle *t, const uint8_t leaf[CVM_HASH_SIZE]);
void cvm_merkle_root(const struct cvm_merkle *t, uint8_t out[CVM_HASH_SIZE]);
/* How many subtrees make up a tree of @size entries. */
unsigned cvm_merkle_nodes(uint64_t size);

/**
 * cvm_merkle_get - reads a stored hash
 * @level: the hash is of a complete subtree of 256^level entries
 * @index: which of them, from 0
 *
 * Returns 0 or a negative errno, which the caller of the proof gets.
 */
typedef int (*cvm_merkle_get)(void *userdata, unsigned level, uint64_t index, uint8_t out[CVM_HASH_SIZE]);

/* Hash of the entries [lo, hi) of a larger tree, as a tree of their own. @lo a multiple of a power of 2 that is
 * not less than hi - lo, or 0. */
int cvm_merkle_range(cvm_merkle_get get, void *userdata, uint64_t lo, uint64_t hi, uint8_t out[CVM_HASH_SIZE]);
/* The state of a tree of @size entries, to go on from. */
int cvm_merkle_load(cvm_merkle_get get, void *userdata, uint64_t size, struct cvm_merkle *t);

/**
 * cvm_merkle_prove_inclusion - RFC 6962, 2.1.1
 * @proof: room for CVM_MERKLE_PROOF_MAX hashes
 *
 * Returns the number of hashes; -EINVAL unless index < size.
 */
int cvm_merkle_prove_inclusion(cvm_merkle_get get, void *userdata, uint64_t index, uint64_t size,
                               uint8_t proof[][CVM_HASH_SIZE]);
/* RFC 6962, 2.1.2: a tree of @old entries is the beginning of one of @size. -EINVAL unless 0 < old <= size. */
int cvm_merkle_prove_consistency(cvm_merkle_get get, void *userdata, uint64_t old, uint64_t size,
                                 uint8_t proof[][CVM_HASH_SIZE]);

/* RFC 9162, 2.1.3.2 and 2.1.4.2. 0; -EBADMSG: the proof does not hold. All arguments untrusted. */
int cvm_merkle_verify_inclusion(const uint8_t leaf[CVM_HASH_SIZE], uint64_t index, uint64_t size,
                                const uint8_t proof[][CVM_HASH_SIZE], size_t n,
                                const uint8_t root[CVM_HASH_SIZE]);
int cvm_merkle_verify_consistency(uint64_t old, const uint8_t old_root[CVM_HASH_SIZE], uint64_t size,
                                  const uint8_t root[CVM_HASH_SIZE], const uint8_t proof[][CVM_HASH_SIZE],
                                  size_t n);

#endif
