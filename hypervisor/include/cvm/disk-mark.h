/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a tenant's broker says of a disk's age, behind the last byte of the disk's key and sealed with it (cvm/key.h): neither
 * Guardian nor cvmboot looks at it, and /cvm/disk.key of the guest ends in it. Little-endian, fixed layout, no padding.
 *
 * Each start that is given the key is the next generation of the disk. It finds the mark of the one before on the disk, or the disk
 * is older than that; then it leaves its own. cvm-guest(1), docs/attestation.md.
 */
#ifndef CVM_DISK_MARK_H
#define CVM_DISK_MARK_H

#include "cvm/key.h"

#define CVM_DISK_MARK_MAGIC	"CVMMARK1"	/* 8 bytes, without the NUL */
#define CVM_DISK_MARK_ALLOW	1u		/* flag: the tenant takes an older disk, too */

struct cvm_disk_mark {
	uint8_t  magic[8];
	uint8_t  series[16];		/* random; drawn when the broker begins to count */
	uint64_t generation;		/* of this start, from 1: the disk must be marked with the one before */
	uint32_t flags;			/* CVM_DISK_MARK_ALLOW */
	uint32_t reserved;		/* 0 */
};
_Static_assert(sizeof(struct cvm_disk_mark) == 40, "cvm_disk_mark");

#define CVM_DISK_MARK_KEY_MAX	(CVM_KEY_MAX - (uint32_t)sizeof(struct cvm_disk_mark))	/* bytes of a key before it */

#endif
