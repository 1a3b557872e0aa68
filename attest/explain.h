/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A verdict for people (a tree) and for programs (JSON).
 */
#ifndef CVM_ATTEST_EXPLAIN_H
#define CVM_ATTEST_EXPLAIN_H

#include <json-c/json.h>
#include <stdio.h>

#include "verdict.h"

/**
 * cvm_verdict_print - the verdict, then the chain as a tree with ✓ (holds), ! (warning), ✗ (broken) and
 * · (not judged); expected and seen values where they differ
 * @facts: also what the report says of host and VM
 */
void cvm_verdict_print(const struct cvm_verdict *v, bool facts, FILE *out);

/**
 * cvm_verdict_to_json - documented in docs/attestation.md; the caller puts
 *
 * Returns NULL if out of memory.
 */
json_object *cvm_verdict_to_json(const struct cvm_verdict *v);

/* Parts of it that an EAR carries too. The caller puts; NULL if out of memory. */
json_object *cvm_verdict_vector_to_json(const struct cvm_verdict *v);
json_object *cvm_verdict_reasons_to_json(const struct cvm_verdict *v);

#define CVM_REPORT_PROFILE "tag:cvmd.org,2026:report#1"

/* What the report says, as the claims set of an EAT (RFC 9711); what has no registered claim is
 * named cvm_*. Unprotected: only the report's own signature says that somebody meant it. */
json_object *cvm_report_claims(const struct cvm_report *rep);

#endif
