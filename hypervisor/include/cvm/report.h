/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The VM report: made by the VM's Guardian, completed by RootVisor with what only it
 * can vouch for, signed by the Quoter. Little-endian, fixed layout, no padding.
 */
#ifndef CVM_REPORT_H
#define CVM_REPORT_H

#include "cvm/boot.h"

#define CVM_REPORT_MAGIC	0x31525643u	/* "CVR1" */
#define CVM_REPORT_VERSION	1u
#define CVM_RTMRS		4u

/*
 * Launch measurement = SHA-384 over
 *   "CVMD-LAUNCH-V2\0\0" (16 bytes), then for each component in order
 *   le32 kind, le32 0, le64 size, its digest (48 bytes).
 * A component's digest = SHA-384 over the SHA-384 of each of its chunks, in order: CVM_MEASURE_CHUNK bytes
 * each, the last one what remains. So several are hashed at once. (The number of vCPUs, kind
 * CVM_COMP_VCPUS, is no memory: its digest is the SHA-384 of the number, le32.)
 * Address and content of the firmware's place and the entry state are fixed by boot.h.
 *
 * RootVisor digest = SHA-384 over the file bytes of the loadable ELF segments in program
 * header order (RootVisor has no initialised writable data, so memory equals file).
 * Guardian digest = SHA-384 over the flat image file.
 */
#define CVM_LAUNCH_PREFIX	"CVMD-LAUNCH-V2\0"	/* 16 bytes with the final NUL */
#define CVM_MEASURE_CHUNK	0x10000u

struct cvm_measured {
	uint32_t kind;
	uint32_t reserved;
	uint64_t size;
	uint8_t  digest[CVM_DIGEST_SIZE];
};
_Static_assert(sizeof(struct cvm_measured) == 64, "cvm_measured");

#define CVM_KEX_P256		1u	/* uncompressed point, 65 bytes */

struct cvm_report {
	uint32_t magic;
	uint32_t version;
	uint32_t size;			/* sizeof(struct cvm_report) */
	uint32_t rollback_epoch;	/* of the counter below: another one, another TPM or one that was reset. 0: no counter */
	/* RootVisor's part */
	uint32_t rootvisor_version;
	uint32_t rootvisor_svn;
	uint32_t guardian_svn;
	uint32_t vm_id;
	uint64_t platform;		/* CVM_F_*: what this host lacks shows here */
	uint64_t uptime_tsc;		/* since RootVisor started */
	uint64_t tsc_khz;
	uint64_t counter;		/* reports made by this RootVisor, monotonic */
	uint8_t  rootvisor_digest[CVM_DIGEST_SIZE];
	uint8_t  guardian_digest[CVM_DIGEST_SIZE];
	uint8_t  uuid[16];		/* as the host named the VM */
	/* the Guardian's part */
	uint8_t  launch_digest[CVM_DIGEST_SIZE];
	uint8_t  rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
	uint32_t nr_measured;
	uint32_t kex_alg;		/* CVM_KEX_* */
	struct cvm_measured measured[CVM_MAX_COMPONENTS];
	uint8_t  kex_public[72];	/* the Guardian's key-agreement key, zero-padded */
	uint8_t  user_data[64];		/* nonce or hash, chosen by the caller */
	uint32_t requester;		/* 0 = host call, 1 = the guest itself */
	uint32_t rollback;		/* starts of this launch measurement, this one included (counter.h); 0: not counted */
	/* the Quoter's part */
	uint8_t  report_key_id[32];	/* SHA-256 of the 65-byte public point */
	uint8_t  signature[64];		/* ECDSA P-256, SHA-256, r || s, over all bytes before */
};
#define CVM_REPORT_SIGNED	(offsetof(struct cvm_report, signature))
_Static_assert(offsetof(struct cvm_report, rootvisor_digest) == 64, "cvm_report");
_Static_assert(offsetof(struct cvm_report, launch_digest) == 176, "cvm_report");
_Static_assert(offsetof(struct cvm_report, measured) == 424, "cvm_report");
_Static_assert(offsetof(struct cvm_report, user_data) == 1008, "cvm_report");
_Static_assert(sizeof(struct cvm_report) == 1176, "cvm_report");

/* In: user_data of the report. Out: all of it. */
struct cvm_report_call {
	uint8_t  user_data[64];
	struct cvm_report report;
};

/*
 * The head of the security log, signed by the Quoter. The chain, SHA-256:
 *   chain[0] = H("CVMD-LOG-V1\0\0\0\0\0" (16 bytes) || report_key_id || rootvisor_digest || guardian_digest)
 *   chain[n] = H(chain[n-1] || event n, 64 bytes)
 * The report key is of one start, so a chain is, too. The magic keeps heads and reports apart.
 */
#define CVM_LOG_PREFIX		"CVMD-LOG-V1\0\0\0\0"	/* 16 bytes with the final NUL */
#define CVM_HEAD_MAGIC		0x31485643u	/* "CVH1" */
#define CVM_HEAD_VERSION	1u

struct cvm_log_head {
	uint32_t magic;
	uint32_t version;
	uint32_t size;			/* sizeof(struct cvm_log_head) */
	uint32_t flags;			/* 0 */
	uint64_t seq;			/* events in the chain */
	uint64_t tsc;			/* when it was asked for */
	uint64_t tsc_khz;
	uint64_t counts[16];		/* events in the chain by type, enum cvm_event_type; [0] of any other */
	uint8_t  chain[CVM_CHAIN_SIZE];
	uint8_t  rootvisor_digest[CVM_DIGEST_SIZE];
	uint8_t  guardian_digest[CVM_DIGEST_SIZE];
	uint8_t  user_data[64];		/* chosen by the caller */
	uint8_t  report_key_id[32];	/* SHA-256 of the 65-byte public point */
	uint8_t  signature[64];		/* ECDSA P-256, SHA-256, r || s, over all bytes before */
};
_Static_assert(CVM_EV_MAX <= 16, "counts");
#define CVM_HEAD_SIGNED	(offsetof(struct cvm_log_head, signature))
_Static_assert(sizeof(struct cvm_log_head) == 456, "cvm_log_head");

/* In: user_data of the head. Out: all of it. */
struct cvm_log_call {
	uint8_t  user_data[64];
	struct cvm_log_head head;
};
_Static_assert(sizeof(struct cvm_log_call) == 520, "cvm_log_call");

struct cvm_rtmr_extend {
	uint32_t index;			/* < CVM_RTMRS */
	uint32_t reserved;
	uint8_t  digest[CVM_DIGEST_SIZE];
};

#define CVM_PORT_MAGIC		0x31505643u	/* "CVP1" */

/* What goes out to CVM_GUEST_PORT. */
struct cvm_port_call {
	uint32_t magic;			/* CVM_PORT_MAGIC */
	uint32_t call;			/* CVM_GUEST_REPORT or CVM_GUEST_RTMR_EXTEND */
	uint32_t index;			/* RTMR_EXTEND: of the register; else 0 */
	uint32_t reserved;		/* 0 */
	uint8_t  data[64];		/* REPORT: user_data; RTMR_EXTEND: the digest, then zeros */
};
_Static_assert(sizeof(struct cvm_port_call) == 80, "cvm_port_call");

/* What comes in from it. */
struct cvm_port_answer {
	uint32_t magic;			/* CVM_PORT_MAGIC */
	int32_t  result;		/* of the last call: 0 or a negative errno; -ENOENT: there was none yet */
	struct cvm_report report;	/* of the last REPORT, if that was the last call and went well; else zeros */
};
_Static_assert(sizeof(struct cvm_port_answer) == 1184, "cvm_port_answer");

struct cvm_report_key {
	uint8_t  point[65];		/* P-256, uncompressed */
	uint8_t  reserved[7];
};

#endif
