/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: an append-only table in a database of its own, with the RFC 6962 Merkle tree over its
 * entries (attest/audit-entry.h says what the leaves are), and an Ed25519 key that signs checkpoints.
 *
 * Any thread may call. Writers that wait at the same time share one transaction: the first of them writes for
 * all. An entry, its hash and the tree change in that one transaction: a kill leaves both or neither.
 */
#ifndef CVMD_AUDIT_LOG_H
#define CVMD_AUDIT_LOG_H

#include "attest/checkpoint.h"
#include "store.h"

struct audit_log;

/* Its schema, as store_migrations. */
extern const char *const audit_migrations[];
extern const unsigned audit_schema_version;

/**
 * audit_log_open - open or make the database and the key
 * @path: of the database
 * @key: of the private key, PEM, mode 0600; made at the first start
 *
 * Returns 0; -EPROTO: written by a newer cvmd; -EBADMSG: no database, or no key; another negative errno. What
 * does not fit the newest checkpoint is told on standard error and goes on: the verifier finds it.
 */
int audit_log_open(const char *path, const char *key, struct audit_log **ret, struct cvm_error *e);
void audit_log_close(struct audit_log *l);
CVM_DEFINE_CLEANUP(struct audit_log *, audit_log_close)

/**
 * audit_log_append - append entries, all or none; returns when they are durable
 * @a: id is ignored
 *
 * An event of RootVisor that is there already is left out. Returns how many came in, or a negative errno.
 */
int audit_log_append(struct audit_log *l, const struct store_audit *a, size_t n);

/* The same, but a power loss may take them back: until audit_log_sync(), or the next append that is not relaxed. */
int audit_log_append_relaxed(struct audit_log *l, const struct store_audit *a, size_t n);
int audit_log_sync(struct audit_log *l);

/* As store_each_audit(), store_last_seq(). @fn must not call the log. */
int audit_log_each(struct audit_log *l, uint64_t after, const char *machine, uint32_t limit,
                   int (*fn)(void *userdata, const struct store_audit *a), void *userdata);
int audit_log_last_seq(struct audit_log *l, const char *boot_id, uint64_t *ret);

/* The tree as it is now. */
uint64_t audit_log_root(struct audit_log *l, uint8_t root[CVM_HASH_SIZE]);
const struct cvm_note_key *audit_log_key(const struct audit_log *l);
/* Sign the tree as it is now, and keep that. @ret: the note; the caller frees. @size: may be NULL. */
int audit_log_checkpoint(struct audit_log *l, char **ret, uint64_t *size);

/* Proofs against the tree of @size entries, see attest/merkle.h. Returns the number of hashes; -EINVAL. */
int audit_log_prove_inclusion(struct audit_log *l, uint64_t index, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]);
int audit_log_prove_consistency(struct audit_log *l, uint64_t old, uint64_t size, uint8_t proof[][CVM_HASH_SIZE]);
/* The line of an entry, NUL-terminated; the caller frees. -ENOENT. */
int audit_log_entry(struct audit_log *l, uint64_t index, char **ret);

/**
 * audit_log_export - write the entries [from, to) with all that a verifier needs (docs/audit.md)
 * @path: of the database: read by a connection of its own, so a thread of its own may
 * @note, @size: a checkpoint of audit_log_checkpoint()
 * @fd: where to; stays open
 *
 * Returns 0; -EINVAL unless from <= to <= size; -EPIPE: the reader went away.
 */
int audit_log_export(const char *path, uint64_t from, uint64_t to, const char *note, uint64_t size, int fd);
const char *audit_log_path(const struct audit_log *l);

/* Take over the entries of a table `audit` of schema 2 of the store, once. */
int audit_log_import(struct audit_log *l, sqlite3 *store);

#endif
