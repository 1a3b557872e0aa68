/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What audit-log.c and audit-export.c share. */
#ifndef CVMD_AUDIT_LOG_INTERNAL_H
#define CVMD_AUDIT_LOG_INTERNAL_H

#include "attest/audit-entry.h"
#include "audit-log.h"

#define AUDIT_COLUMNS                                                                                        \
    "id, time, source, machine, uuid, event, reason, message, who, boot_id, seq, arg0, arg1, raw"

/* A row of AUDIT_COLUMNS; the strings are the statement's. */
void audit_row(sqlite3_stmt *q, struct store_audit *a);
/* Appends the leaf of the entry with that index. */
int audit_leaf(const struct store_audit *a, uint64_t index, struct cvm_text *t);

/* Hashes out of a database, a cvm_merkle_get. A row that was taken out gives zeroes: nothing fits then. */
struct audit_hashes {
    sqlite3_stmt *leaf, *tile;
    bool missing;
};
int audit_hashes_prepare(sqlite3 *db, struct audit_hashes *h);
void audit_hashes_finish(struct audit_hashes *h);
int audit_hashes_get(void *userdata, unsigned level, uint64_t index, uint8_t out[CVM_HASH_SIZE]);

#endif
