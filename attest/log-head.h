/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The chain of RootVisor's security log and its signed heads (cvm/report.h). Pure.
 */
#ifndef CVM_ATTEST_LOG_HEAD_H
#define CVM_ATTEST_LOG_HEAD_H

#include "cvm/report.h"
#include "util.h"

/* Untrusted bytes to a head; the signature is not looked at. -EBADMSG: of another size, kind or version. */
int cvm_log_head_decode(const void *buf, size_t size, struct cvm_log_head *ret, struct cvm_error *e);

/**
 * cvm_log_head_verify - whether the key signed this head
 * @point: uncompressed P-256 point of a report key
 *
 * Returns 0; -ENOKEY: it names another key; -EBADMSG: the signature is not of this head; -EINVAL: no point.
 */
int cvm_log_head_verify(const struct cvm_log_head *head, const uint8_t *point);

/* chain[0] of the start that this head tells of. */
void cvm_log_genesis(const struct cvm_log_head *head, uint8_t chain[CVM_CHAIN_SIZE]);
/* chain[n-1] to chain[n]. @event: the 64 bytes as RootVisor gave them. */
void cvm_log_step(uint8_t chain[CVM_CHAIN_SIZE], const void *event);

#endif
