/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jws.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "key.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

int cvm_jws_sign(EVP_PKEY *key, const char *typ, const void *payload, size_t size, char **ret) {
    _cleanup_cvm_free_ char *kid = NULL, *header = NULL, *h64 = NULL, *p64 = NULL, *s64 = NULL, *text = NULL;
    uint8_t sig[CVM_SIGNATURE_MAX];
    int r, size_of_key = cvm_key_size(key);
    size_t h, n;

    if (size_of_key < 0)
        return size_of_key;
    kid = cvm_key_thumbprint(key);
    if (!kid)
        return -ENOMEM;
    if (asprintf(&header, "{\"alg\":\"ES%d\",\"typ\":\"%s\",\"kid\":\"%s\"}", size_of_key * 8, typ, kid) <
        0) {
        header = NULL;
        return -ENOMEM;
    }
    h64 = cvm_base64url_encode(header, strlen(header));
    p64 = cvm_base64url_encode(payload, size);
    if (!h64 || !p64)
        return -ENOMEM;
    /* "header.payload", then ".signature" behind it: an evidence is long, and printf() slow. */
    h = strlen(h64);
    n = CVM_BASE64URL_LEN(size);
    text = malloc(h + 1 + n + 1 + CVM_BASE64URL_LEN(sizeof(sig)) + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, h64, h);
    text[h] = '.';
    memcpy(text + h + 1, p64, n);
    n += h + 1;
    r = cvm_key_sign(key, text, n, sig);
    if (r < 0)
        return r;
    s64 = cvm_base64url_encode(sig, (size_t)r);
    if (!s64)
        return -ENOMEM;
    text[n] = '.';
    strcpy(text + n + 1, s64);
    *ret = text;
    text = NULL;
    return 0;
}

static int check_header(const char *p, size_t len, const char *typ, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    struct cvm_error why = {""};
    uint8_t text[1024];
    const char *s = NULL;
    size_t n = 0;

    if (cvm_base64url_decode(p, len, text, sizeof(text), &n) < 0)
        return cvm_error_set(e, -EINVAL, "the header is no base64url of at most %zu bytes", sizeof(text));
    if (cvm_json_parse(text, n, &o, &why) < 0)
        return cvm_error_set(e, -EINVAL, "header: %.300s", why.text);
    if (cvm_json_string(o, "alg", &s, &why) < 0)
        return cvm_error_set(e, -EINVAL, "header: %.300s", why.text);
    if (strcmp(s, "ES256") != 0)
        return cvm_error_set(e, -EINVAL, "the algorithm is '%.16s', only ES256 is taken", s);
    if (cvm_json_string(o, "typ", &s, &why) < 0)
        return cvm_error_set(e, -EINVAL, "header: %.300s", why.text);
    if (strcmp(s, typ) != 0)
        return cvm_error_set(e, -EINVAL, "the type is '%.32s', must be '%s'", s, typ);
    if (json_object_object_get_ex(o, "crit", NULL) || json_object_object_get_ex(o, "b64", NULL))
        return cvm_error_set(e, -EINVAL, "the header asks for extensions that are not known");
    return 0;
}

int cvm_jws_verify(const char *text, size_t len, const uint8_t *point, const char *typ, void **ret,
                   size_t *size, struct cvm_error *e) {
    const char *dot1, *dot2;
    _cleanup_cvm_free_ char *payload = NULL;
    uint8_t sig[CVM_SIGNATURE_SIZE];
    size_t n = 0, max;
    int r;

    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
        len--;
    dot1 = memchr(text, '.', len);
    dot2 = dot1 ? memchr(dot1 + 1, '.', len - (size_t)(dot1 + 1 - text)) : NULL;
    if (!dot2)
        return cvm_error_set(e, -EINVAL, "this is no JWS: three parts with dots between them are wanted");
    r = check_header(text, (size_t)(dot1 - text), typ, e);
    if (r < 0)
        return r;
    if (cvm_base64url_decode(dot2 + 1, len - (size_t)(dot2 + 1 - text), sig, sizeof(sig), &n) < 0 ||
        n != sizeof(sig))
        return cvm_error_set(e, -EINVAL, "the signature is not the base64url of %zu bytes", sizeof(sig));
    r = cvm_key_verify(point, text, (size_t)(dot2 - text), sig);
    if (r == -EBADMSG)
        return cvm_error_set(e, r, "the signature is not of this key");
    if (r < 0)
        return cvm_error_set(e, r, "cannot check the signature: %s", strerror(-r));
    max = (size_t)(dot2 - dot1 - 1);
    payload = malloc(max + 1);
    if (!payload)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (cvm_base64url_decode(dot1 + 1, max, payload, max, &n) < 0)
        return cvm_error_set(e, -EINVAL, "the payload is no base64url");
    payload[n] = 0;
    *ret = payload;
    *size = n;
    payload = NULL;
    return 0;
}
