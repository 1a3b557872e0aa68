/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cbor.h"

#include <string.h>

static bool bad(struct cvm_reader *r) {
    r->bad = true;
    r->n = 0;
    return false;
}

bool cvm_cbor_next(struct cvm_reader *r, struct cvm_cbor_item *ret) {
    const uint8_t *head = cvm_take(r, 1);
    unsigned info;

    if (!head)
        return false;
    info = *head & 31;
    ret->major = *head >> 5;
    ret->bytes = NULL;
    if (info > 27)
        return bad(r);
    ret->value = info < 24 ? info : cvm_take_be(r, (size_t)1 << (info - 24));
    if (r->bad)
        return false;
    switch (ret->major) {
    case CVM_CBOR_BYTES:
    case CVM_CBOR_TEXT:
        if (ret->value > r->n)
            return bad(r);
        ret->bytes = cvm_take(r, (size_t)ret->value);
        return ret->bytes != NULL;
    case CVM_CBOR_ARRAY:
        return ret->value <= r->n || bad(r);
    case CVM_CBOR_MAP:
        return ret->value <= r->n / 2 || bad(r);
    default:
        return true;
    }
}

bool cvm_cbor_expect(struct cvm_reader *r, unsigned major, struct cvm_cbor_item *ret) {
    return cvm_cbor_next(r, ret) && (ret->major == major || bad(r));
}

bool cvm_cbor_int(struct cvm_reader *r, int64_t *ret) {
    struct cvm_cbor_item i;

    if (!cvm_cbor_next(r, &i) || i.major > CVM_CBOR_NINT || i.value > INT64_MAX)
        return bad(r);
    *ret = i.major == CVM_CBOR_UINT ? (int64_t)i.value : -1 - (int64_t)i.value;
    return true;
}

bool cvm_cbor_skip(struct cvm_reader *r) {
    uint64_t left[CVM_CBOR_DEPTH + 1] = {1}; /* items that are still wanted, by depth */
    unsigned depth = 0;

    for (;;) {
        struct cvm_cbor_item i;
        uint64_t inside = 0;

        while (left[depth] == 0) {
            if (depth == 0)
                return true;
            depth--;
        }
        left[depth]--;
        if (!cvm_cbor_next(r, &i))
            return false;
        if (i.major == CVM_CBOR_ARRAY)
            inside = i.value;
        else if (i.major == CVM_CBOR_MAP)
            inside = 2 * i.value;
        else if (i.major == CVM_CBOR_TAG)
            inside = 1;
        if (inside && depth == CVM_CBOR_DEPTH)
            return bad(r);
        if (inside)
            left[++depth] = inside;
    }
}

static void put(struct cvm_cbor_writer *w, const void *p, size_t size) {
    if (w->p && w->n <= w->max && size <= w->max - w->n)
        memcpy(w->p + w->n, p, size);
    w->n = w->n <= w->max && size <= w->max - w->n ? w->n + size : w->max + 1;
}

void cvm_cbor_head(struct cvm_cbor_writer *w, unsigned major, uint64_t value) {
    unsigned extra = value < 24 ? 0 : value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffffffff ? 4 : 8;
    static const uint8_t infos[] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};
    uint8_t head[9] = {(uint8_t)(major << 5 | (extra ? infos[extra] : value))};

    for (unsigned i = 0; i < extra; i++)
        head[1 + i] = (uint8_t)(value >> 8 * (extra - 1 - i));
    put(w, head, 1 + extra);
}

void cvm_cbor_put_int(struct cvm_cbor_writer *w, int64_t v) {
    if (v >= 0)
        cvm_cbor_head(w, CVM_CBOR_UINT, (uint64_t)v);
    else
        cvm_cbor_head(w, CVM_CBOR_NINT, (uint64_t)(-1 - v));
}

void cvm_cbor_put_bytes(struct cvm_cbor_writer *w, const void *p, size_t size) {
    cvm_cbor_head(w, CVM_CBOR_BYTES, size);
    put(w, p, size);
}

void cvm_cbor_put_text(struct cvm_cbor_writer *w, const char *text) {
    cvm_cbor_head(w, CVM_CBOR_TEXT, strlen(text));
    put(w, text, strlen(text));
}
