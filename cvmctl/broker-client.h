/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The courier's side of a key broker: it carries messages and can read no key. */
#ifndef CVMCTL_BROKER_CLIENT_H
#define CVMCTL_BROKER_CLIENT_H

#include "cvmctl.h"

#include "cvm/key.h"

/* One session, in memory or in a file between two commands. Nothing in it is secret from the host. */
struct broker_session {
    char url[256];         /* of the broker, without a path */
    char certificate[256]; /* file with the certificate that the broker must show */
    char cookie[96];
    uint8_t nonce[NONCE_SIZE];
};

/* What a broker answered instead. */
struct broker_refusal {
    long status; /* of HTTP, 0: no answer */
    char code[48];
    char detail[256];
};

/*
 * The three steps. Each returns 0; -EACCES with @why if the broker refused; -EPROTO for an answer that is none; -EIO
 * if it could not be reached, with the reason in @why->detail.
 */
int broker_client_auth(struct broker_session *s, struct broker_refusal *why);
/* @token: the verdict, a JWT; the caller frees; may be NULL */
int broker_client_attest(const struct broker_session *s, const char *evidence, char **token,
                         struct broker_refusal *why);
int broker_client_resource(const struct broker_session *s, const char *resource, struct cvm_key_blob *ret,
                           struct broker_refusal *why);

#endif
