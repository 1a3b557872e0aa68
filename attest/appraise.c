/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "appraise.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "appraise-launch.h"
#include "appraise-platform.h"
#include "evidence.h"
#include "key.h"
#include "register-log.h"
#include "report.h"

static void fail(struct cvm_verdict *v, enum cvm_check c, enum cvm_failure failure, const char *code,
                 const char *text) {
    cvm_finding_set(&v->finding[c], CVM_FAIL, failure, code, "%s", text);
}

static void ok(struct cvm_verdict *v, enum cvm_check c, const char *text) {
    cvm_finding_set(&v->finding[c], CVM_OK, CVM_FAILURE_NONE, NULL, "%s", text);
}

static const char *evidence_code(int r) {
    return r == -EPROTONOSUPPORT ? "evidence.unsupported" : "evidence.malformed";
}

static const char *report_code(int r) {
    switch (r) {
    case -ENODATA:
    case -EMSGSIZE:
        return "report.truncated";
    case -EPROTONOSUPPORT:
        return "report.unsupported";
    default:
        return "report.malformed";
    }
}

static void check_policy(const struct cvm_appraisal *a, struct cvm_verdict *v) {
    const struct cvm_policy *p = a->policy;

    if (!p)
        ok(v, CVM_CHECK_POLICY, a->reference ? "none: reference values alone decide" : "none");
    else if (p->not_after && (uint64_t)a->now > p->not_after)
        fail(v, CVM_CHECK_POLICY, CVM_POLICY_MISSING, "policy.expired", "the policy's time is over");
    else if (p->not_before && (uint64_t)a->now < p->not_before)
        fail(v, CVM_CHECK_POLICY, CVM_POLICY_MISSING, "policy.not-yet-valid",
             "the policy's time has not begun");
    else
        ok(v, CVM_CHECK_POLICY, p->id);
}

static bool check_evidence(const struct cvm_appraisal *a, struct cvm_evidence *ev, struct cvm_verdict *v) {
    struct cvm_error e = {""};
    int r;

    r = cvm_evidence_parse(a->evidence, a->evidence_size, ev, &e);
    if (r < 0) {
        fail(v, CVM_CHECK_EVIDENCE, CVM_BROKEN_EVIDENCE, evidence_code(r), e.text);
        return false;
    }
    r = cvm_report_decode(ev->report, ev->report_size, &v->report, &e);
    if (r < 0) {
        fail(v, CVM_CHECK_EVIDENCE, CVM_BROKEN_EVIDENCE, report_code(r), e.text);
        return false;
    }
    v->has_report = true;
    cvm_finding_set(&v->finding[CVM_CHECK_EVIDENCE], CVM_OK, CVM_FAILURE_NONE, NULL,
                    "report %llu of this RootVisor, on VM %u", (unsigned long long)v->report.counter,
                    v->report.vm_id);
    return true;
}

/* The key that the signature is checked with, and where its authority comes from. */
static int check_key(const struct cvm_appraisal *a, const struct cvm_evidence *ev, const uint8_t **point,
                     struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_KEY];
    uint8_t id[CVM_KEY_ID_SIZE];
    int r;

    *point = NULL;
    if (!a->pinned_key && !ev->has_key) {
        fail(v, CVM_CHECK_KEY, CVM_BROKEN_EVIDENCE, "key.missing",
             "neither the evidence nor the caller gives a report key");
        return 0;
    }
    r = cvm_key_id(a->pinned_key ?: ev->key, id);
    if (r < 0)
        return r;
    cvm_hex_encode(id, sizeof(id), f->expected);
    cvm_hex_encode(v->report.report_key_id, sizeof(id), f->seen);
    if (memcmp(id, v->report.report_key_id, sizeof(id)) != 0) {
        fail(v, CVM_CHECK_KEY, CVM_BROKEN_EVIDENCE, "key.mismatch",
             a->pinned_key ? "the report was not signed with the pinned key"
                           : "the report names another key than the evidence carries");
        return 0;
    }
    *point = a->pinned_key ?: ev->key;
    ok(v, CVM_CHECK_KEY,
       a->pinned_key ? "the pinned key" : "taken from the evidence, proven only by the platform anchor");
    return 0;
}

/* Something that the platform lacks: a violation if the policy demands it, else a warning. */
#define demanded(f, by_policy, code, ...)                                                                    \
    cvm_finding_set(f, (by_policy) ? CVM_FAIL : CVM_WARN,                                                    \
                    (by_policy) ? CVM_POLICY_VIOLATION : CVM_FAILURE_NONE, code, __VA_ARGS__)

/* The signature holds: is it of a key that the policy accepts? */
static void check_key_accepted(const struct cvm_policy *p, struct cvm_verdict *v) {
    if (!p || !p->nr_key_id)
        return;
    for (unsigned i = 0; i < p->nr_key_id; i++)
        if (memcmp(p->key_id[i], v->report.report_key_id, CVM_KEY_ID_SIZE) == 0) {
            ok(v, CVM_CHECK_KEY, "one that the policy accepts");
            return;
        }
    cvm_hex_encode(p->key_id[0], CVM_KEY_ID_SIZE, v->finding[CVM_CHECK_KEY].expected);
    fail(v, CVM_CHECK_KEY, CVM_POLICY_VIOLATION, "key.not-accepted",
         "the policy does not accept this report key");
}

static void check_request(const struct cvm_policy *p, struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_REQUEST];

    if (p && p->has_uuid && memcmp(p->uuid, v->report.uuid, sizeof(p->uuid)) != 0) {
        cvm_hex_encode(p->uuid, sizeof(p->uuid), f->expected);
        cvm_hex_encode(v->report.uuid, sizeof(p->uuid), f->seen);
        fail(v, CVM_CHECK_REQUEST, CVM_POLICY_VIOLATION, "vm.uuid", "the report is about another VM");
    } else if (p && p->require_guest_request && !v->report.requester) {
        fail(v, CVM_CHECK_REQUEST, CVM_POLICY_VIOLATION, "vm.requester",
             "the host asked for this report, the policy wants those of the guest");
    } else
        ok(v, CVM_CHECK_REQUEST, v->report.requester ? "asked for by the guest" : "asked for by the host");
}

static void set_registers(struct cvm_finding *f, const uint8_t *expected, const uint8_t *seen) {
    cvm_hex_encode(expected, CVM_DIGEST_SIZE, f->expected);
    cvm_hex_encode(seen, CVM_DIGEST_SIZE, f->seen);
}

/* Does the guest's log give the registers of the report? */
static bool check_register_log(const struct cvm_appraisal *a, struct cvm_verdict *v, unsigned *nr) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_REGISTERS];
    uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
    struct cvm_error e = {""};

    if (cvm_register_log_replay(a->register_log, a->register_log_size, rtmr, nr, &e) < 0) {
        fail(v, CVM_CHECK_REGISTERS, CVM_BROKEN_EVIDENCE, "registers.malformed", e.text);
        return false;
    }
    for (unsigned i = 0; i < CVM_RTMRS; i++)
        if (memcmp(rtmr[i], v->report.rtmr[i], CVM_DIGEST_SIZE) != 0) {
            set_registers(f, rtmr[i], v->report.rtmr[i]);
            cvm_finding_set(f, CVM_FAIL, CVM_BROKEN_EVIDENCE, "registers.log", "the register log does not give runtime register %u", i);
            return false;
        }
    return true;
}

static void check_registers(const struct cvm_appraisal *a, struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_REGISTERS];
    const struct cvm_policy *p = a->policy;
    bool any = false;
    unsigned nr = 0;

    if (a->register_log && !check_register_log(a, v, &nr))
        return;
    for (unsigned i = 0; p && i < CVM_RTMRS; i++) {
        any |= p->has_rtmr[i];
        if (!p->has_rtmr[i] || memcmp(p->rtmr[i], v->report.rtmr[i], CVM_DIGEST_SIZE) == 0)
            continue;
        set_registers(f, p->rtmr[i], v->report.rtmr[i]);
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, "registers.value",
                        "runtime register %u has another value", i);
        return;
    }
    if (a->register_log)
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "%u lines of the register log give them%s", nr, any ? ", as the policy wants them" : "");
    else
        ok(v, CVM_CHECK_REGISTERS, any ? "as the policy wants them" : "not compared: no policy names values");
}

static int check_signature(const uint8_t *point, const struct cvm_evidence *ev, struct cvm_verdict *v) {
    int r;

    r = cvm_key_verify(point, ev->report, CVM_REPORT_SIGNED, ev->report + CVM_REPORT_SIGNED);
    if (r == -EBADMSG) {
        fail(v, CVM_CHECK_SIGNATURE, CVM_BROKEN_EVIDENCE, "signature.invalid",
             "the report was changed after it was signed, or another key signed it");
        return 0;
    }
    if (r < 0)
        return r;
    ok(v, CVM_CHECK_SIGNATURE, "ECDSA P-256, SHA-256");
    return 0;
}

static void check_nonce(const struct cvm_appraisal *a, struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_NONCE];

    if (CRYPTO_memcmp(a->nonce, v->report.user_data, CVM_NONCE_SIZE) == 0) {
        ok(v, CVM_CHECK_NONCE, "the report answers this nonce");
        return;
    }
    cvm_hex_encode(a->nonce, CVM_NONCE_SIZE, f->expected);
    cvm_hex_encode(v->report.user_data, CVM_NONCE_SIZE, f->seen);
    fail(v, CVM_CHECK_NONCE, CVM_BROKEN_EVIDENCE, "nonce.mismatch",
         "the report answers another nonce: it is stale, or of another session");
}

static int check_kex(struct cvm_verdict *v) {
    int r;

    r = cvm_point_check(v->report.kex_public);
    if (r == -EINVAL) {
        fail(v, CVM_CHECK_KEX, CVM_BROKEN_EVIDENCE, "kex.invalid",
             "the Guardian's key-agreement key is no point of P-256");
        return 0;
    }
    if (r < 0)
        return r;
    ok(v, CVM_CHECK_KEX, "P-256 key agreement");
    return 0;
}

/* RootVisor or Guardian against its alternatives. */
struct image_check {
    enum cvm_check check;
    const char *what;
    const char *missing, *digest, *svn, *revoked; /* codes */
};

static const struct image_check rootvisor_check = {CVM_CHECK_ROOTVISOR,      "RootVisor",
                                                   "rootvisor.no-reference", "rootvisor.digest",
                                                   "rootvisor.svn",          "rootvisor.revoked"};
static const struct image_check guardian_check = {CVM_CHECK_GUARDIAN, "Guardian",     "guardian.no-reference",
                                                  "guardian.digest",  "guardian.svn", "guardian.revoked"};

static void check_image(const struct image_check *c, const struct cvm_policy *p,
                        const struct cvm_ref_image *ref, unsigned nr, const uint8_t *digest, uint32_t svn,
                        struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[c->check];

    cvm_hex_encode(digest, CVM_DIGEST_SIZE, f->seen);
    for (unsigned i = 0; p && i < p->nr_revoked; i++)
        if (memcmp(p->revoked[i], digest, CVM_DIGEST_SIZE) == 0) {
            cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, c->revoked, "this %s is revoked", c->what);
            return;
        }
    if (nr == 0) {
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_MISSING, c->missing, "no reference value for the %s",
                        c->what);
        return;
    }
    for (unsigned i = 0; i < nr; i++) {
        if (memcmp(ref[i].digest, digest, CVM_DIGEST_SIZE) != 0)
            continue;
        cvm_hex_encode(ref[i].digest, CVM_DIGEST_SIZE, f->expected);
        if (svn < ref[i].min_svn) {
            snprintf(f->expected, sizeof(f->expected), "at least %u", ref[i].min_svn);
            snprintf(f->seen, sizeof(f->seen), "%u", svn);
            cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, c->svn,
                            "the %s's security version number is too low", c->what);
            return;
        }
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "security version %u", svn);
        return;
    }
    cvm_hex_encode(ref[0].digest, CVM_DIGEST_SIZE, f->expected);
    cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, c->digest, "the host runs another %s than expected%s",
                    c->what, nr > 1 ? " (the first of several alternatives is shown)" : "");
}

static void check_dma(const struct cvm_policy *p, struct cvm_verdict *v) {
    if (v->report.platform & CVM_F_VT_D)
        ok(v, CVM_CHECK_DMA, "VT-d confines devices to memory of the host");
    else if (p && p->accept_no_dma_protection)
        ok(v, CVM_CHECK_DMA, "no VT-d: the policy accepts that devices can reach private memory");
    else
        demanded(&v->finding[CVM_CHECK_DMA], p && p->require_dma_protection, "platform.no-dma-protection",
                 "%s", "no VT-d: a device that the host commands can read and write private memory");
}

static int judge(const struct cvm_appraisal *a, struct cvm_evidence *ev, struct cvm_verdict *v) {
    const uint8_t *point = NULL;
    int r;

    if (!check_evidence(a, ev, v))
        goto out;
    r = check_key(a, ev, &point, v);
    if (r < 0)
        return r;
    if (!point)
        goto out;
    r = check_signature(point, ev, v);
    if (r < 0)
        return r;
    if (v->finding[CVM_CHECK_SIGNATURE].state != CVM_OK)
        goto out;
    /* From here on the report says what the holder of the key meant to say. */
    check_key_accepted(a->policy, v);
    r = cvm_appraise_platform(a, ev->platform, v);
    if (r < 0)
        return r;
    check_nonce(a, v);
    check_request(a->policy, v);
    r = check_kex(v);
    if (r < 0)
        return r;
    check_image(&rootvisor_check, a->policy, a->reference ? a->reference->rootvisor : NULL,
                a->reference ? a->reference->nr_rootvisor : 0, v->report.rootvisor_digest,
                v->report.rootvisor_svn, v);
    check_image(&guardian_check, a->policy, a->reference ? a->reference->guardian : NULL,
                a->reference ? a->reference->nr_guardian : 0, v->report.guardian_digest,
                v->report.guardian_svn, v);
    check_dma(a->policy, v);
    r = cvm_appraise_launch(a->reference, v);
    if (r < 0)
        return r;
    check_registers(a, v);
out:
    cvm_verdict_conclude(v, point && (a->pinned_key || (a->policy && a->policy->nr_key_id)),
                         v->finding[CVM_CHECK_ANCHOR].state == CVM_OK);
    return 0;
}

int cvm_appraise(const struct cvm_appraisal *a, struct cvm_verdict *v) {
    struct cvm_evidence ev = {0};
    int r;

    memset(v, 0, sizeof(*v));
    check_policy(a, v);
    r = judge(a, &ev, v);
    cvm_evidence_done(&ev);
    return r;
}
