/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evidence.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "key.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

void cvm_platform_free(struct cvm_platform *p) {
    if (p)
        free(p->log);
    free(p);
}

void cvm_evidence_done(struct cvm_evidence *ev) {
    cvm_platform_free(ev->platform);
    ev->platform = NULL;
}

static json_object *platform_to_json(const struct cvm_platform *p) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *ret;

    if (!o || json_object_object_add(o, "type", json_object_new_string(CVM_PLATFORM_TPM2)) < 0 ||
        cvm_json_add_base64url(o, "ak_public", p->ak, p->ak_size) < 0 ||
        cvm_json_add_base64url(o, "quote", p->quote, p->quote_size) < 0 ||
        cvm_json_add_base64url(o, "signature", p->signature, p->signature_size) < 0 ||
        (p->pcrs.mask && cvm_pcrs_add(o, &p->pcrs) < 0) ||
        cvm_json_add_base64url(o, "event_log", p->log, p->log_size) < 0)
        return NULL;
    ret = o;
    o = NULL;
    return ret;
}

int cvm_evidence_compose(const struct cvm_report *report, const struct cvm_report_key *key,
                         const struct cvm_platform *platform, char **ret) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    json_object *jwk = NULL, *sub;
    int r;

    r = cvm_point_check(key->point);
    if (r < 0)
        return r;
    o = json_object_new_object();
    if (!o)
        return -ENOMEM;
    r = cvm_key_to_jwk(key->point, &jwk);
    if (r < 0)
        return r;
    json_object_object_add(o, "profile", json_object_new_string(CVM_EVIDENCE_PROFILE));
    json_object_object_add(o, "report_key", jwk);
    if (cvm_json_add_base64url(o, "report", report, sizeof(*report)) < 0)
        return -ENOMEM;
    if (platform) {
        sub = platform_to_json(platform);
        if (!sub)
            return -ENOMEM;
        json_object_object_add(o, "platform", sub);
    }
    return cvm_json_text(o, ret);
}

/* A member's text that is left out of what the JSON library reads. */
struct long_text {
    const char *text; /* NULL: none was left out */
    size_t len;
};

/*
 * The event log is nearly all of an evidence, and a JSON library looks at each byte of it for a while. If the
 * text has the name "event_log" once, and behind it a string, then that can only be a member (in a string the
 * quotes would be escaped): its value is taken out, the library reads "" in its place, and the value is
 * checked where it is decoded.
 */
static int take_log_out(const char *buf, size_t size, struct long_text *log, char **ret, size_t *ret_size) {
    static const char name[] = "\"event_log\"";
    const char *end = buf + size, *key = memmem(buf, size, name, sizeof(name) - 1), *p, *quote;
    char *rest;

    *log = (struct long_text){NULL, 0};
    *ret = NULL;
    if (!key || memmem(key + 1, (size_t)(end - key) - 1, name, sizeof(name) - 1))
        return 0;
    p = key + sizeof(name) - 1;
    while (p < end && (*p == ' ' || *p == ':'))
        p++;
    if (p == end || *p != '"' || !memchr(key, ':', (size_t)(p - key)))
        return 0;
    p++;
    quote = memchr(p, '"', (size_t)(end - p));
    if (!quote || quote == p || memchr(p, '\\', (size_t)(quote - p)))
        return 0;
    *ret_size = size - (size_t)(quote - p);
    rest = malloc(*ret_size);
    if (!rest)
        return -ENOMEM;
    memcpy(rest, buf, (size_t)(p - buf));
    memcpy(rest + (p - buf), quote, (size_t)(end - quote));
    *log = (struct long_text){p, (size_t)(quote - p)};
    *ret = rest;
    return 0;
}

static int parse_log(json_object *o, const struct long_text *log, struct cvm_platform *p,
                     struct cvm_error *e) {
    const char *s = NULL;
    size_t len;
    int r;

    r = cvm_json_string(o, "event_log", &s, e);
    if (r < 0)
        return r;
    len = strlen(s);
    if (log->text && len == 0) {
        s = log->text;
        len = log->len;
    }
    p->log = malloc(len / 4 * 3 + 3);
    if (!p->log)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_base64url_decode(s, len, p->log, CVM_LOG_MAX, &p->log_size);
    return r < 0 ? cvm_error_set(e, r, "member 'event_log' is no base64url of at most %u bytes", CVM_LOG_MAX)
                 : 0;
}

static int parse_platform(json_object *root, const struct long_text *log, struct cvm_evidence *ev,
                          struct cvm_error *e) {
    struct cvm_error why = {""};
    struct cvm_platform *p;
    json_object *o = NULL;
    const char *type = NULL;
    int r;

    if (!json_object_object_get_ex(root, "platform", NULL))
        return 0;
    p = ev->platform = calloc(1, sizeof(*ev->platform));
    if (!p)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_json_get(root, "platform", json_type_object, &o, e);
    if (r < 0)
        return r;
    r = cvm_json_string(o, "type", &type, &why);
    if (r == 0 && strcmp(type, CVM_PLATFORM_TPM2) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT, "platform evidence '%.32s' is not known, only 'tpm2' is",
                             type);
    if (r == 0)
        r = cvm_json_bytes(o, "ak_public", p->ak, sizeof(p->ak), &p->ak_size, &why);
    if (r == 0)
        r = cvm_json_bytes(o, "quote", p->quote, sizeof(p->quote), &p->quote_size, &why);
    if (r == 0)
        r = cvm_json_bytes(o, "signature", p->signature, sizeof(p->signature), &p->signature_size, &why);
    if (r == 0)
        r = json_object_object_get_ex(o, "pcrs", NULL) ? cvm_pcrs_from_json(o, &p->pcrs, &why) : 0;
    if (r == 0)
        r = parse_log(o, log, p, &why);
    return r < 0 ? cvm_error_set(e, r == -ENOENT ? -EINVAL : r, "platform: %.300s", why.text) : 0;
}

int cvm_evidence_parse(const void *buf, size_t size, struct cvm_evidence *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ char *rest = NULL;
    struct long_text log;
    size_t rest_size = 0;
    json_object *jwk = NULL;
    const char *s = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    if (size == 0)
        return cvm_error_set(e, -ENODATA, "the evidence is empty");
    if (size > CVM_EVIDENCE_MAX)
        return cvm_error_set(e, -EFBIG, "the evidence has %zu bytes, at most %u are taken", size,
                             CVM_EVIDENCE_MAX);
    if (!cvm_json_is_object(buf, size)) {
        /* A bare report. Its size is judged with its content, where the text can be better. */
        if (size > sizeof(ret->report))
            return cvm_error_set(
                e, -ENOBUFS,
                "the evidence is no JSON object, and too long for a bare report (%zu of %zu bytes)", size,
                sizeof(ret->report));
        memcpy(ret->report, buf, size);
        ret->report_size = size;
        return 0;
    }
    r = take_log_out(buf, size, &log, &rest, &rest_size);
    if (r == 0)
        r = cvm_json_parse(rest ?: buf, rest ? rest_size : size, &o, e);
    if (r < 0)
        return r;
    r = cvm_json_string(o, "profile", &s, e);
    if (r < 0)
        return r;
    if (strcmp(s, CVM_EVIDENCE_PROFILE) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT, "evidence profile '%.64s' is not known, only '%s' is", s,
                             CVM_EVIDENCE_PROFILE);
    r = cvm_json_string(o, "report", &s, e);
    if (r < 0)
        return r;
    r = cvm_base64url_decode(s, strlen(s), ret->report, sizeof(ret->report), &ret->report_size);
    if (r == -ENOBUFS)
        return cvm_error_set(e, r, "member 'report' holds more than the %zu bytes of a report",
                             sizeof(ret->report));
    if (r < 0)
        return cvm_error_set(e, r, "member 'report' is no base64url");
    if (json_object_object_get_ex(o, "report_key", &jwk)) {
        struct cvm_error why = {""};

        r = cvm_key_from_jwk(jwk, ret->key, &why);
        if (r < 0)
            return cvm_error_set(e, r == -ENOENT ? -EINVAL : r, "member 'report_key': %.300s", why.text);
        ret->has_key = true;
    }
    return parse_platform(o, &log, ret, e);
}
