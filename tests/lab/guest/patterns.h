/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register and memory patterns that guest-agent makes and tests/attacks looks for. */
#ifndef LAB_PATTERNS_H
#define LAB_PATTERNS_H

#include <stdint.h>

/* Index of the GS base pattern, and the bits of it that make a canonical address. */
#define PATTERN_GS 200u
#define PATTERN_GS_MASK 0x00007ffffffff000ull

/* Value `index` of `seed`: SplitMix64's finaliser, so that no value looks like another. */
static inline uint64_t pattern64(uint64_t seed, uint64_t index) {
    uint64_t z = seed * 0x9e3779b97f4a7c15ull + (index + 1) * 0xd1342543de82ef95ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
