/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The leaves of the rollback counters (cvm/counter.h), in a file: cvmd keeps them for the Quoter, which believes none of it. Who loses or
 * changes them loses counts that nobody can give back.
 *
 * The file has one line for each launch measurement, its 96 hexadecimal digits and its count; then a line "+ DIGITS" for each count
 * begun of which nobody knows yet whether the TPM has it.
 */
#ifndef CVMD_COUNTER_LEAVES_H
#define CVMD_COUNTER_LEAVES_H

#include "attest/util.h"
#include "cvm/counter.h"

struct counter_leaf {
    uint64_t position;
    uint8_t identity[CVM_DIGEST_SIZE];
    uint32_t count;
};

struct counter_leaves {
    struct counter_leaf *leaf; /* ascending position */
    size_t nr;
    uint8_t (*begun)[CVM_DIGEST_SIZE]; /* not counted in leaf[].count; oldest first */
    size_t nr_begun;
};

void counter_leaves_free(struct counter_leaves *l);
CVM_DEFINE_CLEANUP(struct counter_leaves *, counter_leaves_free)

/* 0, also if there is no file; -EBADMSG: no such file as above, two leaves in one place; -ENOMEM, errors of reading. */
int counter_leaves_load(const char *path, struct counter_leaves **ret, struct cvm_error *e);
/* The name is durable once the directory was synced. */
int counter_leaves_save(const struct counter_leaves *l, const char *path, struct cvm_error *e);
int counter_leaves_parse(const char *text, size_t size, struct counter_leaves **ret, struct cvm_error *e);

/* One more is begun. -ENOMEM; -EEXIST: another leaf is in its place. */
int counter_leaves_begin(struct counter_leaves *l, const uint8_t identity[CVM_DIGEST_SIZE]);
/* The oldest @taken of those begun are in the TPM's root, the others are not and never will be. */
int counter_leaves_settle(struct counter_leaves *l, size_t taken);

/**
 * counter_leaves_path - where a leaf stands, as BEGIN wants it
 * @begun: so many of those begun are taken to be in the tree
 * @call:  count, map and sibling are filled
 */
int counter_leaves_path(const struct counter_leaves *l, size_t begun, const uint8_t identity[CVM_DIGEST_SIZE],
                        struct cvm_counter_call *call);

#endif
