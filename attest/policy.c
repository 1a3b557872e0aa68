/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "jws.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static int known_members(json_object *o, const char *const *names, const char *where, struct cvm_error *e) {
    json_object_object_foreach(o, name, value) {
        size_t i = 0;

        (void)value;
        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i])
            return cvm_error_set(e, -EINVAL, "member '%.64s'%s is not known", name, where);
    }
    return 0;
}

/* RFC 3339 in UTC, "2026-11-21T00:00:00Z". */
static int parse_time(json_object *o, const char *name, uint64_t *ret, struct cvm_error *e) {
    struct tm tm = {0};
    const char *s = NULL, *end;
    time_t t;
    int r;

    r = cvm_json_string(o, name, &s, e);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end || strlen(s) != 20)
        return cvm_error_set(e, -EINVAL, "member '%s' is no time of the form 2026-11-21T00:00:00Z", name);
    t = timegm(&tm);
    /* timegm() mends the 31st of April: what does not come back the same was no date. */
    if (t <= 0 || tm.tm_mday != (s[8] - '0') * 10 + s[9] - '0')
        return cvm_error_set(e, -EINVAL, "member '%s' is no date after 1970", name);
    *ret = (uint64_t)t;
    return 0;
}

static int parse_bool(json_object *o, const char *name, bool *ret, struct cvm_error *e) {
    json_object *v = NULL;
    int r;

    r = cvm_json_get(o, name, json_type_boolean, &v, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    *ret = json_object_get_boolean(v);
    return 0;
}

static int parse_require(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    static const char *const names[] = {"platform_anchor", "dma_protection", "guest_request", NULL};
    json_object *v = NULL;
    int r;

    r = cvm_json_get(o, "require", json_type_object, &v, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = known_members(v, names, " of 'require'", e);
    if (r == 0)
        r = parse_bool(v, "platform_anchor", &p->require_anchor, e);
    if (r == 0)
        r = parse_bool(v, "dma_protection", &p->require_dma_protection, e);
    if (r == 0)
        r = parse_bool(v, "guest_request", &p->require_guest_request, e);
    return r;
}

/* Risks that the tenant takes with open eyes: what would be a warning is none. */
static int parse_accept(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    static const char *const names[] = {"no_dma_protection", NULL};
    json_object *v = NULL;
    int r;

    r = cvm_json_get(o, "accept", json_type_object, &v, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = known_members(v, names, " of 'accept'", e);
    if (r == 0)
        r = parse_bool(v, "no_dma_protection", &p->accept_no_dma_protection, e);
    if (r == 0 && p->accept_no_dma_protection && p->require_dma_protection)
        return cvm_error_set(e, -EINVAL,
                             "the policy both requires DMA protection and accepts that there is none");
    return r;
}

static int parse_uuid(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    char hex[33];
    const char *s = NULL;
    size_t n = 0;
    int r;

    r = cvm_json_string(o, "vm_uuid", &s, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (size_t i = 0; s[i] && i < 37; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash != (s[i] == '-'))
            break;
        if (!dash && n < 32)
            hex[n++] = s[i];
    }
    if (strlen(s) != 36 || cvm_hex_decode(hex, n, p->uuid, sizeof(p->uuid)) < 0)
        return cvm_error_set(e, -EINVAL, "member 'vm_uuid' is no UUID");
    p->has_uuid = true;
    return 0;
}

/* A list of equally long hexadecimal strings. */
static int parse_hex_list(json_object *o, const char *name, uint8_t *out, size_t item, unsigned max,
                          unsigned *nr, struct cvm_error *e) {
    json_object *list = NULL;
    int r;

    r = cvm_json_get(o, name, json_type_array, &list, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (json_object_array_length(list) > max)
        return cvm_error_set(e, -E2BIG, "member '%s' has more than %u entries", name, max);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *v = json_object_array_get_idx(list, i);

        if (!json_object_is_type(v, json_type_string) ||
            cvm_hex_decode(json_object_get_string(v), (size_t)json_object_get_string_len(v), out + i * item,
                           item) < 0)
            return cvm_error_set(e, -EINVAL, "%s[%zu] is not %zu bytes in hexadecimal", name, i, item);
        *nr = (unsigned)i + 1;
    }
    return 0;
}

/* Four entries at most; null leaves a register open. */
static int parse_rtmr(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    json_object *list = NULL;
    int r;

    r = cvm_json_get(o, "runtime_registers", json_type_array, &list, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (json_object_array_length(list) > CVM_RTMRS)
        return cvm_error_set(e, -E2BIG, "member 'runtime_registers' has more than %u entries", CVM_RTMRS);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *v = json_object_array_get_idx(list, i);

        if (!v)
            continue;
        if (!json_object_is_type(v, json_type_string) ||
            cvm_hex_decode(json_object_get_string(v), (size_t)json_object_get_string_len(v), p->rtmr[i],
                           CVM_DIGEST_SIZE) < 0)
            return cvm_error_set(e, -EINVAL,
                                 "runtime_registers[%zu] is neither null nor %u bytes in hexadecimal", i,
                                 CVM_DIGEST_SIZE);
        p->has_rtmr[i] = true;
    }
    return 0;
}

static int parse_id(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    const char *s = NULL;
    int r;

    r = cvm_json_string(o, "id", &s, e);
    if (r < 0)
        return r == -ENOENT ? -EINVAL : r;
    if (!*s || strlen(s) >= sizeof(p->id))
        return cvm_error_set(e, -EINVAL, "member 'id' must have 1 to %zu bytes", sizeof(p->id) - 1);
    for (const char *c = s; *c; c++)
        if (*c <= ' ' || *c > '~')
            return cvm_error_set(e, -EINVAL, "member 'id' may have printable ASCII without spaces only");
    strcpy(p->id, s);
    return 0;
}

static int parse_reference(json_object *o, struct cvm_policy *p, struct cvm_error *e) {
    struct cvm_error why = {""};
    json_object *v = NULL;
    const char *text;
    size_t len = 0;
    int r;

    r = cvm_json_get(o, "reference_values", json_type_object, &v, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    text = json_object_to_json_string_length(v, JSON_C_TO_STRING_PLAIN, &len);
    if (!text)
        return -ENOMEM;
    r = cvm_reference_parse(text, len, &p->reference, &why);
    return r < 0 ? cvm_error_set(e, r, "reference_values: %.300s", why.text) : 0;
}

int cvm_policy_parse(const void *buf, size_t size, struct cvm_policy *p, struct cvm_error *e) {
    static const char *const names[] = {
        "profile", "id",          "not_before", "not_after",         "require",
        "vm_uuid", "report_keys", "revoked",    "runtime_registers", "reference_values",
        "comment", "accept",      NULL};
    _cleanup_(json_object_putp) json_object *o = NULL;
    const char *profile = NULL;
    int r;

    memset(p, 0, sizeof(*p));
    r = cvm_json_parse(buf, size, &o, e);
    if (r < 0)
        return r;
    r = cvm_json_string(o, "profile", &profile, e);
    if (r < 0)
        return r == -ENOENT ? -EINVAL : r;
    if (strcmp(profile, CVM_POLICY_PROFILE) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT, "policy profile '%.64s' is not known, only '%s' is",
                             profile, CVM_POLICY_PROFILE);
    r = known_members(o, names, "", e);
    if (r == 0)
        r = parse_id(o, p, e);
    if (r == 0)
        r = parse_time(o, "not_before", &p->not_before, e);
    if (r == 0)
        r = parse_time(o, "not_after", &p->not_after, e);
    if (r == 0)
        r = parse_require(o, p, e);
    if (r == 0)
        r = parse_accept(o, p, e);
    if (r == 0)
        r = parse_uuid(o, p, e);
    if (r == 0)
        r = parse_hex_list(o, "report_keys", p->key_id[0], sizeof(p->key_id[0]), CVM_POLICY_LIST_MAX,
                           &p->nr_key_id, e);
    if (r == 0)
        r = parse_hex_list(o, "revoked", p->revoked[0], CVM_DIGEST_SIZE, CVM_POLICY_LIST_MAX, &p->nr_revoked,
                           e);
    if (r == 0)
        r = parse_rtmr(o, p, e);
    if (r == 0)
        r = parse_reference(o, p, e);
    if (r == 0 && p->not_before && p->not_after && p->not_before > p->not_after)
        return cvm_error_set(e, -EINVAL, "the policy ends before it begins");
    return r;
}

int cvm_policy_load(const char *path, const uint8_t *point, struct cvm_policy *ret, struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL, *payload = NULL;
    struct cvm_error why = {""};
    size_t size = 0, n = 0;
    int r;

    r = cvm_read_file(path, 2 * CVM_JSON_MAX, &buf, &size, e);
    if (r < 0)
        return r;
    if (cvm_json_is_object(buf, size)) {
        if (point)
            return cvm_error_set(e, -EINVAL, "'%s' is not signed, but a policy key is given", path);
        r = cvm_policy_parse(buf, size, ret, &why);
    } else if (!point)
        return cvm_error_set(e, -EINVAL, "'%s' is no JSON object; if it is signed, give the policy key",
                             path);
    else {
        r = cvm_jws_verify(buf, size, point, CVM_POLICY_JWS_TYPE, &payload, &n, &why);
        if (r == 0)
            r = cvm_policy_parse(payload, n, ret, &why);
    }
    return r < 0 ? cvm_error_set(e, r, "'%s': %.300s", path, why.text) : 0;
}

static void add_time(json_object *o, const char *name, uint64_t t) {
    time_t when = (time_t)t;
    struct tm tm;
    char text[32];

    if (!t)
        return;
    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_object_object_add(o, name, json_object_new_string(text));
}

static void add_hex_list(json_object *o, const char *name, const uint8_t *p, size_t item, unsigned nr) {
    json_object *list;
    char hex[2 * CVM_DIGEST_SIZE + 1];

    if (!nr)
        return;
    list = json_object_new_array();
    for (unsigned i = 0; i < nr; i++)
        json_object_array_add(list, json_object_new_string(cvm_hex_encode(p + i * item, item, hex)));
    json_object_object_add(o, name, list);
}

json_object *cvm_policy_to_json(const struct cvm_policy *p) {
    json_object *o = json_object_new_object(), *require = json_object_new_object(), *ref;
    bool any = false;

    ref = cvm_reference_to_json(&p->reference);
    if (!o || !require || !ref) {
        json_object_put(o);
        json_object_put(require);
        json_object_put(ref);
        return NULL;
    }
    json_object_object_add(o, "profile", json_object_new_string(CVM_POLICY_PROFILE));
    json_object_object_add(o, "id", json_object_new_string(p->id));
    add_time(o, "not_before", p->not_before);
    add_time(o, "not_after", p->not_after);
    json_object_object_add(require, "platform_anchor", json_object_new_boolean(p->require_anchor));
    json_object_object_add(require, "dma_protection", json_object_new_boolean(p->require_dma_protection));
    json_object_object_add(require, "guest_request", json_object_new_boolean(p->require_guest_request));
    json_object_object_add(o, "require", require);
    if (p->accept_no_dma_protection) {
        json_object *accept = json_object_new_object();

        json_object_object_add(accept, "no_dma_protection", json_object_new_boolean(true));
        json_object_object_add(o, "accept", accept);
    }
    if (p->has_uuid) {
        char hex[33], text[40];

        cvm_hex_encode(p->uuid, 16, hex);
        snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
        json_object_object_add(o, "vm_uuid", json_object_new_string(text));
    }
    add_hex_list(o, "report_keys", p->key_id[0], sizeof(p->key_id[0]), p->nr_key_id);
    add_hex_list(o, "revoked", p->revoked[0], CVM_DIGEST_SIZE, p->nr_revoked);
    for (unsigned i = 0; i < CVM_RTMRS; i++)
        any |= p->has_rtmr[i];
    if (any) {
        json_object *list = json_object_new_array();
        char hex[2 * CVM_DIGEST_SIZE + 1];

        for (unsigned i = 0; i < CVM_RTMRS; i++)
            json_object_array_add(list, p->has_rtmr[i] ? json_object_new_string(
                                                             cvm_hex_encode(p->rtmr[i], CVM_DIGEST_SIZE, hex))
                                                       : NULL);
        json_object_object_add(o, "runtime_registers", list);
    }
    json_object_object_add(o, "reference_values", ref);
    return o;
}
