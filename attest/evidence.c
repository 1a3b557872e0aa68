/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evidence.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "key.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

int cvm_evidence_compose(const struct cvm_report *report, const struct cvm_report_key *key, char **ret) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ char *b64 = NULL;
    json_object *jwk = NULL;
    int r;

    r = cvm_point_check(key->point);
    if (r < 0)
        return r;
    o = json_object_new_object();
    b64 = cvm_base64url_encode(report, sizeof(*report));
    if (!o || !b64)
        return -ENOMEM;
    r = cvm_key_to_jwk(key->point, &jwk);
    if (r < 0)
        return r;
    json_object_object_add(o, "profile", json_object_new_string(CVM_EVIDENCE_PROFILE));
    json_object_object_add(o, "report", json_object_new_string(b64));
    json_object_object_add(o, "report_key", jwk);
    return asprintf(ret, "%s\n",
                    json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE)) < 0
               ? -ENOMEM
               : 0;
}

int cvm_evidence_parse(const void *buf, size_t size, struct cvm_evidence *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
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
    r = cvm_json_parse(buf, size, &o, e);
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
    return 0;
}
