/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <string.h>

#include "json.h"
#include "report.h"

static const char *const marks[] = {
    [CVM_SKIPPED] = "\u00b7", [CVM_OK] = "\u2713", [CVM_WARN] = "!", [CVM_FAIL] = "\u2717"};
static const char *const state_names[] = {
    [CVM_SKIPPED] = "skipped", [CVM_OK] = "ok", [CVM_WARN] = "warning", [CVM_FAIL] = "failed"};

/* Whether another check of depth @depth follows @c before the tree gets shallower. */
static bool has_sibling(int c, unsigned depth) {
    for (int n = c + 1; n < CVM_CHECK_MAX && cvm_check_depth(n) >= depth; n++)
        if (cvm_check_depth(n) == depth)
            return true;
    return false;
}

static void print_check(const struct cvm_verdict *v, int c, FILE *out) {
    const struct cvm_finding *f = &v->finding[c];
    unsigned depth = cvm_check_depth(c);
    const char *stem = depth == 0 ? "" : has_sibling(c, 0) ? "│  " : "   ";
    const char *rest = has_sibling(c, depth) ? "│" : " ";
    /* Under a check with parts, the line that leads to them goes on. */
    const char *parts = c + 1 < CVM_CHECK_MAX && cvm_check_depth(c + 1) > depth ? "│" : " ";
    bool compare = f->state == CVM_FAIL && (*f->expected || *f->seen);

    fprintf(out, "%s%s %s %-*s", stem, has_sibling(c, depth) ? "├─" : "└─", marks[f->state], depth ? 15 : 18,
            cvm_check_name(c));
    fprintf(out, "  %s\n", f->state == CVM_SKIPPED && !*f->detail ? "not judged" : f->detail);
    if (f->code)
        fprintf(out, "%s%s  %s   code      %s\n", stem, rest, parts, f->code);
    if (compare) {
        if (*f->expected)
            fprintf(out, "%s%s  %s   expected  %s\n", stem, rest, parts, f->expected);
        fprintf(out, "%s%s  %s   seen      %s\n", stem, rest, parts, f->seen);
    }
}

static void print_digest(FILE *out, const char *name, const uint8_t *digest) {
    char hex[2 * CVM_DIGEST_SIZE + 1];

    fprintf(out, "  %-19s %s\n", name, cvm_hex_encode(digest, CVM_DIGEST_SIZE, hex));
}

static char *format_uuid(const uint8_t *u, char *buf) {
    char hex[33];

    cvm_hex_encode(u, 16, hex);
    sprintf(buf, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return buf;
}

static void print_facts(const struct cvm_report *r, bool genuine, FILE *out) {
    char uuid[37];

    fprintf(out, "\nThe report says%s:\n",
            genuine ? "" : " (not proven: the chain broke before its signature)");
    fprintf(out, "  %-19s %u, named %s by the host\n", "VM", r->vm_id, format_uuid(r->uuid, uuid));
    fprintf(out, "  %-19s %u.%u.%u, security version %u\n", "RootVisor", r->rootvisor_version >> 16,
            r->rootvisor_version >> 8 & 255, r->rootvisor_version & 255, r->rootvisor_svn);
    fprintf(out, "  %-19s %u\n", "Guardian's version", r->guardian_svn);
    fprintf(out, "  %-19s TPM %s, VT-d %s\n", "platform", r->platform & CVM_F_TPM ? "yes" : "no",
            r->platform & CVM_F_VT_D ? "yes" : "no");
    if (r->tsc_khz)
        fprintf(out, "  %-19s %llu s\n", "RootVisor's uptime",
                (unsigned long long)(r->uptime_tsc / r->tsc_khz / 1000));
    fprintf(out, "  %-19s number %llu, asked for by %s\n", "report", (unsigned long long)r->counter,
            r->requester ? "the guest" : "the host");
    if (r->rollback)
        fprintf(out, "  %-19s %u starts of this launch measurement, epoch %08x\n", "rollback counter", r->rollback, r->rollback_epoch);
    else
        fprintf(out, "  %-19s none\n", "rollback counter");
    print_digest(out, "RootVisor digest", r->rootvisor_digest);
    print_digest(out, "Guardian digest", r->guardian_digest);
    print_digest(out, "launch measurement", r->launch_digest);
    for (uint32_t i = 0; i < r->nr_measured; i++) {
        char name[40];

        snprintf(name, sizeof(name), "  %s", cvm_component_name(r->measured[i].kind));
        print_digest(out, name, r->measured[i].digest);
        fprintf(out, "  %-19s %llu bytes\n", "", (unsigned long long)r->measured[i].size);
    }
    for (uint32_t i = 0; i < CVM_RTMRS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "register %u", i);
        print_digest(out, name, r->rtmr[i]);
    }
}

void cvm_verdict_print(const struct cvm_verdict *v, bool facts, FILE *out) {
    fprintf(out, "verdict: %s", cvm_tier_name(v->tier));
    if (v->primary >= 0) {
        const struct cvm_finding *f = &v->finding[v->primary];

        if (v->failure != CVM_FAILURE_NONE)
            fprintf(out, " (%s)", cvm_failure_name(v->failure));
        fprintf(out, "\nreason:  %s [%s]", f->detail, f->code);
    }
    fprintf(out, "\n\nchain of evidence\n");
    for (int c = 0; c < CVM_CHECK_MAX; c++)
        print_check(v, c, out);
    if (facts && v->has_report)
        print_facts(&v->report, v->finding[CVM_CHECK_SIGNATURE].state == CVM_OK, out);
}

json_object *cvm_verdict_vector_to_json(const struct cvm_verdict *v) {
    json_object *o = json_object_new_object();

    for (int c = 0; o && c < CVM_CLAIM_MAX; c++)
        if (v->vector[c])
            json_object_object_add(o, cvm_claim_name(c), json_object_new_int(v->vector[c]));
    return o;
}

static json_object *finding_to_json(const struct cvm_verdict *v, int c) {
    const struct cvm_finding *f = &v->finding[c];
    json_object *o = json_object_new_object();

    if (!o)
        return NULL;
    json_object_object_add(o, "check", json_object_new_string(cvm_check_name(c)));
    json_object_object_add(o, "state", json_object_new_string(state_names[f->state]));
    if (f->failure != CVM_FAILURE_NONE)
        json_object_object_add(o, "reason", json_object_new_string(cvm_failure_name(f->failure)));
    if (f->code)
        json_object_object_add(o, "code", json_object_new_string(f->code));
    if (*f->detail)
        json_object_object_add(o, "detail", json_object_new_string(f->detail));
    if (*f->expected)
        json_object_object_add(o, "expected", json_object_new_string(f->expected));
    if (*f->seen)
        json_object_object_add(o, "seen", json_object_new_string(f->seen));
    return o;
}

static json_object *findings_to_json(const struct cvm_verdict *v, bool all) {
    json_object *list = json_object_new_array();

    for (int c = 0; list && c < CVM_CHECK_MAX; c++)
        if (all || v->finding[c].state == CVM_WARN || v->finding[c].state == CVM_FAIL)
            json_object_array_add(list, finding_to_json(v, c));
    return list;
}

json_object *cvm_verdict_reasons_to_json(const struct cvm_verdict *v) {
    return findings_to_json(v, false);
}

json_object *cvm_report_claims(const struct cvm_report *r) {
    json_object *o = json_object_new_object(), *list = json_object_new_array(),
                *rtmr = json_object_new_array();
    _cleanup_cvm_free_ char *nonce = NULL;
    json_object *swversion;
    char text[160];

    if (!o || !list || !rtmr) {
        json_object_put(o);
        json_object_put(list);
        json_object_put(rtmr);
        return NULL;
    }
    json_object_object_add(o, "eat_profile", json_object_new_string(CVM_REPORT_PROFILE));
    nonce = cvm_base64url_encode(r->user_data, sizeof(r->user_data));
    if (nonce)
        json_object_object_add(o, "eat_nonce", json_object_new_string(nonce));
    json_object_object_add(o, "swname", json_object_new_string("RootVisor"));
    snprintf(text, sizeof(text), "%u.%u.%u", r->rootvisor_version >> 16, r->rootvisor_version >> 8 & 255,
             r->rootvisor_version & 255);
    swversion = json_object_new_array();
    json_object_array_add(swversion, json_object_new_string(text));
    json_object_object_add(o, "swversion", swversion);
    if (r->tsc_khz)
        json_object_object_add(o, "uptime", json_object_new_uint64(r->uptime_tsc / r->tsc_khz / 1000));
    json_object_object_add(o, "cvm_vm_id", json_object_new_uint64(r->vm_id));
    json_object_object_add(o, "cvm_vm_uuid", json_object_new_string(format_uuid(r->uuid, text)));
    json_object_object_add(o, "cvm_counter", json_object_new_uint64(r->counter));
    if (r->rollback) {
        json_object_object_add(o, "cvm_rollback", json_object_new_uint64(r->rollback));
        json_object_object_add(o, "cvm_rollback_epoch", json_object_new_uint64(r->rollback_epoch));
    }
    json_object_object_add(o, "cvm_requester", json_object_new_string(r->requester ? "guest" : "host"));
    json_object_object_add(o, "cvm_platform", json_object_new_uint64(r->platform));
    json_object_object_add(o, "cvm_rootvisor_svn", json_object_new_uint64(r->rootvisor_svn));
    json_object_object_add(o, "cvm_guardian_svn", json_object_new_uint64(r->guardian_svn));
    cvm_json_add_hex(o, "cvm_rootvisor_digest", r->rootvisor_digest, CVM_DIGEST_SIZE);
    cvm_json_add_hex(o, "cvm_guardian_digest", r->guardian_digest, CVM_DIGEST_SIZE);
    cvm_json_add_hex(o, "cvm_launch_digest", r->launch_digest, CVM_DIGEST_SIZE);
    json_object_object_add(o, "cvm_measured", list);
    for (uint32_t i = 0; i < r->nr_measured; i++) {
        json_object *m = json_object_new_object();

        json_object_object_add(m, "kind", json_object_new_string(cvm_component_name(r->measured[i].kind)));
        json_object_object_add(m, "size", json_object_new_uint64(r->measured[i].size));
        cvm_json_add_hex(m, "digest", r->measured[i].digest, CVM_DIGEST_SIZE);
        json_object_array_add(list, m);
    }
    json_object_object_add(o, "cvm_rtmr", rtmr);
    for (uint32_t i = 0; i < CVM_RTMRS; i++)
        json_object_array_add(rtmr,
                              json_object_new_string(cvm_hex_encode(r->rtmr[i], CVM_DIGEST_SIZE, text)));
    cvm_json_add_hex(o, "cvm_kex_public", r->kex_public, 65);
    return o;
}

json_object *cvm_verdict_to_json(const struct cvm_verdict *v) {
    json_object *o = json_object_new_object();

    if (!o)
        return NULL;
    json_object_object_add(o, "verdict", json_object_new_string(cvm_tier_name(v->tier)));
    json_object_object_add(o, "exit_status", json_object_new_int(cvm_verdict_exit(v)));
    json_object_object_add(
        o, "reason",
        v->failure == CVM_FAILURE_NONE ? NULL : json_object_new_string(cvm_failure_name(v->failure)));
    json_object_object_add(o, "code",
                           v->primary < 0 ? NULL : json_object_new_string(v->finding[v->primary].code));
    json_object_object_add(o, "detail",
                           v->primary < 0 ? NULL : json_object_new_string(v->finding[v->primary].detail));
    json_object_object_add(o, "trustworthiness_vector", cvm_verdict_vector_to_json(v));
    json_object_object_add(o, "reasons", findings_to_json(v, false));
    json_object_object_add(o, "checks", findings_to_json(v, true));
    if (v->has_report)
        json_object_object_add(o, "report", cvm_report_claims(&v->report));
    return o;
}
