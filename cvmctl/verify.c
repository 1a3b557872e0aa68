/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl verify: the tenant's judgement of evidence. Works on files, needs no network and no bus.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/appraise.h"
#include "attest/ear.h"
#include "attest/eat.h"
#include "attest/evidence.h"
#include "attest/explain.h"
#include "attest/json.h"
#include "attest/key.h"
#include "attest/register-log.h"
#include "cvmctl.h"
#include "reference-options.h"

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

#define ENROLMENTS_MAX 64

struct verify_options {
    struct reference_options ro;
    const char *report, *nonce, *key, *ear, *signing_key, *policy, *policy_key;
    const char *ear_cwt, *eat, *eat_jwt, *register_log, *enrolment_key, *enrolment[ENROLMENTS_MAX];
    const char *reference[CVM_REFERENCE_MAX];
    unsigned nr_reference, nr_enrolment;
    bool explain;
};

enum {
    OPT_REPORT = OPTION_LONG,
    OPT_NONCE,
    OPT_KEY,
    OPT_REFERENCE,
    OPT_EAR,
    OPT_SIGNING_KEY,
    OPT_POLICY,
    OPT_POLICY_KEY,
    OPT_ENROLMENT,
    OPT_ENROLMENT_KEY,
    OPT_EAR_CWT,
    OPT_EAT,
    OPT_EAT_JWT,
    OPT_REGISTER_LOG,
    OPT_EXPLAIN
};

static const struct verb_option verify_options[] = {
    {"report", OPT_REPORT, "FILE", "evidence as `cvmctl report` wrote it"},
    {"nonce", OPT_NONCE, "HEX|FILE", "the 64 bytes that you asked with"},
    {"key", OPT_KEY, "FILE", "report key that you already trust (PEM, JWK or raw point)"},
    {"reference", OPT_REFERENCE, "FILE", "reference values of `cvmctl digest --json`; may be repeated"},
    {"policy", OPT_POLICY, "FILE",
     "what you demand beyond that, and reference values in it; `cvmctl policy`"},
    {"policy-key", OPT_POLICY_KEY, "FILE", "key that must have signed the policy"},
    {"enrolment", OPT_ENROLMENT, "FILE", "record of a host's TPM, of `cvmctl enrol finish`; may be repeated"},
    {"enrolment-key", OPT_ENROLMENT_KEY, "FILE", "key that must have signed the records"},
    {"register-log", OPT_REGISTER_LOG, "FILE", "what the guest extended its runtime registers with; `cvm-guest`"},
    {"ear", OPT_EAR, "FILE", "write the verdict as signed EAR; needs --signing-key"},
    {"ear-cwt", OPT_EAR_CWT, "FILE", "the same as a CWT (CBOR)"},
    {"eat", OPT_EAT, "FILE", "write what the report says as EAT in a CWT; needs --signing-key"},
    {"eat-jwt", OPT_EAT_JWT, "FILE", "the same as a JWT (JSON)"},
    {"signing-key", OPT_SIGNING_KEY, "FILE", "your verifier's private key, P-256 or P-384, PEM"},
    {"explain", OPT_EXPLAIN, NULL, "also print what the report says"},
    {0},
};

static int parse_options(int argc, char **argv, struct verify_options *o) {
    int c;

    while ((c = verb_getopt(argc, argv)) >= 0) {
        if (reference_options_take(&o->ro, c, optarg))
            continue;
        switch (c) {
        case OPT_REPORT:
            o->report = optarg;
            break;
        case OPT_NONCE:
            o->nonce = optarg;
            break;
        case OPT_KEY:
            o->key = optarg;
            break;
        case OPT_REFERENCE:
            if (o->nr_reference == ELEMENTSOF(o->reference)) {
                usage_error("verify", "more than %zu --reference", ELEMENTSOF(o->reference));
                return -E2BIG;
            }
            o->reference[o->nr_reference++] = optarg;
            break;
        case OPT_EAR:
            o->ear = optarg;
            break;
        case OPT_SIGNING_KEY:
            o->signing_key = optarg;
            break;
        case OPT_POLICY:
            o->policy = optarg;
            break;
        case OPT_POLICY_KEY:
            o->policy_key = optarg;
            break;
        case OPT_ENROLMENT:
            if (o->nr_enrolment == ELEMENTSOF(o->enrolment)) {
                usage_error("verify", "more than %zu --enrolment", ELEMENTSOF(o->enrolment));
                return -E2BIG;
            }
            o->enrolment[o->nr_enrolment++] = optarg;
            break;
        case OPT_EAT:
            o->eat = optarg;
            break;
        case OPT_REGISTER_LOG:
            o->register_log = optarg;
            break;
        case OPT_EAT_JWT:
            o->eat_jwt = optarg;
            break;
        case OPT_EAR_CWT:
            o->ear_cwt = optarg;
            break;
        case OPT_ENROLMENT_KEY:
            o->enrolment_key = optarg;
            break;
        case OPT_EXPLAIN:
            o->explain = true;
            break;
        }
    }
    if (!o->report || !o->nonce) {
        usage_error("verify", "--%s is missing", o->report ? "nonce" : "report");
        return -EINVAL;
    }
    if (o->policy_key && !o->policy) {
        usage_error("verify", "--policy-key without --policy");
        return -EINVAL;
    }
    if (!o->nr_enrolment != !o->enrolment_key) {
        usage_error("verify", "--enrolment and --enrolment-key go together");
        return -EINVAL;
    }
    if (!(o->ear || o->ear_cwt || o->eat || o->eat_jwt) != !o->signing_key) {
        usage_error("verify", "--ear, --ear-cwt, --eat or --eat-jwt and --signing-key go together");
        return -EINVAL;
    }
    return 0;
}

/* Hexadecimal on the command line, or a file with 64 bytes or their hexadecimal. */
static int load_nonce(const char *arg, uint8_t *nonce, struct cvm_error *e) {
    static const uint8_t zeros[CVM_NONCE_SIZE];
    _cleanup_cvm_free_ char *buf = NULL;
    struct cvm_error why = {""};
    size_t size = 0;
    int r;

    if (cvm_hex_decode(arg, strlen(arg), nonce, CVM_NONCE_SIZE) < 0) {
        r = cvm_read_file(arg, 4096, (void **)&buf, &size, &why);
        if (r < 0)
            return cvm_error_set(e, r,
                                 "the nonce is neither %u hexadecimal digits nor a readable file: %.200s",
                                 2 * CVM_NONCE_SIZE, why.text);
        if (size == CVM_NONCE_SIZE)
            memcpy(nonce, buf, CVM_NONCE_SIZE);
        else {
            while (size && (buf[size - 1] == '\n' || buf[size - 1] == '\r' || buf[size - 1] == ' '))
                size--;
            if (cvm_hex_decode(buf, size, nonce, CVM_NONCE_SIZE) < 0)
                return cvm_error_set(e, -EINVAL, "'%s' holds neither %u bytes nor their hexadecimal", arg,
                                     CVM_NONCE_SIZE);
        }
    }
    if (memcmp(nonce, zeros, CVM_NONCE_SIZE) == 0)
        return cvm_error_set(e, -EINVAL, "the nonce is all zeros: it proves no freshness");
    return 0;
}

static int load_policy(const struct verify_options *o, struct cvm_policy **ret, struct cvm_error *e) {
    _cleanup_cvm_free_ struct cvm_policy *p = NULL;
    uint8_t point[CVM_POINT_SIZE];
    int r;

    *ret = NULL;
    if (!o->policy)
        return 0;
    if (o->policy_key) {
        r = cvm_key_load_public(o->policy_key, point, e);
        if (r < 0)
            return r;
    }
    p = malloc(sizeof(*p));
    if (!p)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    r = cvm_policy_load(o->policy, o->policy_key ? point : NULL, p, e);
    if (r < 0)
        return r;
    *ret = p;
    p = NULL;
    return 0;
}

/* All reference values that were named, those of the policy among them; @ret NULL if none. */
static int load_reference(struct verify_options *o, const struct cvm_policy *policy,
                          struct cvm_reference **ret, struct cvm_error *e) {
    _cleanup_cvm_free_ struct cvm_reference *sum = NULL, *one = NULL;
    int r;

    *ret = NULL;
    if (!o->nr_reference && !policy && !reference_options_given(&o->ro))
        return 0;
    sum = calloc(1, sizeof(*sum));
    one = calloc(1, sizeof(*one));
    if (!sum || !one)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (policy)
        *sum = policy->reference;
    for (unsigned i = 0; i < o->nr_reference; i++) {
        _cleanup_cvm_free_ void *buf = NULL;
        struct cvm_error why = {""};
        size_t size = 0;

        r = cvm_read_file(o->reference[i], CVM_JSON_MAX, &buf, &size, e);
        if (r < 0)
            return r;
        r = cvm_reference_parse(buf, size, one, &why);
        if (r < 0)
            return cvm_error_set(e, r, "'%s': %.300s", o->reference[i], why.text);
        r = cvm_reference_merge(sum, one);
        if (r < 0)
            return cvm_error_set(e, r, "more than %u reference values of one kind", CVM_REFERENCE_MAX);
    }
    if (reference_options_given(&o->ro)) {
        r = reference_options_complete(&o->ro, o->nr_reference || policy ? sum : NULL, e);
        if (r == 0)
            r = cvm_reference_from_files(&o->ro.files, sum, one, e);
        if (r < 0)
            return r;
        r = cvm_reference_merge(sum, one);
        if (r < 0)
            return cvm_error_set(e, r, "more than %u reference values of one kind", CVM_REFERENCE_MAX);
    }
    *ret = sum;
    sum = NULL;
    return 0;
}

/* The hosts whose TPMs the tenant knows. */
static int load_enrolments(const struct verify_options *o, struct cvm_enrolment **ret, struct cvm_error *e) {
    _cleanup_cvm_free_ struct cvm_enrolment *list = NULL;
    uint8_t point[CVM_POINT_SIZE];
    int r;

    *ret = NULL;
    if (!o->nr_enrolment)
        return 0;
    r = cvm_key_load_public(o->enrolment_key, point, e);
    if (r < 0)
        return r;
    list = calloc(o->nr_enrolment, sizeof(*list));
    if (!list)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < o->nr_enrolment; i++) {
        r = cvm_enrolment_load(o->enrolment[i], point, &list[i], e);
        if (r < 0)
            return r;
    }
    *ret = list;
    list = NULL;
    return 0;
}

static int write_ear(const struct verify_options *o, const struct cvm_appraisal *a,
                     const struct cvm_verdict *v, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_cvm_free_ char *jwt = NULL;
    _cleanup_cvm_free_ void *cwt = NULL;
    struct cvm_ear_input in = {
        .verdict = v,
        .nonce = a->nonce,
        .evidence = a->evidence,
        .evidence_size = a->evidence_size,
        .policy_id = a->policy ? a->policy->id : NULL,
        .now = a->now,
    };
    size_t size = 0;
    int r;

    r = cvm_key_load_private(o->signing_key, &key, e);
    if (r < 0)
        return r;
    in.signing_key = key;
    if (o->ear)
        r = cvm_ear_create(&in, &jwt);
    if (r == 0 && o->ear_cwt)
        r = cvm_ear_create_cwt(&in, &cwt, &size);
    if (r < 0)
        return cvm_error_set(e, r, "cannot sign the EAR: %s", strerror(-r));
    if (o->ear)
        r = cvm_write_file(o->ear, jwt, strlen(jwt), e);
    return r == 0 && o->ear_cwt ? cvm_write_file(o->ear_cwt, cwt, size, e) : r;
}

static int write_eat(const struct verify_options *o, const struct cvm_appraisal *a,
                     const struct cvm_verdict *v, struct cvm_error *e) {
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_cvm_free_ void *cwt = NULL;
    _cleanup_cvm_free_ char *jwt = NULL;
    size_t size = 0;
    int r;

    /* Claims of a report whose signature does not hold are nobody's claims. */
    if (v->finding[CVM_CHECK_SIGNATURE].state != CVM_OK)
        return 0;
    r = cvm_key_load_private(o->signing_key, &key, e);
    if (r < 0)
        return r;
    if (o->eat)
        r = cvm_eat_create(&v->report, a->now, key, &cwt, &size);
    if (r == 0 && o->eat_jwt)
        r = cvm_eat_create_jwt(&v->report, a->now, key, &jwt);
    if (r < 0)
        return cvm_error_set(e, r, "cannot sign the EAT: %s", strerror(-r));
    if (o->eat)
        r = cvm_write_file(o->eat, cwt, size, e);
    return r == 0 && o->eat_jwt ? cvm_write_file(o->eat_jwt, jwt, strlen(jwt), e) : r;
}

static int verify(struct verify_options *o, struct cvm_verdict *v, struct cvm_error *e) {
    uint8_t nonce[CVM_NONCE_SIZE], pinned[CVM_POINT_SIZE];
    _cleanup_cvm_free_ struct cvm_reference *ref = NULL;
    _cleanup_cvm_free_ struct cvm_enrolment *enrolments = NULL;
    _cleanup_cvm_free_ struct cvm_policy *policy = NULL;
    _cleanup_cvm_free_ void *evidence = NULL, *registers = NULL;
    struct cvm_appraisal a = {.nonce = nonce, .now = time(NULL)};
    size_t size = 0;
    int r;

    r = load_nonce(o->nonce, nonce, e);
    if (r < 0)
        return r;
    /* Too much is bad evidence, not an error of ours: the appraisal says so. */
    r = cvm_read_file(o->report, 64 * CVM_EVIDENCE_MAX, &evidence, &size, e);
    if (r < 0)
        return r;
    a.evidence = evidence;
    a.evidence_size = size;
    if (o->register_log) {
        r = cvm_read_file(o->register_log, 64 * CVM_REGISTER_LOG_MAX, &registers, &a.register_log_size, e);
        if (r < 0)
            return r;
        a.register_log = registers;
    }
    if (o->key) {
        r = cvm_key_load_public(o->key, pinned, e);
        if (r < 0)
            return r;
        a.pinned_key = pinned;
    }
    r = load_policy(o, &policy, e);
    if (r < 0)
        return r;
    r = load_reference(o, policy, &ref, e);
    if (r < 0)
        return r;
    r = load_enrolments(o, &enrolments, e);
    if (r < 0)
        return r;
    a.enrolment = enrolments;
    a.nr_enrolment = o->nr_enrolment;
    a.reference = ref;
    a.policy = policy;
    r = cvm_appraise(&a, v);
    if (r < 0)
        return cvm_error_set(e, r, "cannot appraise the evidence: %s", strerror(-r));
    r = o->ear || o->ear_cwt ? write_ear(o, &a, v, e) : 0;
    return r == 0 && (o->eat || o->eat_jwt) ? write_eat(o, &a, v, e) : r;
}

static int verb_verify(int argc, char **argv) {
    _cleanup_cvm_free_ struct verify_options *o = calloc(1, sizeof(*o));
    _cleanup_cvm_free_ struct cvm_verdict *v = calloc(1, sizeof(*v));
    struct cvm_error e = {""};
    int r;

    if (!o || !v)
        return fail(argv[0], CVM_EXIT_ERROR, "out of memory");
    r = parse_options(argc, argv, o);
    if (r != 0)
        return r > 0 ? 0 : CVM_EXIT_USAGE;
    r = verify(o, v, &e);
    if (r < 0)
        return fail(argv[0], CVM_EXIT_ERROR, "%s", e.text);
    if (arg_json) {
        _cleanup_(json_object_putp) json_object *j = cvm_verdict_to_json(v);

        if (!j)
            return fail(argv[0], CVM_EXIT_ERROR, "out of memory");
        printf("%s\n",
               json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    } else if (!arg_quiet)
        cvm_verdict_print(v, o->explain, stdout);
    return cvm_verdict_exit(v);
}

static const struct verb_status verify_statuses[] = {
    {0, "affirming"},
    {1, "error"},
    {2, "usage"},
    {3, "warning"},
    {4, "broken evidence"},
    {5, "policy violation"},
    {6, "no reference values"},
    {-1},
};

const struct verb tenant_verbs[] = {
    {.name = "verify",
     .arguments = "",
     .summary = "judge a report",
     .run = verb_verify,
     .text = "Judges evidence against what you expect: reference values, a policy, or the files themselves. "
             "Run it on a\n"
             "machine that you trust, not on the host it judges.",
     .options = {verify_options, reference_options},
     .statuses = verify_statuses,
     .remark = "--report FILE --nonce HEX|FILE"},
    {.name = "digest",
     .arguments = "",
     .summary = "compute the launch measurement from files",
     .run = verb_digest,
     .text = "Computes from files alone what the report of a genuine VM will say.",
     .options = {digest_options, reference_options},
     .remark = "--kernel FILE"},
    {0},
};
