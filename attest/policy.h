/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Appraisal policy: what a tenant accepts. One JSON file, declarative, signed if it travels.
 * The schema is docs/schema/policy.schema.json; unknown members are an error, because a
 * misspelt demand must not be a demand less.
 */
#ifndef CVM_ATTEST_POLICY_H
#define CVM_ATTEST_POLICY_H

#include <openssl/evp.h>

#include "reference.h"

#define CVM_POLICY_PROFILE "tag:cvmd.org,2026:policy#1"
#define CVM_POLICY_JWS_TYPE "vnd.cvmd.policy+json"
#define CVM_POLICY_LIST_MAX 32

struct cvm_policy {
    char id[96];                    /* chosen by the tenant; goes into the EAR */
    uint64_t not_before, not_after; /* seconds since 1970, both inclusive; 0 = open */
    bool require_anchor;            /* no platform anchor: a violation, not a warning */
    bool require_dma_protection;    /* likewise for VT-d */
    bool require_guest_request;     /* only reports that the guest itself asked for */
    bool accept_no_dma_protection;  /* the tenant takes the risk that devices reach memory: no warning */
    bool has_uuid;
    uint8_t uuid[16];
    unsigned nr_key_id; /* report keys that are accepted; 0 = any */
    uint8_t key_id[CVM_POLICY_LIST_MAX][32];
    unsigned nr_revoked; /* RootVisor and Guardian digests that are never accepted */
    uint8_t revoked[CVM_POLICY_LIST_MAX][CVM_DIGEST_SIZE];
    bool has_rtmr[CVM_RTMRS];
    uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
    struct cvm_reference reference;
};

/**
 * cvm_policy_parse - JSON text to a policy
 *
 * Returns 0; -EINVAL for bad JSON, an unknown member, a bad value; -EPROTONOSUPPORT for another
 * profile; -E2BIG for a list that is too long.
 */
int cvm_policy_parse(const void *buf, size_t size, struct cvm_policy *ret, struct cvm_error *e);

/**
 * cvm_policy_load - a policy file, bare or signed
 * @path:  JSON text, or a JWS (compact form, ES256) over it
 * @point: public key that must have signed it, or NULL if a bare file is expected
 *
 * Returns 0; -EINVAL if it is signed and no key is given, or the other way round; -EBADMSG if the
 * signature is not of @point; what cvm_policy_parse() and reading return.
 */
int cvm_policy_load(const char *path, const uint8_t *point, struct cvm_policy *ret, struct cvm_error *e);

/* As a JSON object that the caller puts, NULL if out of memory. */
json_object *cvm_policy_to_json(const struct cvm_policy *p);

/**
 * cvm_policy_diff - what changes from @a to @b
 * @line: called for each difference, "+", "-" or "~" first
 *
 * Returns the number of differences.
 */
unsigned cvm_policy_diff(const struct cvm_policy *a, const struct cvm_policy *b,
                         void (*line)(void *data, const char *text), void *data);

/* What a policy leaves open: calls @line for each gap, returns their number. */
unsigned cvm_policy_gaps(const struct cvm_policy *p, void (*line)(void *data, const char *text), void *data);

#endif
