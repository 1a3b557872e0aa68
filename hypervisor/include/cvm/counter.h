/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Rollback counters: one for each launch measurement, kept by the Quoter in NV memory of the TPM. docs/attestation.md explains
 * what they prove.
 *
 * One NV index holds the root of a hash tree over all counters. Its authorisation value is known to the Quoter alone; the TPM and the
 * Quoter talk in an HMAC session (TPM 2.0 Library, Part 1, 19), and the host carries what they say. The leaves are the host's to keep.
 *
 *   leaf(identity, count) = SHA-256(00h || identity, 48 bytes || le32 count)
 *   node(l, r)            = SHA-256(01h || l || r); 32 zero bytes if both l and r are that
 *   An absent leaf is 32 zero bytes. The tree has 64 levels; the way from the root to a leaf are the bits of the first 8 bytes of
 *   SHA-256("CVMD-COUNTER-V1\0" || identity), the most significant of the first byte first, 0 to the left.
 *
 * identity: the launch measurement.
 */
#ifndef CVM_COUNTER_H
#define CVM_COUNTER_H

#include "cvm/abi.h"

#define CVM_COUNTER_HASH	32u
#define CVM_COUNTER_LEVELS	64u
#define CVM_COUNTER_PREFIX	"CVMD-COUNTER-V1"	/* 16 bytes with the final NUL */
#define CVM_VAULT_SECRET	32u

/* NV indices, in the owner's range (TCG Registry of Reserved TPM 2.0 Handles, 2.3). */
#define CVM_NV_VAULT		0x0180c4d0u	/* secret, then le32 epoch; read and written by PolicyPCR before the separators only */
#define CVM_NV_ROOT		0x0180c4d1u	/* root; read and written with the secret */

/*
 * CVM_HOST_COUNTER, three calls for each count:
 *   BEGIN    in: count, map, sibling: where this VM's counter stands. Out: tpm: a command to be carried to the TPM
 *   STARTED  in: tpm: its answer. Out: tpm: the next command. From here on the leaf counts one more
 *   WRITTEN  in: tpm: its answer. Out: rollback, in each of the VM's reports from now on
 * A count that was not confirmed is nobody's, but is used up. BEGIN may come at any time, and forgets what was under way.
 */
enum cvm_counter_step {
	CVM_COUNTER_BEGIN	= 1,
	CVM_COUNTER_STARTED	= 2,
	CVM_COUNTER_WRITTEN	= 3,
};

struct cvm_counter_call {
	/* RootVisor's, whatever the host wrote there */
	uint8_t  identity[CVM_DIGEST_SIZE];	/* the VM's launch measurement */
	uint32_t vm_id;
	/* the host's */
	uint32_t step;			/* enum cvm_counter_step */
	uint32_t count;			/* BEGIN: that the leaf has, 0: there is none */
	uint32_t tpm_size;		/* bytes of tpm[] */
	uint64_t map;			/* bit n: the sibling n levels above the leaf is not zero */
	/* the Quoter's */
	uint64_t rollback;		/* WRITTEN: epoch << 32 | count, the VM's from now on; else 0 */
	uint8_t  tpm[176];		/* a command out, its answer in */
	uint8_t  sibling[CVM_COUNTER_LEVELS][CVM_COUNTER_HASH];	/* these, from the leaf up; then zeros */
};
_Static_assert(sizeof(struct cvm_counter_call) == 2304, "cvm_counter_call");

#endif
