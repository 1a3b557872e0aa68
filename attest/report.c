/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cvm/layout.h"
#include "report.h"

#include <errno.h>
#include <string.h>

#include "le.h"

/* Every field of the layout, in order, without gaps: drives decoding, encoding and the text
 * for a report that is cut short. width 1 = bytes as they are. */
struct field {
    const char *name;
    uint16_t offset;
    uint16_t width; /* of one item: 1, 4, 8 */
    uint16_t items;
};

#define INT(f)                                                                                               \
    { #f, offsetof(struct cvm_report, f), sizeof(((struct cvm_report *)0)->f), 1 }
#define BYTES(f)                                                                                             \
    { #f, offsetof(struct cvm_report, f), 1, sizeof(((struct cvm_report *)0)->f) }
#define MEASURED(i)                                                                                          \
    {"measured[" #i "].kind", offsetof(struct cvm_report, measured[i].kind), 4, 1},                          \
        {"measured[" #i "].reserved", offsetof(struct cvm_report, measured[i].reserved), 4, 1},              \
        {"measured[" #i "].size", offsetof(struct cvm_report, measured[i].size), 8, 1}, {                    \
        "measured[" #i "].digest", offsetof(struct cvm_report, measured[i].digest), 1, CVM_DIGEST_SIZE       \
    }

static const struct field fields[] = {
    INT(magic),
    INT(version),
    INT(size),
    INT(rollback_epoch),
    INT(rootvisor_version),
    INT(rootvisor_svn),
    INT(guardian_svn),
    INT(vm_id),
    INT(platform),
    INT(uptime_tsc),
    INT(tsc_khz),
    INT(counter),
    BYTES(rootvisor_digest),
    BYTES(guardian_digest),
    BYTES(uuid),
    BYTES(launch_digest),
    BYTES(rtmr),
    INT(nr_measured),
    INT(kex_alg),
    MEASURED(0),
    MEASURED(1),
    MEASURED(2),
    MEASURED(3),
    MEASURED(4),
    MEASURED(5),
    MEASURED(6),
    MEASURED(7),
    BYTES(kex_public),
    BYTES(user_data),
    INT(requester),
    INT(rollback),
    BYTES(report_key_id),
    BYTES(signature),
};

const char *cvm_component_name(uint32_t kind) {
    switch (kind) {
    case CVM_COMP_FIRMWARE:
        return "firmware";
    case CVM_COMP_KERNEL:
        return "kernel";
    case CVM_COMP_INITRD:
        return "initrd";
    case CVM_COMP_CMDLINE:
        return "cmdline";
    case CVM_COMP_VCPUS:
        return "vcpus";
    default:
        return NULL;
    }
}

static bool all_zero(const void *p, size_t size) {
    const uint8_t *b = p;

    for (size_t i = 0; i < size; i++)
        if (b[i])
            return false;
    return true;
}

static const char *field_at(size_t offset) {
    for (size_t i = ELEMENTSOF(fields); i-- > 0;)
        if (offset >= fields[i].offset)
            return fields[i].name;
    return "magic";
}

static int check_components(const struct cvm_report *rep, struct cvm_error *e) {
    uint32_t last = 0;

    if (rep->nr_measured == 0 || rep->nr_measured > CVM_MAX_COMPONENTS)
        return cvm_error_set(e, -EINVAL, "nr_measured is %u, must be 1 to %u", rep->nr_measured,
                             CVM_MAX_COMPONENTS);
    for (uint32_t i = 0; i < CVM_MAX_COMPONENTS; i++) {
        const struct cvm_measured *m = &rep->measured[i];

        if (i >= rep->nr_measured) {
            if (!all_zero(m, sizeof(*m)))
                return cvm_error_set(e, -EINVAL, "measured[%u] is unused but not zero", i);
            continue;
        }
        if (!cvm_component_name(m->kind))
            return cvm_error_set(e, -EINVAL, "measured[%u].kind is %u, which is unknown", i, m->kind);
        if (m->kind <= last)
            return cvm_error_set(e, -EINVAL, "measured[%u].kind is %u behind %u: kinds must ascend", i,
                                 m->kind, last);
        if (m->reserved)
            return cvm_error_set(e, -EINVAL, "measured[%u].reserved is not 0", i);
        if (!m->size)
            return cvm_error_set(e, -EINVAL, "measured[%u].size is 0", i);
        last = m->kind;
    }
    if (rep->measured[0].kind != CVM_COMP_FIRMWARE)
        return cvm_error_set(e, -EINVAL, "the first component is the %s, not the firmware",
                             cvm_component_name(rep->measured[0].kind));
    if (rep->measured[0].size > CVM_FW_MAX || rep->measured[0].size % 4096)
        return cvm_error_set(e, -EINVAL, "the firmware component has %llu bytes: not whole pages up to %u",
                             (unsigned long long)rep->measured[0].size, CVM_FW_MAX);
    return 0;
}

static int check_fields(const struct cvm_report *rep, struct cvm_error *e) {
    if (!rep->rollback_epoch != !rep->rollback)
        return cvm_error_set(e, -EINVAL, "rollback is %u of epoch 0x%08x: one of them is missing", rep->rollback,
                             rep->rollback_epoch);
    if (!rep->vm_id)
        return cvm_error_set(e, -EINVAL, "vm_id is 0, which names the host");
    if (rep->requester > 1)
        return cvm_error_set(e, -EINVAL, "requester is %u, must be 0 or 1", rep->requester);
    if (rep->kex_alg != CVM_KEX_P256)
        return cvm_error_set(e, -EINVAL, "kex_alg is %u, which is unknown", rep->kex_alg);
    if (rep->kex_public[0] != 4)
        return cvm_error_set(e, -EINVAL, "kex_public is no uncompressed point");
    if (!all_zero(rep->kex_public + 65, sizeof(rep->kex_public) - 65))
        return cvm_error_set(e, -EINVAL, "kex_public is not padded with zeros");
    return check_components(rep, e);
}

int cvm_report_decode(const void *buf, size_t size, struct cvm_report *ret, struct cvm_error *e) {
    const uint8_t *p = buf;
    uint32_t v;

    if (size == 0)
        return cvm_error_set(e, -ENODATA, "the report is empty");
    if (size < 4)
        return cvm_error_set(e, -EMSGSIZE,
                             "the report is cut short: it ends in magic, after %zu of %zu bytes", size,
                             sizeof(*ret));
    v = le32_get(p);
    if (v != CVM_REPORT_MAGIC)
        return cvm_error_set(e, -EBADMSG, "this is no VM report: it starts with 0x%08x, not 0x%08x", v,
                             CVM_REPORT_MAGIC);
    if (size >= 8 && (v = le32_get(p + 4)) != CVM_REPORT_VERSION)
        return cvm_error_set(e, -EPROTONOSUPPORT, "report version %u is not known, only %u is", v,
                             CVM_REPORT_VERSION);
    if (size < sizeof(*ret))
        return cvm_error_set(e, -EMSGSIZE, "the report is cut short: it ends in %s, after %zu of %zu bytes",
                             field_at(size), size, sizeof(*ret));
    if (size > sizeof(*ret))
        return cvm_error_set(e, -EMSGSIZE, "%zu bytes stand behind the report's %zu", size - sizeof(*ret),
                             sizeof(*ret));

    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        const struct field *f = &fields[i];
        uint8_t *to = (uint8_t *)ret + f->offset;
        const uint8_t *from = p + f->offset;

        if (f->width == 4) {
            uint32_t w = le32_get(from);

            memcpy(to, &w, 4);
        } else if (f->width == 8) {
            uint64_t w = le64_get(from);

            memcpy(to, &w, 8);
        } else
            memcpy(to, from, f->items);
    }
    if (ret->size != sizeof(*ret))
        return cvm_error_set(e, -EINVAL, "the size field says %u bytes, must be %zu", ret->size,
                             sizeof(*ret));
    return check_fields(ret, e);
}

void cvm_report_encode(const struct cvm_report *rep, uint8_t *out) {
    for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
        const struct field *f = &fields[i];
        const uint8_t *from = (const uint8_t *)rep + f->offset;

        if (f->width == 4) {
            uint32_t w;

            memcpy(&w, from, 4);
            le32_put(out + f->offset, w);
        } else if (f->width == 8) {
            uint64_t w;

            memcpy(&w, from, 8);
            le64_put(out + f->offset, w);
        } else
            memcpy(out + f->offset, from, f->items);
    }
}
