/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of PCRs of one bank: replayed, quoted, or expected.
 */
#ifndef CVM_ATTEST_PCRS_H
#define CVM_ATTEST_PCRS_H

#include <json-c/json.h>

#include "tpm.h"

struct cvm_pcrs {
    uint16_t hash; /* CVM_TPM_ALG_* */
    size_t size;   /* of a value */
    uint32_t mask; /* bit per PCR that has a value here */
    uint8_t value[CVM_PCRS][CVM_TPM_HASH_MAX];
};

/**
 * cvm_pcrs_digest - the digest that a quote of these PCRs has
 * @select: bit per PCR; those without a value count as zeros
 * @alg:    of the quote's signature
 * @ret:    room for CVM_TPM_HASH_MAX bytes
 *
 * Returns its size; -EIO.
 */
int cvm_pcrs_digest(const struct cvm_pcrs *p, uint32_t select, uint16_t alg, uint8_t *ret);

/**
 * cvm_pcrs_from_json - { "bank": "sha256", "pcrs": { "0": hex, ... } }
 *
 * Returns 0; -ENOENT: a member is missing; -EINVAL: an unknown bank, number or value.
 */
int cvm_pcrs_from_json(json_object *o, struct cvm_pcrs *ret, struct cvm_error *e);

/* Adds the two members; 0 or -ENOMEM. */
int cvm_pcrs_add(json_object *o, const struct cvm_pcrs *p);

#endif
