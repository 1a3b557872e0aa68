/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is this disk the one that the start before left? Pure functions over what a key file and a mark file hold: the key file is the
 * tenant's word (cvm/disk-mark.h), the mark file is the disk's, which may be anything that the host had once. A header, so that
 * cvm-guest stays one file to compile.
 *
 * A mark file is one line: "cvm-disk-mark 1 SERIES GENERATION\n", 32 hexadecimal digits and a decimal number.
 */
#ifndef CVM_GUEST_MARK_H
#define CVM_GUEST_MARK_H

#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cvm/disk-mark.h"

#define MARK_HEAD "cvm-disk-mark 1 "
#define MARK_TEXT_MAX 80u /* bytes, of a line and more */

/* What the broker said of this start. */
struct mark {
    uint8_t series[16];
    uint64_t generation;
    bool allow;
};

enum mark_state {
    MARK_FITS,    /* of the start before, or of this one */
    MARK_FIRST,   /* none, and no start had the key before */
    MARK_ABSENT,  /* none, but there was a start */
    MARK_OLDER,   /* of a start before the one before */
    MARK_NEWER,   /* of a start that the broker does not know */
    MARK_FOREIGN, /* of another series: another disk, or another broker */
    MARK_MALFORMED,
};

/* Bytes of the key before the mark; 0 if there is no mark, or none that is well-formed. */
static inline size_t mark_of_key(const uint8_t *bytes, size_t size, struct mark *ret) {
    struct cvm_disk_mark m;

    if (size <= sizeof(m) || size > CVM_KEY_MAX)
        return 0;
    memcpy(&m, bytes + size - sizeof(m), sizeof(m));
    if (memcmp(m.magic, CVM_DISK_MARK_MAGIC, sizeof(m.magic)) || !m.generation || le32toh(m.flags) & ~CVM_DISK_MARK_ALLOW || m.reserved)
        return 0;
    memcpy(ret->series, m.series, sizeof(ret->series));
    ret->generation = le64toh(m.generation);
    ret->allow = m.flags != 0;
    return size - sizeof(m);
}

/* The line of a mark, @out: MARK_TEXT_MAX bytes. Its length. */
static inline size_t mark_format(const uint8_t *series, uint64_t generation, char *out) {
    size_t n = (size_t)sprintf(out, MARK_HEAD);

    for (unsigned i = 0; i < 16; i++)
        n += (size_t)sprintf(out + n, "%02x", series[i]);
    return n + (size_t)sprintf(out + n, " %llu\n", (unsigned long long)generation);
}

/* @text: what the mark file holds, NULL if there is none. @found: its generation, 0 if it cannot be told. */
static inline enum mark_state mark_judge(const struct mark *m, const char *text, size_t size, uint64_t *found) {
    const size_t at = sizeof(MARK_HEAD) - 1 + 32 + 1; /* of the generation */
    char again[MARK_TEXT_MAX];
    uint64_t n = 0;

    *found = 0;
    if (!text)
        return m->generation == 1 ? MARK_FIRST : MARK_ABSENT;
    if (size <= at + 1 || size >= MARK_TEXT_MAX)
        return MARK_MALFORMED;
    /* Whatever the number wraps to: only what would be written so is a mark. */
    for (size_t i = at; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    if (!n)
        return MARK_MALFORMED;
    if (mark_format(m->series, n, again) != size || memcmp(again + at, text + at, size - at) || memcmp(again, text, sizeof(MARK_HEAD) - 1) ||
        text[at - 1] != ' ')
        return MARK_MALFORMED;
    for (size_t i = sizeof(MARK_HEAD) - 1; i < at - 1; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return MARK_MALFORMED;
    if (memcmp(again, text, at))
        return MARK_FOREIGN;
    *found = n;
    return n == m->generation || n + 1 == m->generation ? MARK_FITS : n < m->generation ? MARK_OLDER : MARK_NEWER;
}

#endif
