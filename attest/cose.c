/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cose.h"

#include <errno.h>
#include <string.h>

#include "cbor.h"
#include "key.h"

#define TAG_SIGN1 18
#define HEADER_ALG 1
#define HEADER_CRIT 2
#define HEADER_TYPE 3
#define ES256 (-7)
#define ES384 (-35)

/* Sig_structure, 4.4: what is signed. */
static int to_be_signed(const uint8_t *protected, size_t protected_size, const void *payload, size_t size,
                        uint8_t **ret, size_t *ret_size) {
    struct cvm_cbor_writer w = {.max = protected_size + size + 64};

    w.p = malloc(w.max);
    if (!w.p)
        return -ENOMEM;
    cvm_cbor_head(&w, CVM_CBOR_ARRAY, 4);
    cvm_cbor_put_text(&w, "Signature1");
    cvm_cbor_put_bytes(&w, protected, protected_size);
    cvm_cbor_put_bytes(&w, "", 0);
    cvm_cbor_put_bytes(&w, payload, size);
    *ret = w.p;
    *ret_size = w.n;
    return 0;
}

int cvm_cose_sign(EVP_PKEY *key, uint64_t tag, const void *payload, size_t size, void **ret,
                  size_t *ret_size) {
    uint8_t header[8], sig[CVM_SIGNATURE_MAX];
    struct cvm_cbor_writer h = {.p = header, .max = sizeof(header)}, w = {.max = size + 256};
    _cleanup_cvm_free_ uint8_t *tbs = NULL;
    size_t tbs_size = 0;
    int r = cvm_key_size(key);

    if (r < 0)
        return r;
    cvm_cbor_head(&h, CVM_CBOR_MAP, 1);
    cvm_cbor_put_int(&h, HEADER_ALG);
    cvm_cbor_put_int(&h, r == 32 ? ES256 : ES384);
    r = to_be_signed(header, h.n, payload, size, &tbs, &tbs_size);
    if (r < 0)
        return r;
    r = cvm_key_sign(key, tbs, tbs_size, sig);
    if (r < 0)
        return r;
    w.p = malloc(w.max);
    if (!w.p)
        return -ENOMEM;
    if (tag)
        cvm_cbor_head(&w, CVM_CBOR_TAG, tag);
    cvm_cbor_head(&w, CVM_CBOR_TAG, TAG_SIGN1);
    cvm_cbor_head(&w, CVM_CBOR_ARRAY, 4);
    cvm_cbor_put_bytes(&w, header, h.n);
    cvm_cbor_head(&w, CVM_CBOR_MAP, 0);
    cvm_cbor_put_bytes(&w, payload, size);
    cvm_cbor_put_bytes(&w, sig, (size_t)r);
    *ret = w.p;
    *ret_size = w.n;
    return 0;
}

static int check_header(const uint8_t *p, size_t size, const char *type, struct cvm_error *e) {
    struct cvm_reader r = {.p = p, .n = size};
    struct cvm_cbor_item map, text;
    bool has_alg = false, has_type = false;
    int64_t label, alg = 0;

    if (!cvm_cbor_expect(&r, CVM_CBOR_MAP, &map))
        return cvm_error_set(e, -EINVAL, "the protected header is no map");
    for (uint64_t i = 0; i < map.value; i++) {
        if (!cvm_cbor_int(&r, &label))
            return cvm_error_set(e, -EINVAL, "the protected header has a label that is not known");
        if (label == HEADER_CRIT)
            return cvm_error_set(e, -EINVAL, "the protected header asks for extensions that are not known");
        if (label == HEADER_ALG) {
            if (has_alg || !cvm_cbor_int(&r, &alg) || alg != ES256)
                return cvm_error_set(e, -EINVAL, "the algorithm is not ES256");
            has_alg = true;
        } else if (label == HEADER_TYPE && type) {
            if (has_type || !cvm_cbor_expect(&r, CVM_CBOR_TEXT, &text) || text.value != strlen(type) ||
                memcmp(text.bytes, type, strlen(type)) != 0)
                return cvm_error_set(e, -EINVAL, "the content type is not '%s'", type);
            has_type = true;
        } else if (!cvm_cbor_skip(&r))
            return cvm_error_set(e, -EINVAL, "the protected header is malformed");
    }
    if (!has_alg || (type && !has_type) || r.n)
        return cvm_error_set(e, -EINVAL,
                             "the protected header lacks the algorithm or content type, or is too long");
    return 0;
}

int cvm_cose_verify(const void *buf, size_t size, const uint8_t *point, const char *type,
                    const uint8_t **payload, size_t *payload_size, struct cvm_error *e) {
    struct cvm_reader r = {.p = buf, .n = size};
    struct cvm_cbor_item tag, array, header, unprotected, body, sig;
    _cleanup_cvm_free_ uint8_t *tbs = NULL;
    size_t tbs_size = 0;
    int q;

    if (size > CVM_COSE_MAX)
        return cvm_error_set(e, -EINVAL, "the COSE message has %zu bytes, at most %u are taken", size,
                             CVM_COSE_MAX);
    if (!cvm_cbor_expect(&r, CVM_CBOR_TAG, &tag) || tag.value != TAG_SIGN1 ||
        !cvm_cbor_expect(&r, CVM_CBOR_ARRAY, &array) || array.value != 4 ||
        !cvm_cbor_expect(&r, CVM_CBOR_BYTES, &header) || !cvm_cbor_expect(&r, CVM_CBOR_MAP, &unprotected))
        return cvm_error_set(e, -EINVAL, "this is no COSE_Sign1");
    for (uint64_t i = 0; i < 2 * unprotected.value; i++)
        cvm_cbor_skip(&r);
    if (!cvm_cbor_expect(&r, CVM_CBOR_BYTES, &body) || !cvm_cbor_expect(&r, CVM_CBOR_BYTES, &sig) || r.n)
        return cvm_error_set(e, -EINVAL, "this is no COSE_Sign1 with its payload inside");
    q = check_header(header.bytes, (size_t)header.value, type, e);
    if (q < 0)
        return q;
    if (sig.value != CVM_SIGNATURE_SIZE)
        return cvm_error_set(e, -EINVAL, "the signature has %zu bytes", (size_t)sig.value);
    q = to_be_signed(header.bytes, (size_t)header.value, body.bytes, (size_t)body.value, &tbs, &tbs_size);
    if (q < 0)
        return cvm_error_set(e, q, "out of memory");
    q = cvm_key_verify(point, tbs, tbs_size, sig.bytes);
    if (q < 0)
        return cvm_error_set(
            e, q, q == -EBADMSG ? "the signature is not of this key" : "cannot check the signature");
    *payload = body.bytes;
    *payload_size = (size_t)body.value;
    return 0;
}
