/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State and operations of one Guardian. The image holds one; tests make as many as they like. */
#ifndef GUARDIAN_H
#define GUARDIAN_H

#include <linux/errno.h>
#include <stdbool.h>
#include <string.h>

#include "counter/session.h"
#include "crypto/crypto.h"
#include "cvm/guardian.h"
#include "decode/stepper.h"
#include "tpm/tpm.h"

#define PAGE_SIZE	4096u
#define GUEST_SIZE	(1ull << 39)	/* the guest window: 512 GiB */

/* Where the windows of cvm/guardian.h begin: fixed addresses in the image, buffers in tests. */
struct windows {
	uint8_t *slots;
	uint8_t *meta;
	const uint8_t *rootvisor;
	const uint8_t *pristine;
	uint8_t *guest;
	uint64_t guest_size;		/* bytes */
	void *tpm;			/* the TPM's registers, and how to reach them; no tpm_hw: there is none */
	void (*tpm_hw)(struct tpm_hw *hw, void *registers, uint64_t tsc_khz);
};

/* Fixed by the first operation, INIT or QUOTER_INIT. */
enum role {
	ROLE_NONE	= 0,
	ROLE_VM		= 1,
	ROLE_QUOTER	= 2,
};

/* The component being hashed. */
struct measuring {
	bool open;
	struct cvm_g_measure part;	/* the last one */
	uint64_t next_gpa;
	uint64_t done;			/* bytes hashed */
	br_sha384_context hash;		/* over the digests of the chunks */
};

/* The Quoter's rollback counters. */
struct counters {
	uint32_t epoch;				/* 0: there are none */
	uint8_t secret[CVM_VAULT_SECRET];
	uint8_t root[CVM_COUNTER_HASH];		/* that the leaves must have */
	/* what is under way */
	enum cvm_counter_step expected;
	uint32_t vm_id, count;
	uint8_t next[CVM_COUNTER_HASH];
	struct session session;
};

#define KEY_REPORTS	8u	/* reports that a key may still answer: the newest ones */

struct guardian {
	const struct windows *win;
	enum role role;
	uint32_t vm_id;
	uint64_t max_gfn;
	uint32_t nr_ram;
	struct cvm_ram_range ram[CVM_MAX_RAM_RANGES];
	uint32_t more_vcpus;

	struct page_key page_key;
	uint64_t version;		/* of the page sealed last: the nonce, never repeats */

	bool launched;
	uint32_t nr_measured;
	struct cvm_measured measured[CVM_MAX_COMPONENTS];
	struct measuring measuring;
	uint8_t launch_digest[CVM_DIGEST_SIZE];
	uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];

	struct ec_key key;		/* VM: key agreement; Quoter: reports */
	uint8_t rootvisor_digest[CVM_DIGEST_SIZE];	/* Quoter */
	uint8_t guardian_digest[CVM_DIGEST_SIZE];
	uint8_t key_id[32];
	uint8_t chain[CVM_CHAIN_SIZE];	/* of the security log */
	uint64_t log_counts[16];		/* events in it, by type */
	uint64_t log_seq;
	struct counters counters;

	struct pending pending[CVM_MAX_CPUS];

	/* A ring: what a key must be bound to, for each report not yet answered. counter 0: none. */
	struct cvm_key_binding asked[KEY_REPORTS];
	uint32_t asked_next;
	struct cvm_key guest_key;	/* size 0: none */

	struct cvm_port_answer answer;	/* what CVM_GUEST_PORT gives; magic 0: no call came yet */
};

/*
 * Does one operation on the mailbox. Returns 0 or a negative errno:
 *   -ENOSYS  unknown operation
 *   -EPERM   not this role's, or not in this phase (before INIT, MEASURE after LAUNCH, ...)
 *   -EINVAL  the mailbox speaks another ABI version, or a field is out of range
 *   -EIO     the CPU gave no random numbers
 * and those that cvm/guardian.h names for the operation.
 */
int guardian_call(struct guardian *g, uint64_t op, struct cvm_g_mailbox *mb);

int guardian_init(struct guardian *g, const struct cvm_g_init *in);
int guardian_measure(struct guardian *g, const struct cvm_g_measure *in);
int guardian_launch(struct guardian *g, struct cvm_g_launch *out);
int guardian_seal(struct guardian *g, const struct cvm_g_page *in);
int guardian_unseal(struct guardian *g, const struct cvm_g_page *in);
int guardian_decode(struct guardian *g, struct cvm_g_mailbox *mb);
int guardian_continue(struct guardian *g, struct cvm_g_mailbox *mb);
/* port.c: string I/O of the guest on CVM_GUEST_PORT. 0 with *s, or -EOPNOTSUPP. */
int guardian_port(struct guardian *g, const struct guest *guest, struct cvm_g_cpu *cpu, const struct cvm_g_access *a,
		  uint8_t user_data[64], struct cvm_g_step *s);
/* The report that a STEP_REPORT asked for. */
int guardian_answer(struct guardian *g, const struct cvm_report *r);
int guardian_report(struct guardian *g, struct cvm_report *r);
int guardian_extend(struct guardian *g, const struct cvm_rtmr_extend *in);
/* A report was made: a key may answer it. */
void key_expect(struct guardian *g, const struct cvm_report *r);
int guardian_key_put(struct guardian *g, const struct cvm_key_blob *in);
int guardian_key_get(struct guardian *g, struct cvm_key *out);
int quoter_init(struct guardian *g, struct cvm_g_quoter *q);
void quoter_log_init(struct guardian *g);
int quoter_log(struct guardian *g, struct cvm_g_log *l);
/* counter/counter.c: one step of CVM_HOST_COUNTER. */
int quoter_counter(struct guardian *g, struct cvm_counter_call *mailbox);
int quoter_sign(const struct guardian *g, struct cvm_report *r);
/* anchor.c: extends the TPM; what came of it stands in q. */
void quoter_anchor(struct guardian *g, struct cvm_g_quoter *q);

/* The launch measurement over n components, as cvm/report.h defines it. */
void launch_digest(const struct cvm_measured *m, uint32_t n, uint8_t out[CVM_DIGEST_SIZE]);

#endif
