/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The outcome of an appraisal: one finding for each link of the chain, and what follows from them.
 */
#ifndef CVM_ATTEST_VERDICT_H
#define CVM_ATTEST_VERDICT_H

#include "cvm/report.h"
#include "util.h"

/* Links of the chain, in the order in which trust flows. */
enum cvm_check {
    CVM_CHECK_POLICY,    /* the tenant's policy is in force */
    CVM_CHECK_EVIDENCE,  /* the container and the report can be read */
    CVM_CHECK_ANCHOR,    /* platform evidence vouches for RootVisor and its report key */
    CVM_CHECK_AK,        /* attestation key of a TPM that the tenant enrolled */
    CVM_CHECK_QUOTE,     /* signed by that key */
    CVM_CHECK_QUOTED,    /* made for this question */
    CVM_CHECK_LOG,       /* the event log gives the quoted PCRs */
    CVM_CHECK_BOOT,      /* firmware and loader are ones that the tenant knows */
    CVM_CHECK_MEASURED,  /* RootVisor and Guardian of the report are the ones measured */
    CVM_CHECK_KEY_PCR,   /* the report key is the one measured */
    CVM_CHECK_KEY,       /* the report names the key that it is checked with */
    CVM_CHECK_SIGNATURE, /* over the whole report */
    CVM_CHECK_NONCE,     /* made for this question */
    CVM_CHECK_REQUEST,   /* of the VM, and by whom, the policy wants */
    CVM_CHECK_KEX,       /* the Guardian's key-agreement key is a key */
    CVM_CHECK_ROOTVISOR, /* is one that the tenant knows */
    CVM_CHECK_GUARDIAN,
    CVM_CHECK_DMA,        /* devices are confined */
    CVM_CHECK_LAUNCH,     /* launch measurement is one that the tenant knows */
    CVM_CHECK_COMPONENTS, /* the launch measurement is that of the components listed */
    CVM_CHECK_FIRMWARE,
    CVM_CHECK_KERNEL,
    CVM_CHECK_INITRD,
    CVM_CHECK_CMDLINE,
    CVM_CHECK_VCPUS,
    CVM_CHECK_REGISTERS, /* runtime registers hold what the policy names */
    CVM_CHECK_MAX,
};

enum cvm_check_state {
    CVM_SKIPPED, /* not judged: an earlier link broke */
    CVM_OK,
    CVM_WARN,
    CVM_FAIL,
};

/* Why an appraisal failed. The numbers order them: the lowest one that applies is told. */
enum cvm_failure {
    CVM_FAILURE_NONE,
    CVM_BROKEN_EVIDENCE,  /* the evidence is malformed, forged or stale */
    CVM_POLICY_VIOLATION, /* genuine evidence of something that the tenant does not accept */
    CVM_POLICY_MISSING,   /* nothing to compare with; never a pass */
};

/* AR4SI trustworthiness tiers (draft-ietf-rats-ar4si, "Enumeration Encoding"). */
enum cvm_tier {
    CVM_TIER_NONE = 0,
    CVM_TIER_AFFIRMING = 2,
    CVM_TIER_WARNING = 32,
    CVM_TIER_CONTRAINDICATED = 96,
};

/* AR4SI trustworthiness claims in the order of their CBOR labels. */
enum cvm_claim {
    CVM_CLAIM_INSTANCE_IDENTITY,
    CVM_CLAIM_CONFIGURATION,
    CVM_CLAIM_EXECUTABLES,
    CVM_CLAIM_FILE_SYSTEM,
    CVM_CLAIM_HARDWARE,
    CVM_CLAIM_RUNTIME_OPAQUE,
    CVM_CLAIM_STORAGE_OPAQUE,
    CVM_CLAIM_SOURCED_DATA,
    CVM_CLAIM_MAX,
};

/* One link, judged. */
struct cvm_finding {
    enum cvm_check_state state;
    enum cvm_failure failure; /* with CVM_FAIL */
    const char *code;         /* stable, with CVM_WARN and CVM_FAIL, else NULL; docs/attestation.md */
    char detail[320];         /* for people */
    char expected[144];       /* "" if there is nothing to compare */
    char seen[144];
};

struct cvm_verdict {
    enum cvm_tier tier;
    enum cvm_failure failure;
    int primary; /* enum cvm_check of the finding that decided, -1 if affirming */
    int8_t vector[CVM_CLAIM_MAX];
    struct cvm_finding finding[CVM_CHECK_MAX];
    bool has_report;          /* a report could be read; nothing says yet that it is genuine */
    struct cvm_report report; /* host byte order */
};

/* Exit statuses of `cvmctl verify`. 1 and 2 mean that there is no verdict. */
enum cvm_verify_exit {
    CVM_EXIT_AFFIRMING = 0,
    CVM_EXIT_ERROR = 1, /* a file cannot be read, out of memory */
    CVM_EXIT_USAGE = 2,
    CVM_EXIT_WARNING = 3,
    CVM_EXIT_BROKEN_EVIDENCE = 4,
    CVM_EXIT_POLICY_VIOLATION = 5,
    CVM_EXIT_POLICY_MISSING = 6,
};

/* Writes a finding; @fmt is the detail. */
void cvm_finding_set(struct cvm_finding *f, enum cvm_check_state state, enum cvm_failure failure,
                     const char *code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/**
 * cvm_verdict_conclude - tier, failure and vector from the findings
 * @v:            all findings are set
 * @pinned:       the report key was given by the tenant
 * @anchored:     platform evidence vouches for it
 *
 * Affirming needs every finding CVM_OK.
 */
void cvm_verdict_conclude(struct cvm_verdict *v, bool pinned, bool anchored);

enum cvm_verify_exit cvm_verdict_exit(const struct cvm_verdict *v);

const char *cvm_check_name(enum cvm_check c);     /* "report key", ... */
unsigned cvm_check_depth(enum cvm_check c);       /* 0, or 1 for a part of the check before it */
const char *cvm_tier_name(enum cvm_tier t);       /* as in EAR */
const char *cvm_failure_name(enum cvm_failure f); /* "broken_evidence", ..., NULL for none */
const char *cvm_claim_name(enum cvm_claim c);     /* as in EAR */

#endif
