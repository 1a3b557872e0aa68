/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The evidence container: what a host hands to a tenant, as one JSON object.
 *
 *   {
 *     "profile":    "tag:cvmd.org,2026:evidence#1",
 *     "report":     base64url of struct cvm_report (cvm/report.h),
 *     "report_key": public JWK (EC, P-256) of the Quoter
 *   }
 *
 * A reader ignores members it does not know: platform evidence (quote, event log, certificates)
 * will be added beside these. Nothing in the container is trusted because it is in there.
 */
#ifndef CVM_ATTEST_EVIDENCE_H
#define CVM_ATTEST_EVIDENCE_H

#include "cvm/report.h"
#include "util.h"

#define CVM_EVIDENCE_PROFILE "tag:cvmd.org,2026:evidence#1"
#define CVM_EVIDENCE_MAX (1u << 20) /* bytes of a file */

struct cvm_evidence {
    uint8_t report[sizeof(struct cvm_report)]; /* not yet validated: see cvm_report_decode() */
    size_t report_size;                        /* bytes present, at most sizeof(report) */
    bool has_key;
    uint8_t key[65]; /* on the curve if has_key */
};

/**
 * cvm_evidence_compose - evidence from what RootVisor's host calls give
 * @report: as CVM_HOST_VM_REPORT left it, wire bytes as they are
 * @key:    as CVM_HOST_REPORT_KEY left it
 * @ret:    JSON text with a newline at its end; the caller frees
 *
 * Returns 0; -EINVAL if @key is no point of P-256; -ENOMEM.
 */
int cvm_evidence_compose(const struct cvm_report *report, const struct cvm_report_key *key, char **ret);

/**
 * cvm_evidence_parse - untrusted bytes to a report and, perhaps, a key
 * @buf, @size: a container, or the bare bytes of a report (then there is no key)
 * @e:          text of the error
 *
 * Returns 0;
 *   -ENODATA          nothing at all
 *   -EINVAL           no JSON object, a member of a wrong type or content
 *   -ENOENT           no "profile" or no "report"
 *   -EPROTONOSUPPORT  another profile
 *   -EFBIG            more than CVM_EVIDENCE_MAX bytes
 *   -ENOBUFS          the report is longer than a report can be
 */
int cvm_evidence_parse(const void *buf, size_t size, struct cvm_evidence *ret, struct cvm_error *e);

#endif
