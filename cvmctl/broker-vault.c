/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vault's transit secrets engine (developer.hashicorp.com/vault/api-docs/secret/transit). Behind the magic, a wrapped key is
 *
 *   4 bytes   n, little-endian
 *   n         "vault:vVERSION:..." as Vault gave it: the encrypted AES key of this resource
 *   the rest  IV, tag, ciphertext under that key, with the resource's name as additional data
 *
 * so that Vault sees no disk key, and files of two resources cannot be exchanged, whatever version of Vault it is.
 */
#include "broker-vault.h"
#include "https.h"

#include "attest/json.h"
#include "attest/le.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_SECONDS 10u
#define TOKEN_MAX 4096u
#define CIPHERTEXT_MAX 1024u
#define ANSWER_MAX 65536u
#define CIPHERTEXT_START "vault:v"
#define KEY_BASE64 44u /* CVM_BROKER_WRAP_KEY bytes, with padding */

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

struct vault {
    struct cvm_broker_token base;
    struct broker_vault_options o;
    char *address[2]; /* to decrypt, to encrypt */
    char *ca, *token_file;
};

/* Fixed, so that no copy of a secret is left behind where it grew. */
struct answer {
    size_t size;
    char text[ANSWER_MAX + 1];
};

static size_t on_body(char *p, size_t one, size_t n, void *data) {
    struct answer *a = data;

    (void)one;
    if (n > ANSWER_MAX - a->size)
        return 0;
    memcpy(a->text + a->size, p, n);
    a->size += n;
    a->text[a->size] = 0;
    return n;
}

/* "X-Vault-Token: ..." out of the file. */
static int read_token(const struct vault *v, char **ret, struct cvm_error *e) {
    char *text = NULL;
    size_t n = 0;
    int r;

    r = cvm_read_file(v->token_file, TOKEN_MAX, (void **)&text, &n, e);
    if (r < 0)
        return r;
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = 0;
    /* What could end a line would be another header. */
    for (size_t i = 0; i < n && r == 0; i++)
        if (text[i] <= ' ' || text[i] > '~')
            r = -EINVAL;
    if (n == 0 || r < 0) {
        OPENSSL_cleanse(text, n);
        free(text);
        return cvm_error_set(e, -EINVAL, "'%s' holds no token of Vault's", v->token_file);
    }
    *ret = text;
    return 0;
}

/* What Vault says of an error. It has no business to repeat what it was told; if it does, that stays here. */
static void reason(const struct answer *a, const char *token, char *out, size_t size) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    json_object *errors;
    const char *s = NULL;

    *out = 0;
    if (cvm_json_parse(a->text, a->size, &o, NULL) == 0 && cvm_json_get(o, "errors", json_type_array, &errors, NULL) == 0 &&
        json_object_array_length(errors) > 0)
        s = json_object_get_string(json_object_array_get_idx(errors, 0));
    if (s && !strstr(s, token))
        snprintf(out, size, ": %.120s", s);
}

static int judge(const struct vault *v, bool wrap, long status, const struct answer *a, const char *token, struct cvm_error *e) {
    static const struct {
        long status;
        int r;
        const char *text;
    } known[] = {
        {400, -EBADMSG, "Vault refuses the request (400)"},
        {403, -EACCES, "Vault refuses the token, or what it asks for (403)"},
        {404, -ENOENT, "Vault knows no such path, or hides it (404)"},
        {429, -EAGAIN, "Vault is asked too often, or this one stands by (429)"},
        {503, -EAGAIN, "Vault is sealed, or down for maintenance (503)"},
    };
    char why[160];

    if (status == 200)
        return 0;
    reason(a, token, why, sizeof(why));
    for (unsigned i = 0; i < ELEMENTSOF(known); i++)
        if (known[i].status == status)
            return cvm_error_set(e, wrap && status == 400 ? -EIO : known[i].r, "%s%s", known[i].text, why);
    if (status / 100 == 3)
        return cvm_error_set(e, -EPROTO, "'%s' sends on to another address (%ld), where no token is sent", v->o.url, status);
    return cvm_error_set(e, status >= 500 || status == 412 ? -EAGAIN : -EPROTO, "Vault answers with status %ld%s", status, why);
}

static int perform(const struct vault *v, CURL *c, bool wrap, const char *body, const char *token, struct answer *a,
                   struct cvm_error *e) {
    char header[TOKEN_MAX + 32], text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    long status = 0;
    CURLcode r;

    snprintf(header, sizeof(header), "X-Vault-Token: %s", token);
    headers = curl_slist_append(NULL, header);
    OPENSSL_cleanse(header, sizeof(header));
    /* Vault Proxy may want it: what a browser can be made to send does not have it. */
    if (!headers || !curl_slist_append(headers, "X-Vault-Request: true") ||
        !curl_slist_append(headers, "Content-Type: application/json")) {
        curl_slist_free_all(headers);
        return -ENOMEM;
    }
    https_prepare(c, v->address[wrap], CURL_SSLVERSION_TLSv1_2, v->ca, (long)v->o.timeout, text);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    r = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    OPENSSL_cleanse(headers->data, strlen(headers->data));
    curl_slist_free_all(headers);
    if (r == CURLE_OK)
        return judge(v, wrap, status, a, token, e);
    return cvm_error_set(e, r == CURLE_OPERATION_TIMEDOUT || r == CURLE_COULDNT_CONNECT || r == CURLE_COULDNT_RESOLVE_HOST ? -EAGAIN : -EPROTO,
                         "Vault cannot be reached: %.200s", *text ? text : curl_easy_strerror(r));
}

/* POST {@member: @value}; the string @want of the answer's data goes to @out, NUL-terminated. */
static int ask(const struct vault *v, bool wrap, const char *member, const char *value, const char *want, char *out, size_t max,
               struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    struct answer *a = calloc(1, sizeof(*a));
    CURL *c = curl_easy_init();
    char body[CIPHERTEXT_MAX + 64];
    json_object *data;
    const char *s;
    char *token = NULL;
    int r;

    r = a && c ? read_token(v, &token, e) : -ENOMEM;
    if (r == 0) {
        /* Neither base64 nor Vault's prefix holds what JSON would escape. */
        snprintf(body, sizeof(body), "{\"%s\":\"%s\"}", member, value);
        r = perform(v, c, wrap, body, token, a, e);
        OPENSSL_cleanse(body, sizeof(body));
    }
    if (r == 0) {
        struct cvm_error why = {""};

        r = cvm_json_parse(a->text, a->size, &o, &why);
        if (r == 0)
            r = cvm_json_get(o, "data", json_type_object, &data, &why);
        if (r == 0)
            r = cvm_json_string(data, want, &s, &why);
        if (r == 0 && strlen(s) >= max)
            r = -EMSGSIZE;
        /* @why could quote what came. */
        if (r == 0)
            strcpy(out, s);
        else
            r = cvm_error_set(e, -EPROTO, "Vault's answer has no '%s' of the expected form", want);
        if (o && json_object_object_get_ex(o, "data", &data) && json_object_object_get_ex(data, want, &data) &&
            json_object_is_type(data, json_type_string))
            OPENSSL_cleanse((char *)json_object_get_string(data), (size_t)json_object_get_string_len(data));
    }
    if (token)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    if (a)
        OPENSSL_cleanse(a, sizeof(*a));
    free(a);
    curl_easy_cleanup(c);
    return r;
}

/* One line of what Vault makes: its prefix and version, and base64. */
static bool is_ciphertext(const char *s) {
    size_t n = strlen(CIPHERTEXT_START), digits;

    if (strncmp(s, CIPHERTEXT_START, n))
        return false;
    digits = strspn(s + n, "0123456789");
    s += n + digits;
    return digits && *s == ':' && s[1] &&
           s[1 + strspn(s + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] == 0;
}

/* Exactly the base64 of a key. */
static int decode_key(const char *text, uint8_t *key) {
    uint8_t bytes[KEY_BASE64];
    char again[KEY_BASE64 + 1];
    int r = -EPROTO;

    if (strlen(text) == KEY_BASE64 && EVP_DecodeBlock(bytes, (const uint8_t *)text, KEY_BASE64) == CVM_BROKER_WRAP_KEY + 1 &&
        EVP_EncodeBlock((uint8_t *)again, bytes, CVM_BROKER_WRAP_KEY) == (int)KEY_BASE64 && strcmp(again, text) == 0) {
        memcpy(key, bytes, CVM_BROKER_WRAP_KEY);
        r = 0;
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(again, sizeof(again));
    return r;
}

static int wrap_key(const struct vault *v, const char *name, const uint8_t *in, size_t size, uint8_t *out, size_t *ret,
                    struct cvm_error *e) {
    char text[KEY_BASE64 + 1], wrapped[CIPHERTEXT_MAX];
    uint8_t key[CVM_BROKER_WRAP_KEY];
    size_t n;
    int r;

    if (RAND_bytes(key, sizeof(key)) != 1)
        return -EIO;
    EVP_EncodeBlock((uint8_t *)text, key, sizeof(key));
    r = ask(v, true, "plaintext", text, "ciphertext", wrapped, sizeof(wrapped), e);
    OPENSSL_cleanse(text, sizeof(text));
    if (r == 0 && !is_ciphertext(wrapped))
        r = cvm_error_set(e, -EPROTO, "what Vault calls a ciphertext is none of its transit engine");
    if (r == 0) {
        n = strlen(wrapped);
        le32_put(out, (uint32_t)n);
        memcpy(out + 4, wrapped, n);
        r = cvm_broker_gcm(key, true, name, in, size, out + 4 + n, ret);
        *ret += 4 + n;
    }
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

static int unwrap_key(const struct vault *v, const char *name, const uint8_t *in, size_t size, uint8_t *out, size_t *ret,
                      struct cvm_error *e) {
    char text[KEY_BASE64 + 2], wrapped[CIPHERTEXT_MAX];
    uint8_t key[CVM_BROKER_WRAP_KEY];
    size_t n = size >= 4 ? le32_get(in) : 0;
    int r;

    if (n == 0 || n >= sizeof(wrapped) || n > size - 4)
        return -EBADMSG;
    memcpy(wrapped, in + 4, n);
    wrapped[n] = 0;
    if (!is_ciphertext(wrapped))
        return -EBADMSG;
    r = ask(v, false, "ciphertext", wrapped, "plaintext", text, sizeof(text), e);
    if (r == 0 && decode_key(text, key) < 0)
        r = cvm_error_set(e, -EPROTO, "what Vault decrypted is no key of %d bytes", CVM_BROKER_WRAP_KEY);
    if (r == 0)
        r = cvm_broker_gcm(key, false, name, in + 4 + n, size - 4 - n, out, ret);
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

static int crypt(struct cvm_broker_token *base, bool wrap, const char *name, const uint8_t *in, size_t size, uint8_t *out,
                 size_t *ret, struct cvm_error *e) {
    const struct vault *v = (struct vault *)base;

    return wrap ? wrap_key(v, name, in, size, out, ret, e) : unwrap_key(v, name, in, size, out, ret, e);
}

static void vault_close(struct cvm_broker_token *base) {
    struct vault *v = (struct vault *)base;

    free(v->address[0]);
    free(v->address[1]);
    free(v->ca);
    free(v->token_file);
    free(v);
}

/* https://HOST[:PORT]/MOUNT/KEY; a mount's path may have several parts, each of what needs no escape in a URL. */
static int take_url(struct vault *v, const char *url, struct cvm_error *e) {
    static const char start[] = "https://";
    const char *host = url + sizeof(start) - 1, *path, *key;
    bool good = strncmp(url, start, sizeof(start) - 1) == 0;

    path = good ? strchr(host, '/') : NULL;
    key = path ? strrchr(path, '/') : NULL;
    good = path && path > host && key > path + 1 && key[1] && !strstr(path, "//") && !strstr(path, "..") &&
           url[strlen(url) - 1] != '.' && !memchr(host, '@', (size_t)(path - host)) &&
           path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")] == 0;
    if (!good)
        return cvm_error_set(e, -EINVAL, "'%.200s' is not https://HOST:PORT/MOUNT/KEY", url);
    for (unsigned wrap = 0; wrap < 2; wrap++)
        if (asprintf(&v->address[wrap], "%.*s/v1%.*s/%s%s", (int)(path - url), url, (int)(key - path), path,
                     wrap ? "encrypt" : "decrypt", key) < 0) {
            v->address[wrap] = NULL;
            return -ENOMEM;
        }
    return 0;
}

int broker_vault_open(const struct broker_vault_options *o, struct cvm_broker_token **ret, struct cvm_error *e) {
    struct vault *v = calloc(1, sizeof(*v));
    char *token = NULL;
    int r;

    if (!v)
        return -ENOMEM;
    v->base = (struct cvm_broker_token){
        .magic = CVM_BROKER_VAULT_MAGIC, .title = "key of Vault's", .crypt = crypt, .close = vault_close};
    v->o = *o;
    v->o.timeout = o->timeout ?: TIMEOUT_SECONDS;
    v->token_file = strdup(o->token_file);
    v->ca = o->ca ? strdup(o->ca) : NULL;
    /* Before there are threads. */
    r = v->token_file && (v->ca || !o->ca) && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
    if (r == 0)
        r = take_url(v, o->url, e);
    if (r == 0)
        r = read_token(v, &token, e);
    if (token)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    if (r < 0) {
        vault_close(&v->base);
        return r;
    }
    *ret = &v->base;
    return 0;
}
