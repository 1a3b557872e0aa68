/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A key on its way from the tenant to a guest: sealed by the tenant to the key-agreement key of a
 * VM report, carried by the host as an opaque blob, opened by that VM's Guardian, handed to the
 * guest's private memory. Little-endian, fixed layout, no padding.
 *
 * HPKE (RFC 9180), base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message:
 *   receiver's key  kex_public of the report
 *   info            struct cvm_key_binding
 *   aad             struct cvm_key_blob before `enc`
 *   plaintext       struct cvm_key, so that a blob does not tell how long the key is
 */
#ifndef CVM_KEY_H
#define CVM_KEY_H

#include "cvm/abi.h"

#define CVM_KEY_MAGIC		0x314b5643u	/* "CVK1" */
#define CVM_KEY_VERSION		1u
#define CVM_KEY_MAX		248u		/* bytes of a key */
#define CVM_KEY_LABEL		"CVMD-KEY-V1"	/* of the binding; zero-padded to 16 bytes */

struct cvm_key {
	uint32_t size;			/* 1..CVM_KEY_MAX */
	uint32_t reserved;		/* 0 */
	uint8_t  bytes[CVM_KEY_MAX];	/* zero behind `size` */
};
_Static_assert(sizeof(struct cvm_key) == 256, "cvm_key");

/* What the key is meant for. The Guardian has all of it from its own reports and takes none from the host. */
struct cvm_key_binding {
	uint8_t  label[16];
	uint8_t  uuid[16];		/* of the report */
	uint8_t  launch_digest[CVM_DIGEST_SIZE];
	uint8_t  user_data[64];		/* of the report: the tenant's nonce */
	uint64_t counter;		/* of the report: no two reports of one RootVisor have the same */
	uint64_t rollback;		/* rollback_epoch << 32 | rollback of the report */
};
_Static_assert(sizeof(struct cvm_key_binding) == 160, "cvm_key_binding");

struct cvm_key_blob {
	uint32_t magic;			/* CVM_KEY_MAGIC */
	uint32_t version;		/* CVM_KEY_VERSION */
	uint32_t size;			/* sizeof(struct cvm_key_blob) */
	uint32_t reserved;		/* 0 */
	uint64_t counter;		/* of the report that it answers */
	uint64_t rollback;		/* as in the binding */
	uint8_t  enc[65];		/* the sender's point, uncompressed */
	uint8_t  zero[7];		/* 0 */
	uint8_t  text[sizeof(struct cvm_key)];
	uint8_t  tag[16];
};
_Static_assert(offsetof(struct cvm_key_blob, enc) == 32, "cvm_key_blob");
_Static_assert(sizeof(struct cvm_key_blob) == 376, "cvm_key_blob");

#endif
