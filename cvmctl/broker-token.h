/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key that wraps a broker's keys, in a PKCS#11 token: it never leaves it. */
#ifndef CVMCTL_BROKER_TOKEN_H
#define CVMCTL_BROKER_TOKEN_H

#include "attest/broker-store.h"

/**
 * broker_token_open - find an AES-256 key in a token, and log in
 * @uri: PKCS#11 URI (RFC 7512): token and object as far as they tell them apart; module-path, or the system's modules
 * @pin: of the token, or NULL: pin-value or the file pin-source of the URI
 * @ret: its close()
 *
 * Returns 0; -EINVAL for a bad URI; -ENOENT if no token or no key fits; -ENOTUNIQ if several do; -EACCES if the
 * PIN is wrong; -EIO for what else a module says.
 */
int broker_token_open(const char *uri, const char *pin, struct cvm_broker_token **ret, struct cvm_error *e);

#endif
