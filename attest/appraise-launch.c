/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "appraise-launch.h"

#include <stdio.h>
#include <string.h>

#include "digest.h"

static const struct {
    enum cvm_check check;
    uint32_t kind;
    const char *code, *what;
} components[] = {
    {CVM_CHECK_FIRMWARE, CVM_COMP_FIRMWARE, "launch.firmware", "firmware"},
    {CVM_CHECK_KERNEL, CVM_COMP_KERNEL, "launch.kernel", "kernel"},
    {CVM_CHECK_INITRD, CVM_COMP_INITRD, "launch.initrd", "initrd"},
    {CVM_CHECK_CMDLINE, CVM_COMP_CMDLINE, "launch.cmdline", "command line"},
    {CVM_CHECK_VCPUS, CVM_COMP_VCPUS, "launch.vcpus", "number of vCPUs"},
};

static const struct cvm_measured *find(const struct cvm_measured *m, unsigned nr, uint32_t kind) {
    for (unsigned i = 0; i < nr; i++)
        if (m[i].kind == kind)
            return &m[i];
    return NULL;
}

static bool equal(const struct cvm_measured *a, const struct cvm_measured *b) {
    if (!a || !b)
        return !a && !b;
    return a->size == b->size && memcmp(a->digest, b->digest, CVM_DIGEST_SIZE) == 0;
}

static void tell(const struct cvm_measured *m, char *buf, size_t size) {
    char hex[2 * CVM_DIGEST_SIZE + 1];

    if (m && m->kind == CVM_COMP_VCPUS)
        snprintf(buf, size, "%llu vCPUs", (unsigned long long)m->size);
    else if (m)
        snprintf(buf, size, "%s (%llu bytes)", cvm_hex_encode(m->digest, CVM_DIGEST_SIZE, hex),
                 (unsigned long long)m->size);
    else
        snprintf(buf, size, "none");
}

/* The alternative that has most components in common with the report, so that the text names
 * what was changed and not what was updated. */
static const struct cvm_ref_launch *closest(const struct cvm_reference *ref, const struct cvm_report *rep) {
    const struct cvm_ref_launch *best = NULL;
    unsigned best_score = 0;

    for (unsigned i = 0; i < ref->nr_launch; i++) {
        const struct cvm_ref_launch *l = &ref->launch[i];
        unsigned score = 1;

        for (size_t k = 0; k < ELEMENTSOF(components); k++)
            score += equal(find(l->component, l->nr, components[k].kind),
                           find(rep->measured, rep->nr_measured, components[k].kind));
        if (score > best_score) {
            best = l;
            best_score = score;
        }
    }
    return best;
}

static void check_component(size_t k, const struct cvm_ref_launch *ref, struct cvm_verdict *v) {
    const struct cvm_measured *want = find(ref->component, ref->nr, components[k].kind);
    const struct cvm_measured *have = find(v->report.measured, v->report.nr_measured, components[k].kind);
    struct cvm_finding *f = &v->finding[components[k].check];
    const char *what = components[k].what;

    tell(want, f->expected, sizeof(f->expected));
    tell(have, f->seen, sizeof(f->seen));
    if (equal(want, have))
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "%s",
                        want                                     ? "as expected"
                        : components[k].kind == CVM_COMP_VCPUS ? "one, as expected"
                                                                 : "none, as expected");
    else if (!have && components[k].kind != CVM_COMP_VCPUS)
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, components[k].code,
                        "the VM was started without the %s", what);
    else if (!want && components[k].kind != CVM_COMP_VCPUS)
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, components[k].code,
                        "the VM was started with a %s, none was expected", what);
    else
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, components[k].code,
                        "the VM was started with another %s", what);
}

int cvm_appraise_launch(const struct cvm_reference *ref, struct cvm_verdict *v) {
    struct cvm_finding *f = &v->finding[CVM_CHECK_LAUNCH], *list = &v->finding[CVM_CHECK_COMPONENTS];
    const struct cvm_report *rep = &v->report;
    const struct cvm_ref_launch *l = NULL;
    uint8_t digest[CVM_DIGEST_SIZE];
    int r;

    cvm_hex_encode(rep->launch_digest, CVM_DIGEST_SIZE, f->seen);
    r = cvm_launch_digest(rep->measured, rep->nr_measured, digest);
    if (r < 0)
        return r;
    if (memcmp(digest, rep->launch_digest, sizeof(digest)) == 0)
        cvm_finding_set(list, CVM_OK, CVM_FAILURE_NONE, NULL, "%u components give the measurement",
                        rep->nr_measured);
    else {
        cvm_hex_encode(digest, sizeof(digest), list->expected);
        cvm_hex_encode(rep->launch_digest, CVM_DIGEST_SIZE, list->seen);
        cvm_finding_set(list, CVM_FAIL, CVM_BROKEN_EVIDENCE, "launch.inconsistent",
                        "the launch measurement is not that of the components listed");
    }
    if (ref)
        l = closest(ref, rep);
    if (!l) {
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_MISSING, "launch.no-reference",
                        "no reference value for the launch measurement");
        for (size_t k = 0; k < ELEMENTSOF(components); k++) {
            struct cvm_finding *c = &v->finding[components[k].check];

            tell(find(rep->measured, rep->nr_measured, components[k].kind), c->seen, sizeof(c->seen));
        }
        return 0;
    }
    for (size_t k = 0; k < ELEMENTSOF(components); k++)
        check_component(k, l, v);
    cvm_hex_encode(l->digest, CVM_DIGEST_SIZE, f->expected);
    if (memcmp(l->digest, rep->launch_digest, CVM_DIGEST_SIZE) == 0)
        cvm_finding_set(f, CVM_OK, CVM_FAILURE_NONE, NULL, "as expected");
    else
        cvm_finding_set(f, CVM_FAIL, CVM_POLICY_VIOLATION, "launch.digest",
                        "the VM was not started from what was expected");
    return 0;
}
