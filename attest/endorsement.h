/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What makes a tenant believe in a TPM: the certificate of its endorsement key, from the maker of the TPM.
 */
#ifndef CVM_ATTEST_ENDORSEMENT_H
#define CVM_ATTEST_ENDORSEMENT_H

#include <openssl/x509.h>
#include <time.h>

#include "tpm.h"

#define CVM_ENDORSEMENT_PROFILE "tag:cvmd.org,2026:endorsement#1"
#define CVM_EK_CERT_MAX 8192

/* From the host, untrusted: JSON with ek_certificate, ek_public and ak_public. */
struct cvm_endorsement {
    size_t cert_size, ek_size, ak_size;
    uint8_t cert[CVM_EK_CERT_MAX];  /* DER */
    uint8_t ek[CVM_TPM_PUBLIC_MAX]; /* TPMT_PUBLIC */
    uint8_t ak[CVM_TPM_PUBLIC_MAX];
};

/* What the certificate says; texts are printable ASCII. */
struct cvm_ek_facts {
    uint8_t fingerprint[32]; /* SHA-256 of the DER */
    char issuer[160];
    char manufacturer[32], model[48], version[32]; /* TCG EK Credential Profile, 3.2.9 */
    bool emulated;                                 /* the model says that it is software */
    int64_t not_after;                             /* seconds since 1970 */
};

int cvm_endorsement_compose(const struct cvm_endorsement *en, char **ret);
int cvm_endorsement_parse(const void *buf, size_t size, struct cvm_endorsement *ret, struct cvm_error *e);

/* Certificates of makers of TPMs that the tenant trusts. */
struct cvm_ek_trust {
    X509_STORE *roots;
    STACK_OF(X509) * intermediates; /* not trusted by themselves, may be NULL */
    time_t now;
};

/**
 * cvm_ek_trust_load - PEM files of the tenant
 * @roots:         one or more CA certificates that are trusted, and CRLs: if there is any CRL, every
 * certificate of a chain must have one of its issuer
 * @intermediates: further certificates, or NULL
 *
 * Returns 0; -EINVAL: no certificate in a file; what reading returns. cvm_ek_trust_done() frees.
 */
int cvm_ek_trust_load(const char *roots, const char *intermediates, time_t now, struct cvm_ek_trust *ret,
                      struct cvm_error *e);
void cvm_ek_trust_done(struct cvm_ek_trust *t);

/**
 * cvm_ek_check - whether this certificate is of a TPM, from a maker that the tenant trusts, for this key
 * @cert, @size: untrusted DER
 * @ek:          the key that the host calls its endorsement key
 *
 * Chain, times, signature algorithms (112 bits of security at least), basic constraints, key usage; extended
 * key usage tcg-kp-EKCertificate. Returns 0; -EINVAL: malformed, or no EK certificate; -EKEYREJECTED: the
 * chain does not hold; -EBADMSG: of another key; -ENOMEM.
 */
int cvm_ek_check(const struct cvm_ek_trust *trust, const void *cert, size_t size,
                 const struct cvm_tpm_public *ek, struct cvm_ek_facts *ret, struct cvm_error *e);

#endif
