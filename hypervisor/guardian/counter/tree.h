/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hash tree over the counters (cvm/counter.h). Pure. */
#ifndef COUNTER_TREE_H
#define COUNTER_TREE_H

#include "cvm/counter.h"

/* Where the leaf of this identity is: one bit a level, the most significant next to the root. */
uint64_t tree_position(const uint8_t identity[CVM_DIGEST_SIZE]);

/*
 * The root, if the leaf counts this (0: absent) and these are its siblings: map and sibling as in struct cvm_counter_call.
 * -EINVAL: siblings that the map does not name are not zero, or one that it names is.
 */
int tree_root(const uint8_t identity[CVM_DIGEST_SIZE], uint32_t count, uint64_t map,
	      const uint8_t sibling[CVM_COUNTER_LEVELS][CVM_COUNTER_HASH], uint8_t root[CVM_COUNTER_HASH]);

#endif
