/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define PEM_MAX 65536u

struct tls {
    char *key, *certificate, *authority;
};

void tls_free(struct tls *t) {
    if (!t)
        return;
    if (t->key)
        explicit_bzero(t->key, strlen(t->key));
    free(t->key);
    free(t->certificate);
    free(t->authority);
    free(t);
}

const char *tls_key(const struct tls *t) {
    return t->key;
}

const char *tls_certificate(const struct tls *t) {
    return t->certificate;
}

const char *tls_authority(const struct tls *t) {
    return t->authority;
}

static char *bio_text(BIO *b) {
    char *p;
    long n = BIO_get_mem_data(b, &p);

    return n > 0 ? strndup(p, (size_t)n) : NULL;
}

/* A P-256 key and a request for it, as PEM. */
static int make_request(char **key, char **csr) {
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    BIO *k = BIO_new(BIO_s_mem()), *c = BIO_new(BIO_s_mem());
    bool ok = pkey && req && k && c && X509_REQ_set_version(req, 0) && X509_REQ_set_pubkey(req, pkey) &&
              X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                                         (const unsigned char *)"cvmd-rest", -1, -1, 0) &&
              X509_REQ_sign(req, pkey, EVP_sha256()) > 0 &&
              PEM_write_bio_PKCS8PrivateKey(k, pkey, NULL, NULL, 0, NULL, NULL) && PEM_write_bio_X509_REQ(c, req);

    if (ok) {
        *key = bio_text(k);
        *csr = bio_text(c);
        ok = *key && *csr;
    }
    BIO_free(k);
    BIO_free(c);
    X509_REQ_free(req);
    EVP_PKEY_free(pkey);
    return ok ? 0 : -ENOMEM;
}

int tls_new(struct rest *rest, const char *names, struct tls **ret, struct cvm_error *e) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_(tls_freep) struct tls *t = calloc(1, sizeof(*t));
    _cleanup_free_ char *csr = NULL;
    const char *certificate, *authority;
    int r;

    if (!t || make_request(&t->key, &csr) < 0)
        return cvm_error_set(e, -ENOMEM, "no key can be made");
    r = sd_bus_call_method(rest->bus, CVMD_NAME, CVMD_PATH, CVMD_GATEWAY, "Certify", &error, &reply, "ss", csr, names ?: "");
    if (r >= 0)
        r = sd_bus_message_read(reply, "ss", &certificate, &authority);
    if (r < 0)
        return cvm_error_set(e, r, "cvmd does not certify the gateway's key: %s", error.message ?: strerror(-r));
    t->certificate = strdup(certificate);
    t->authority = strdup(authority);
    if (!t->certificate || !t->authority)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    *ret = TAKE_PTR(t);
    return 0;
}

int tls_load(const char *key, const char *certificate, const char *authority, struct tls **ret, struct cvm_error *e) {
    _cleanup_(tls_freep) struct tls *t = calloc(1, sizeof(*t));
    size_t n;
    int r;

    if (!t)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_read_file(key, PEM_MAX, (void **)&t->key, &n, e);
    if (r >= 0)
        r = cvm_read_file(certificate, PEM_MAX, (void **)&t->certificate, &n, e);
    if (r >= 0)
        r = cvm_read_file(authority, PEM_MAX, (void **)&t->authority, &n, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(t);
    return 0;
}

int tls_identify(struct MHD_Connection *c, char *id, size_t id_size, char *why, size_t why_size) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
    const gnutls_datum_t *chain;
    unsigned n = 0, status = 0;
    char hex[65];
    uint8_t digest[32];
    gnutls_datum_t text;
    int r;

    why[0] = 0;
    if (!info || !info->tls_session)
        return -EACCES;
    chain = gnutls_certificate_get_peers(info->tls_session, &n);
    if (!chain || n == 0)
        return -EACCES;
    /* Success means that it was looked at, not that it is good: the status tells that. */
    r = gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status);
    if (r != GNUTLS_E_SUCCESS) {
        snprintf(why, why_size, "the client certificate cannot be verified");
        return -EACCES;
    }
    if (status != 0) {
        if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) >= 0) {
            snprintf(why, why_size, "%s", (char *)text.data);
            gnutls_free(text.data);
        } else
            snprintf(why, why_size, "the client certificate is not valid");
        return -EACCES;
    }
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, chain[0].data, chain[0].size, digest) < 0)
        return -EACCES;
    snprintf(id, id_size, "cert:%s", cvm_hex_encode(digest, sizeof(digest), hex));
    return 0;
}
