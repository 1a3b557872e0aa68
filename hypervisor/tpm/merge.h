/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event log put behind another: the firmware's, then ours. Pure; hostboot's part of log.c. */
#ifndef TPM_MERGE_H
#define TPM_MERGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the firmware's log (fw: untrusted, may be followed by anything, as in a log area that is not full), then the
 * entries of ours, with the digests of the banks that the firmware's header names. 0 bytes of fw, a log that is broken, or a
 * bank that ours has not: ours alone. Returns the bytes written; -ENOSPC; -EINVAL: ours is broken.
 * *merged: the firmware's entries that were taken over.
 */
int log_merge(const uint8_t *fw, size_t fw_size, const uint8_t *ours, size_t size, uint8_t *out, size_t out_size,
	      uint32_t *merged);

#endif
