/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Proofs as files (docs/audit.md): one entry is in the log of a checkpoint; one checkpoint's log is the beginning of
 * another's. Pure: all bytes are untrusted.
 */
#ifndef CVM_ATTEST_AUDIT_PROOF_H
#define CVM_ATTEST_AUDIT_PROOF_H

#include <json-c/json.h>

#include "audit-verify.h"

struct cvm_audit_proof {
    struct cvm_checkpoint checkpoint;
    uint64_t index;  /* of the entry; or the older size */
    bool inclusion;  /* else consistency */
    char entry[512]; /* the beginning of the line, if inclusion */
};

/* Whether the first line of a file opens a proof, not an export. */
bool cvm_audit_is_proof(const char *buf, size_t size);

/**
 * cvm_audit_proof_verify - check a proof with its checkpoint's key
 * @old, @old_size: the older checkpoint that a consistency proof is about; NULL for an inclusion proof
 *
 * Returns 0; -EBADMSG: it does not hold, @e says why; -ENOKEY: signed by another; -EINVAL: no proof, or @old is
 * missing or of another size.
 */
int cvm_audit_proof_verify(const char *buf, size_t size, const struct cvm_note_key *key, const char *old,
                           size_t old_size, struct cvm_audit_proof *ret, struct cvm_error *e);

/* Reads an array of hexadecimal hashes. -EINVAL, -ENOENT with @e. */
int cvm_audit_read_hashes(json_object *o, const char *name, uint8_t out[][CVM_HASH_SIZE], size_t max, size_t *ret,
                          struct cvm_error *e);

#endif
