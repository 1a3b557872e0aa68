/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define IV_SIZE 12u
#define TAG_SIZE 16u
#define HEAD_SIZE (IV_SIZE + TAG_SIZE)
#define PIN_MAX 255u

struct token {
    struct cvm_broker_token base;
    P11KitUri *uri;
    CK_FUNCTION_LIST **modules; /* ends with NULL */
    CK_FUNCTION_LIST *module;   /* of the token; one of the list */
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    pthread_mutex_t lock; /* a session does one thing at a time */
};

static int failed(struct cvm_error *e, int error, const char *what, CK_RV rv) {
    return cvm_error_set(e, error, "token: %s: %.200s", what, p11_kit_strerror(rv));
}

static int load_modules(struct token *t, struct cvm_error *e) {
    const char *path = p11_kit_uri_get_module_path(t->uri);
    CK_RV rv;

    if (!path) {
        t->modules = p11_kit_modules_load_and_initialize(0);
        return t->modules ? 0 : cvm_error_set(e, -EIO, "token: no PKCS#11 module can be loaded");
    }
    t->modules = calloc(2, sizeof(t->modules[0]));
    if (!t->modules)
        return -ENOMEM;
    t->modules[0] = p11_kit_module_load(path, 0);
    if (!t->modules[0])
        return cvm_error_set(e, -EIO, "token: '%s': %.200s", path, p11_kit_message() ?: "no PKCS#11 module");
    rv = p11_kit_module_initialize(t->modules[0]);
    if (rv != CKR_OK) {
        p11_kit_module_release(t->modules[0]);
        t->modules[0] = NULL;
        return failed(e, -EIO, path, rv);
    }
    return 0;
}

/* The one slot whose token the URI describes. */
static int find_token(struct token *t, CK_SLOT_ID *slot, struct cvm_error *e) {
    unsigned found = 0;

    for (CK_FUNCTION_LIST **m = t->modules; *m; m++) {
        CK_SLOT_ID slots[64];
        CK_ULONG n = sizeof(slots) / sizeof(slots[0]);

        if ((*m)->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
            continue;
        for (CK_ULONG i = 0; i < n; i++) {
            CK_TOKEN_INFO info;

            if ((*m)->C_GetTokenInfo(slots[i], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED) ||
                !p11_kit_uri_match_token_info(t->uri, &info))
                continue;
            t->module = *m;
            *slot = slots[i];
            found++;
        }
    }
    if (found == 1)
        return 0;
    return cvm_error_set(e, found ? -ENOTUNIQ : -ENOENT, "token: %s", found ? "several fit the URI" : "none fits the URI");
}

static int log_in(struct token *t, const char *pin, struct cvm_error *e) {
    const char *source = p11_kit_uri_get_pin_source(t->uri);
    _cleanup_cvm_free_ char *text = NULL;
    size_t n = 0;
    CK_RV rv;
    int r;

    if (!pin)
        pin = p11_kit_uri_get_pin_value(t->uri);
    if (!pin && source) {
        r = cvm_read_file(strncmp(source, "file:", 5) ? source : source + 5, PIN_MAX, (void **)&text, &n, e);
        if (r < 0)
            return r;
        while (n && text[n - 1] == '\n')
            text[--n] = 0;
        pin = text;
    }
    if (!pin)
        return cvm_error_set(e, -EACCES, "token: no PIN was given");
    rv = t->module->C_Login(t->session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
    if (text)
        OPENSSL_cleanse(text, n);
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : failed(e, -EACCES, "cannot log in", rv);
}

static int find_key(struct token *t, struct cvm_error *e) {
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE want[4] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}};
    CK_ULONG nr = 2, found = 0, size = 0;
    CK_ATTRIBUTE length = {CKA_VALUE_LEN, &size, sizeof(size)};
    CK_OBJECT_HANDLE key[2];
    CK_RV rv;

    for (unsigned i = 0; i < 2; i++) {
        CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(t->uri, i ? CKA_ID : CKA_LABEL);

        if (a)
            want[nr++] = *a;
    }
    rv = t->module->C_FindObjectsInit(t->session, want, nr);
    if (rv == CKR_OK) {
        rv = t->module->C_FindObjects(t->session, key, 2, &found);
        t->module->C_FindObjectsFinal(t->session);
    }
    if (rv != CKR_OK)
        return failed(e, -EIO, "cannot look for the key", rv);
    if (found != 1)
        return cvm_error_set(e, found ? -ENOTUNIQ : -ENOENT, "token: %s", found ? "several AES keys fit the URI" : "no AES key fits the URI");
    rv = t->module->C_GetAttributeValue(t->session, key[0], &length, 1);
    if (rv != CKR_OK || size != CVM_BROKER_WRAP_KEY)
        return cvm_error_set(e, -EINVAL, "token: the key must be AES of %d bits", 8 * CVM_BROKER_WRAP_KEY);
    t->key = key[0];
    return 0;
}

/* Behind the magic: IV, tag, ciphertext; a module gives and takes the ciphertext with the tag behind it. */
static int crypt(struct cvm_broker_token *base, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out,
                 size_t *ret, struct cvm_error *e) {
    struct token *t = (struct token *)base;
    uint8_t iv[IV_SIZE], buf[CVM_KEY_MAX + TAG_SIZE], both[CVM_KEY_MAX + TAG_SIZE];
    CK_GCM_PARAMS gcm = {.iv_ptr = iv,
                         .iv_len = IV_SIZE,
                         .iv_bits = 8 * IV_SIZE,
                         .aad_ptr = (uint8_t *)name,
                         .aad_len = strlen(name),
                         .tag_bits = 8 * TAG_SIZE};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_ULONG n = sizeof(buf);
    CK_RV rv;

    if (wrap ? size > CVM_KEY_MAX : size < HEAD_SIZE || size - HEAD_SIZE > CVM_KEY_MAX)
        return wrap ? -EMSGSIZE : -EBADMSG;
    if (wrap && RAND_bytes(iv, sizeof(iv)) != 1)
        return -EIO;
    if (!wrap) {
        memcpy(iv, in, IV_SIZE);
        size -= HEAD_SIZE;
        memcpy(both, in + HEAD_SIZE, size);
        memcpy(both + size, in + IV_SIZE, TAG_SIZE);
    }
    pthread_mutex_lock(&t->lock);
    if (wrap) {
        rv = t->module->C_EncryptInit(t->session, &mechanism, t->key);
        if (rv == CKR_OK)
            rv = t->module->C_Encrypt(t->session, (uint8_t *)in, size, buf, &n);
    } else {
        rv = t->module->C_DecryptInit(t->session, &mechanism, t->key);
        if (rv == CKR_OK)
            rv = t->module->C_Decrypt(t->session, both, size + TAG_SIZE, buf, &n);
    }
    pthread_mutex_unlock(&t->lock);
    if (rv == CKR_OK && n != size + (wrap ? TAG_SIZE : 0))
        rv = CKR_GENERAL_ERROR;
    if (rv == CKR_OK && wrap) {
        memcpy(out, iv, IV_SIZE);
        memcpy(out + IV_SIZE, buf + size, TAG_SIZE);
    }
    if (rv == CKR_OK) {
        memcpy(out + (wrap ? HEAD_SIZE : 0), buf, size);
        *ret = size + (wrap ? HEAD_SIZE : 0);
    }
    OPENSSL_cleanse(buf, sizeof(buf));
    if (rv == CKR_OK)
        return 0;
    /* Modules do not agree on what a tag that does not fit is called. */
    if (!wrap && (rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_ENCRYPTED_DATA_LEN_RANGE || rv == CKR_GENERAL_ERROR ||
                  rv == CKR_FUNCTION_FAILED))
        return -EBADMSG;
    return failed(e, -EIO, wrap ? "cannot encrypt" : "cannot decrypt", rv);
}

static void token_close(struct cvm_broker_token *base) {
    struct token *t = (struct token *)base;

    if (t->session)
        t->module->C_CloseSession(t->session);
    if (t->modules && t->uri && p11_kit_uri_get_module_path(t->uri)) {
        if (t->modules[0]) {
            p11_kit_module_finalize(t->modules[0]);
            p11_kit_module_release(t->modules[0]);
        }
        free(t->modules);
    } else if (t->modules) {
        p11_kit_modules_finalize_and_release(t->modules);
    }
    p11_kit_uri_free(t->uri);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int broker_token_open(const char *uri, const char *pin, struct cvm_broker_token **ret, struct cvm_error *e) {
    struct token *t = calloc(1, sizeof(*t));
    CK_SLOT_ID slot = 0;
    CK_RV rv;
    int r;

    if (!t)
        return -ENOMEM;
    t->base = (struct cvm_broker_token){
        .magic = CVM_BROKER_PKCS11_MAGIC, .title = "token", .crypt = crypt, .close = token_close};
    pthread_mutex_init(&t->lock, NULL);
    t->uri = p11_kit_uri_new();
    r = t->uri ? 0 : -ENOMEM;
    if (r == 0 && p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, t->uri) != P11_KIT_URI_OK)
        r = cvm_error_set(e, -EINVAL, "'%.200s' is no PKCS#11 URI", uri);
    if (r == 0)
        r = load_modules(t, e);
    if (r == 0)
        r = find_token(t, &slot, e);
    if (r == 0) {
        rv = t->module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &t->session);
        r = rv == CKR_OK ? 0 : failed(e, -EIO, "cannot open a session", rv);
    }
    if (r == 0)
        r = log_in(t, pin, e);
    if (r == 0)
        r = find_key(t, e);
    if (r < 0) {
        token_close(&t->base);
        return r;
    }
    *ret = &t->base;
    return 0;
}
