/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TCG crypto-agile event log (PC Client Platform Firmware Profile 1.05, 10.2): header and entries. Pure.
 */
#ifndef TPM_LOG_H
#define TPM_LOG_H

#include "bytes.h"
#include "command.h"

#define EV_NO_ACTION	0x3u
#define EV_SEPARATOR	0x4u
#define EV_EVENT_TAG	0x6u

/* TCG_EfiSpecIDEvent, for these banks. */
void log_header(struct writer *w, const struct tpm_bank *bank, uint32_t n);

/* One TCG_PCR_EVENT2 with the digests of these banks. -EPROTO: d lacks one; -ENOSPC: no room. */
int log_event2(struct writer *w, const struct tpm_bank *bank, uint32_t n, uint32_t pcr, uint32_t type,
	       const struct tpm_digests *d, const void *data, uint32_t size);

/* Reads a header: what is left in r are the entries. -EINVAL: none, or not crypto-agile. */
int log_open(struct reader *r, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *n);

#endif
