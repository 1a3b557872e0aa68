/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <errno.h>
#include <json-c/printbuf.h>
#include <stdio.h>
#include <string.h>

CVM_DEFINE_CLEANUP(struct json_tokener *, json_tokener_free)
CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_ascii(const char *p, size_t size) {
    uint64_t all = 0, word = 0;

    for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        all |= word;
    }
    for (; size; size--, p++)
        all |= (uint8_t)*p;
    return !(all & 0x8080808080808080);
}

bool cvm_json_is_object(const void *buf, size_t size) {
    const uint8_t *p = buf;

    while (size && is_space(*p)) {
        p++;
        size--;
    }
    return size && *p == '{';
}

int cvm_json_parse(const void *buf, size_t size, json_object **ret, struct cvm_error *e) {
    _cleanup_(json_tokener_freep) struct json_tokener *tok = NULL;
    _cleanup_(json_object_putp) json_object *o = NULL;
    const char *p = buf;
    enum json_tokener_error why;

    if (size > CVM_JSON_MAX)
        return cvm_error_set(e, -EFBIG, "the JSON text has %zu bytes, at most %u are taken", size,
                             CVM_JSON_MAX);
    while (size && is_space((uint8_t)p[size - 1]))
        size--;
    if (size == 0)
        return cvm_error_set(e, -EINVAL, "the JSON text is empty");
    if (memchr(p, 0, size))
        return cvm_error_set(e, -EINVAL, "the JSON text has a NUL byte in it");
    tok = json_tokener_new_ex(CVM_JSON_DEPTH);
    if (!tok)
        return -ENOMEM;
    /* Checking what is ASCII, character by character, would take as long as all the rest. */
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | (is_ascii(p, size) ? 0 : JSON_TOKENER_VALIDATE_UTF8));
    o = json_tokener_parse_ex(tok, p, (int)size);
    why = json_tokener_get_error(tok);
    if (why == json_tokener_continue)
        return cvm_error_set(e, -EINVAL, "the JSON text is cut short");
    if (why != json_tokener_success)
        return cvm_error_set(e, -EINVAL, "bad JSON at byte %zu: %s", json_tokener_get_parse_end(tok),
                             json_tokener_error_desc(why));
    if (json_tokener_get_parse_end(tok) != size)
        return cvm_error_set(e, -EINVAL, "bad JSON: something stands behind the object");
    if (!json_object_is_type(o, json_type_object))
        return cvm_error_set(e, -EINVAL, "the JSON text is no object");
    *ret = o;
    o = NULL;
    return 0;
}

int cvm_json_get(json_object *o, const char *name, enum json_type type, json_object **ret,
                 struct cvm_error *e) {
    json_object *v = NULL;

    if (!json_object_object_get_ex(o, name, &v))
        return cvm_error_set(e, -ENOENT, "member '%s' is missing", name);
    if (!json_object_is_type(v, type))
        return cvm_error_set(e, -EINVAL, "member '%s' must be of type %s", name, json_type_to_name(type));
    *ret = v;
    return 0;
}

int cvm_json_string(json_object *o, const char *name, const char **ret, struct cvm_error *e) {
    json_object *v = NULL;
    const char *s;
    int r;

    r = cvm_json_get(o, name, json_type_string, &v, e);
    if (r < 0)
        return r;
    s = json_object_get_string(v);
    if (strlen(s) != (size_t)json_object_get_string_len(v))
        return cvm_error_set(e, -EINVAL, "member '%s' has a NUL in it", name);
    *ret = s;
    return 0;
}

int cvm_json_uint(json_object *o, const char *name, uint64_t max, uint64_t *ret, struct cvm_error *e) {
    json_object *v = NULL;
    int r;

    r = cvm_json_get(o, name, json_type_int, &v, e);
    if (r < 0)
        return r;
    if (json_object_get_int64(v) < 0 || json_object_get_uint64(v) > max)
        return cvm_error_set(e, -EINVAL, "member '%s' must be between 0 and %llu", name,
                             (unsigned long long)max);
    *ret = json_object_get_uint64(v);
    return 0;
}

int cvm_json_base64url(json_object *o, const char *name, void *out, size_t size, struct cvm_error *e) {
    const char *s = NULL;
    size_t n = 0;
    int r;

    r = cvm_json_string(o, name, &s, e);
    if (r < 0)
        return r;
    if (cvm_base64url_decode(s, strlen(s), out, size, &n) < 0 || n != size)
        return cvm_error_set(e, -EINVAL, "member '%s' is not the base64url of %zu bytes", name, size);
    return 0;
}

int cvm_json_hex(json_object *o, const char *name, void *out, size_t size, struct cvm_error *e) {
    const char *s = NULL;
    int r;

    r = cvm_json_string(o, name, &s, e);
    if (r < 0)
        return r;
    if (cvm_hex_decode(s, strlen(s), out, size) < 0)
        return cvm_error_set(e, -EINVAL, "member '%s' is not %zu bytes in hexadecimal", name, size);
    return 0;
}

int cvm_json_bytes(json_object *o, const char *name, void *out, size_t max, size_t *size,
                   struct cvm_error *e) {
    const char *s = NULL;
    int r;

    r = cvm_json_string(o, name, &s, e);
    if (r < 0)
        return r;
    r = cvm_base64url_decode(s, strlen(s), out, max, size);
    if (r == -ENOBUFS)
        return cvm_error_set(e, r, "member '%s' holds more than %zu bytes", name, max);
    if (r < 0 || *size == 0)
        return cvm_error_set(e, -EINVAL, "member '%s' is no base64url", name);
    return 0;
}

int cvm_json_parse_profile(const void *buf, size_t size, const char *profile, json_object **ret,
                           struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    const char *s = NULL;
    int r;

    r = cvm_json_parse(buf, size, &o, e);
    if (r == 0)
        r = cvm_json_string(o, "profile", &s, e);
    if (r < 0)
        return r;
    if (strcmp(s, profile) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT, "the profile is '%.64s', must be '%s'", s, profile);
    *ret = o;
    o = NULL;
    return 0;
}

int cvm_json_text(json_object *o, char **ret) {
    const char *s =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

    return s && asprintf(ret, "%s\n", s) >= 0 ? 0 : -ENOMEM;
}

static int put_plain(json_object *o, struct printbuf *to, int level, int flags) {
    (void)level, (void)flags;
    return printbuf_memappend(to, "\"", 1) < 0 || printbuf_memappend(to, json_object_get_string(o), json_object_get_string_len(o)) < 0 ||
                   printbuf_memappend(to, "\"", 1) < 0
               ? -1
               : 0;
}

/* Digits, '-' and '_' are none that JSON escapes: they are written as they are, all kilobytes of an evidence at once. */
static int add_plain(json_object *o, const char *name, const char *text) {
    json_object *v = text ? json_object_new_string(text) : NULL;

    if (!v)
        return -ENOMEM;
    json_object_set_serializer(v, put_plain, NULL, NULL);
    if (json_object_object_add(o, name, v) == 0)
        return 0;
    json_object_put(v);
    return -ENOMEM;
}

int cvm_json_add_base64url(json_object *o, const char *name, const void *p, size_t size) {
    _cleanup_cvm_free_ char *text = cvm_base64url_encode(p, size);

    return add_plain(o, name, text);
}

int cvm_json_add_hex(json_object *o, const char *name, const void *p, size_t size) {
    _cleanup_cvm_free_ char *text = malloc(2 * size + 1);

    return add_plain(o, name, text ? cvm_hex_encode(p, size, text) : NULL);
}
