/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CBOR (RFC 8949) of definite lengths, as COSE and CoRIM need it: reading untrusted bytes without allocating,
 * writing in the deterministic form of section 4.2.
 */
#ifndef CVM_ATTEST_CBOR_H
#define CVM_ATTEST_CBOR_H

#include "reader.h"

#define CVM_CBOR_DEPTH 16

enum {
    CVM_CBOR_UINT,
    CVM_CBOR_NINT,
    CVM_CBOR_BYTES,
    CVM_CBOR_TEXT,
    CVM_CBOR_ARRAY,
    CVM_CBOR_MAP,
    CVM_CBOR_TAG,
    CVM_CBOR_SIMPLE
};

struct cvm_cbor_item {
    unsigned major;
    uint64_t value;       /* number, length in bytes, items, pairs, or tag */
    const uint8_t *bytes; /* of strings, lent */
};

/* The next head, with the bytes of a string. False (and @r->bad) at the end, or for an indefinite length, a
 * length that is longer than what is left, or a reserved encoding. */
bool cvm_cbor_next(struct cvm_reader *r, struct cvm_cbor_item *ret);
/* The same, of one kind. */
bool cvm_cbor_expect(struct cvm_reader *r, unsigned major, struct cvm_cbor_item *ret);
/* One item with all that is in it, at most CVM_CBOR_DEPTH deep. */
bool cvm_cbor_skip(struct cvm_reader *r);
/* An integer of either sign; false if it is none or beyond an int64_t. */
bool cvm_cbor_int(struct cvm_reader *r, int64_t *ret);

struct cvm_cbor_writer {
    uint8_t *p;    /* NULL: only counts */
    size_t n, max; /* n > max: it did not fit */
};

void cvm_cbor_head(struct cvm_cbor_writer *w, unsigned major, uint64_t value);
void cvm_cbor_put_int(struct cvm_cbor_writer *w, int64_t v);
void cvm_cbor_put_bytes(struct cvm_cbor_writer *w, const void *p, size_t size);
void cvm_cbor_put_text(struct cvm_cbor_writer *w, const char *text);

#endif
