/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Enrolment of a host's attestation key by credential activation, and the record of it that the tenant signs.
 *
 *   host    endorsement: EK certificate, EK, AK                       (endorsement.h)
 *   tenant  checks the certificate's chain, locks a secret to EK and AK's name: session (kept), challenge (to
 * the host) host    its TPM opens the challenge, which it does only if EK and AK are both its own: response
 *   tenant  response = secret of the session: record, signed with the tenant's own key
 */
#ifndef CVM_ATTEST_ENROLMENT_H
#define CVM_ATTEST_ENROLMENT_H

#include "credential.h"
#include "endorsement.h"

#define CVM_ENROLMENT_PROFILE "tag:cvmd.org,2026:enrolment#1"
#define CVM_ENROLMENT_SESSION_PROFILE "tag:cvmd.org,2026:enrolment-session#1"
#define CVM_CHALLENGE_PROFILE "tag:cvmd.org,2026:enrolment-challenge#1"
#define CVM_RESPONSE_PROFILE "tag:cvmd.org,2026:enrolment-response#1"
#define CVM_ENROLMENT_JWS_TYPE "vnd.cvmd.enrolment+json"
#define CVM_ENROLMENT_SESSION_TIME 86400 /* seconds in which a response is taken */

struct cvm_enrolment {
    char host[96]; /* how the tenant calls it: printable ASCII without spaces */
    size_t ak_size;
    uint8_t ak[CVM_TPM_PUBLIC_MAX]; /* TPMT_PUBLIC */
    size_t name_size;
    uint8_t name[CVM_TPM_NAME_MAX]; /* of the AK */
    struct cvm_ek_facts ek;
    int64_t issued, expires; /* seconds since 1970; expires 0: never */
};

struct cvm_enrolment_session {
    struct cvm_enrolment record; /* not yet proven */
    uint8_t secret[CVM_CREDENTIAL_SECRET];
};

/**
 * cvm_enrolment_begin - judge an endorsement and make the challenge
 * @host:      the tenant's name for the host
 * @challenge: JSON for the host; the caller frees
 *
 * Returns 0; what cvm_endorsement_parse(), cvm_tpm_public_parse(), cvm_tpm_public_is_ak(), cvm_ek_check() and
 * cvm_credential_make() return.
 */
int cvm_enrolment_begin(const struct cvm_ek_trust *trust, const char *host, const void *endorsement,
                        size_t size, struct cvm_enrolment_session *session, char **challenge,
                        struct cvm_error *e);

/* The session as JSON that only the tenant may read, and back. */
int cvm_enrolment_session_to_text(const struct cvm_enrolment_session *s, char **ret);
int cvm_enrolment_session_parse(const void *buf, size_t size, struct cvm_enrolment_session *ret,
                                struct cvm_error *e);

/* What the host's side needs of a challenge, and what it answers. */
int cvm_challenge_parse(const void *buf, size_t size, struct cvm_credential *ret, struct cvm_error *e);
int cvm_response_compose(const uint8_t *secret, char **ret);

/**
 * cvm_enrolment_finish - judge a response and sign the record
 * @response: untrusted JSON
 * @key:      the tenant's, P-256
 * @lifetime: seconds, 0: no end
 * @ret:      JWS, compact form; the caller frees
 *
 * Returns 0; -EBADMSG: another secret; -ETIMEDOUT: the session is older than CVM_ENROLMENT_SESSION_TIME;
 * -EINVAL.
 */
int cvm_enrolment_finish(const struct cvm_enrolment_session *s, const void *response, size_t size,
                         EVP_PKEY *key, time_t now, int64_t lifetime, char **ret, struct cvm_error *e);

/**
 * cvm_enrolment_load - a record
 * @point: public key that must have signed it
 *
 * Returns 0; -EBADMSG, -EINVAL, -EPROTONOSUPPORT. Does not look at the time: an appraisal does.
 */
int cvm_enrolment_parse(const char *text, size_t size, const uint8_t *point, struct cvm_enrolment *ret,
                        struct cvm_error *e);
int cvm_enrolment_load(const char *path, const uint8_t *point, struct cvm_enrolment *ret,
                       struct cvm_error *e);

#endif
