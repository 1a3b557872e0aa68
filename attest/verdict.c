/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    unsigned depth;
} checks[CVM_CHECK_MAX] = {
    [CVM_CHECK_POLICY] = {"policy", 0},
    [CVM_CHECK_EVIDENCE] = {"evidence", 0},
    [CVM_CHECK_ANCHOR] = {"platform anchor", 0},
    [CVM_CHECK_AK] = {"attestation key", 1},
    [CVM_CHECK_QUOTE] = {"TPM quote", 1},
    [CVM_CHECK_QUOTED] = {"quote's freshness", 1},
    [CVM_CHECK_LOG] = {"event log", 1},
    [CVM_CHECK_BOOT] = {"firmware, loader", 1},
    [CVM_CHECK_MEASURED] = {"images measured", 1},
    [CVM_CHECK_KEY_PCR] = {"key measured", 1},
    [CVM_CHECK_KEY] = {"report key", 0},
    [CVM_CHECK_SIGNATURE] = {"signature", 1},
    [CVM_CHECK_NONCE] = {"freshness", 0},
    [CVM_CHECK_REQUEST] = {"VM and requester", 0},
    [CVM_CHECK_KEX] = {"Guardian's key", 0},
    [CVM_CHECK_ROOTVISOR] = {"RootVisor", 0},
    [CVM_CHECK_GUARDIAN] = {"Guardian", 0},
    [CVM_CHECK_DMA] = {"device access", 0},
    [CVM_CHECK_LAUNCH] = {"launch measurement", 0},
    [CVM_CHECK_COMPONENTS] = {"component list", 1},
    [CVM_CHECK_FIRMWARE] = {"firmware", 1},
    [CVM_CHECK_KERNEL] = {"kernel", 1},
    [CVM_CHECK_INITRD] = {"initrd", 1},
    [CVM_CHECK_CMDLINE] = {"command line", 1},
    [CVM_CHECK_VCPUS] = {"vCPUs", 1},
    [CVM_CHECK_REGISTERS] = {"runtime registers", 0},
};

const char *cvm_check_name(enum cvm_check c) {
    return checks[c].name;
}

unsigned cvm_check_depth(enum cvm_check c) {
    return checks[c].depth;
}

const char *cvm_tier_name(enum cvm_tier t) {
    switch (t) {
    case CVM_TIER_AFFIRMING:
        return "affirming";
    case CVM_TIER_WARNING:
        return "warning";
    case CVM_TIER_CONTRAINDICATED:
        return "contraindicated";
    default:
        return "none";
    }
}

const char *cvm_failure_name(enum cvm_failure f) {
    switch (f) {
    case CVM_BROKEN_EVIDENCE:
        return "broken_evidence";
    case CVM_POLICY_VIOLATION:
        return "policy_violation";
    case CVM_POLICY_MISSING:
        return "policy_missing";
    default:
        return NULL;
    }
}

const char *cvm_claim_name(enum cvm_claim c) {
    static const char *const names[CVM_CLAIM_MAX] = {
        [CVM_CLAIM_INSTANCE_IDENTITY] = "instance-identity",
        [CVM_CLAIM_CONFIGURATION] = "configuration",
        [CVM_CLAIM_EXECUTABLES] = "executables",
        [CVM_CLAIM_FILE_SYSTEM] = "file-system",
        [CVM_CLAIM_HARDWARE] = "hardware",
        [CVM_CLAIM_RUNTIME_OPAQUE] = "runtime-opaque",
        [CVM_CLAIM_STORAGE_OPAQUE] = "storage-opaque",
        [CVM_CLAIM_SOURCED_DATA] = "sourced-data",
    };

    return names[c];
}

void cvm_finding_set(struct cvm_finding *f, enum cvm_check_state state, enum cvm_failure failure,
                     const char *code, const char *fmt, ...) {
    va_list ap;

    f->state = state;
    f->failure = failure;
    f->code = code;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
    va_end(ap);
    /* Our own texts are ASCII. What else comes is quoted from evidence: nothing in it may look like
     * a mark of the tree, turn the writing direction, or be half a character. */
    for (char *c = f->detail; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* What a set of checks says together. A check that was not made outweighs a warning. */
static enum cvm_check_state worst(const struct cvm_verdict *v, const enum cvm_check *set, size_t nr) {
    static const unsigned rank[] = {[CVM_OK] = 0, [CVM_WARN] = 1, [CVM_SKIPPED] = 2, [CVM_FAIL] = 3};
    enum cvm_check_state w = CVM_OK;

    for (size_t i = 0; i < nr; i++)
        if (rank[v->finding[set[i]].state] > rank[w])
            w = v->finding[set[i]].state;
    return w;
}

/*
 * Values: draft-ietf-rats-ar4si, "Specific Claims". 0 makes no assertion; a Verifier that did not see
 * platform evidence asserts nothing about hardware or about memory being opaque to the host.
 */
static void conclude_vector(struct cvm_verdict *v, bool pinned, bool anchored) {
    static const enum cvm_check executables[] = {CVM_CHECK_ROOTVISOR, CVM_CHECK_GUARDIAN,
                                                 CVM_CHECK_FIRMWARE,  CVM_CHECK_KERNEL,
                                                 CVM_CHECK_INITRD,    CVM_CHECK_REGISTERS};
    static const enum cvm_check configuration[] = {CVM_CHECK_POLICY, CVM_CHECK_ANCHOR, CVM_CHECK_DMA,
                                                   CVM_CHECK_CMDLINE, CVM_CHECK_VCPUS};
    bool missing = v->failure == CVM_POLICY_MISSING;

    if (v->failure == CVM_BROKEN_EVIDENCE) {
        v->vector[CVM_CLAIM_INSTANCE_IDENTITY] = 99; /* validation of the evidence failed */
        v->vector[CVM_CLAIM_EXECUTABLES] = 99;
        return;
    }
    v->vector[CVM_CLAIM_INSTANCE_IDENTITY] = pinned || anchored ? 2 : 0;
    switch (worst(v, executables, ELEMENTSOF(executables))) {
    case CVM_OK:
        v->vector[CVM_CLAIM_EXECUTABLES] = 3; /* a recognised set was loaded during boot */
        break;
    case CVM_FAIL:
        v->vector[CVM_CLAIM_EXECUTABLES] = missing ? 33 : 96; /* not recognised : contraindicated */
        break;
    default:
        break;
    }
    switch (worst(v, configuration, ELEMENTSOF(configuration))) {
    case CVM_OK:
        v->vector[CVM_CLAIM_CONFIGURATION] = 2;
        break;
    case CVM_WARN:
        v->vector[CVM_CLAIM_CONFIGURATION] = 36; /* security-relevant elements unavailable */
        break;
    case CVM_FAIL:
        v->vector[CVM_CLAIM_CONFIGURATION] = missing ? 36 : 96;
        break;
    default:
        break;
    }
    if (anchored) {
        v->vector[CVM_CLAIM_HARDWARE] = 2;
        /* A risk that the policy accepts is still one: then nothing is asserted. */
        v->vector[CVM_CLAIM_RUNTIME_OPAQUE] = v->report.platform & CVM_F_VT_D             ? 2
                                              : v->finding[CVM_CHECK_DMA].state == CVM_OK ? 0
                                                                                          : 32;
    }
}

void cvm_verdict_conclude(struct cvm_verdict *v, bool pinned, bool anchored) {
    bool all_ok = true;
    int warn = -1;

    v->failure = CVM_FAILURE_NONE;
    v->primary = -1;
    for (int c = 0; c < CVM_CHECK_MAX; c++) {
        const struct cvm_finding *f = &v->finding[c];

        if (f->state != CVM_OK)
            all_ok = false;
        if (f->state == CVM_WARN && warn < 0)
            warn = c;
        if (f->state == CVM_FAIL && (v->failure == CVM_FAILURE_NONE || f->failure < v->failure)) {
            v->failure = f->failure;
            v->primary = c;
        }
    }
    if (v->failure != CVM_FAILURE_NONE) {
        /* A link breaks because a part of it does (the launch measurement differs because a component does):
         * name the part. */
        for (int c = v->primary + 1; c < CVM_CHECK_MAX && cvm_check_depth(c) > cvm_check_depth(v->primary);
             c++)
            if (v->finding[c].state == CVM_FAIL && v->finding[c].failure == v->failure) {
                v->primary = c;
                break;
            }
        v->tier = CVM_TIER_CONTRAINDICATED;
    } else if (all_ok)
        v->tier = CVM_TIER_AFFIRMING;
    else {
        v->tier = CVM_TIER_WARNING;
        v->primary = warn;
    }
    conclude_vector(v, pinned, anchored);
}

enum cvm_verify_exit cvm_verdict_exit(const struct cvm_verdict *v) {
    switch (v->failure) {
    case CVM_BROKEN_EVIDENCE:
        return CVM_EXIT_BROKEN_EVIDENCE;
    case CVM_POLICY_VIOLATION:
        return CVM_EXIT_POLICY_VIOLATION;
    case CVM_POLICY_MISSING:
        return CVM_EXIT_POLICY_MISSING;
    default:
        return v->tier == CVM_TIER_AFFIRMING ? CVM_EXIT_AFFIRMING : CVM_EXIT_WARNING;
    }
}
