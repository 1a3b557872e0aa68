/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#define CA_DAYS 3650
#define FILE_MAX 65536u
#define ALTERNATIVES_MAX 1024u

struct ca {
    EVP_PKEY *key;
    X509 *certificate;
    char *pem;
    char fingerprint[65];
};

void ca_free(struct ca *c) {
    if (!c)
        return;
    EVP_PKEY_free(c->key);
    X509_free(c->certificate);
    free(c->pem);
    free(c);
}

const char *ca_certificate(const struct ca *c) {
    return c->pem;
}

const char *ca_fingerprint(const struct ca *c) {
    return c->fingerprint;
}

static char *to_pem(X509 *x) {
    BIO *b = BIO_new(BIO_s_mem());
    char *p, *text = NULL;

    if (b && PEM_write_bio_X509(b, x)) {
        long n = BIO_get_mem_data(b, &p);

        text = strndup(p, (size_t)n);
    }
    BIO_free(b);
    return text;
}

static bool fingerprint(X509 *x, char hex[65]) {
    uint8_t digest[32];
    unsigned n = sizeof(digest);

    if (!X509_digest(x, EVP_sha256(), digest, &n))
        return false;
    cvm_hex_encode(digest, sizeof(digest), hex);
    return true;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return ok;
}

static bool random_serial(X509 *x) {
    uint8_t serial[16];
    BIGNUM *n;
    bool ok;

    if (RAND_bytes(serial, sizeof(serial)) != 1)
        return false;
    serial[0] &= 0x7f;
    n = BN_bin2bn(serial, sizeof(serial), NULL);
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

/* A certificate without extensions and signature. */
static X509 *begin(EVP_PKEY *key, const char *name, X509 *issuer, unsigned days) {
    X509 *x = X509_new();
    X509_NAME *subject;

    if (!x)
        return NULL;
    subject = X509_get_subject_name(x);
    if (X509_set_version(x, X509_VERSION_3) && random_serial(x) && X509_set_pubkey(x, key) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -300) && X509_gmtime_adj(X509_getm_notAfter(x), (long)days * 86400) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
        X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject))
        return x;
    X509_free(x);
    return NULL;
}

static int write_new(const char *path, const void *p, size_t size, struct cvm_error *e) {
    mode_t old = umask(0077);
    int r = cvm_write_file(path, p, size, e);

    umask(old);
    if (r >= 0 && chmod(path, 0600) < 0)
        return cvm_error_set(e, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
    return r;
}

static int make(struct ca *c, const char *path, struct cvm_error *e) {
    char host[65] = "", name[80];
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    long n;
    int r = -ENOMEM;

    (void)gethostname(host, sizeof(host) - 1);
    snprintf(name, sizeof(name), "cvmd of %.50s", host);
    c->key = EVP_EC_gen("P-256");
    c->certificate = c->key ? begin(c->key, name, NULL, CA_DAYS) : NULL;
    if (b && c->certificate && add_extension(c->certificate, c->certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(c->certificate, c->certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(c->certificate, c->certificate, NID_subject_key_identifier, "hash") &&
        X509_sign(c->certificate, c->key, EVP_sha256()) &&
        PEM_write_bio_PKCS8PrivateKey(b, c->key, NULL, NULL, 0, NULL, NULL) && PEM_write_bio_X509(b, c->certificate)) {
        /* One file, so that there is never one without the other. */
        n = BIO_get_mem_data(b, &p);
        r = write_new(path, p, (size_t)n, e);
        OPENSSL_cleanse(p, (size_t)n);
    } else
        cvm_error_set(e, r, "the certificate authority cannot be made");
    BIO_free(b);
    return r;
}

static int load(struct ca *c, const char *path, const char *text, size_t size, struct cvm_error *e) {
    BIO *b = BIO_new_mem_buf(text, (int)size);

    if (b) {
        c->key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
        c->certificate = PEM_read_bio_X509(b, NULL, NULL, NULL);
    }
    BIO_free(b);
    if (!c->key || !c->certificate || X509_check_private_key(c->certificate, c->key) != 1)
        return cvm_error_set(e, -EBADMSG, "%s holds no key with its certificate", path);
    return 0;
}

int ca_open(const char *directory, struct ca **ret, struct cvm_error *e) {
    _cleanup_(ca_freep) struct ca *c = calloc(1, sizeof(*c));
    _cleanup_free_ char *path = NULL;
    void *text = NULL;
    size_t size = 0;
    int r;

    if (!c || asprintf(&path, "%s/authority.pem", directory) < 0)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_read_file(path, FILE_MAX, &text, &size, e);
    if (r >= 0) {
        r = load(c, path, text, size, e);
        OPENSSL_cleanse(text, size);
        free(text);
    } else if (r == -ENOENT)
        r = make(c, path, e);
    if (r < 0)
        return r;
    c->pem = to_pem(c->certificate);
    if (!c->pem || !fingerprint(c->certificate, c->fingerprint))
        return cvm_error_set(e, -ENOMEM, "out of memory");
    *ret = TAKE_PTR(c);
    return 0;
}

/* The key of a request whose owner signed it. */
static EVP_PKEY *read_request(const char *csr, struct cvm_error *e) {
    EVP_PKEY *key = NULL;
    X509_REQ *req = NULL;
    size_t size = strlen(csr);
    BIO *b = size <= CA_CSR_MAX ? BIO_new_mem_buf(csr, (int)size) : NULL;
    int type;

    if (b)
        req = PEM_read_bio_X509_REQ(b, NULL, NULL, NULL);
    BIO_free(b);
    if (!req) {
        cvm_error_set(e, -EINVAL, "no certificate request in PEM (PKCS #10)");
        return NULL;
    }
    key = X509_REQ_get_pubkey(req);
    type = key ? EVP_PKEY_get_base_id(key) : 0;
    if (!(type == EVP_PKEY_EC && EVP_PKEY_get_bits(key) >= 256) && type != EVP_PKEY_ED25519 &&
        !(type == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192)) {
        cvm_error_set(e, -EINVAL, "the key must be ECDSA of 256 bits or more, Ed25519, or RSA of 2048 bits or more");
        EVP_PKEY_free(key);
        key = NULL;
    } else if (X509_REQ_verify(req, key) != 1) {
        cvm_error_set(e, -EINVAL, "the certificate request is not signed with its key");
        EVP_PKEY_free(key);
        key = NULL;
    }
    X509_REQ_free(req);
    return key;
}

/* "a,192.0.2.1" as "DNS:a,IP:192.0.2.1". */
static int format_alternatives(const char *names, char **ret, struct cvm_error *e) {
    _cleanup_free_ char *copy = strndup(names, ALTERNATIVES_MAX);
    char *text = NULL, *save = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int r = copy && f ? 0 : -ENOMEM;

    for (char *n = r < 0 ? NULL : strtok_r(copy, ",", &save); n; n = strtok_r(NULL, ",", &save)) {
        bool address = strchr(n, ':') || strspn(n, "0123456789.") == strlen(n);

        if (strspn(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:*") != strlen(n)) {
            r = cvm_error_set(e, -EINVAL, "'%.64s' is no host name and no address", n);
            break;
        }
        fprintf(f, "%s%s:%s", ftell(f) > 0 ? "," : "", address ? "IP" : "DNS", n);
    }
    if (f && fclose(f) != 0)
        r = r ?: -ENOMEM;
    if (r < 0 || size == 0) {
        free(text);
        return r ?: cvm_error_set(e, -EINVAL, "a server has a name");
    }
    *ret = text;
    return 0;
}

int ca_sign(struct ca *c, const char *csr, const char *name, bool server, const char *alternatives, char **pem,
            char id[72], uint64_t *expires, struct cvm_error *e) {
    unsigned days = server ? CA_SERVER_DAYS : CA_CLIENT_DAYS;
    _cleanup_free_ char *san = NULL;
    EVP_PKEY *key;
    X509 *x = NULL;
    char hex[65];
    int r;

    if (server) {
        r = format_alternatives(alternatives, &san, e);
        if (r < 0)
            return r;
    }
    key = read_request(csr, e);
    if (!key)
        return -EINVAL;
    x = begin(key, name, c->certificate, days);
    EVP_PKEY_free(key);
    if (x && add_extension(x, c->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, c->certificate, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, c->certificate, NID_ext_key_usage, server ? "serverAuth" : "clientAuth") &&
        add_extension(x, c->certificate, NID_authority_key_identifier, "keyid") &&
        (!san || add_extension(x, c->certificate, NID_subject_alt_name, san)) && X509_sign(x, c->key, EVP_sha256()) &&
        fingerprint(x, hex) && (*pem = to_pem(x))) {
        snprintf(id, 72, "cert:%s", hex);
        *expires = now_usec(CLOCK_REALTIME) + (uint64_t)days * 86400u * 1000000u;
        r = 0;
    } else
        r = cvm_error_set(e, -EINVAL, "a certificate cannot be made for '%.64s'", name);
    X509_free(x);
    return r;
}
