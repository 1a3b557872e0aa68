/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eat.h"

#include <errno.h>

#include "claims.h"
#include "cose.h"
#include "explain.h"
#include "jws.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static json_object *claims_of(const struct cvm_report *report, time_t now) {
    json_object *claims = cvm_report_claims(report);

    if (claims && json_object_object_add(claims, "iat", json_object_new_int64(now)) == 0)
        return claims;
    json_object_put(claims);
    return NULL;
}

int cvm_eat_create(const struct cvm_report *report, time_t now, EVP_PKEY *key, void **ret, size_t *size) {
    _cleanup_(json_object_putp) json_object *claims = claims_of(report, now);
    _cleanup_cvm_free_ void *cbor = NULL;
    size_t n = 0;
    int r;

    if (!claims)
        return -ENOMEM;
    r = cvm_claims_to_cbor(claims, &cbor, &n);
    return r < 0 ? r : cvm_cose_sign(key, CVM_COSE_TAG_CWT, cbor, n, ret, size);
}

int cvm_eat_create_jwt(const struct cvm_report *report, time_t now, EVP_PKEY *key, char **ret) {
    _cleanup_(json_object_putp) json_object *claims = claims_of(report, now);
    const char *text;
    size_t n;

    text = claims ? json_object_to_json_string_length(claims, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n) : NULL;
    return text ? cvm_jws_sign(key, CVM_EAT_TYPE, text, n, ret) : -ENOMEM;
}
