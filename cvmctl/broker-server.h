/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network side of a key broker: TLS 1.3, HTTP, one thread pool. */
#ifndef CVMCTL_BROKER_SERVER_H
#define CVMCTL_BROKER_SERVER_H

#include "attest/broker.h"

#define BROKER_BODY_MAX (2 * CVM_BROKER_EVIDENCE_MAX)

struct broker_server_options {
    const char *listen; /* "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: any */
    unsigned threads;
};

/**
 * broker_serve - serve until SIGINT or SIGTERM
 *
 * Says "Listening on https://..." when it does. Returns 0; -EINVAL for a bad address; a negative errno.
 */
int broker_serve(struct cvm_broker *b, const struct cvm_broker_store *store, const struct broker_server_options *o,
                 struct cvm_error *e);

#endif
