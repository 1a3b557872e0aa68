/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define INCLUSION "cvmd-audit-inclusion-1"
#define CONSISTENCY "cvmd-audit-consistency-1"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

bool cvm_audit_is_proof(const char *buf, size_t size) {
    static const char *const openings[] = {"{\"format\":\"" INCLUSION "\"", "{\"format\":\"" CONSISTENCY "\""};

    for (size_t i = 0; i < ELEMENTSOF(openings); i++)
        if (size > strlen(openings[i]) && memcmp(buf, openings[i], strlen(openings[i])) == 0)
            return true;
    return false;
}

int cvm_audit_read_hashes(json_object *o, const char *name, uint8_t out[][CVM_HASH_SIZE], size_t max, size_t *ret,
                          struct cvm_error *e) {
    json_object *a = NULL;
    int r = cvm_json_get(o, name, json_type_array, &a, e);

    if (r < 0)
        return r;
    *ret = json_object_array_length(a);
    if (*ret > max)
        return cvm_error_set(e, -EINVAL, "'%s' has too many hashes", name);
    for (size_t i = 0; i < *ret; i++) {
        json_object *h = json_object_array_get_idx(a, i);

        if (!json_object_is_type(h, json_type_string) ||
            cvm_hex_decode(json_object_get_string(h), (size_t)json_object_get_string_len(h), out[i], CVM_HASH_SIZE) < 0)
            return cvm_error_set(e, -EINVAL, "'%s' holds something that is no hash", name);
    }
    return 0;
}

static int inclusion(json_object *o, const uint8_t proof[][CVM_HASH_SIZE], size_t n, struct cvm_audit_proof *ret,
                     struct cvm_error *e) {
    const char *entry = NULL;
    uint8_t leaf[CVM_HASH_SIZE];
    int r;

    r = cvm_json_uint(o, "index", INT64_MAX, &ret->index, e);
    if (r >= 0)
        r = cvm_json_string(o, "entry", &entry, e);
    if (r < 0)
        return r;
    ret->inclusion = true;
    snprintf(ret->entry, sizeof(ret->entry), "%s", entry);
    cvm_merkle_leaf(entry, strlen(entry), leaf);
    r = cvm_merkle_verify_inclusion(leaf, ret->index, ret->checkpoint.size, proof, n, ret->checkpoint.root);
    return r < 0 ? cvm_error_set(e, r, "this entry is not entry %" PRIu64 " of the log that the checkpoint signs",
                                 ret->index)
                 : 0;
}

static int consistency(json_object *o, const uint8_t proof[][CVM_HASH_SIZE], size_t n, const struct cvm_note_key *key,
                       const char *old, size_t old_size, struct cvm_audit_proof *ret, struct cvm_error *e) {
    struct cvm_checkpoint cp;
    int r;

    r = cvm_json_uint(o, "old", INT64_MAX, &ret->index, e);
    if (r < 0)
        return r;
    if (!old)
        return cvm_error_set(e, -EINVAL, "this proof is about an older checkpoint: give it with --checkpoint");
    r = cvm_checkpoint_verify(old, old_size, key, &cp, e);
    if (r < 0)
        return r;
    if (cp.size != ret->index)
        return cvm_error_set(e, -EINVAL, "the proof is about size %" PRIu64 ", the older checkpoint of size %" PRIu64,
                             ret->index, cp.size);
    r = cvm_merkle_verify_consistency(cp.size, cp.root, ret->checkpoint.size, ret->checkpoint.root, proof, n);
    return r < 0 ? cvm_error_set(e, r, "the log of %" PRIu64 " entries is not the beginning of the log of %" PRIu64
                                       ": its history was rewritten",
                                 cp.size, ret->checkpoint.size)
                 : 0;
}

int cvm_audit_proof_verify(const char *buf, size_t size, const struct cvm_note_key *key, const char *old,
                           size_t old_size, struct cvm_audit_proof *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    uint8_t proof[CVM_MERKLE_PROOF_MAX][CVM_HASH_SIZE];
    const char *format = NULL, *note = NULL;
    size_t n = 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_parse(buf, size, &o, e);
    if (r >= 0)
        r = cvm_json_string(o, "format", &format, e);
    if (r >= 0)
        r = cvm_json_string(o, "checkpoint", &note, e);
    if (r >= 0)
        r = cvm_audit_read_hashes(o, "proof", proof, CVM_MERKLE_PROOF_MAX, &n, e);
    if (r >= 0)
        r = cvm_checkpoint_verify(note, strlen(note), key, &ret->checkpoint, e);
    if (r < 0)
        return r;
    if (strcmp(format, INCLUSION) == 0)
        return inclusion(o, (const uint8_t(*)[CVM_HASH_SIZE])proof, n, ret, e);
    if (strcmp(format, CONSISTENCY) == 0)
        return consistency(o, (const uint8_t(*)[CVM_HASH_SIZE])proof, n, key, old, old_size, ret, e);
    return cvm_error_set(e, -EINVAL, "format '%.40s' is not known", format);
}
