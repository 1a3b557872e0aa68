/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "appraise-platform.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"

/* What is known while the parts are judged, one after the other. */
struct platform {
    const struct cvm_appraisal *a;
    const struct cvm_platform *p;
    struct cvm_verdict *v;
    struct cvm_tpm_public ak;
    struct cvm_quote quote;
    struct cvm_pcrs pcrs; /* as quoted */
    struct cvm_log log;
    struct cvm_identity identity;
};

/* Both say that a part failed; the caller goes on with the next part or not. */
static bool broken(struct platform *pl, enum cvm_check c, const char *code, const char *text) {
    cvm_finding_set(&pl->v->finding[c], CVM_FAIL, CVM_BROKEN_EVIDENCE, code, "%s", text);
    return false;
}

static bool refused(struct platform *pl, enum cvm_check c, enum cvm_failure failure, const char *code,
                    const char *text) {
    cvm_finding_set(&pl->v->finding[c], CVM_FAIL, failure, code, "%s", text);
    return false;
}

static bool good(struct platform *pl, enum cvm_check c, const char *text) {
    cvm_finding_set(&pl->v->finding[c], CVM_OK, CVM_FAILURE_NONE, NULL, "%s", text);
    return true;
}

static bool demanded(const struct platform *pl) {
    return pl->a->policy && pl->a->policy->require_anchor;
}

/* A warning, or a failure if the policy demands an anchor. */
static bool lacking(struct platform *pl, enum cvm_check c, enum cvm_failure failure, const char *code,
                    const char *text) {
    cvm_finding_set(&pl->v->finding[c], demanded(pl) ? CVM_FAIL : CVM_WARN,
                    demanded(pl) ? failure : CVM_FAILURE_NONE, code, "%s", text);
    return true;
}

static bool check_ak(struct platform *pl) {
    const struct cvm_appraisal *a = pl->a;
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_AK];
    struct cvm_error e = {""};

    if (cvm_tpm_public_parse(pl->p->ak, pl->p->ak_size, &pl->ak, &e) < 0 ||
        cvm_tpm_public_is_ak(&pl->ak, &e) < 0)
        return broken(pl, CVM_CHECK_AK, "ak.malformed", e.text);
    cvm_hex_encode(pl->ak.name, pl->ak.name_size, f->seen);
    if (!a->nr_enrolment)
        return lacking(pl, CVM_CHECK_AK, CVM_POLICY_MISSING, "ak.no-enrolment",
                       "no enrolment given: nothing says whose TPM signed the quote");
    for (unsigned i = 0; i < a->nr_enrolment; i++) {
        const struct cvm_enrolment *en = &a->enrolment[i];

        if (en->name_size != pl->ak.name_size || memcmp(en->name, pl->ak.name, en->name_size) != 0)
            continue;
        if (a->now < en->issued)
            return refused(pl, CVM_CHECK_AK, CVM_POLICY_MISSING, "ak.not-yet-valid",
                           "the enrolment of this host has not begun");
        if (en->expires && a->now > en->expires)
            return refused(pl, CVM_CHECK_AK, CVM_POLICY_MISSING, "ak.expired",
                           "the enrolment of this host is over");
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "enrolled as '%s'; TPM %s %s%s", en->host,
                        en->ek.manufacturer, en->ek.model, en->ek.emulated ? ", EMULATED" : "");
        return true;
    }
    cvm_hex_encode(a->enrolment[0].name, a->enrolment[0].name_size, f->expected);
    return refused(pl, CVM_CHECK_AK, CVM_POLICY_VIOLATION, "ak.not-enrolled",
                   "the quote is signed by the TPM of a host that was not enrolled");
}

static bool check_quote(struct platform *pl, int *ret) {
    static const uint32_t wanted = 1u << CVM_PCR_IDENTITY | 1u << CVM_PCR_KEY;
    const struct cvm_platform *p = pl->p;
    struct cvm_quote *q = &pl->quote;
    struct cvm_error e = {""};
    int r;

    if (cvm_quote_parse(p->quote, p->quote_size, q, &e) < 0)
        return broken(pl, CVM_CHECK_QUOTE, "quote.malformed", e.text);
    r = cvm_quote_verify(&pl->ak, p->quote, p->quote_size, p->signature, p->signature_size, &e);
    if (r == -ENOMEM || r == -EIO) {
        *ret = r;
        return false;
    }
    if (r < 0)
        return broken(pl, CVM_CHECK_QUOTE, r == -EBADMSG ? "quote.signature" : "quote.algorithm", e.text);
    if (q->nr_banks != 1 || !cvm_tpm_hash_size(q->bank[0].hash) || (q->bank[0].pcrs & wanted) != wanted)
        return broken(pl, CVM_CHECK_QUOTE, "quote.selection",
                      "the quote is not over PCRs of one bank, sha256 or sha384, with 12 and 13 among them");
    cvm_finding_set(&pl->v->finding[CVM_CHECK_QUOTE], CVM_OK, CVM_FAILURE_NONE, NULL,
                    "%s PCRs 0x%x, signed with %s; reset %u of this TPM", cvm_tpm_hash_name(q->bank[0].hash),
                    q->bank[0].pcrs,
                    pl->ak.scheme == CVM_TPM_ALG_ECDSA    ? "ECDSA"
                    : pl->ak.scheme == CVM_TPM_ALG_RSAPSS ? "RSA-PSS"
                                                          : "RSASSA",
                    q->reset_count);
    return true;
}

static bool check_nonce(struct platform *pl, int *ret) {
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_QUOTED];
    uint8_t want[32];

    *ret = cvm_quote_qualify(pl->a->nonce, want);
    if (*ret < 0)
        return false;
    if (pl->quote.extra_size == sizeof(want) && CRYPTO_memcmp(pl->quote.extra, want, sizeof(want)) == 0)
        return good(pl, CVM_CHECK_QUOTED, "the quote answers this nonce");
    cvm_hex_encode(want, sizeof(want), f->expected);
    cvm_hex_encode(pl->quote.extra, pl->quote.extra_size, f->seen);
    return broken(pl, CVM_CHECK_QUOTED, "quote.nonce",
                  "the quote answers another nonce: it is stale, or of another session");
}

/* Values that give the quoted digest: those that the host lists, or those of the log. */
static bool find_pcrs(struct platform *pl, const struct cvm_pcrs *replayed, int *ret) {
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_LOG];
    uint8_t digest[CVM_TPM_HASH_MAX];
    uint32_t select = pl->quote.bank[0].pcrs;
    bool listed = pl->p->pcrs.mask;
    int r;

    if (listed && (pl->p->pcrs.hash != pl->quote.bank[0].hash || pl->p->pcrs.mask != select))
        return broken(pl, CVM_CHECK_LOG, "quote.pcrs",
                      "the PCR values listed are not those of the quote's selection");
    pl->pcrs = listed ? pl->p->pcrs : *replayed;
    r = cvm_pcrs_digest(&pl->pcrs, select, pl->ak.scheme_hash, digest);
    if (r < 0) {
        *ret = r;
        return false;
    }
    if (pl->quote.digest_size == (size_t)r && memcmp(digest, pl->quote.digest, (size_t)r) == 0)
        return true;
    cvm_hex_encode(pl->quote.digest, pl->quote.digest_size, f->expected);
    cvm_hex_encode(digest, (size_t)r, f->seen);
    return broken(
        pl, CVM_CHECK_LOG, listed ? "quote.pcrs" : "log.mismatch",
        listed ? "the PCR values listed are not the quoted ones"
               : "the event log does not give the quoted PCRs: it was changed, cut, or is of another boot");
}

/*
 * Every PCR must come out as quoted. But a firmware whose log was not found by RootVisor leaves values
 * without events: a log that tells nothing of firmware and loader at all is taken, their values then decide
 * alone.
 */
static bool compare_pcrs(struct platform *pl, const struct cvm_pcrs *replayed) {
    static const uint32_t own = 1u << CVM_PCR_IDENTITY | 1u << CVM_PCR_KEY;
    uint32_t select = pl->quote.bank[0].pcrs & (replayed->mask & ~own ? UINT32_MAX : own);
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_LOG];

    for (unsigned i = 0; i < CVM_PCRS; i++) {
        char hex[2 * CVM_TPM_HASH_MAX + 1];

        if (!(select >> i & 1) || memcmp(replayed->value[i], pl->pcrs.value[i], replayed->size) == 0)
            continue;
        snprintf(f->expected, sizeof(f->expected), "PCR %u = %s", i,
                 cvm_hex_encode(pl->pcrs.value[i], replayed->size, hex));
        snprintf(f->seen, sizeof(f->seen), "PCR %u = %s", i,
                 cvm_hex_encode(replayed->value[i], replayed->size, hex));
        return broken(
            pl, CVM_CHECK_LOG, "log.mismatch",
            "the event log does not give the quoted PCRs: it was changed, cut, or is of another boot");
    }
    return true;
}

static bool check_log(struct platform *pl, int *ret) {
    struct cvm_pcrs replayed;
    struct cvm_error e = {""};
    int r;

    r = cvm_log_open(pl->p->log, pl->p->log_size, &pl->log, &e);
    if (r == 0)
        r = cvm_log_replay(&pl->log, pl->quote.bank[0].hash, &replayed, &e);
    if (r == -ENOMEM || r == -EIO) {
        *ret = r;
        return false;
    }
    if (r < 0)
        return broken(pl, CVM_CHECK_LOG, "log.malformed", e.text);
    if (!find_pcrs(pl, &replayed, ret) || !compare_pcrs(pl, &replayed))
        return false;
    if (cvm_identity_read(&pl->log, pl->quote.bank[0].hash, &pl->identity, &e) < 0)
        return broken(pl, CVM_CHECK_LOG, "log.identity", e.text);
    return good(pl, CVM_CHECK_LOG, "replays to the quoted PCRs");
}

/* How many of an alternative's PCRs are as quoted; -1 if it cannot be compared. */
static int boot_score(const struct platform *pl, const struct cvm_pcrs *ref, unsigned *differs) {
    int score = 0;

    *differs = CVM_PCRS;
    if (ref->hash != pl->pcrs.hash || ref->mask & ~pl->quote.bank[0].pcrs)
        return -1;
    for (unsigned i = 0; i < CVM_PCRS; i++) {
        if (!(ref->mask >> i & 1))
            continue;
        if (memcmp(ref->value[i], pl->pcrs.value[i], ref->size) == 0)
            score++;
        else if (*differs == CVM_PCRS)
            *differs = i;
    }
    return score;
}

static void check_boot(struct platform *pl) {
    const struct cvm_reference *ref = pl->a->reference;
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_BOOT];
    unsigned nr = ref ? ref->nr_boot : 0, pcr = CVM_PCRS, differs;
    const struct cvm_pcrs *best = NULL;
    char hex[2 * CVM_TPM_HASH_MAX + 1];
    int score = -1;

    for (unsigned i = 0; i < nr; i++) {
        int s = boot_score(pl, &ref->boot[i], &differs);

        if (s >= 0 && differs == CVM_PCRS) {
            good(pl, CVM_CHECK_BOOT, "as expected");
            return;
        }
        if (s > score) {
            best = &ref->boot[i];
            score = s;
            pcr = differs;
        }
    }
    if (!best) {
        lacking(pl, CVM_CHECK_BOOT, CVM_POLICY_MISSING, "boot.no-reference",
                nr ? "no reference value for PCRs of this bank and selection"
                   : "no reference value: another program could have started first and played RootVisor");
        return;
    }
    snprintf(f->expected, sizeof(f->expected), "PCR %u = %s", pcr,
             cvm_hex_encode(best->value[pcr], best->size, hex));
    snprintf(f->seen, sizeof(f->seen), "PCR %u = %s", pcr,
             cvm_hex_encode(pl->pcrs.value[pcr], best->size, hex));
    refused(pl, CVM_CHECK_BOOT, CVM_POLICY_VIOLATION, "boot.pcrs",
            "the host was started with another firmware, loader or loader configuration");
}

static void check_measured(struct platform *pl) {
    const struct cvm_report *rep = &pl->v->report;
    const struct cvm_identity *id = &pl->identity;
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_MEASURED];

    if (!(rep->platform & CVM_F_TPM))
        broken(pl, CVM_CHECK_MEASURED, "measured.denied", "RootVisor says that it extended no TPM");
    else if (memcmp(id->rootvisor_digest, rep->rootvisor_digest, CVM_DIGEST_SIZE) != 0) {
        cvm_hex_encode(id->rootvisor_digest, CVM_DIGEST_SIZE, f->expected);
        cvm_hex_encode(rep->rootvisor_digest, CVM_DIGEST_SIZE, f->seen);
        broken(pl, CVM_CHECK_MEASURED, "measured.rootvisor",
               "the report names another RootVisor than was measured");
    } else if (id->rootvisor_version != rep->rootvisor_version || id->rootvisor_svn != rep->rootvisor_svn) {
        snprintf(f->expected, sizeof(f->expected), "version 0x%x, security version %u", id->rootvisor_version,
                 id->rootvisor_svn);
        snprintf(f->seen, sizeof(f->seen), "version 0x%x, security version %u", rep->rootvisor_version,
                 rep->rootvisor_svn);
        broken(pl, CVM_CHECK_MEASURED, "measured.version",
               "the report names another version of RootVisor than was "
               "measured");
    } else if (memcmp(id->guardian_digest, rep->guardian_digest, CVM_DIGEST_SIZE) != 0 ||
               id->guardian_svn != rep->guardian_svn) {
        cvm_hex_encode(id->guardian_digest, CVM_DIGEST_SIZE, f->expected);
        cvm_hex_encode(rep->guardian_digest, CVM_DIGEST_SIZE, f->seen);
        broken(pl, CVM_CHECK_MEASURED, "measured.guardian",
               "the report names another Guardian than was measured");
    } else
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL,
                        "RootVisor and Guardian of the report, command line '%.200s'", id->config);
}

static void check_key(struct platform *pl) {
    struct cvm_finding *f = &pl->v->finding[CVM_CHECK_KEY_PCR];

    cvm_hex_encode(pl->identity.key_id, sizeof(pl->identity.key_id), f->expected);
    cvm_hex_encode(pl->v->report.report_key_id, sizeof(pl->v->report.report_key_id), f->seen);
    if (memcmp(pl->identity.key_id, pl->v->report.report_key_id, sizeof(pl->identity.key_id)) == 0)
        good(pl, CVM_CHECK_KEY_PCR, "the key that signed the report");
    else
        broken(
            pl, CVM_CHECK_KEY_PCR, "measured.key",
            "the report is signed with another key than was measured: of another boot, or of no RootVisor");
}

/* The anchor holds if its parts do; else it has the state of the worst. */
static void conclude(struct cvm_verdict *v) {
    const struct cvm_finding *worst = NULL;
    struct cvm_finding *f = &v->finding[CVM_CHECK_ANCHOR];

    for (int c = CVM_CHECK_AK; c <= CVM_CHECK_KEY_PCR; c++) {
        const struct cvm_finding *x = &v->finding[c];

        if (x->state == CVM_FAIL ? !worst || worst->state != CVM_FAIL || x->failure < worst->failure
                                 : x->state == CVM_WARN && !worst)
            worst = x;
    }
    if (!worst)
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "a TPM vouches for RootVisor and its report key");
    else
        cvm_finding_set(f, worst->state, worst->failure, worst->code,
                        worst->state == CVM_FAIL ? "the TPM's evidence does not hold"
                                                 : "the TPM's evidence is not complete");
}

int cvm_appraise_platform(const struct cvm_appraisal *a, const struct cvm_platform *p,
                          struct cvm_verdict *v) {
    _cleanup_cvm_free_ struct platform *pl = NULL;
    int r = 0;

    if (!p) {
        bool want = a->policy && a->policy->require_anchor;

        cvm_finding_set(
            &v->finding[CVM_CHECK_ANCHOR], want ? CVM_FAIL : CVM_WARN,
            want ? CVM_POLICY_VIOLATION : CVM_FAILURE_NONE, "platform.no-anchor",
            "platform anchor missing: nothing proves that the report key belongs to a genuine RootVisor%s",
            v->report.platform & CVM_F_TPM ? " (the host has a TPM, but the evidence no quote)"
                                           : " (the host has no TPM)");
        return 0;
    }
    pl = calloc(1, sizeof(*pl));
    if (!pl)
        return -ENOMEM;
    pl->a = a;
    pl->p = p;
    pl->v = v;
    if (check_ak(pl) && check_quote(pl, &r) && check_nonce(pl, &r) && check_log(pl, &r)) {
        check_boot(pl);
        check_measured(pl);
        check_key(pl);
    }
    if (r < 0)
        return r;
    conclude(v);
    return 0;
}
