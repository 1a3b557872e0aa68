/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmctl policy: make, check, sign and compare the file that says what a tenant accepts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/corim.h"
#include "attest/json.h"
#include "attest/jws.h"
#include "attest/key.h"
#include "attest/policy.h"
#include "cvmctl.h"
#include "reference-options.h"

/* "There are findings", as against EXIT_FAILED, "could not look". */
#define EXIT_FINDINGS 6

CVM_DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

struct policy_options {
    struct reference_options ro;
    const char *id, *not_before, *not_after, *uuid, *output, *policy_key, *signing_key, *corim_key;
    const char *report_key[CVM_POLICY_LIST_MAX], *reference[CVM_REFERENCE_MAX];
    unsigned nr_report_key, nr_reference;
    bool require_anchor, require_dma, require_guest, accept_no_dma;
};

static int parse_require(struct policy_options *o, const char *what) {
    if (strcmp(what, "anchor") == 0)
        o->require_anchor = true;
    else if (strcmp(what, "dma") == 0)
        o->require_dma = true;
    else if (strcmp(what, "guest") == 0)
        o->require_guest = true;
    else
        return usage_error("policy init", "--require takes anchor, dma or guest, not '%s'", what);
    return -1;
}

enum {
    OPT_ID = OPTION_LONG,
    OPT_REFERENCE,
    OPT_REPORT_KEY,
    OPT_UUID,
    OPT_NOT_BEFORE,
    OPT_NOT_AFTER,
    OPT_REQUIRE,
    OPT_ACCEPT,
    OPT_CORIM_KEY,
    OPT_POLICY_KEY,
    OPT_SIGNING_KEY
};

static const struct verb_option init_options[] = {
    {"id", OPT_ID, "ID", "name of the policy; stands in the EAR"},
    {"reference", OPT_REFERENCE, "FILE", "reference values of `cvmctl digest --json`; may be repeated"},
    {"report-key", OPT_REPORT_KEY, "FILE",
     "accept only this report key (PEM, JWK, raw point); may be repeated"},
    {"vm-uuid", OPT_UUID, "UUID", "accept only this VM"},
    {"not-before", OPT_NOT_BEFORE, "TIME", "2026-11-21T00:00:00Z"},
    {"not-after", OPT_NOT_AFTER, "TIME", "2027-11-21T00:00:00Z"},
    {"require", OPT_REQUIRE, "anchor|dma|guest",
     "may be repeated: without a platform anchor, without VT-d,\nor for reports not asked for by the guest, "
     "verify fails"},
    {"accept", OPT_ACCEPT, "no-dma", "take the risk of a host without VT-d: no warning"},
    {"output", 'o', "FILE", "- means standard output"},
    {0},
};
static const struct verb_option corim_options[] = {
    {"corim-key", OPT_CORIM_KEY, "FILE",
     "key that must have signed it (COSE, ES256); without, it must be unsigned"},
    {"output", 'o', "FILE", "reference values, for --reference; - means standard output"},
    {0},
};
static const struct verb_option key_options[] = {
    {"policy-key", OPT_POLICY_KEY, "FILE", "key that must have signed the file"},
    {0},
};
static const struct verb_option sign_options[] = {
    {"signing-key", OPT_SIGNING_KEY, "FILE", "P-256 private key, PEM"},
    {"output", 'o', "FILE", "- means standard output"},
    {0},
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct policy_options *o) {
    int c, r;

    while ((c = verb_getopt(argc, argv)) >= 0) {
        if (reference_options_take(&o->ro, c, optarg))
            continue;
        switch (c) {
        case OPT_ID:
            o->id = optarg;
            break;
        case OPT_REFERENCE:
            if (o->nr_reference == ELEMENTSOF(o->reference))
                return usage_error("policy init", "too many --reference");
            o->reference[o->nr_reference++] = optarg;
            break;
        case OPT_REPORT_KEY:
            if (o->nr_report_key == ELEMENTSOF(o->report_key))
                return usage_error("policy init", "too many --report-key");
            o->report_key[o->nr_report_key++] = optarg;
            break;
        case OPT_UUID:
            o->uuid = optarg;
            break;
        case OPT_NOT_BEFORE:
            o->not_before = optarg;
            break;
        case OPT_NOT_AFTER:
            o->not_after = optarg;
            break;
        case OPT_REQUIRE:
            r = parse_require(o, optarg);
            if (r >= 0)
                return r;
            break;
        case OPT_ACCEPT:
            if (strcmp(optarg, "no-dma") != 0)
                return usage_error("policy init", "--accept takes no-dma, not '%s'", optarg);
            o->accept_no_dma = true;
            break;
        case OPT_CORIM_KEY:
            o->corim_key = optarg;
            break;
        case OPT_POLICY_KEY:
            o->policy_key = optarg;
            break;
        case OPT_SIGNING_KEY:
            o->signing_key = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        }
    }
    return -1;
}

static int error(const struct cvm_error *e) {
    return fail("policy", EXIT_FAILED, "%s", e->text);
}

static int collect_reference(struct policy_options *o, struct cvm_reference *sum, struct cvm_error *e) {
    _cleanup_free_ struct cvm_reference *one = malloc(sizeof(*one));
    int r;

    if (!one)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < o->nr_reference; i++) {
        _cleanup_free_ void *buf = NULL;
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
            return cvm_error_set(e, r, "too many reference values");
    }
    if (!reference_options_given(&o->ro))
        return 0;
    r = reference_options_complete(&o->ro, o->nr_reference ? sum : NULL, e);
    if (r == 0)
        r = cvm_reference_from_files(&o->ro.files, sum, one, e);
    if (r < 0)
        return r;
    r = cvm_reference_merge(sum, one);
    return r < 0 ? cvm_error_set(e, r, "too many reference values") : 0;
}

/* The policy as JSON; what is wrong in it is found when it is read back. */
static int build(struct policy_options *o, const struct cvm_reference *ref, json_object **ret,
                 struct cvm_error *e) {
    _cleanup_json_ json_object *j = json_object_new_object();
    json_object *require = json_object_new_object(), *keys = json_object_new_array(),
                *values = cvm_reference_to_json(ref);

    json_object_object_add(j, "profile", json_object_new_string(CVM_POLICY_PROFILE));
    json_object_object_add(j, "id", json_object_new_string(o->id));
    if (o->not_before)
        json_object_object_add(j, "not_before", json_object_new_string(o->not_before));
    if (o->not_after)
        json_object_object_add(j, "not_after", json_object_new_string(o->not_after));
    json_object_object_add(require, "platform_anchor", json_object_new_boolean(o->require_anchor));
    json_object_object_add(require, "dma_protection", json_object_new_boolean(o->require_dma));
    json_object_object_add(require, "guest_request", json_object_new_boolean(o->require_guest));
    json_object_object_add(j, "require", require);
    if (o->accept_no_dma) {
        json_object *accept = json_object_new_object();

        json_object_object_add(accept, "no_dma_protection", json_object_new_boolean(true));
        json_object_object_add(j, "accept", accept);
    }
    if (o->uuid)
        json_object_object_add(j, "vm_uuid", json_object_new_string(o->uuid));
    json_object_object_add(j, "reference_values", values);
    json_object_object_add(j, "report_keys", keys);
    if (!values)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < o->nr_report_key; i++) {
        uint8_t point[CVM_POINT_SIZE], id[CVM_KEY_ID_SIZE];
        char hex[2 * CVM_KEY_ID_SIZE + 1];
        int r;

        r = cvm_key_load_public(o->report_key[i], point, e);
        if (r < 0)
            return r;
        r = cvm_key_id(point, id);
        if (r < 0)
            return cvm_error_set(e, r, "cannot hash the report key");
        json_object_array_add(keys, json_object_new_string(cvm_hex_encode(id, sizeof(id), hex)));
    }
    *ret = j;
    j = NULL;
    return 0;
}

static int policy_init(struct policy_options *o) {
    _cleanup_free_ struct cvm_reference *ref = calloc(1, sizeof(*ref));
    _cleanup_free_ struct cvm_policy *check = malloc(sizeof(*check));
    _cleanup_json_ json_object *j = NULL;
    _cleanup_free_ char *text = NULL;
    struct cvm_error e = {""};

    if (!o->id || !o->output)
        return usage_error("policy init", "--%s is missing", o->id ? "output" : "id");
    if (!ref || !check)
        return fail("policy", EXIT_FAILED, "out of memory");
    if (collect_reference(o, ref, &e) < 0 || build(o, ref, &j, &e) < 0)
        return error(&e);
    if (asprintf(&text, "%s\n",
                 json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY |
                                                       JSON_C_TO_STRING_NOSLASHESCAPE)) < 0) {
        text = NULL;
        return fail("policy", EXIT_FAILED, "out of memory");
    }
    if (cvm_policy_parse(text, strlen(text), check, &e) < 0 ||
        cvm_write_file(o->output, text, strlen(text), &e) < 0)
        return error(&e);
    return wrote(o->output);
}

static int load(const struct policy_options *o, const char *path, struct cvm_policy **ret,
                struct cvm_error *e) {
    uint8_t point[CVM_POINT_SIZE];
    int r;

    *ret = malloc(sizeof(**ret));
    if (!*ret)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    if (o->policy_key) {
        r = cvm_key_load_public(o->policy_key, point, e);
        if (r < 0)
            return r;
    }
    return cvm_policy_load(path, o->policy_key ? point : NULL, *ret, e);
}

static void print_text(void *list, const char *text) {
    if (list)
        json_object_array_add(list, json_object_new_string(text));
    else
        puts(text);
}

/* A list of texts as JSON or as lines; EXIT_FINDINGS if it is not empty. */
static int report(const char *name, json_object *list, unsigned nr) {
    if (list) {
        _cleanup_json_ json_object *o = json_object_new_object();

        json_object_object_add(o, name, json_object_get(list));
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    return nr ? EXIT_FINDINGS : EXIT_OK;
}

static int policy_check(const struct policy_options *o, const char *path) {
    _cleanup_json_ json_object *list = arg_json ? json_object_new_array() : NULL;
    _cleanup_free_ struct cvm_policy *p = NULL;
    struct cvm_error e = {""};

    if (load(o, path, &p, &e) < 0)
        return error(&e);
    return report("gaps", list, cvm_policy_gaps(p, print_text, list));
}

static int policy_diff(const struct policy_options *o, const char *from, const char *to) {
    _cleanup_json_ json_object *list = arg_json ? json_object_new_array() : NULL;
    _cleanup_free_ struct cvm_policy *a = NULL, *b = NULL;
    struct cvm_error e = {""};

    if (load(o, from, &a, &e) < 0 || load(o, to, &b, &e) < 0)
        return error(&e);
    return report("differences", list, cvm_policy_diff(a, b, print_text, list));
}

static int policy_sign(const struct policy_options *o, const char *path) {
    _cleanup_free_ struct cvm_policy *p = malloc(sizeof(*p));
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_free_ char *jws = NULL;
    _cleanup_free_ void *buf = NULL;
    struct cvm_error e = {""};
    size_t size = 0;
    int r;

    if (!o->signing_key || !o->output)
        return usage_error("policy sign", "--%s is missing", o->signing_key ? "output" : "signing-key");
    if (!p)
        return fail("policy", EXIT_FAILED, "out of memory");
    /* Only what is a policy gets a signature. */
    if (cvm_read_file(path, CVM_JSON_MAX, &buf, &size, &e) < 0 || cvm_policy_parse(buf, size, p, &e) < 0 ||
        cvm_key_load_private(o->signing_key, &key, &e) < 0)
        return error(&e);
    if (cvm_key_size(key) != 32)
        return fail("policy", EXIT_FAILED, "'%s' is no P-256 key, as a policy wants", o->signing_key);
    r = cvm_jws_sign(key, CVM_POLICY_JWS_TYPE, buf, size, &jws);
    if (r < 0)
        return fail("policy", EXIT_FAILED, "cannot sign: %s", strerror(-r));
    return cvm_write_file(o->output, jws, strlen(jws), &e) < 0 ? error(&e) : wrote(o->output);
}

static int verb_policy(int argc, char **argv) {
    struct policy_options o = {0};
    const char *command;
    int r;

    r = parse_options(argc, argv, &o);
    if (r >= 0)
        return r;
    command = argv[0] + strlen("policy ");
    argv += optind;
    return strcmp(command, "init") == 0    ? policy_init(&o)
           : strcmp(command, "check") == 0 ? policy_check(&o, argv[0])
           : strcmp(command, "sign") == 0  ? policy_sign(&o, argv[0])
                                           : policy_diff(&o, argv[0], argv[1]);
}

static int verb_import_corim(int argc, char **argv) {
    _cleanup_free_ struct cvm_reference *ref = malloc(sizeof(*ref));
    uint8_t point[CVM_POINT_SIZE];
    _cleanup_json_ json_object *j = NULL;
    struct policy_options o = {0};
    _cleanup_free_ void *buf = NULL;
    _cleanup_free_ char *text = NULL;
    struct cvm_error e = {""};
    unsigned other = 0;
    size_t size = 0;
    int r;

    r = parse_options(argc, argv, &o);
    if (r >= 0)
        return r;
    if (!o.output)
        return usage_error(argv[0], "--output is missing");
    if (!ref || (o.corim_key && cvm_key_load_public(o.corim_key, point, &e) < 0) ||
        cvm_read_file(argv[optind], CVM_JSON_MAX, &buf, &size, &e) < 0 ||
        cvm_corim_parse(buf, size, o.corim_key ? point : NULL, time(NULL), ref, &other, &e) < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    j = cvm_reference_to_json(ref);
    if (!j || cvm_json_text(j, &text) < 0)
        return fail(argv[0], EXIT_FAILED, "out of memory");
    if (cvm_write_file(o.output, text, strlen(text), &e) < 0)
        return fail(argv[0], EXIT_FAILED, "%s", e.text);
    if (other)
        say("%u triples of other environments were left out.\n", other);
    return wrote(o.output);
}

static const struct verb_status policy_statuses[] = {
    {0, "done, or nothing found"},
    {1, "error"},
    {2, "usage"},
    {EXIT_FINDINGS, "check found gaps, diff found differences"},
    {-1},
};

const struct verb policy_verbs[] = {
    {.name = "policy init",
     .arguments = "",
     .summary = "make a policy of reference values and demands",
     .run = verb_policy,
     .options = {init_options, reference_options},
     .statuses = policy_statuses,
     .remark = "--id ID -o FILE"},
    {.name = "policy import-corim",
     .arguments = "FILE",
     .summary = "reference values out of a CoRIM",
     .run = verb_import_corim,
     .text = "Takes the reference triples of vendor \"cvmd\", models \"rootvisor\", \"guardian\" and "
             "\"boot\", of a CoRIM\n"
             "(draft-ietf-rats-corim-10), and writes them as `cvmctl digest --json` would.",
     .options = {corim_options},
     .statuses = policy_statuses,
     .remark = "-o FILE"},
    {.name = "policy check",
     .arguments = "FILE",
     .summary = "tell errors, and what the policy leaves open",
     .run = verb_policy,
     .options = {key_options},
     .statuses = policy_statuses},
    {.name = "policy sign",
     .arguments = "FILE",
     .summary = "sign a policy",
     .run = verb_policy,
     .options = {sign_options},
     .statuses = policy_statuses,
     .remark = "--signing-key FILE -o FILE"},
    {.name = "policy diff",
     .arguments = "FILE FILE",
     .summary = "tell what changes from the first to the second",
     .run = verb_policy,
     .options = {key_options},
     .statuses = policy_statuses},
    {0},
};
