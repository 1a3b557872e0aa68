/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tenant's key broker, without its network: requests in, replies out. Sessions have the shape of the KBS
 * attestation protocol (confidential-containers, "RCAR": request, challenge, attestation, response):
 *
 *   POST /kbs/v0/auth                    -> a nonce, and a session cookie
 *   POST /kbs/v0/attest                  -> the verdict as an EAR, a JWT
 *   GET  /kbs/v0/resource/REPO/TYPE/TAG  -> the key, sealed to the Guardian of the report
 *
 * docs/attestation.md, "Key broker", has the messages.
 */
#ifndef CVM_ATTEST_BROKER_H
#define CVM_ATTEST_BROKER_H

#include <time.h>

#include "broker-store.h"
#include "util.h"

#define CVM_BROKER_SESSIONS 4096 /* at most at one time */
#define CVM_BROKER_SESSION_SECONDS 900 /* evidence may travel by courier */
#define CVM_BROKER_EVIDENCE_MAX (256u << 10) /* bytes, so that sessions cannot fill the memory */
#define CVM_BROKER_SESSION_HEX 64
#define CVM_BROKER_COOKIE "kbs-session-id"

struct cvm_broker;

/* Untrusted, all of it. */
struct cvm_broker_request {
    const char *method, *path;
    const char *session; /* value of the cookie, or NULL */
    const char *peer;    /* address, for the log */
    const void *body;
    size_t size;
    time_t now;
};

struct cvm_broker_reply {
    unsigned status;                          /* of HTTP */
    char *body;                               /* JSON; the caller frees */
    char session[CVM_BROKER_SESSION_HEX + 1]; /* cookie to set, "" for none */
    unsigned retry_after;                     /* seconds, 0 for none */
};

/**
 * cvm_broker_open - a broker over a store
 * @store: stays the caller's, must outlive the broker
 *
 * Returns 0, -EBUSY if another broker has the store, or -ENOMEM.
 */
int cvm_broker_open(struct cvm_broker_store *store, struct cvm_broker **ret);
void cvm_broker_free(struct cvm_broker *b);

/**
 * cvm_broker_handle - answer one request; may be called from several threads
 *
 * Every outcome of an attestation and of a wish for a key stands in the store's log before the reply is there.
 * Returns 0 with @ret filled, whatever the reply says; -ENOMEM.
 */
int cvm_broker_handle(struct cvm_broker *b, const struct cvm_broker_request *q, struct cvm_broker_reply *ret);

/* Logs leases that ran out without a new attestation, brings the log to the disk; call it now and then. Returns how many. */
unsigned cvm_broker_expire(struct cvm_broker *b, time_t now);

#endif
