/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "enrolment.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "json.h"
#include "jws.h"
#include "key.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static int check_host(const char *host, struct cvm_error *e) {
    size_t n = strlen(host);

    for (size_t i = 0; i < n; i++)
        if (host[i] <= ' ' || host[i] > '~')
            return cvm_error_set(e, -EINVAL, "a host's name has printable ASCII without spaces only");
    return n > 0 && n < sizeof(((struct cvm_enrolment *)0)->host)
               ? 0
               : cvm_error_set(e, -EINVAL, "a host's name has 1 to %zu bytes",
                               sizeof(((struct cvm_enrolment *)0)->host) - 1);
}

/* The AK of a record: what it is called follows from its public area, and it must be one. */
static int take_ak(struct cvm_enrolment *en, struct cvm_error *e) {
    struct cvm_tpm_public ak;
    struct cvm_error why = {""};
    int r;

    r = cvm_tpm_public_parse(en->ak, en->ak_size, &ak, &why);
    if (r == 0)
        r = cvm_tpm_public_is_ak(&ak, &why);
    if (r < 0)
        return cvm_error_set(e, r, "attestation key: %.300s", why.text);
    en->name_size = ak.name_size;
    memcpy(en->name, ak.name, ak.name_size);
    return 0;
}

static int challenge_compose(const struct cvm_credential *c, char **ret) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();

    if (!o || json_object_object_add(o, "profile", json_object_new_string(CVM_CHALLENGE_PROFILE)) < 0 ||
        cvm_json_add_base64url(o, "credential_blob", c->blob, c->blob_size) < 0 ||
        cvm_json_add_base64url(o, "encrypted_secret", c->seed, c->seed_size) < 0)
        return -ENOMEM;
    return cvm_json_text(o, ret);
}

int cvm_enrolment_begin(const struct cvm_ek_trust *trust, const char *host, const void *endorsement,
                        size_t size, struct cvm_enrolment_session *session, char **challenge,
                        struct cvm_error *e) {
    _cleanup_cvm_free_ struct cvm_endorsement *en = malloc(sizeof(*en));
    struct cvm_enrolment *rec = &session->record;
    struct cvm_error why = {""};
    struct cvm_tpm_public ek;
    struct cvm_credential c;
    int r;

    memset(session, 0, sizeof(*session));
    if (!en)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = check_host(host, e);
    if (r == 0)
        r = cvm_endorsement_parse(endorsement, size, en, e);
    if (r < 0)
        return r;
    strcpy(rec->host, host);
    rec->issued = trust->now;
    rec->ak_size = en->ak_size;
    memcpy(rec->ak, en->ak, en->ak_size);
    r = take_ak(rec, e);
    if (r < 0)
        return r;
    r = cvm_tpm_public_parse(en->ek, en->ek_size, &ek, &why);
    if (r < 0)
        return cvm_error_set(e, r, "endorsement key: %.300s", why.text);
    r = cvm_ek_check(trust, en->cert, en->cert_size, &ek, &rec->ek, e);
    if (r < 0)
        return r;
    if (RAND_bytes(session->secret, sizeof(session->secret)) != 1)
        return cvm_error_set(e, -EIO, "libcrypto gives no random bytes");
    r = cvm_credential_make(&ek, rec->name, rec->name_size, session->secret, &c, e);
    if (r == 0)
        r = challenge_compose(&c, challenge);
    return r;
}

static int add_record(json_object *o, const struct cvm_enrolment *en) {
    if (json_object_object_add(o, "host", json_object_new_string(en->host)) < 0 ||
        cvm_json_add_base64url(o, "ak_public", en->ak, en->ak_size) < 0 ||
        cvm_json_add_hex(o, "ak_name", en->name, en->name_size) < 0 ||
        cvm_json_add_hex(o, "ek_certificate_sha256", en->ek.fingerprint, sizeof(en->ek.fingerprint)) < 0)
        return -ENOMEM;
    json_object_object_add(o, "ek_issuer", json_object_new_string(en->ek.issuer));
    json_object_object_add(o, "tpm_manufacturer", json_object_new_string(en->ek.manufacturer));
    json_object_object_add(o, "tpm_model", json_object_new_string(en->ek.model));
    json_object_object_add(o, "tpm_version", json_object_new_string(en->ek.version));
    json_object_object_add(o, "tpm_emulated", json_object_new_boolean(en->ek.emulated));
    json_object_object_add(o, "iat", json_object_new_int64(en->issued));
    if (en->expires)
        json_object_object_add(o, "exp", json_object_new_int64(en->expires));
    return 0;
}

static int take_text(json_object *o, const char *name, char *out, size_t size, struct cvm_error *e) {
    const char *s = NULL;
    int r;

    r = cvm_json_string(o, name, &s, e);
    if (r < 0)
        return r;
    if (strlen(s) >= size)
        return cvm_error_set(e, -EINVAL, "member '%s' is too long", name);
    strcpy(out, s);
    cvm_defang(out);
    return 0;
}

static int take_record(json_object *o, struct cvm_enrolment *en, struct cvm_error *e) {
    json_object *emulated = NULL;
    uint64_t t = 0;
    int r;

    r = take_text(o, "host", en->host, sizeof(en->host), e);
    if (r == 0)
        r = check_host(en->host, e);
    if (r == 0)
        r = cvm_json_bytes(o, "ak_public", en->ak, sizeof(en->ak), &en->ak_size, e);
    if (r == 0)
        r = take_ak(en, e);
    if (r == 0)
        r = cvm_json_hex(o, "ek_certificate_sha256", en->ek.fingerprint, sizeof(en->ek.fingerprint), e);
    if (r == 0)
        r = take_text(o, "ek_issuer", en->ek.issuer, sizeof(en->ek.issuer), e);
    if (r == 0)
        r = take_text(o, "tpm_manufacturer", en->ek.manufacturer, sizeof(en->ek.manufacturer), e);
    if (r == 0)
        r = take_text(o, "tpm_model", en->ek.model, sizeof(en->ek.model), e);
    if (r == 0)
        r = take_text(o, "tpm_version", en->ek.version, sizeof(en->ek.version), e);
    if (r == 0)
        r = cvm_json_get(o, "tpm_emulated", json_type_boolean, &emulated, e);
    if (r == 0)
        r = cvm_json_uint(o, "iat", INT64_MAX, &t, e);
    if (r < 0)
        return r;
    en->ek.emulated = json_object_get_boolean(emulated);
    en->issued = (int64_t)t;
    r = cvm_json_uint(o, "exp", INT64_MAX, &t, e);
    if (r == 0)
        en->expires = (int64_t)t;
    return r == -ENOENT ? 0 : r;
}

int cvm_enrolment_session_to_text(const struct cvm_enrolment_session *s, char **ret) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();

    if (!o ||
        json_object_object_add(o, "profile", json_object_new_string(CVM_ENROLMENT_SESSION_PROFILE)) < 0 ||
        add_record(o, &s->record) < 0 ||
        cvm_json_add_base64url(o, "secret", s->secret, sizeof(s->secret)) < 0)
        return -ENOMEM;
    return cvm_json_text(o, ret);
}

int cvm_enrolment_session_parse(const void *buf, size_t size, struct cvm_enrolment_session *ret,
                                struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_parse_profile(buf, size, CVM_ENROLMENT_SESSION_PROFILE, &o, e);
    if (r == 0)
        r = take_record(o, &ret->record, e);
    if (r == 0)
        r = cvm_json_base64url(o, "secret", ret->secret, sizeof(ret->secret), e);
    return r;
}

int cvm_challenge_parse(const void *buf, size_t size, struct cvm_credential *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_parse_profile(buf, size, CVM_CHALLENGE_PROFILE, &o, e);
    if (r == 0)
        r = cvm_json_bytes(o, "credential_blob", ret->blob, sizeof(ret->blob), &ret->blob_size, e);
    if (r == 0)
        r = cvm_json_bytes(o, "encrypted_secret", ret->seed, sizeof(ret->seed), &ret->seed_size, e);
    return r;
}

int cvm_response_compose(const uint8_t *secret, char **ret) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();

    if (!o || json_object_object_add(o, "profile", json_object_new_string(CVM_RESPONSE_PROFILE)) < 0 ||
        cvm_json_add_base64url(o, "secret", secret, CVM_CREDENTIAL_SECRET) < 0)
        return -ENOMEM;
    return cvm_json_text(o, ret);
}

int cvm_enrolment_finish(const struct cvm_enrolment_session *s, const void *response, size_t size,
                         EVP_PKEY *key, time_t now, int64_t lifetime, char **ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *answer = NULL, *o = json_object_new_object();
    uint8_t secret[CVM_CREDENTIAL_SECRET];
    struct cvm_enrolment rec = s->record;
    const char *text;
    size_t len = 0;
    int r;

    if (!o)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_json_parse_profile(response, size, CVM_RESPONSE_PROFILE, &answer, e);
    if (r == 0)
        r = cvm_json_base64url(answer, "secret", secret, sizeof(secret), e);
    if (r < 0)
        return r;
    if (CRYPTO_memcmp(secret, s->secret, sizeof(secret)) != 0)
        return cvm_error_set(e, -EBADMSG,
                             "the host did not open the challenge: its TPM does not hold both keys");
    if (now < rec.issued || now - rec.issued > CVM_ENROLMENT_SESSION_TIME)
        return cvm_error_set(e, -ETIMEDOUT, "the session is older than %d hours",
                             CVM_ENROLMENT_SESSION_TIME / 3600);
    if (cvm_key_size(key) != 32)
        return cvm_error_set(e, -EINVAL, "the signing key is no P-256 key");
    rec.issued = now;
    rec.expires = lifetime ? now + lifetime : 0;
    json_object_object_add(o, "profile", json_object_new_string(CVM_ENROLMENT_PROFILE));
    r = add_record(o, &rec);
    text =
        json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    if (r < 0 || !text)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_jws_sign(key, CVM_ENROLMENT_JWS_TYPE, text, len, ret);
    return r < 0 ? cvm_error_set(e, r, "cannot sign the record: %s", strerror(-r)) : 0;
}

int cvm_enrolment_parse(const char *text, size_t size, const uint8_t *point, struct cvm_enrolment *ret,
                        struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ void *payload = NULL;
    size_t n = 0;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_jws_verify(text, size, point, CVM_ENROLMENT_JWS_TYPE, &payload, &n, e);
    if (r == 0)
        r = cvm_json_parse_profile(payload, n, CVM_ENROLMENT_PROFILE, &o, e);
    if (r == 0)
        r = take_record(o, ret, e);
    return r == -ENOENT ? -EINVAL : r;
}

int cvm_enrolment_load(const char *path, const uint8_t *point, struct cvm_enrolment *ret,
                       struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why = {""};
    size_t size = 0;
    int r;

    r = cvm_read_file(path, 65536, &buf, &size, e);
    if (r < 0)
        return r;
    r = cvm_enrolment_parse(buf, size, point, ret, &why);
    return r < 0 ? cvm_error_set(e, r, "'%s': %.300s", path, why.text) : 0;
}
