/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ear.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "appraise.h"
#include "claims.h"
#include "cose.h"
#include "evidence.h"
#include "explain.h"
#include "json.h"
#include "jws.h"

#ifndef CVMD_VERSION
#define CVMD_VERSION "unknown"
#endif

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

/* EAR-appraisal, section 3.1 of the draft. */
static json_object *appraisal(const struct cvm_ear_input *in) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *claims, *reasons, *vector, *ret;

    if (!o || cvm_json_add_base64url(o, "eat_nonce", in->nonce, CVM_NONCE_SIZE) < 0)
        return NULL;
    json_object_object_add(o, "ear_status", json_object_new_string(cvm_tier_name(in->verdict->tier)));
    vector = cvm_verdict_vector_to_json(in->verdict);
    /* The vector of the draft is never empty; "no claim" is then said as such. */
    if (vector && json_object_object_length(vector) == 0)
        json_object_object_add(vector, cvm_claim_name(CVM_CLAIM_INSTANCE_IDENTITY), json_object_new_int(0));
    json_object_object_add(o, "ear_trustworthiness_vector", vector);
    if (in->policy_id) {
        json_object *ids = json_object_new_array();

        json_object_array_add(ids, json_object_new_string(in->policy_id));
        json_object_object_add(o, "ear_appraisal_policy_ids", ids);
    }
    /* Claims of an attester whose signature does not hold are nobody's claims. */
    if (in->verdict->finding[CVM_CHECK_SIGNATURE].state == CVM_OK)
        json_object_object_add(o, "ear_attester_claims", cvm_report_claims(&in->verdict->report));
    claims = json_object_new_object();
    reasons = cvm_verdict_reasons_to_json(in->verdict);
    if (!vector || !claims || !reasons) {
        json_object_put(claims);
        json_object_put(reasons);
        return NULL;
    }
    if (in->verdict->failure != CVM_FAILURE_NONE)
        json_object_object_add(claims, "cvm_reason",
                               json_object_new_string(cvm_failure_name(in->verdict->failure)));
    json_object_object_add(claims, "cvm_findings", reasons);
    json_object_object_add(o, "ear_verifier_claims", claims);
    ret = o;
    o = NULL;
    return ret;
}

static json_object *claims_set(const struct cvm_ear_input *in) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *verifier = json_object_new_object(), *submods = json_object_new_object(), *sub, *ret;

    if (!o || !verifier || !submods) {
        json_object_put(verifier);
        json_object_put(submods);
        return NULL;
    }
    json_object_object_add(o, "eat_profile", json_object_new_string(CVM_EAR_PROFILE));
    json_object_object_add(o, "iat", json_object_new_int64(in->now));
    json_object_object_add(o, "exp", json_object_new_int64(in->now + CVM_EAR_LIFETIME));
    json_object_object_add(o, "ear_status", json_object_new_string(cvm_tier_name(in->verdict->tier)));
    json_object_object_add(verifier, "developer", json_object_new_string("https://cvmd.org"));
    json_object_object_add(verifier, "build", json_object_new_string("cvmctl " CVMD_VERSION));
    json_object_object_add(o, "ear_verifier_id", verifier);
    json_object_object_add(o, "submods", submods);
    if (in->evidence_size && in->evidence_size <= CVM_EAR_RAW_MAX &&
        cvm_json_add_base64url(o, "ear_raw_evidence", in->evidence, in->evidence_size) < 0)
        return NULL;
    sub = appraisal(in);
    if (!sub)
        return NULL;
    json_object_object_add(submods, CVM_EAR_SUBMOD, sub);
    ret = o;
    o = NULL;
    return ret;
}

int cvm_ear_create(const struct cvm_ear_input *in, char **ret) {
    _cleanup_(json_object_putp) json_object *c = claims_set(in);
    const char *text;
    size_t len = 0;

    if (!c)
        return -ENOMEM;
    text =
        json_object_to_json_string_length(c, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    if (!text)
        return -ENOMEM;
    return cvm_jws_sign(in->signing_key, "JWT", text, len, ret);
}

int cvm_ear_create_cwt(const struct cvm_ear_input *in, void **ret, size_t *size) {
    _cleanup_(json_object_putp) json_object *c = claims_set(in);
    _cleanup_cvm_free_ void *cbor = NULL;
    size_t n = 0;
    int r = c ? cvm_claims_to_cbor(c, &cbor, &n) : -ENOMEM;

    return r < 0 ? r : cvm_cose_sign(in->signing_key, CVM_COSE_TAG_CWT, cbor, n, ret, size);
}
