/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of an appraisal that says what a VM was started from. Internal to attest/. */
#ifndef CVM_ATTEST_APPRAISE_LAUNCH_H
#define CVM_ATTEST_APPRAISE_LAUNCH_H

#include "reference.h"
#include "verdict.h"

/**
 * cvm_appraise_launch - launch measurement, component list, each component
 * @ref: NULL if there are no reference values
 * @v:   its report is genuine; sets the findings CVM_CHECK_LAUNCH to CVM_CHECK_VCPUS
 *
 * Returns 0; -ENOMEM or -EIO if libcrypto could not work.
 */
int cvm_appraise_launch(const struct cvm_reference *ref, struct cvm_verdict *v);

#endif
