/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Appraisal: evidence against what the tenant expects. Offline; nothing that came from the judged
 * host is trusted.
 */
#ifndef CVM_ATTEST_APPRAISE_H
#define CVM_ATTEST_APPRAISE_H

#include <time.h>

#include "enrolment.h"
#include "policy.h"
#include "reference.h"
#include "verdict.h"

#define CVM_NONCE_SIZE 64

struct cvm_appraisal {
    /* Untrusted: the file as the host gave it (evidence.h). */
    const void *evidence;
    size_t evidence_size;

    /* What the tenant asked with, CVM_NONCE_SIZE bytes: random, fresh, used once. */
    const uint8_t *nonce;

    /* Public point that the tenant got in a way it trusts, or NULL. */
    const uint8_t *pinned_key;

    /* NULL: none. An appraisal without them fails with CVM_POLICY_MISSING. */
    const struct cvm_reference *reference;

    /* What else the tenant demands, or NULL. Its own reference values are not looked at: the
     * caller puts those that count into @reference. */
    const struct cvm_policy *policy;
    time_t now; /* for the policy's dates */

    /* Attestation keys of hosts that the tenant enrolled (enrolment.h), each checked by its signature.
     * Without them a TPM quote anchors nothing. */
    const struct cvm_enrolment *enrolment;
    unsigned nr_enrolment;

    /* Untrusted: what the guest says that it extended its runtime registers with (register-log.h), or NULL. */
    const void *register_log;
    size_t register_log_size;
};

/**
 * cvm_appraise - judge evidence
 * @v: the verdict, complete whenever 0 is returned, whatever it says
 *
 * Returns 0 if there is a verdict; -ENOMEM or -EIO if libcrypto could not work. A caller must look
 * at @v->tier: 0 does not mean that anything was found to be good.
 */
int cvm_appraise(const struct cvm_appraisal *a, struct cvm_verdict *v);

#endif
