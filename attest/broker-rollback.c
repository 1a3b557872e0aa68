/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The highest rollback counter that got a resource: resources/REPO/TYPE/TAG.rollback. */
#include "broker-store.h"

#include <errno.h>
#include <linux/limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define COUNTS_MAX (1u << 20) /* bytes of the file */
#define HEX(n) (2 * (n) + 1)

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

/* What the file says of one launch measurement. */
struct highest {
    uint64_t epoch; /* 0: of none yet */
    uint64_t count; /* 0: of this measurement none */
    const char *instance;
};

static int load(const char *path, json_object **ret, struct cvm_error *e) {
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size = 0;
    int r = cvm_read_file(path, COUNTS_MAX, &buf, &size, e);

    *ret = NULL;
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : cvm_json_parse(buf, size, ret, e);
}

static int look_up(json_object *o, const char *digest, struct highest *ret, struct cvm_error *e) {
    json_object *counts = NULL, *one = NULL;
    int r = 0;

    *ret = (struct highest){.epoch = 0};
    if (!o)
        return 0;
    r = cvm_json_uint(o, "epoch", UINT32_MAX, &ret->epoch, e);
    if (r == 0 && (!ret->epoch || !json_object_object_get_ex(o, "counts", &counts) || !json_object_is_type(counts, json_type_object)))
        r = cvm_error_set(e, -EINVAL, "no counters");
    if (r < 0 || !json_object_object_get_ex(counts, digest, &one))
        return r;
    r = cvm_json_uint(one, "count", UINT32_MAX, &ret->count, e);
    return r < 0 ? r : cvm_json_string(one, "instance", &ret->instance, e);
}

static int refuse(const char **code, const char *which, struct cvm_error *e, const char *text) {
    *code = which;
    cvm_error_set(e, 0, "%s", text);
    return 1;
}

/* 0: it may have the key. 1: not, and why. */
static int judge(const struct highest *h, const struct cvm_report *report, const char *instance, enum cvm_broker_rollback rule,
                 const char **code, struct cvm_error *e) {
    if (rule == CVM_BROKER_ROLLBACK_ALLOW)
        return 0;
    if (!report->rollback)
        return h->epoch || rule == CVM_BROKER_ROLLBACK_REQUIRE
                   ? refuse(code, "rollback.missing", e, "the report has no rollback counter")
                   : 0;
    if (h->epoch && report->rollback_epoch != h->epoch)
        return refuse(code, "rollback.epoch", e, "the rollback counters are of another TPM, or began anew");
    if (report->rollback < h->count || (report->rollback == h->count && h->count && strcmp(h->instance, instance)))
        return refuse(code, "rollback.old", e, "a machine that was counted later has the key");
    return 0;
}

/* Of another epoch nothing counts any more. Takes @old. */
static int store(const char *path, json_object *old, const char *digest, const struct cvm_report *report, const char *instance,
                 struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    json_object *counts = NULL, *one = json_object_new_object();
    uint64_t epoch = 0;
    const char *text;

    if (old && cvm_json_uint(old, "epoch", UINT32_MAX, &epoch, NULL) == 0 && epoch == report->rollback_epoch)
        o = json_object_get(old);
    else
        o = json_object_new_object();
    if (o && !json_object_object_get_ex(o, "counts", &counts)) {
        json_object_object_add(o, "epoch", json_object_new_uint64(report->rollback_epoch));
        json_object_object_add(o, "counts", counts = json_object_new_object());
    }
    if (!o || !counts || !one) {
        json_object_put(one);
        return -ENOMEM;
    }
    json_object_object_add(one, "count", json_object_new_uint64(report->rollback));
    json_object_object_add(one, "instance", json_object_new_string(instance));
    json_object_object_add(counts, digest, one);
    text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
    return text ? cvm_write_secret_file(path, text, strlen(text), e) : -ENOMEM;
}

static const char *const rules[] = {
    [CVM_BROKER_ROLLBACK_REFUSE] = "refuse",
    [CVM_BROKER_ROLLBACK_REQUIRE] = "require",
    [CVM_BROKER_ROLLBACK_ALLOW] = "allow",
};

const char *cvm_broker_rollback_to_string(enum cvm_broker_rollback rule) {
    return rules[rule];
}

int cvm_broker_rollback_from_string(const char *name, enum cvm_broker_rollback *ret) {
    int i = cvm_name_index(rules, ELEMENTSOF(rules), name);

    if (i >= 0)
        *ret = (enum cvm_broker_rollback)i;
    return i < 0 ? i : 0;
}

int cvm_broker_rollback(struct cvm_broker_store *s, const char *name, const struct cvm_report *report, enum cvm_broker_rollback rule,
                        const char **code, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    char path[PATH_MAX], digest[HEX(CVM_DIGEST_SIZE)], instance[HEX(32)];
    struct highest h;
    uint8_t id[32];
    int r;

    if (EVP_Digest(report->kex_public, sizeof(report->kex_public), id, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    cvm_hex_encode(id, sizeof(id), instance);
    cvm_hex_encode(report->launch_digest, CVM_DIGEST_SIZE, digest);
    if (snprintf(path, sizeof(path), "%s/resources/%s.rollback", s->directory, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    pthread_mutex_lock(&s->files_lock); /* one at a time */
    r = load(path, &o, e);
    if (r == 0)
        r = look_up(o, digest, &h, e);
    if (r == 0)
        r = judge(&h, report, instance, rule, code, e);
    if (r == 0 && report->rollback && (report->rollback_epoch != h.epoch || report->rollback != h.count || strcmp(h.instance, instance)))
        r = cvm_broker_lost(s, store(path, o, digest, report, instance, e));
    pthread_mutex_unlock(&s->files_lock);
    return r;
}
