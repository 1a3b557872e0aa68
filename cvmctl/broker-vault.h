/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key that wraps a broker's keys, in Vault's transit engine: it never leaves it, and Vault never sees what it wraps. */
#ifndef CVMCTL_BROKER_VAULT_H
#define CVMCTL_BROKER_VAULT_H

#include "attest/broker-wrap.h"

struct broker_vault_options {
    const char *url;        /* https://HOST[:PORT]/MOUNT/KEY */
    const char *ca;         /* certificates that may sign for HOST; NULL: the system's */
    const char *token_file; /* read at every request: an agent may put a new token there */
    unsigned timeout;       /* seconds for one request; 0: 10 */
};

/**
 * broker_vault_open - take the address of a transit key and see that a token is there; Vault itself is not asked
 * @ret: its close()
 *
 * Each key gets an AES-256-GCM key of its own, which wraps it bound to its resource's name; that one Vault encrypts and
 * decrypts (POST /v1/MOUNT/encrypt/KEY, /decrypt/KEY). No redirect is followed.
 * Returns 0; -EINVAL for a bad URL or token; what reading the file returns.
 */
int broker_vault_open(const struct broker_vault_options *o, struct cvm_broker_token **ret, struct cvm_error *e);

#endif
