/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cbor.h"
#include "cvm/report.h"
#include "util.h"
#include "verdict.h"

#define DIGEST_DIGITS (2 * CVM_DIGEST_SIZE) /* a string of so many hexadecimal digits, or more, means bytes */

struct label {
    const char *name;
    int64_t label;
};

/* Where a map stands says which names are labels in it. */
static const struct label claims_labels[] = {
    {"exp", 4}, {"iat", 6}, {"eat_nonce", 10}, {"uptime", 261}, {"eat_profile", 265}, {"submods", 266}, {"swname", 270},
    {"swversion", 271}, {"ear_status", 1000}, {"ear_trustworthiness_vector", 1001}, {"ear_raw_evidence", 1002},
    {"ear_appraisal_policy_ids", 1003}, {"ear_verifier_id", 1004}, {"ear_attester_claims", 1005},
    {"ear_verifier_claims", 1006}, {NULL, 0},
};
static const struct label verifier_id_labels[] = {{"developer", 0}, {"build", 1}, {NULL, 0}};
static const struct label vector_labels[] = {
    {"instance-identity", 0}, {"configuration", 1}, {"executables", 2}, {"file-system", 3}, {"hardware", 4},
    {"runtime-opaque", 5}, {"storage-opaque", 6}, {"sourced-data", 7}, {NULL, 0},
};
static const struct label no_labels[] = {{NULL, 0}};
static const struct label tiers[] = {
    {"none", 0}, {"affirming", 2}, {"warning", 32}, {"contraindicated", 96}, {NULL, 0},
};

static const struct label *find(const struct label *l, const char *name) {
    while (l->name && strcmp(l->name, name))
        l++;
    return l->name ? l : NULL;
}

static int put(struct cvm_cbor_writer *w, const struct label *labels, const char *name, json_object *v);

static int put_map(struct cvm_cbor_writer *w, const struct label *labels, json_object *map) {
    int r = 0;

    cvm_cbor_head(w, CVM_CBOR_MAP, (uint64_t)json_object_object_length(map));
    json_object_object_foreach(map, name, v) {
        const struct label *l = find(labels, name);

        if (l)
            cvm_cbor_put_int(w, l->label);
        else if (labels == vector_labels)
            return -EINVAL;
        else
            cvm_cbor_put_text(w, name);
        r = put(w, labels, name, v);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The names of a map's members, by the member that it is. Those of a submodule are claims again. */
static const struct label *labels_in(const struct label *outer, const char *name) {
    if (outer != claims_labels)
        return no_labels;
    if (strcmp(name, "ear_verifier_id") == 0)
        return verifier_id_labels;
    if (strcmp(name, "ear_trustworthiness_vector") == 0)
        return vector_labels;
    return strcmp(name, "ear_attester_claims") == 0 || *name == 0 ? claims_labels : no_labels;
}

static int put_submods(struct cvm_cbor_writer *w, json_object *submods) {
    int r = 0;

    cvm_cbor_head(w, CVM_CBOR_MAP, (uint64_t)json_object_object_length(submods));
    json_object_object_foreach(submods, name, v) {
        cvm_cbor_put_text(w, name);
        r = json_object_is_type(v, json_type_object) ? put_map(w, claims_labels, v) : -EINVAL;
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_bytes(struct cvm_cbor_writer *w, const char *s) {
    size_t len = strlen(s), n = 0;
    _cleanup_cvm_free_ uint8_t *bytes = malloc(len + 1);

    if (!bytes)
        return -ENOMEM;
    if (cvm_base64url_decode(s, len, bytes, len + 1, &n) < 0)
        return -EINVAL;
    cvm_cbor_put_bytes(w, bytes, n);
    return 0;
}

static int put_string(struct cvm_cbor_writer *w, const struct label *labels, const char *name, const char *s) {
    size_t len = strlen(s);
    uint8_t bytes[256];

    if (labels == claims_labels && (strcmp(name, "eat_nonce") == 0 || strcmp(name, "ear_raw_evidence") == 0))
        return put_bytes(w, s);
    if (labels == claims_labels && strcmp(name, "ear_status") == 0) {
        const struct label *tier = find(tiers, s);

        if (!tier)
            return -EINVAL;
        cvm_cbor_put_int(w, tier->label);
    } else if (len >= DIGEST_DIGITS && len <= 2 * sizeof(bytes) && cvm_hex_decode(s, len, bytes, len / 2) == 0)
        cvm_cbor_put_bytes(w, bytes, len / 2);
    else
        cvm_cbor_put_text(w, s);
    return 0;
}

static int put(struct cvm_cbor_writer *w, const struct label *labels, const char *name, json_object *v) {
    int r = 0;

    switch (json_object_get_type(v)) {
    case json_type_object:
        return labels == claims_labels && strcmp(name, "submods") == 0 ? put_submods(w, v)
                                                                       : put_map(w, labels_in(labels, name), v);
    case json_type_array:
        cvm_cbor_head(w, CVM_CBOR_ARRAY, json_object_array_length(v));
        for (size_t i = 0; i < json_object_array_length(v) && r == 0; i++)
            r = put(w, no_labels, "", json_object_array_get_idx(v, i));
        return r;
    case json_type_int:
        if (json_object_get_int64(v) < 0)
            cvm_cbor_put_int(w, json_object_get_int64(v));
        else
            cvm_cbor_head(w, CVM_CBOR_UINT, json_object_get_uint64(v));
        return 0;
    case json_type_boolean:
        cvm_cbor_head(w, CVM_CBOR_SIMPLE, json_object_get_boolean(v) ? 21 : 20);
        return 0;
    case json_type_string:
        return put_string(w, labels, name, json_object_get_string(v));
    default:
        cvm_cbor_head(w, CVM_CBOR_SIMPLE, 22);
        return 0;
    }
}

int cvm_claims_to_cbor(json_object *claims, void **ret, size_t *size) {
    struct cvm_cbor_writer w = {.max = SIZE_MAX - 1};
    int r = put_map(&w, claims_labels, claims); /* how much is it? */

    if (r < 0)
        return r;
    w = (struct cvm_cbor_writer){.p = malloc(w.n), .max = w.n};
    if (!w.p)
        return -ENOMEM;
    put_map(&w, claims_labels, claims);
    *ret = w.p;
    *size = w.n;
    return 0;
}
