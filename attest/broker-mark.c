/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generations of a resource's disk, one for each start that got its key: resources/REPO/TYPE/TAG.mark. */
#include "broker-store.h"

#include <endian.h>
#include <errno.h>
#include <linux/limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "cvm/disk-mark.h"
#include "json.h"

#define MARK_FILE_MAX 4096u
#define INSTANCE_SIZE 32u

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

struct last {
    uint8_t series[sizeof(((struct cvm_disk_mark *)0)->series)];
    uint64_t generation; /* 0: none yet */
    uint8_t instance[INSTANCE_SIZE];
    uint64_t start; /* which it was among those that got the resource */
};

static int load(const char *path, struct last *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    _cleanup_cvm_free_ void *buf = NULL;
    size_t size = 0;
    int r = cvm_read_file(path, MARK_FILE_MAX, &buf, &size, e);

    *ret = (struct last){.generation = 0};
    if (r == -ENOENT)
        return RAND_bytes(ret->series, sizeof(ret->series)) == 1 ? 0 : -EIO;
    if (r == 0)
        r = cvm_json_parse(buf, size, &o, e);
    if (r == 0)
        r = cvm_json_hex(o, "series", ret->series, sizeof(ret->series), e);
    if (r == 0)
        r = cvm_json_hex(o, "instance", ret->instance, sizeof(ret->instance), e);
    if (r == 0)
        r = cvm_json_uint(o, "generation", UINT32_MAX, &ret->generation, e);
    if (r == 0)
        r = cvm_json_uint(o, "start", UINT32_MAX, &ret->start, e);
    if (r == 0 && !ret->generation)
        r = cvm_error_set(e, -EINVAL, "there is no generation 0");
    return r;
}

/* On the disk, name and all, when it returns: a generation that was given and forgotten would be given again. */
static int store(const char *path, const struct last *last, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    _cleanup_cvm_free_ char *text = NULL;

    if (!o || cvm_json_add_hex(o, "series", last->series, sizeof(last->series)) < 0 ||
        cvm_json_add_hex(o, "instance", last->instance, sizeof(last->instance)) < 0 ||
        json_object_object_add(o, "generation", json_object_new_uint64(last->generation)) < 0 ||
        json_object_object_add(o, "start", json_object_new_uint64(last->start)) < 0 || cvm_json_text(o, &text) < 0)
        return -ENOMEM;
    return cvm_write_secret_file(path, text, strlen(text), e);
}

/* The same for a start that asks again, the next one for a later one. 1: a later one has been here, since it was asked whether it is the newest. */
static int next(const char *path, const uint8_t *instance, uint64_t start, struct last *last, struct cvm_error *e) {
    int r = load(path, last, e);

    if (r < 0 || (last->generation && memcmp(last->instance, instance, INSTANCE_SIZE) == 0))
        return r;
    if (start <= last->start)
        return 1;
    if (last->generation == UINT32_MAX)
        return cvm_error_set(e, -EOVERFLOW, "'%s': no more generations", path);
    last->generation++;
    memcpy(last->instance, instance, INSTANCE_SIZE);
    last->start = start;
    return store(path, last, e);
}

int cvm_broker_mark(struct cvm_broker_store *s, const char *name, const struct cvm_report *report, uint64_t start, enum cvm_broker_mark rule,
                    uint8_t *key, size_t *size, uint64_t *generation, struct cvm_error *e) {
    struct cvm_disk_mark mark = {.flags = htole32(rule == CVM_BROKER_MARK_ALLOW ? CVM_DISK_MARK_ALLOW : 0)};
    uint8_t instance[INSTANCE_SIZE];
    char path[PATH_MAX];
    struct last last;
    int r;

    if (*size > CVM_DISK_MARK_KEY_MAX)
        return cvm_error_set(e, -EMSGSIZE, "a key with a disk mark has at most %u bytes, not %zu", CVM_DISK_MARK_KEY_MAX, *size);
    if (EVP_Digest(report->kex_public, sizeof(report->kex_public), instance, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    if (snprintf(path, sizeof(path), "%s/resources/%s.mark", s->directory, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    pthread_mutex_lock(&s->files_lock); /* one at a time */
    r = cvm_broker_lost(s, next(path, instance, start, &last, e));
    pthread_mutex_unlock(&s->files_lock);
    if (r != 0)
        return r;
    memcpy(mark.magic, CVM_DISK_MARK_MAGIC, sizeof(mark.magic));
    memcpy(mark.series, last.series, sizeof(mark.series));
    mark.generation = htole64(last.generation);
    memcpy(key + *size, &mark, sizeof(mark));
    *size += sizeof(mark);
    *generation = last.generation;
    return 0;
}

static const char *const rules[] = {
    [CVM_BROKER_MARK_NONE] = "none",
    [CVM_BROKER_MARK_REFUSE] = "refuse",
    [CVM_BROKER_MARK_ALLOW] = "allow",
};

const char *cvm_broker_mark_to_string(enum cvm_broker_mark rule) {
    return rules[rule];
}

int cvm_broker_mark_from_string(const char *name, enum cvm_broker_mark *ret) {
    int i = cvm_name_index(rules, ELEMENTSOF(rules), name);

    if (i >= 0)
        *ret = (enum cvm_broker_mark)i;
    return i < 0 ? i : 0;
}
