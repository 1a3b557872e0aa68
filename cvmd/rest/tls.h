/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS 1.3 with client certificates. The gateway's own key is made at each start and never leaves its memory; cvmd's
 * authority certifies it.
 */
#ifndef CVMD_REST_TLS_H
#define CVMD_REST_TLS_H

#include "rest.h"

#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:%NO_TICKETS"

struct tls;

/**
 * tls_new - make a key, have cvmd certify it
 * @names: DNS names and addresses, comma-separated; NULL: of this host
 *
 * Blocks until cvmd has answered: before anything is served.
 */
int tls_new(struct rest *rest, const char *names, struct tls **ret, struct cvm_error *e);
/* From files of PEM text: key, certificate chain, authority of the clients. */
int tls_load(const char *key, const char *certificate, const char *authority, struct tls **ret, struct cvm_error *e);
void tls_free(struct tls *t);
CVM_DEFINE_CLEANUP(struct tls *, tls_free)
const char *tls_key(const struct tls *t);
const char *tls_certificate(const struct tls *t);
const char *tls_authority(const struct tls *t);

/**
 * tls_identify - the client of a connection: "cert:" and its certificate's SHA-256
 * @why: what is wrong with its certificate; "" if it sent none
 *
 * A certificate counts if the *status* of its verification is clean: issued by our authority, for a client, in its
 * time. Returns 0 or -EACCES.
 */
int tls_identify(struct MHD_Connection *c, char *id, size_t id_size, char *why, size_t why_size);

#endif
