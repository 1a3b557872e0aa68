/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "endorsement.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define TRUST_FILE_MAX (4u << 20)

CVM_DEFINE_CLEANUP(json_object *, json_object_put)
CVM_DEFINE_CLEANUP(X509 *, X509_free)
CVM_DEFINE_CLEANUP(X509_STORE_CTX *, X509_STORE_CTX_free)
CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(BIO *, BIO_free_all)

int cvm_endorsement_compose(const struct cvm_endorsement *en, char **ret) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();

    if (!o || json_object_object_add(o, "profile", json_object_new_string(CVM_ENDORSEMENT_PROFILE)) < 0 ||
        cvm_json_add_base64url(o, "ek_certificate", en->cert, en->cert_size) < 0 ||
        cvm_json_add_base64url(o, "ek_public", en->ek, en->ek_size) < 0 ||
        cvm_json_add_base64url(o, "ak_public", en->ak, en->ak_size) < 0)
        return -ENOMEM;
    return cvm_json_text(o, ret);
}

int cvm_endorsement_parse(const void *buf, size_t size, struct cvm_endorsement *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_parse_profile(buf, size, CVM_ENDORSEMENT_PROFILE, &o, e);
    if (r == 0)
        r = cvm_json_bytes(o, "ek_certificate", ret->cert, sizeof(ret->cert), &ret->cert_size, e);
    if (r == 0)
        r = cvm_json_bytes(o, "ek_public", ret->ek, sizeof(ret->ek), &ret->ek_size, e);
    if (r == 0)
        r = cvm_json_bytes(o, "ak_public", ret->ak, sizeof(ret->ak), &ret->ak_size, e);
    return r;
}

/* Certificates and CRLs of a PEM file. */
static int load_pem(const char *path, STACK_OF(X509_INFO) * *ret, struct cvm_error *e) {
    _cleanup_(BIO_free_allp) BIO *bio = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, TRUST_FILE_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(buf, (int)size);
    *ret = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, (void *)"") : NULL;
    return *ret ? 0 : cvm_error_set(e, -EINVAL, "'%s' holds no PEM certificates", path);
}

static int load_roots(const char *path, struct cvm_ek_trust *t, struct cvm_error *e) {
    STACK_OF(X509_INFO) *list = NULL;
    unsigned nr = 0;
    int r;

    r = load_pem(path, &list, e);
    if (r < 0)
        return r;
    t->roots = X509_STORE_new();
    for (int i = 0; t->roots && i < sk_X509_INFO_num(list); i++) {
        X509_INFO *info = sk_X509_INFO_value(list, i);

        if (info->x509)
            nr += X509_STORE_add_cert(t->roots, info->x509) == 1;
        if (info->crl && X509_STORE_add_crl(t->roots, info->crl) == 1)
            X509_STORE_set_flags(t->roots, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    sk_X509_INFO_pop_free(list, X509_INFO_free);
    return nr ? 0 : cvm_error_set(e, -EINVAL, "'%s' holds no PEM certificates", path);
}

static int load_intermediates(const char *path, struct cvm_ek_trust *t, struct cvm_error *e) {
    STACK_OF(X509_INFO) *list = NULL;
    int r;

    r = load_pem(path, &list, e);
    if (r < 0)
        return r;
    t->intermediates = sk_X509_new_null();
    for (int i = 0; t->intermediates && i < sk_X509_INFO_num(list); i++) {
        X509_INFO *info = sk_X509_INFO_value(list, i);

        if (info->x509 && sk_X509_push(t->intermediates, info->x509) > 0)
            info->x509 = NULL;
    }
    sk_X509_INFO_pop_free(list, X509_INFO_free);
    return t->intermediates ? 0 : cvm_error_set(e, -ENOMEM, "out of memory");
}

int cvm_ek_trust_load(const char *roots, const char *intermediates, time_t now, struct cvm_ek_trust *t,
                      struct cvm_error *e) {
    int r;

    memset(t, 0, sizeof(*t));
    t->now = now;
    r = load_roots(roots, t, e);
    if (r == 0 && intermediates)
        r = load_intermediates(intermediates, t, e);
    if (r < 0)
        cvm_ek_trust_done(t);
    return r;
}

void cvm_ek_trust_done(struct cvm_ek_trust *t) {
    X509_STORE_free(t->roots);
    sk_X509_pop_free(t->intermediates, X509_free);
    t->roots = NULL;
    t->intermediates = NULL;
}

/* Printable ASCII of a name's string, the rest as '?'. */
static void copy_text(const ASN1_STRING *s, char *out, size_t size) {
    size_t n = s ? (size_t)ASN1_STRING_length(s) : 0;

    if (n >= size)
        n = size - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = ASN1_STRING_get0_data(s)[i];

        out[i] = c >= ' ' && c <= '~' ? (char)c : '?';
    }
    out[n] = 0;
}

/* tpmManufacturer, tpmModel, tpmVersion out of a name. */
static void read_tpm_name(const X509_NAME *name, struct cvm_ek_facts *f) {
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
        char oid[40] = "";

        OBJ_obj2txt(oid, sizeof(oid), X509_NAME_ENTRY_get_object(entry), 1);
        if (strcmp(oid, "2.23.133.2.1") == 0)
            copy_text(value, f->manufacturer, sizeof(f->manufacturer));
        else if (strcmp(oid, "2.23.133.2.2") == 0)
            copy_text(value, f->model, sizeof(f->model));
        else if (strcmp(oid, "2.23.133.2.3") == 0)
            copy_text(value, f->version, sizeof(f->version));
    }
}

static int read_facts(X509 *cert, struct cvm_ek_facts *f) {
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ASN1_TIME *epoch;
    int days = 0, seconds = 0;
    char *issuer;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

        if (n->type == GEN_DIRNAME)
            read_tpm_name(n->d.directoryName, f);
    }
    GENERAL_NAMES_free(names);
    read_tpm_name(X509_get_subject_name(cert), f);
    f->emulated = strstr(f->model, "swtpm") || strstr(f->model, "emulat");
    issuer = X509_NAME_oneline(X509_get_issuer_name(cert), NULL, 0);
    snprintf(f->issuer, sizeof(f->issuer), "%s", issuer ?: "");
    cvm_defang(f->issuer);
    OPENSSL_free(issuer);
    epoch = ASN1_TIME_set(NULL, 0);
    if (epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert)) == 1)
        f->not_after = (int64_t)days * 86400 + seconds;
    ASN1_TIME_free(epoch);
    return 0;
}

/* EK Credential Profile, 3.2.16: the purpose is tcg-kp-EKCertificate. No CA certificate ends a chain. */
static int check_purpose(X509 *cert, struct cvm_error *e) {
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    bool found = !eku;

    for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
        char oid[40] = "";

        OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(eku, i), 1);
        found |= strcmp(oid, "2.23.133.8.1") == 0;
    }
    EXTENDED_KEY_USAGE_free(eku);
    if (!found)
        return cvm_error_set(e, -EINVAL, "the certificate is for other purposes than an endorsement key");
    if (X509_check_ca(cert) != 0)
        return cvm_error_set(e, -EINVAL,
                             "the certificate is that of a certification authority, not of a TPM");
    return 0;
}

static int check_chain(const struct cvm_ek_trust *t, X509 *cert, struct cvm_error *e) {
    _cleanup_(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;

    if (!ctx || X509_STORE_CTX_init(ctx, t->roots, cert, t->intermediates) != 1)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, t->now);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_VERIFY_PARAM_set_depth(param, 8);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_verify_cert(ctx) != 1)
        return cvm_error_set(e, -EKEYREJECTED, "the endorsement certificate is not good: %s",
                             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    return 0;
}

int cvm_ek_check(const struct cvm_ek_trust *trust, const void *der, size_t size,
                 const struct cvm_tpm_public *ek, struct cvm_ek_facts *f, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_freep) X509 *cert = NULL;
    const unsigned char *p = der;
    int r;

    memset(f, 0, sizeof(*f));
    cert = size <= CVM_EK_CERT_MAX ? d2i_X509(NULL, &p, (long)size) : NULL;
    if (!cert || p != (const unsigned char *)der + size)
        return cvm_error_set(e, -EINVAL, "the endorsement certificate is no X.509 certificate");
    r = check_chain(trust, cert, e);
    if (r == 0)
        r = check_purpose(cert, e);
    if (r == 0)
        r = cvm_tpm_public_to_key(ek, &key, e);
    if (r < 0)
        return r;
    if (!X509_get0_pubkey(cert) || EVP_PKEY_eq(key, X509_get0_pubkey(cert)) != 1)
        return cvm_error_set(e, -EBADMSG, "the endorsement certificate is of another key");
    if (EVP_Digest(der, size, f->fingerprint, NULL, EVP_sha256(), NULL) != 1)
        return cvm_error_set(e, -EIO, "libcrypto cannot hash");
    return read_facts(cert, f);
}
