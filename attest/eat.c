/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eat.h"

#include <errno.h>
#include <string.h>

#include "cbor.h"
#include "cose.h"
#include "explain.h"

#define TAG_CWT 61
#define CLAIMS_MAX 8192
#define DIGEST_DIGITS (2 * CVM_DIGEST_SIZE) /* a string of so many hexadecimal digits, or more, means bytes  \
                                             */

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

/* IANA, CBOR Web Token (CWT) Claims. */
static const struct {
    const char *name;
    int64_t label;
} labels[] = {
    {"iat", 6}, {"eat_nonce", 10}, {"uptime", 261}, {"eat_profile", 265}, {"swname", 270}, {"swversion", 271},
};

static void put_name(struct cvm_cbor_writer *w, const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(labels); i++)
        if (strcmp(labels[i].name, name) == 0) {
            cvm_cbor_put_int(w, labels[i].label);
            return;
        }
    cvm_cbor_put_text(w, name);
}

static void put_string(struct cvm_cbor_writer *w, const char *name, const char *s) {
    uint8_t bytes[256];
    size_t len = strlen(s), n = 0;

    if (strcmp(name, "eat_nonce") == 0 && cvm_base64url_decode(s, len, bytes, sizeof(bytes), &n) == 0)
        cvm_cbor_put_bytes(w, bytes, n);
    else if (len >= DIGEST_DIGITS && len <= 2 * sizeof(bytes) && cvm_hex_decode(s, len, bytes, len / 2) == 0)
        cvm_cbor_put_bytes(w, bytes, len / 2);
    else
        cvm_cbor_put_text(w, s);
}

static void put(struct cvm_cbor_writer *w, const char *name, json_object *v) {
    switch (json_object_get_type(v)) {
    case json_type_object:
        cvm_cbor_head(w, CVM_CBOR_MAP, (uint64_t)json_object_object_length(v));
        json_object_object_foreach(v, key, member) {
            put_name(w, key);
            put(w, key, member);
        }
        break;
    case json_type_array:
        cvm_cbor_head(w, CVM_CBOR_ARRAY, json_object_array_length(v));
        for (size_t i = 0; i < json_object_array_length(v); i++)
            put(w, "", json_object_array_get_idx(v, i));
        break;
    case json_type_int:
        if (json_object_get_int64(v) < 0)
            cvm_cbor_put_int(w, json_object_get_int64(v));
        else
            cvm_cbor_head(w, CVM_CBOR_UINT, json_object_get_uint64(v));
        break;
    case json_type_boolean:
        cvm_cbor_head(w, CVM_CBOR_SIMPLE, json_object_get_boolean(v) ? 21 : 20);
        break;
    case json_type_string:
        put_string(w, name, json_object_get_string(v));
        break;
    default:
        cvm_cbor_head(w, CVM_CBOR_SIMPLE, 22);
    }
}

int cvm_eat_create(const struct cvm_report *report, time_t now, EVP_PKEY *key, void **ret, size_t *size) {
    _cleanup_(json_object_putp) json_object *claims = cvm_report_claims(report);
    uint8_t buf[CLAIMS_MAX];
    struct cvm_cbor_writer w = {.p = buf, .max = sizeof(buf)};

    if (!claims || json_object_object_add(claims, "iat", json_object_new_int64(now)) < 0)
        return -ENOMEM;
    put(&w, "", claims);
    if (w.n > w.max)
        return -ENOMEM;
    return cvm_cose_sign(key, TAG_CWT, buf, w.n, ret, size);
}
