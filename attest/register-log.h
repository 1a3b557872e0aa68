/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest extended its runtime registers with, as cvm-guest(1) keeps it: a line for each, "REGISTER DIGEST [TEXT]". Untrusted:
 * only the registers in a report, which it must give, make it true. The texts are the guest's word.
 */
#ifndef CVM_ATTEST_REGISTER_LOG_H
#define CVM_ATTEST_REGISTER_LOG_H

#include "cvm/report.h"
#include "util.h"

#define CVM_REGISTER_LOG_MAX (1u << 20) /* bytes */

/**
 * cvm_register_log_replay - the registers that a log gives, from zeros on
 * @buf, @size: untrusted
 * @rtmr:       filled
 * @nr:         how many lines
 *
 * Returns 0; -EINVAL with the line's number in @e; -EFBIG; -EIO.
 */
int cvm_register_log_replay(const void *buf, size_t size, uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE], unsigned *nr, struct cvm_error *e);

#endif
