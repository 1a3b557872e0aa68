/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the keys in a broker's store are wrapped: by a key at hand, or by somebody who has one. */
#ifndef CVM_ATTEST_BROKER_WRAP_H
#define CVM_ATTEST_BROKER_WRAP_H

#include "util.h"

#define CVM_BROKER_WRAP_KEY 32       /* bytes, AES-256 */
#define CVM_BROKER_WRAP_MAGIC_SIZE 8 /* of the text that a file of a wrapped key begins with */
#define CVM_BROKER_PKCS11_MAGIC "CVMTOKN1"
#define CVM_BROKER_VAULT_MAGIC "CVMVAUL1"
#define CVM_BROKER_WRAPPED_MAX 1536  /* bytes behind that */
#define CVM_BROKER_GCM_EXTRA 28      /* IV and tag */

/* Where the wrapping key is not here (a PKCS#11 token, Vault). */
struct cvm_broker_token {
    const char *magic; /* CVM_BROKER_WRAP_MAGIC_SIZE characters */
    const char *title; /* in messages: "with a TITLE" */
    /*
     * Wraps @size bytes of @in for the resource @name, or unwraps them. @out: CVM_BROKER_WRAPPED_MAX bytes, @ret of them used.
     * 0; -EBADMSG: not wrapped by this one for that name; -EAGAIN: it cannot now; another errno. @e tells, without secrets.
     */
    int (*crypt)(struct cvm_broker_token *t, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out,
                 size_t *ret, struct cvm_error *e);
    void (*close)(struct cvm_broker_token *t);
};

/**
 * cvm_broker_gcm - AES-256-GCM over a key, bound to the name of its resource
 * @key:  CVM_BROKER_WRAP_KEY bytes
 * @wrap: @out is a fresh IV, the tag and the ciphertext, else @in is that
 * @out:  @size + CVM_BROKER_GCM_EXTRA bytes, or so many less
 *
 * Returns 0; -EBADMSG: not wrapped with this key for that name; -EIO; -ENOMEM.
 */
int cvm_broker_gcm(const uint8_t *key, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out, size_t *ret);

#endif
