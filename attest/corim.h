/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reference values out of a CoRIM (draft-ietf-rats-corim-10): the reference triples of its CoMIDs.
 *
 * The environment's class names vendor "cvmd" and as model what is measured:
 *   "rootvisor", "guardian"  digests (sha-384) and perhaps svn or min-svn
 *   "boot"                   integrity registers: PCR number to digests (sha-256 or sha-384); 4, 8 and 9 must
 * be there Triples of other environments are counted and left out. Everything else that is not understood is
 * an error.
 */
#ifndef CVM_ATTEST_CORIM_H
#define CVM_ATTEST_CORIM_H

#include <time.h>

#include "reference.h"

#define CVM_CORIM_TYPE "application/rim+cbor"

/**
 * cvm_corim_parse - CBOR to reference values
 * @point: public key that must have signed it (COSE_Sign1, ES256), or NULL for an unsigned one
 * @now:   for its validity
 * @ret:   its alternatives
 * @other: triples of other environments
 *
 * Returns 0; -EINVAL: malformed, signed and no key given, or the other way round; -EBADMSG; -E2BIG: too many
 * alternatives; -ETIMEDOUT: outside its validity; -ENOENT: nothing in it is for cvmd.
 */
int cvm_corim_parse(const void *buf, size_t size, const uint8_t *point, time_t now, struct cvm_reference *ret,
                    unsigned *other, struct cvm_error *e);

#endif
