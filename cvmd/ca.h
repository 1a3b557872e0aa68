/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd's own small certificate authority: certificates for the gateway and its clients, nothing else. Its key is a file
 * that only root reads, made at the first use.
 */
#ifndef CVMD_CA_H
#define CVMD_CA_H

#include "attest/util.h"

struct ca;

#define CA_CSR_MAX 16384u
#define CA_CLIENT_DAYS 365u
#define CA_SERVER_DAYS 365u

/* Reads key and certificate from @directory, or makes both. 0; -EBADMSG: damaged; another errno of the files. */
int ca_open(const char *directory, struct ca **ret, struct cvm_error *e);
void ca_free(struct ca *c);
CVM_DEFINE_CLEANUP(struct ca *, ca_free)

/* The certificate, PEM; lent. */
const char *ca_certificate(const struct ca *c);
/* SHA-256 of the certificate, hexadecimal; lent. */
const char *ca_fingerprint(const struct ca *c);

/**
 * ca_sign - a certificate for what a request asks for
 * @csr: PEM, PKCS #10; untrusted: only its key counts, and the proof that the requester has it
 * @name: becomes the common name; nothing of the request's subject or extensions does
 * @server: server authentication for @alternatives (DNS names and addresses, comma-separated); else client
 *          authentication
 * @pem: the certificate; the caller frees
 * @id: "cert:" and its SHA-256; 70 bytes
 * @expires: microseconds since 1970
 *
 * Returns 0; -EINVAL: no request, a bad signature, a key that is too weak, a bad name.
 */
int ca_sign(struct ca *c, const char *csr, const char *name, bool server, const char *alternatives, char **pem,
            char id[72], uint64_t *expires, struct cvm_error *e);

#endif
