/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <string.h>

#include "json.h"

#define KEY_FILE_MAX 16384u

CVM_DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
CVM_DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)
CVM_DEFINE_CLEANUP(BIO *, BIO_free_all)
CVM_DEFINE_CLEANUP(json_object *, json_object_put)

/* The curve, and a key of it without a point: made once, since looking the curve up costs as much as a
 * quarter of a signature. Both are only read afterwards. */
static EC_GROUP *p256;
static EVP_PKEY *p256_template;
static EVP_MD *sha256; /* so is libcrypto's search for a hash */
static pthread_once_t p256_once = PTHREAD_ONCE_INIT;

static void p256_init(void) {
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_end(),
    };

    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        EVP_PKEY_fromdata(ctx, &p256_template, EVP_PKEY_KEY_PARAMETERS, params);
}

int cvm_point_check(const uint8_t *point) {
    EC_POINT *p;
    int r;

    pthread_once(&p256_once, p256_init);
    p = p256 ? EC_POINT_new(p256) : NULL;
    if (!p)
        return -ENOMEM;
    r = point[0] == 4 && EC_POINT_oct2point(p256, p, point, CVM_POINT_SIZE, NULL) == 1 ? 0 : -EINVAL;
    EC_POINT_free(p);
    return r;
}

/*
 * Keys that were read lately, newest last seen: a verifier meets the same hosts again and again, and to
 * decode a point costs a tenth of checking a signature. Public keys only; an EVP_PKEY may be used by many
 * threads.
 */
#define KEPT_KEYS 16
static struct {
    uint8_t point[CVM_POINT_SIZE];
    EVP_PKEY *key;
    EVP_PKEY_CTX *verify; /* ready to check a signature; NULL while a thread does */
} kept[KEPT_KEYS];
static unsigned next_kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static EVP_PKEY *find_kept(const uint8_t *point) {
    EVP_PKEY *key = NULL;

    pthread_mutex_lock(&kept_lock);
    for (unsigned i = 0; !key && i < KEPT_KEYS; i++)
        if (kept[i].key && memcmp(kept[i].point, point, CVM_POINT_SIZE) == 0 &&
            EVP_PKEY_up_ref(kept[i].key) == 1)
            key = kept[i].key;
    pthread_mutex_unlock(&kept_lock);
    return key;
}

static void keep(const uint8_t *point, EVP_PKEY *key) {
    if (EVP_PKEY_up_ref(key) != 1)
        return;
    pthread_mutex_lock(&kept_lock);
    EVP_PKEY_free(kept[next_kept].key);
    EVP_PKEY_CTX_free(kept[next_kept].verify);
    kept[next_kept].verify = NULL;
    kept[next_kept].key = key;
    memcpy(kept[next_kept].point, point, CVM_POINT_SIZE);
    next_kept = (next_kept + 1) % KEPT_KEYS;
    pthread_mutex_unlock(&kept_lock);
}

int cvm_key_from_point(const uint8_t *point, EVP_PKEY **ret) {
    EVP_PKEY *key;
    int r;

    key = find_kept(point);
    if (key) {
        *ret = key;
        return 0;
    }
    r = cvm_point_check(point);
    if (r < 0)
        return r;
    key = p256_template ? EVP_PKEY_dup(p256_template) : NULL;
    if (!key)
        return -ENOMEM;
    if (EVP_PKEY_set1_encoded_public_key(key, point, CVM_POINT_SIZE) != 1) {
        EVP_PKEY_free(key);
        return -EINVAL;
    }
    keep(point, key);
    *ret = key;
    return 0;
}

/* To find libcrypto's way to a signature takes a thirtieth of checking it: that, too, is kept. */
static EVP_PKEY_CTX *take_verify(const uint8_t *point) {
    EVP_PKEY_CTX *ctx = NULL;

    pthread_mutex_lock(&kept_lock);
    for (unsigned i = 0; !ctx && i < KEPT_KEYS; i++)
        if (kept[i].verify && memcmp(kept[i].point, point, CVM_POINT_SIZE) == 0) {
            ctx = kept[i].verify;
            kept[i].verify = NULL;
        }
    pthread_mutex_unlock(&kept_lock);
    return ctx;
}

static void put_verify(const uint8_t *point, EVP_PKEY_CTX *ctx) {
    pthread_mutex_lock(&kept_lock);
    for (unsigned i = 0; ctx && i < KEPT_KEYS; i++)
        if (kept[i].key && !kept[i].verify && memcmp(kept[i].point, point, CVM_POINT_SIZE) == 0) {
            kept[i].verify = ctx;
            ctx = NULL;
        }
    pthread_mutex_unlock(&kept_lock);
    EVP_PKEY_CTX_free(ctx);
}

int cvm_key_verify_digest(const uint8_t *point, const uint8_t *digest, const uint8_t *der, size_t len) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = take_verify(point);
    int r;

    if (!ctx) {
        r = cvm_key_from_point(point, &key);
        if (r < 0)
            return r;
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        if (!ctx)
            return -ENOMEM;
        if (EVP_PKEY_verify_init(ctx) != 1) {
            EVP_PKEY_CTX_free(ctx);
            return -EIO;
        }
    }
    r = EVP_PKEY_verify(ctx, der, len, digest, 32) == 1 ? 0 : -EBADMSG;
    put_verify(point, ctx);
    return r;
}

int cvm_key_size(EVP_PKEY *key) {
    char group[32] = "";
    size_t len = 0;

    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), &len) != 1)
        return -EINVAL;
    return strcmp(group, "prime256v1") == 0 ? 32 : strcmp(group, "secp384r1") == 0 ? 48 : -EINVAL;
}

/* The uncompressed point of a key of that many bytes a coordinate. */
static int export_point(EVP_PKEY *key, int size, uint8_t *point) {
    size_t len = 0;

    /* A key read from a file may carry the compressed form; ask for the other. */
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed");
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, 2 * (size_t)size + 1, &len) !=
            1 ||
        len != 2 * (size_t)size + 1 || point[0] != 4)
        return -EINVAL;
    return 0;
}

int cvm_key_to_point(EVP_PKEY *key, uint8_t *point) {
    return cvm_key_size(key) == 32 ? export_point(key, 32, point) : -EINVAL;
}

int cvm_key_id(const uint8_t *point, uint8_t *id) {
    return EVP_Digest(point, CVM_POINT_SIZE, id, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

static int point_to_xy(const uint8_t *point, size_t size, char **x, char **y) {
    *x = cvm_base64url_encode(point + 1, size);
    *y = cvm_base64url_encode(point + 1 + size, size);
    return *x && *y ? 0 : -ENOMEM;
}

static char *make_thumbprint(EVP_PKEY *key) {
    _cleanup_cvm_free_ char *x = NULL, *y = NULL, *text = NULL;
    uint8_t point[2 * 48 + 1], hash[32];
    int size = cvm_key_size(key);

    if (size < 0 || export_point(key, size, point) < 0 || point_to_xy(point, (size_t)size, &x, &y) < 0)
        return NULL;
    /* RFC 7638 3.2: required members only, in lexicographic order, no white space. */
    if (asprintf(&text, "{\"crv\":\"P-%d\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", size * 8, x, y) < 0) {
        text = NULL;
        return NULL;
    }
    if (EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL) != 1)
        return NULL;
    return cvm_base64url_encode(hash, sizeof(hash));
}

static int thumbprint_index = -1;

static void free_thumbprint(void *parent, void *p, CRYPTO_EX_DATA *data, int index, long argl, void *argp) {
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    free(p);
}

static void make_index(void) {
    thumbprint_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EVP_PKEY, 0, NULL, NULL, NULL, free_thumbprint);
}

/* Kept with the key: to take the point out of a key costs as much as a signature. */
char *cvm_key_thumbprint(EVP_PKEY *key) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char *kept, *ret = NULL;

    pthread_once(&once, make_index);
    pthread_mutex_lock(&lock);
    kept = thumbprint_index < 0 ? NULL : EVP_PKEY_get_ex_data(key, thumbprint_index);
    if (kept) {
        ret = strdup(kept);
    } else {
        ret = make_thumbprint(key);
        kept = ret ? strdup(ret) : NULL;
        if (kept && (thumbprint_index < 0 || EVP_PKEY_set_ex_data(key, thumbprint_index, kept) != 1))
            free(kept);
    }
    pthread_mutex_unlock(&lock);
    return ret;
}

int cvm_key_to_jwk(const uint8_t *point, json_object **ret) {
    _cleanup_cvm_free_ char *x = NULL, *y = NULL;
    json_object *o;
    int r;

    r = point_to_xy(point, 32, &x, &y);
    if (r < 0)
        return r;
    o = json_object_new_object();
    if (!o)
        return -ENOMEM;
    json_object_object_add(o, "kty", json_object_new_string("EC"));
    json_object_object_add(o, "crv", json_object_new_string("P-256"));
    json_object_object_add(o, "x", json_object_new_string(x));
    json_object_object_add(o, "y", json_object_new_string(y));
    *ret = o;
    return 0;
}

int cvm_key_from_jwk(json_object *jwk, uint8_t *point, struct cvm_error *e) {
    static const struct { const char *name, *value; } fixed[] = {{"kty", "EC"}, {"crv", "P-256"}};
    int r;

    if (!json_object_is_type(jwk, json_type_object))
        return cvm_error_set(e, -EINVAL, "the key is no JSON object");
    for (size_t i = 0; i < ELEMENTSOF(fixed); i++) {
        const char *s = NULL;

        r = cvm_json_string(jwk, fixed[i].name, &s, e);
        if (r < 0)
            return r;
        if (strcmp(s, fixed[i].value) != 0)
            return cvm_error_set(e, -EINVAL, "the key has %s '%.32s', must be '%s'", fixed[i].name, s,
                                 fixed[i].value);
    }
    if (json_object_object_get_ex(jwk, "d", NULL))
        return cvm_error_set(e, -EINVAL, "the key is a private key, a public one is wanted");
    point[0] = 4;
    r = cvm_json_base64url(jwk, "x", point + 1, 32, e);
    if (r < 0)
        return r;
    r = cvm_json_base64url(jwk, "y", point + 33, 32, e);
    if (r < 0)
        return r;
    r = cvm_point_check(point);
    if (r == -EINVAL)
        return cvm_error_set(e, r, "the key's x and y are no point of P-256");
    return r;
}

static EVP_PKEY *read_pem(const void *buf, size_t size, bool private) {
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(buf, (int)size);

    if (!bio)
        return NULL;
    /* "" instead of a prompt: an encrypted key is an error, not a question. */
    return private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"")
                   : PEM_read_bio_PUBKEY(bio, NULL, NULL, (void *)"");
}

int cvm_key_load_public(const char *path, uint8_t *point, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(json_object_putp) json_object *jwk = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    struct cvm_error why;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, KEY_FILE_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    if (size == CVM_POINT_SIZE && *(uint8_t *)buf == 4) {
        memcpy(point, buf, CVM_POINT_SIZE);
        r = cvm_point_check(point);
        return r < 0 ? cvm_error_set(e, r, "'%s' holds no point of P-256", path) : 0;
    }
    if (cvm_json_is_object(buf, size)) {
        r = cvm_json_parse(buf, size, &jwk, &why);
        if (r == 0)
            r = cvm_key_from_jwk(jwk, point, &why);
        return r < 0 ? cvm_error_set(e, r, "'%s': %.300s", path, why.text) : 0;
    }
    key = read_pem(buf, size, false);
    if (!key)
        return cvm_error_set(e, -EINVAL, "'%s' is neither a PEM public key, nor a JWK, nor a raw point",
                             path);
    r = cvm_key_to_point(key, point);
    return r < 0 ? cvm_error_set(e, r, "'%s' holds no P-256 key", path) : 0;
}

int cvm_key_load_private(const char *path, EVP_PKEY **ret, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size = 0;
    int r;

    r = cvm_read_file(path, KEY_FILE_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    key = read_pem(buf, size, true);
    OPENSSL_cleanse(buf, size);
    if (!key)
        return cvm_error_set(e, -EINVAL, "'%s' is no PEM private key without a passphrase", path);
    r = cvm_key_size(key);
    if (r < 0)
        return cvm_error_set(e, r, "'%s' holds a key that is neither P-256 nor P-384", path);
    *ret = key;
    key = NULL;
    return 0;
}

int cvm_key_verify(const uint8_t *point, const void *data, size_t size, const uint8_t *sig) {
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *ec = NULL;
    BIGNUM *r = NULL, *s = NULL;
    unsigned char *der = NULL;
    uint8_t digest[32];
    int len, ret;

    ec = ECDSA_SIG_new();
    r = BN_bin2bn(sig, 32, NULL);
    s = BN_bin2bn(sig + 32, 32, NULL);
    if (!ec || !r || !s || ECDSA_SIG_set0(ec, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return -ENOMEM;
    }
    len = i2d_ECDSA_SIG(ec, &der);
    if (len <= 0)
        return -ENOMEM;
    pthread_once(&p256_once, p256_init);
    ret = sha256 && EVP_Digest(data, size, digest, NULL, sha256, NULL) == 1 ? cvm_key_verify_digest(point, digest, der, (size_t)len) : -EIO;
    OPENSSL_free(der);
    return ret == -EINVAL ? -EBADMSG : ret;
}

int cvm_key_sign(EVP_PKEY *key, const void *data, size_t size, uint8_t *sig) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *ec = NULL;
    unsigned char der[128];
    const unsigned char *p = der;
    int n = cvm_key_size(key);
    size_t len = sizeof(der);

    if (n < 0)
        return n;
    if (!ctx)
        return -ENOMEM;
    if (EVP_DigestSignInit(ctx, NULL, n == 32 ? EVP_sha256() : EVP_sha384(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, der, &len, data, size) != 1)
        return -EIO;
    ec = d2i_ECDSA_SIG(NULL, &p, (long)len);
    if (!ec || BN_bn2binpad(ECDSA_SIG_get0_r(ec), sig, n) != n ||
        BN_bn2binpad(ECDSA_SIG_get0_s(ec), sig + n, n) != n)
        return -EIO;
    return 2 * n;
}
