/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CVM_ATTEST_APPRAISE_PLATFORM_H
#define CVM_ATTEST_APPRAISE_PLATFORM_H

#include "appraise.h"
#include "evidence.h"

/**
 * cvm_appraise_platform - the platform anchor and its parts (CVM_CHECK_ANCHOR to CVM_CHECK_KEY_PCR)
 * @p: NULL: there is no platform evidence
 * @v: its report is signed by the report key
 *
 * Returns 0; -ENOMEM, -EIO.
 */
int cvm_appraise_platform(const struct cvm_appraisal *a, const struct cvm_platform *p, struct cvm_verdict *v);

#endif
