/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The evidence container: what a host hands to a tenant, as one JSON object.
 *
 *   {
 *     "profile":    "tag:cvmd.org,2026:evidence#1",
 *     "report":     base64url of struct cvm_report (cvm/report.h),
 *     "report_key": public JWK (EC, P-256) of the Quoter,
 *     "platform":   { "type": "tpm2",
 *                     "ak_public": base64url of TPMT_PUBLIC,
 *                     "quote":     base64url of TPMS_ATTEST,
 *                     "signature": base64url of TPMT_SIGNATURE,
 *                     "bank":      "sha256" and "pcrs": { "0": hex, ... }: the values quoted; may be absent,
 *                                  then the log tells them all
 *                     "event_log": base64url of a TCG crypto-agile log }
 *   }
 *
 * A reader ignores members it does not know. Nothing in the container is trusted because it is in there.
 */
#ifndef CVM_ATTEST_EVIDENCE_H
#define CVM_ATTEST_EVIDENCE_H

#include "cvm/report.h"
#include "eventlog.h"
#include "quote.h"

#define CVM_EVIDENCE_PROFILE "tag:cvmd.org,2026:evidence#1"
#define CVM_PLATFORM_TPM2 "tpm2"
#define CVM_EVIDENCE_MAX (1u << 20) /* bytes of a file */

/* What a TPM says of the host. Sizes only are checked here. */
struct cvm_platform {
    size_t ak_size, quote_size, signature_size, log_size;
    uint8_t ak[CVM_TPM_PUBLIC_MAX], quote[CVM_QUOTE_MAX], signature[CVM_QUOTE_SIGNATURE_MAX];
    struct cvm_pcrs pcrs; /* what the host says that is quoted; mask 0: the log alone tells */
    uint8_t *log;
};

struct cvm_evidence {
    uint8_t report[sizeof(struct cvm_report)]; /* not yet validated: see cvm_report_decode() */
    size_t report_size;                        /* bytes present, at most sizeof(report) */
    bool has_key;
    uint8_t key[65];               /* on the curve if has_key */
    struct cvm_platform *platform; /* NULL: none */
};

void cvm_platform_free(struct cvm_platform *p);
CVM_DEFINE_CLEANUP(struct cvm_platform *, cvm_platform_free)
/* Frees what cvm_evidence_parse() made; harmless on zeros. */
void cvm_evidence_done(struct cvm_evidence *ev);

/**
 * cvm_evidence_compose - evidence from what RootVisor's host calls give
 * @report: as CVM_HOST_VM_REPORT left it, wire bytes as they are
 * @key:    as CVM_HOST_REPORT_KEY left it
 * @platform: what the TPM says, NULL if there is none
 * @ret:    JSON text with a newline at its end; the caller frees
 *
 * Returns 0; -EINVAL if @key is no point of P-256; -ENOMEM.
 */
int cvm_evidence_compose(const struct cvm_report *report, const struct cvm_report_key *key,
                         const struct cvm_platform *platform, char **ret);

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
 *   -ENOBUFS          the report, or a part of the platform evidence, is longer than it can be
 *   -ENOMEM
 * The caller frees with cvm_evidence_done(), also after an error.
 */
int cvm_evidence_parse(const void *buf, size_t size, struct cvm_evidence *ret, struct cvm_error *e);

#endif
