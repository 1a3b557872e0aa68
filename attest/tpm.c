/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <pthread.h>
#include <string.h>

#include "reader.h"
#include "key.h"

CVM_DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CVM_DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
CVM_DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free)
CVM_DEFINE_CLEANUP(BIGNUM *, BN_free)

size_t cvm_tpm_hash_size(uint16_t alg) {
    return alg == CVM_TPM_ALG_SHA256 ? 32 : alg == CVM_TPM_ALG_SHA384 ? 48 : 0;
}

const char *cvm_tpm_hash_name(uint16_t alg) {
    switch (alg) {
    case CVM_TPM_ALG_SHA1:
        return "sha1";
    case CVM_TPM_ALG_SHA256:
        return "sha256";
    case CVM_TPM_ALG_SHA384:
        return "sha384";
    case CVM_TPM_ALG_SHA512:
        return "sha512";
    default:
        return "unknown";
    }
}

uint16_t cvm_tpm_hash_by_name(const char *name) {
    return strcmp(name, "sha256") == 0   ? CVM_TPM_ALG_SHA256
           : strcmp(name, "sha384") == 0 ? CVM_TPM_ALG_SHA384
                                         : 0;
}

/* Looked up once: EVP_sha256() would have each hash of an event log look it up anew, which takes longer than
 * the hash. */
static EVP_MD *sha256, *sha384;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void md_init(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
}

const EVP_MD *cvm_tpm_md(uint16_t alg) {
    pthread_once(&md_once, md_init);
    return alg == CVM_TPM_ALG_SHA256 ? sha256 : alg == CVM_TPM_ALG_SHA384 ? sha384 : NULL;
}

const char *cvm_tpm_curve(uint16_t curve, size_t *size) {
    *size = curve == CVM_TPM_ECC_P256 ? 32 : 48;
    return curve == CVM_TPM_ECC_P256 ? "P-256" : curve == CVM_TPM_ECC_P384 ? "P-384" : NULL;
}

/* TPMT_SYM_DEF_OBJECT: of a key that wraps others; none with a signing key. */
static int parse_symmetric(struct cvm_reader *r, struct cvm_tpm_public *pub, struct cvm_error *e) {
    pub->symmetric = cvm_be16(r);
    if (pub->symmetric == CVM_TPM_ALG_NULL)
        return 0;
    if (pub->symmetric != CVM_TPM_ALG_AES)
        return cvm_error_set(e, -EINVAL, "symmetric algorithm 0x%x is not taken", pub->symmetric);
    pub->symmetric_bits = cvm_be16(r);
    pub->symmetric_mode = cvm_be16(r);
    if ((pub->symmetric_bits != 128 && pub->symmetric_bits != 256) || pub->symmetric_mode != CVM_TPM_ALG_CFB)
        return cvm_error_set(e, -EINVAL, "AES of %u bits in mode 0x%x is not taken", pub->symmetric_bits,
                             pub->symmetric_mode);
    return 0;
}

static int parse_scheme(struct cvm_reader *r, struct cvm_tpm_public *pub, struct cvm_error *e) {
    bool rsa = pub->type == CVM_TPM_ALG_RSA;

    pub->scheme = cvm_be16(r);
    if (pub->scheme == CVM_TPM_ALG_NULL)
        return 0;
    if (rsa ? pub->scheme != CVM_TPM_ALG_RSASSA && pub->scheme != CVM_TPM_ALG_RSAPSS
            : pub->scheme != CVM_TPM_ALG_ECDSA)
        return cvm_error_set(e, -EINVAL, "key scheme 0x%x is not taken", pub->scheme);
    pub->scheme_hash = cvm_be16(r);
    if (!cvm_tpm_hash_size(pub->scheme_hash))
        return cvm_error_set(e, -EINVAL, "hash 0x%x (%s) of the key's scheme is not taken", pub->scheme_hash,
                             cvm_tpm_hash_name(pub->scheme_hash));
    return 0;
}

static int parse_rsa(struct cvm_reader *r, struct cvm_tpm_public *pub, struct cvm_error *e) {
    const uint8_t *n;
    uint32_t exponent;

    pub->bits = cvm_be16(r);
    exponent = cvm_be32(r);
    n = cvm_take_2b(r, &pub->unique_size);
    if (!n)
        return cvm_error_set(e, -EINVAL, "the RSA key is cut short");
    if (pub->bits < 2048 || pub->bits > 4096 || pub->bits % 8 || pub->unique_size != pub->bits / 8u ||
        !(n[0] & 0x80))
        return cvm_error_set(e, -EINVAL, "the RSA key has %u bits and %zu bytes; 2048 to 4096 are taken",
                             pub->bits, pub->unique_size);
    if (exponent != 0 && exponent != 65537)
        return cvm_error_set(e, -EINVAL, "RSA exponent %u is not taken", exponent);
    memcpy(pub->unique, n, pub->unique_size);
    return 0;
}

static int parse_ecc(struct cvm_reader *r, struct cvm_tpm_public *pub, struct cvm_error *e) {
    uint16_t kdf;

    pub->curve = cvm_be16(r);
    kdf = cvm_be16(r);
    if (!cvm_tpm_curve(pub->curve, &pub->unique_size))
        return cvm_error_set(e, -EINVAL, "curve 0x%x is not taken, only P-256 and P-384 are", pub->curve);
    if (kdf != CVM_TPM_ALG_NULL)
        return cvm_error_set(e, -EINVAL, "key derivation scheme 0x%x is not taken", kdf);
    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        const uint8_t *c = cvm_take_2b(r, &size);

        if (!c || size > pub->unique_size)
            return cvm_error_set(e, -EINVAL, "a coordinate of the key has %zu bytes, at most %zu fit", size,
                                 pub->unique_size);
        memcpy(pub->unique + (size_t)(i + 1) * pub->unique_size - size, c, size);
    }
    return 0;
}

int cvm_tpm_public_parse(const void *buf, size_t size, struct cvm_tpm_public *pub, struct cvm_error *e) {
    struct cvm_reader r = {.p = buf, .n = size};
    size_t policy = 0;
    int q;

    memset(pub, 0, sizeof(*pub));
    pub->type = cvm_be16(&r);
    pub->name_alg = cvm_be16(&r);
    pub->attributes = cvm_be32(&r);
    cvm_take_2b(&r, &policy);
    if (r.bad)
        return cvm_error_set(e, -EINVAL, "the public area is cut short");
    if (pub->type != CVM_TPM_ALG_RSA && pub->type != CVM_TPM_ALG_ECC)
        return cvm_error_set(e, -EINVAL, "the key has type 0x%x, neither RSA nor ECC", pub->type);
    if (!cvm_tpm_hash_size(pub->name_alg))
        return cvm_error_set(e, -EINVAL, "name algorithm 0x%x (%s) is not taken", pub->name_alg,
                             cvm_tpm_hash_name(pub->name_alg));
    q = parse_symmetric(&r, pub, e);
    if (q == 0)
        q = parse_scheme(&r, pub, e);
    if (q == 0)
        q = pub->type == CVM_TPM_ALG_RSA ? parse_rsa(&r, pub, e) : parse_ecc(&r, pub, e);
    if (q < 0)
        return q;
    if (r.bad)
        return cvm_error_set(e, -EINVAL, "the public area is cut short");
    if (r.n)
        return cvm_error_set(e, -EINVAL, "%zu bytes stand behind the public area", r.n);
    pub->name[0] = (uint8_t)(pub->name_alg >> 8);
    pub->name[1] = (uint8_t)pub->name_alg;
    pub->name_size = 2 + cvm_tpm_hash_size(pub->name_alg);
    if (EVP_Digest(buf, size, pub->name + 2, NULL, cvm_tpm_md(pub->name_alg), NULL) != 1)
        return cvm_error_set(e, -EIO, "libcrypto cannot hash");
    return 0;
}

static int key_from_params(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **ret) {
    _cleanup_(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (!params || !ctx)
        return -ENOMEM;
    *ret = NULL;
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return -EINVAL;
    return 0;
}

int cvm_tpm_public_to_key(const struct cvm_tpm_public *pub, EVP_PKEY **ret, struct cvm_error *e) {
    _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *bld = NULL;
    _cleanup_(BN_freep) BIGNUM *n = NULL, *exponent = NULL;
    uint8_t point[1 + 2 * 48] = {4};
    const char *curve;
    size_t size;
    int r;

    if (pub->type == CVM_TPM_ALG_ECC) {
        curve = cvm_tpm_curve(pub->curve, &size);
        memcpy(point + 1, pub->unique, 2 * size);
        if (pub->curve == CVM_TPM_ECC_P256)
            r = cvm_key_from_point(point, ret);
        else {
            bld = OSSL_PARAM_BLD_new();
            if (!bld || !OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) ||
                !OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size))
                return cvm_error_set(e, -ENOMEM, "out of memory");
            r = key_from_params("EC", bld, ret);
        }
    } else {
        n = BN_bin2bn(pub->unique, (int)pub->unique_size, NULL);
        exponent = BN_new();
        bld = OSSL_PARAM_BLD_new();
        if (!n || !exponent || !bld || !BN_set_word(exponent, 65537) ||
            !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) ||
            !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, exponent))
            return cvm_error_set(e, -ENOMEM, "out of memory");
        r = key_from_params("RSA", bld, ret);
    }
    return r < 0 ? cvm_error_set(e, r, r == -ENOMEM ? "out of memory" : "the key is no point of its curve")
                 : 0;
}

int cvm_tpm_public_is_ak(const struct cvm_tpm_public *pub, struct cvm_error *e) {
    static const struct {
        uint32_t bit;
        bool want;
        const char *text;
    } rules[] = {
        {CVM_TPM_FIXED_TPM, true, "it can leave its TPM (no fixedTPM)"},
        {CVM_TPM_FIXED_PARENT, true, "it can leave its parent (no fixedParent)"},
        {CVM_TPM_SENSITIVE_DATA_ORIGIN, true, "it was not made by the TPM (no sensitiveDataOrigin)"},
        {CVM_TPM_RESTRICTED, true, "it signs whatever it is given (not restricted)"},
        {CVM_TPM_SIGN, true, "it does not sign"},
        {CVM_TPM_DECRYPT, false, "it decrypts, too"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (!(pub->attributes & rules[i].bit) == rules[i].want)
            return cvm_error_set(e, -EINVAL, "this is no attestation key: %s", rules[i].text);
    if (pub->scheme == CVM_TPM_ALG_NULL || pub->symmetric != CVM_TPM_ALG_NULL)
        return cvm_error_set(e, -EINVAL, "this is no attestation key: it has no signature scheme of its own");
    return 0;
}
