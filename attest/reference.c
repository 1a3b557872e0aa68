/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reference.h"

#include <errno.h>
#include <string.h>

#include "cvm/tpm.h"
#include "digest.h"
#include "eventlog.h"
#include "json.h"
#include "report.h"

CVM_DEFINE_CLEANUP(json_object *, json_object_put)

static int parse_image(json_object *o, struct cvm_ref_image *ret, struct cvm_error *e) {
    uint64_t svn = 0;
    int r;

    r = cvm_json_hex(o, "digest", ret->digest, CVM_DIGEST_SIZE, e);
    if (r < 0)
        return r;
    r = cvm_json_uint(o, "min_svn", UINT32_MAX, &svn, e);
    if (r < 0 && r != -ENOENT)
        return r;
    ret->min_svn = (uint32_t)svn;
    return 0;
}

/* "size" and "digest" of a component whose kind is known. */
static int parse_measured(json_object *o, uint32_t kind, struct cvm_measured *ret, struct cvm_error *e) {
    int r;

    memset(ret, 0, sizeof(*ret));
    ret->kind = kind;
    r = cvm_json_uint(o, "size", INT64_MAX, &ret->size, e);
    if (r < 0)
        return r;
    if (!ret->size)
        return cvm_error_set(e, -EINVAL, "component '%s' has size 0: leave it out", cvm_component_name(kind));
    return cvm_json_hex(o, "digest", ret->digest, CVM_DIGEST_SIZE, e);
}

static int parse_component(json_object *o, uint32_t last, struct cvm_measured *ret, struct cvm_error *e) {
    const char *name = NULL;
    uint32_t kind = 0;
    int r;

    if (!json_object_is_type(o, json_type_object))
        return cvm_error_set(e, -EINVAL, "a component is no object");
    r = cvm_json_string(o, "kind", &name, e);
    if (r < 0)
        return r;
    for (uint32_t k = CVM_COMP_FIRMWARE; k <= CVM_COMP_VCPUS; k++)
        if (strcmp(name, cvm_component_name(k)) == 0)
            kind = k;
    if (!kind)
        return cvm_error_set(e, -EINVAL, "component kind '%.32s' is not known", name);
    if (kind <= last)
        return cvm_error_set(e, -EINVAL, "component '%s' is out of order", name);
    return parse_measured(o, kind, ret, e);
}

static int parse_launch(json_object *o, struct cvm_ref_launch *ret, struct cvm_error *e) {
    uint8_t digest[CVM_DIGEST_SIZE];
    json_object *list = NULL;
    int r;

    r = cvm_json_hex(o, "digest", ret->digest, CVM_DIGEST_SIZE, e);
    if (r < 0)
        return r;
    r = cvm_json_get(o, "components", json_type_array, &list, e);
    if (r < 0)
        return r;
    if (json_object_array_length(list) > CVM_MAX_COMPONENTS)
        return cvm_error_set(e, -E2BIG, "more than %u components", CVM_MAX_COMPONENTS);
    ret->nr = 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        r = parse_component(json_object_array_get_idx(list, i),
                            ret->nr ? ret->component[ret->nr - 1].kind : 0, &ret->component[ret->nr], e);
        if (r < 0)
            return r;
        ret->nr++;
    }
    if (!ret->nr || ret->component[0].kind != CVM_COMP_FIRMWARE)
        return cvm_error_set(e, -EINVAL, "the component list does not start with the firmware");
    r = cvm_launch_digest(ret->component, ret->nr, digest);
    if (r < 0)
        return r;
    if (memcmp(digest, ret->digest, sizeof(digest)) != 0)
        return cvm_error_set(e, -EINVAL, "the launch digest is not the digest of its components");
    return 0;
}

/* Elements of list @name, which may be absent; @parse gets each with its index. */
static int parse_list(json_object *o, const char *name, struct cvm_reference *ret,
                      int (*parse)(json_object *o, unsigned i, struct cvm_reference *ret,
                                   struct cvm_error *e),
                      unsigned *nr, struct cvm_error *e) {
    struct cvm_error why = {""};
    json_object *list = NULL;
    int r;

    r = cvm_json_get(o, name, json_type_array, &list, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (json_object_array_length(list) > CVM_REFERENCE_MAX)
        return cvm_error_set(e, -E2BIG, "member '%s' has more than %u alternatives", name, CVM_REFERENCE_MAX);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);

        if (!json_object_is_type(item, json_type_object))
            return cvm_error_set(e, -EINVAL, "%s[%zu] is no object", name, i);
        r = parse(item, (unsigned)i, ret, &why);
        if (r < 0)
            return cvm_error_set(e, r == -ENOENT ? -EINVAL : r, "%s[%zu]: %.300s", name, i, why.text);
        *nr = (unsigned)i + 1;
    }
    return 0;
}

static int parse_rootvisor_item(json_object *o, unsigned i, struct cvm_reference *ret, struct cvm_error *e) {
    return parse_image(o, &ret->rootvisor[i], e);
}

static int parse_guardian_item(json_object *o, unsigned i, struct cvm_reference *ret, struct cvm_error *e) {
    return parse_image(o, &ret->guardian[i], e);
}

static int parse_firmware_item(json_object *o, unsigned i, struct cvm_reference *ret, struct cvm_error *e) {
    return parse_measured(o, CVM_COMP_FIRMWARE, &ret->firmware[i], e);
}

static int parse_launch_item(json_object *o, unsigned i, struct cvm_reference *ret, struct cvm_error *e) {
    return parse_launch(o, &ret->launch[i], e);
}

static int parse_boot_item(json_object *o, unsigned i, struct cvm_reference *ret, struct cvm_error *e) {
    int r = cvm_pcrs_from_json(o, &ret->boot[i], e);

    if (r == 0 && (ret->boot[i].mask & CVM_BOOT_PCRS) != CVM_BOOT_PCRS)
        return cvm_error_set(e, -EINVAL, "PCRs 4, 8 and 9 must be there: they say what was started");
    return r;
}

int cvm_reference_parse(const void *buf, size_t size, struct cvm_reference *ret, struct cvm_error *e) {
    _cleanup_(json_object_putp) json_object *o = NULL;
    const char *profile = NULL;
    int r;

    memset(ret, 0, sizeof(*ret));
    r = cvm_json_parse(buf, size, &o, e);
    if (r < 0)
        return r;
    r = cvm_json_string(o, "profile", &profile, e);
    if (r < 0)
        return r == -ENOENT ? -EINVAL : r;
    if (strcmp(profile, CVM_REFERENCE_PROFILE) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT,
                             "reference-values profile '%.64s' is not known, only '%s' is", profile,
                             CVM_REFERENCE_PROFILE);
    r = parse_list(o, "rootvisor", ret, parse_rootvisor_item, &ret->nr_rootvisor, e);
    if (r < 0)
        return r;
    r = parse_list(o, "guardian", ret, parse_guardian_item, &ret->nr_guardian, e);
    if (r < 0)
        return r;
    r = parse_list(o, "firmware", ret, parse_firmware_item, &ret->nr_firmware, e);
    if (r < 0)
        return r;
    r = parse_list(o, "launch", ret, parse_launch_item, &ret->nr_launch, e);
    if (r < 0)
        return r;
    return parse_list(o, "boot", ret, parse_boot_item, &ret->nr_boot, e);
}

int cvm_reference_from_log(const void *buf, size_t size, struct cvm_reference *ret, struct cvm_error *e) {
    static const uint16_t banks[] = {CVM_TPM_ALG_SHA256, CVM_TPM_ALG_SHA384};
    const uint8_t *p = buf;
    struct cvm_log log;
    int r;

    if (size > 36 && memcmp(p, CVM_ACPI_LOG_SIGNATURE, 4) == 0) {
        p += 36;
        size -= 36;
    }
    r = cvm_log_open(p, size, &log, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(banks); i++) {
        if (cvm_log_bank(&log, banks[i]) < 0)
            continue;
        if (ret->nr_boot == CVM_REFERENCE_MAX)
            return cvm_error_set(e, -E2BIG, "more than %u alternatives", CVM_REFERENCE_MAX);
        r = cvm_log_replay(&log, banks[i], &ret->boot[ret->nr_boot], e);
        if (r < 0)
            return r;
        ret->boot[ret->nr_boot++].mask = 0x3ff | 1u << 14;
    }
    return ret->nr_boot ? 0
                        : cvm_error_set(e, -ENOENT, "the event log has neither sha256 nor sha384 digests");
}

int cvm_reference_merge(struct cvm_reference *to, const struct cvm_reference *from) {
    if (to->nr_rootvisor + from->nr_rootvisor > CVM_REFERENCE_MAX ||
        to->nr_guardian + from->nr_guardian > CVM_REFERENCE_MAX ||
        to->nr_firmware + from->nr_firmware > CVM_REFERENCE_MAX ||
        to->nr_launch + from->nr_launch > CVM_REFERENCE_MAX ||
        to->nr_boot + from->nr_boot > CVM_REFERENCE_MAX)
        return -E2BIG;
    for (unsigned i = 0; i < from->nr_rootvisor; i++)
        to->rootvisor[to->nr_rootvisor++] = from->rootvisor[i];
    for (unsigned i = 0; i < from->nr_guardian; i++)
        to->guardian[to->nr_guardian++] = from->guardian[i];
    for (unsigned i = 0; i < from->nr_firmware; i++)
        to->firmware[to->nr_firmware++] = from->firmware[i];
    for (unsigned i = 0; i < from->nr_launch; i++)
        to->launch[to->nr_launch++] = from->launch[i];
    for (unsigned i = 0; i < from->nr_boot; i++)
        to->boot[to->nr_boot++] = from->boot[i];
    return 0;
}

static json_object *images_to_json(const struct cvm_ref_image *image, unsigned nr) {
    json_object *list = json_object_new_array_ext((int)nr ?: 1);

    for (unsigned i = 0; list && i < nr; i++) {
        json_object *o = json_object_new_object();

        if (!o || cvm_json_add_hex(o, "digest", image[i].digest, CVM_DIGEST_SIZE) < 0) {
            json_object_put(o);
            json_object_put(list);
            return NULL;
        }
        json_object_object_add(o, "min_svn", json_object_new_uint64(image[i].min_svn));
        json_object_array_add(list, o);
    }
    return list;
}

/* A component with its kind, or without if the list says it. */
static json_object *measured_to_json(const struct cvm_measured *m, bool kind) {
    json_object *o = json_object_new_object();

    if (!o)
        return NULL;
    if (kind)
        json_object_object_add(o, "kind", json_object_new_string(cvm_component_name(m->kind)));
    json_object_object_add(o, "size", json_object_new_uint64(m->size));
    if (cvm_json_add_hex(o, "digest", m->digest, CVM_DIGEST_SIZE) < 0) {
        json_object_put(o);
        return NULL;
    }
    return o;
}

static json_object *launch_to_json(const struct cvm_ref_launch *launch) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *list = json_object_new_array(), *ret;

    if (!o || !list || cvm_json_add_hex(o, "digest", launch->digest, CVM_DIGEST_SIZE) < 0) {
        json_object_put(list);
        return NULL;
    }
    json_object_object_add(o, "components", list);
    for (unsigned i = 0; i < launch->nr; i++) {
        json_object *c = measured_to_json(&launch->component[i], true);

        if (!c)
            return NULL;
        json_object_array_add(list, c);
    }
    ret = o;
    o = NULL;
    return ret;
}

json_object *cvm_reference_to_json(const struct cvm_reference *ref) {
    _cleanup_(json_object_putp) json_object *o = json_object_new_object();
    json_object *rootvisor, *guardian, *firmware, *launch, *ret;

    if (!o)
        return NULL;
    rootvisor = images_to_json(ref->rootvisor, ref->nr_rootvisor);
    guardian = images_to_json(ref->guardian, ref->nr_guardian);
    firmware = json_object_new_array();
    launch = json_object_new_array();
    json_object_object_add(o, "profile", json_object_new_string(CVM_REFERENCE_PROFILE));
    json_object_object_add(o, "rootvisor", rootvisor);
    json_object_object_add(o, "guardian", guardian);
    json_object_object_add(o, "firmware", firmware);
    json_object_object_add(o, "launch", launch);
    if (!rootvisor || !guardian || !firmware || !launch)
        return NULL;
    for (unsigned i = 0; i < ref->nr_firmware; i++) {
        json_object *f = measured_to_json(&ref->firmware[i], false);

        if (!f)
            return NULL;
        json_object_array_add(firmware, f);
    }
    for (unsigned i = 0; i < ref->nr_launch; i++) {
        json_object *l = launch_to_json(&ref->launch[i]);

        if (!l)
            return NULL;
        json_object_array_add(launch, l);
    }
    if (ref->nr_boot) {
        json_object *boot = json_object_new_array();

        if (json_object_object_add(o, "boot", boot) < 0)
            return NULL;
        for (unsigned i = 0; i < ref->nr_boot; i++) {
            json_object *b = json_object_new_object();

            if (!b || json_object_array_add(boot, b) < 0 || cvm_pcrs_add(b, &ref->boot[i]) < 0)
                return NULL;
        }
    }
    ret = o;
    o = NULL;
    return ret;
}
