/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Releasing a key to the Guardian that a report names: cvm/key.h, the tenant's side.
 */
#ifndef CVM_ATTEST_RELEASE_H
#define CVM_ATTEST_RELEASE_H

#include "cvm/key.h"
#include "cvm/report.h"
#include "util.h"

/**
 * cvm_key_release - seal a key to the VM of a report
 * @report: genuine: its appraisal is over and said yes. Host byte order
 * @key:    @size bytes, 1 to CVM_KEY_MAX
 *
 * The blob opens in that VM's Guardian alone, as an answer to that report alone, once.
 * Returns 0; -EMSGSIZE if @size is out of range; -EINVAL if the report's key is none; -ENOMEM; -EIO.
 */
int cvm_key_release(const struct cvm_report *report, const void *key, size_t size, struct cvm_key_blob *ret);

#endif
