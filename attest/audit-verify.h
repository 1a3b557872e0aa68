/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verifying an export of cvmd's audit log with nothing but public keys: every entry is there, unchanged, in
 * its place; the signed checkpoint is of these entries; older checkpoints are of their beginning; RootVisor's
 * events chain up to the heads that its Quoter signed; what RootVisor recorded of the log is true of it. docs/audit.md
 * describes the file. Pure: all bytes are untrusted.
 */
#ifndef CVM_ATTEST_AUDIT_VERIFY_H
#define CVM_ATTEST_AUDIT_VERIFY_H

#include "checkpoint.h"
#include "cvm/report.h"

enum cvm_audit_code {
    /* tampered */
    CVM_AUDIT_MALFORMED,    /* a line that cvmd does not write */
    CVM_AUDIT_TRUNCATED,    /* entries are cut off */
    CVM_AUDIT_DROPPED,      /* entries or events are missing in between */
    CVM_AUDIT_REORDERED,    /* an entry or event behind its place, or twice */
    CVM_AUDIT_EDITED,       /* an entry or event is not what was recorded */
    CVM_AUDIT_ROOT,         /* the entries are not those of the checkpoint */
    CVM_AUDIT_SIGNATURE,    /* a checkpoint or head is not signed as it says */
    CVM_AUDIT_KEY,          /* signed with another key than those given */
    CVM_AUDIT_FORK,         /* an older checkpoint tells of another history */
    CVM_AUDIT_FOREIGN_HEAD, /* a head of another start of the host, or of another place in it */
    CVM_AUDIT_ANCHOR,       /* RootVisor recorded another history */
    /* incomplete */
    CVM_AUDIT_GAP,      /* RootVisor's events were lost before cvmd read them */
    CVM_AUDIT_UNSIGNED, /* events that no head covers */
    CVM_AUDIT_UNKNOWN,  /* a checkpoint that this export cannot be compared with */
    CVM_AUDIT_CODES,
};
/* A word for programs: "edited", "fork". */
const char *cvm_audit_code_name(enum cvm_audit_code code);

struct cvm_audit_finding {
    enum cvm_audit_code code;
    uint64_t index; /* of the entry, or the size of the tree, that it is about */
    char text[320];
};

enum cvm_audit_verdict {
    CVM_AUDIT_INTACT,
    CVM_AUDIT_INCOMPLETE, /* what is there is genuine; something is known to be missing */
    CVM_AUDIT_TAMPERED,
};

struct cvm_audit_note {
    const char *text;
    size_t size;
    const char *name; /* for findings: of the file */
};

struct cvm_audit_options {
    const struct cvm_note_key *key;
    const uint8_t (*report_key)[65]; /* accepted, and each must be there; at most 64; none: the heads are only
                                        checked against the keys beside them */
    size_t nr_report_key;
    const struct cvm_audit_note *checkpoint; /* that the verifier kept */
    size_t nr_checkpoint;
};

#define CVM_AUDIT_FINDINGS_MAX 64u

struct cvm_audit_result {
    enum cvm_audit_verdict verdict;
    struct cvm_checkpoint checkpoint;
    uint64_t from, to; /* entries */
    uint64_t events, heads, anchors, lost; /* of RootVisor */
    uint64_t tail;                         /* its last events, behind its last head */
    unsigned starts;                       /* of RootVisor */
    unsigned checkpoints;                  /* older ones that fit, in the export and given */
    size_t nr_findings;                    /* all; kept are the first */
    struct cvm_audit_finding finding[CVM_AUDIT_FINDINGS_MAX];
};

/**
 * cvm_audit_verify - look at a whole export
 *
 * Returns 0 with @ret filled, whatever the verdict; -EINVAL with @e: this is no export at all; -ENOMEM.
 */
int cvm_audit_verify(const char *buf, size_t size, const struct cvm_audit_options *o, struct cvm_audit_result *ret,
                     struct cvm_error *e);

/* Shared with audit-chain.c. */
void cvm_audit_find(struct cvm_audit_result *r, enum cvm_audit_code code, uint64_t index, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

struct cvm_audit_line;
struct cvm_audit_chain; /* of all starts of RootVisor */
struct cvm_audit_chain *cvm_audit_chain_new(const struct cvm_audit_options *o, struct cvm_audit_result *r);
void cvm_audit_chain_free(struct cvm_audit_chain *c);
CVM_DEFINE_CLEANUP(struct cvm_audit_chain *, cvm_audit_chain_free)
/* An entry in its turn. 0 or -ENOMEM. */
int cvm_audit_chain_entry(struct cvm_audit_chain *c, const struct cvm_audit_line *l);
void cvm_audit_chain_end(struct cvm_audit_chain *c);

#endif
