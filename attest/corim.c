/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "corim.h"

#include <errno.h>
#include <string.h>

#include "cbor.h"
#include "cose.h"

#define TAG_COSE_SIGN1 18
#define TAG_CORIM 501
#define TAG_COMID 506
#define TAG_SVN 552
#define TAG_MIN_SVN 553
#define HASH_SHA256 1 /* Named Information registry */
#define HASH_SHA384 7

enum kind { KIND_OTHER, KIND_ROOTVISOR, KIND_GUARDIAN, KIND_BOOT };

/* What a measurement-values-map says. */
struct values {
    bool has_digest;
    uint8_t digest[CVM_DIGEST_SIZE];
    uint32_t svn;
    struct cvm_pcrs pcrs[2]; /* sha256, sha384 */
};

struct corim {
    struct cvm_reference *ref;
    unsigned other;
    int64_t now;
    struct cvm_error *e;
};

static int bad(struct corim *c, const char *what) {
    return cvm_error_set(c->e, -EINVAL, "CoRIM: %s is malformed", what);
}

/* Walks a map with integer labels: @fn gets each, reads its value, and returns 0 or a negative errno. */
static int each(struct cvm_reader *r, struct corim *c, const char *what,
                int (*fn)(struct cvm_reader *r, struct corim *c, int64_t label, void *data), void *data) {
    struct cvm_cbor_item map;
    int64_t label;
    int q;

    if (!cvm_cbor_expect(r, CVM_CBOR_MAP, &map))
        return bad(c, what);
    for (uint64_t i = 0; i < map.value; i++) {
        if (!cvm_cbor_int(r, &label))
            return bad(c, what);
        q = fn(r, c, label, data);
        if (q < 0)
            return q;
        if (r->bad)
            return bad(c, what);
    }
    return 0;
}

/* digests-type: pairs of algorithm and value. */
static int digests(struct cvm_reader *r, struct corim *c, uint8_t *sha256, uint8_t *sha384, unsigned *seen) {
    struct cvm_cbor_item list, pair, value;
    int64_t alg;

    *seen = 0;
    if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &list))
        return bad(c, "a list of digests");
    for (uint64_t i = 0; i < list.value; i++) {
        if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &pair) || pair.value != 2 || !cvm_cbor_int(r, &alg) ||
            !cvm_cbor_expect(r, CVM_CBOR_BYTES, &value))
            return bad(c, "a digest");
        if ((alg == HASH_SHA256 && value.value != 32) || (alg == HASH_SHA384 && value.value != 48))
            return bad(c, "a digest");
        if ((alg == HASH_SHA256 && *seen & 1) || (alg == HASH_SHA384 && *seen & 2))
            return bad(c, "a list of digests");
        if (alg == HASH_SHA256 && sha256) {
            memcpy(sha256, value.bytes, 32);
            *seen |= 1;
        } else if (alg == HASH_SHA384 && sha384) {
            memcpy(sha384, value.bytes, 48);
            *seen |= 2;
        }
    }
    return 0;
}

static int registers(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct values *v = data;
    unsigned seen;
    int q;

    if (label < 0 || label >= CVM_PCRS)
        return bad(c, "an integrity register's number");
    q = digests(r, c, v->pcrs[0].value[label], v->pcrs[1].value[label], &seen);
    for (int i = 0; q == 0 && i < 2; i++)
        v->pcrs[i].mask |= (seen >> i & 1) << label;
    return q;
}

static int value(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct values *v = data;
    struct cvm_cbor_item i;
    unsigned seen;
    int q;

    switch (label) {
    case 1: /* svn */
        if (!cvm_cbor_next(r, &i))
            return bad(c, "a security version number");
        if (i.major == CVM_CBOR_TAG && (i.value == TAG_SVN || i.value == TAG_MIN_SVN) &&
            !cvm_cbor_next(r, &i))
            return bad(c, "a security version number");
        if (i.major != CVM_CBOR_UINT || i.value > UINT32_MAX)
            return bad(c, "a security version number");
        v->svn = (uint32_t)i.value;
        return 0;
    case 2: /* digests */
        q = digests(r, c, NULL, v->digest, &seen);
        v->has_digest = q == 0 && seen & 2;
        return q;
    case 14: /* integrity-registers */
        return each(r, c, "integrity registers", registers, v);
    case 0:  /* version */
    case 11: /* name */
        cvm_cbor_skip(r);
        return 0;
    default:
        /* Something is demanded that would not be checked. */
        return cvm_error_set(c->e, -EINVAL, "CoRIM: measured value %lld is not understood", (long long)label);
    }
}

static int measurement(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    if (label == 1)
        return each(r, c, "a measurement", value, data);
    cvm_cbor_skip(r); /* mkey, authorized-by */
    return 0;
}

static int add_image(struct corim *c, struct cvm_ref_image *list, unsigned *nr, const struct values *v) {
    if (!v->has_digest)
        return cvm_error_set(c->e, -EINVAL, "CoRIM: a measurement has no sha-384 digest");
    if (*nr == CVM_REFERENCE_MAX)
        return cvm_error_set(c->e, -E2BIG, "CoRIM: more than %u alternatives", CVM_REFERENCE_MAX);
    memcpy(list[*nr].digest, v->digest, CVM_DIGEST_SIZE);
    list[(*nr)++].min_svn = v->svn;
    return 0;
}

static int add_boot(struct corim *c, struct values *v) {
    static const uint16_t hash[] = {CVM_TPM_ALG_SHA256, CVM_TPM_ALG_SHA384};
    bool any = false;

    for (int i = 0; i < 2; i++) {
        struct cvm_pcrs *p = &v->pcrs[i];

        if (!p->mask)
            continue;
        if ((p->mask & CVM_BOOT_PCRS) != CVM_BOOT_PCRS)
            return cvm_error_set(c->e, -EINVAL,
                                 "CoRIM: PCRs 4, 8 and 9 must be there: they say what was started");
        if (c->ref->nr_boot == CVM_REFERENCE_MAX)
            return cvm_error_set(c->e, -E2BIG, "CoRIM: more than %u alternatives", CVM_REFERENCE_MAX);
        p->hash = hash[i];
        p->size = cvm_tpm_hash_size(hash[i]);
        c->ref->boot[c->ref->nr_boot++] = *p;
        any = true;
    }
    return any ? 0 : cvm_error_set(c->e, -EINVAL, "CoRIM: a boot measurement has no integrity registers");
}

static int take_measurement(struct cvm_reader *r, struct corim *c, enum kind kind) {
    struct values v = {0};
    int q = each(r, c, "a measurement", measurement, &v);

    if (q < 0)
        return q;
    if (kind == KIND_BOOT)
        return add_boot(c, &v);
    return kind == KIND_ROOTVISOR ? add_image(c, c->ref->rootvisor, &c->ref->nr_rootvisor, &v)
                                  : add_image(c, c->ref->guardian, &c->ref->nr_guardian, &v);
}

struct class {
    bool cvmd;
    enum kind kind;
};

static bool is_text(const struct cvm_cbor_item *i, const char *text) {
    return i->value == strlen(text) && memcmp(i->bytes, text, strlen(text)) == 0;
}

static int class_member(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct class *k = data;
    struct cvm_cbor_item i;

    (void)c;
    if (label != 1 && label != 2) {
        cvm_cbor_skip(r);
        return 0;
    }
    if (!cvm_cbor_expect(r, CVM_CBOR_TEXT, &i))
        return 0; /* the reader is bad now */
    if (label == 1)
        k->cvmd = is_text(&i, "cvmd");
    else
        k->kind = is_text(&i, "rootvisor")  ? KIND_ROOTVISOR
                  : is_text(&i, "guardian") ? KIND_GUARDIAN
                  : is_text(&i, "boot")     ? KIND_BOOT
                                            : KIND_OTHER;
    return 0;
}

static int environment(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    if (label == 0)
        return each(r, c, "a class", class_member, data);
    cvm_cbor_skip(r);
    return 0;
}

/* reference-triple-record: environment, measurements. */
static int triple(struct cvm_reader *r, struct corim *c) {
    struct cvm_cbor_item pair, list;
    struct class k = {0};
    int q;

    if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &pair) || pair.value != 2)
        return bad(c, "a reference triple");
    q = each(r, c, "an environment", environment, &k);
    if (q < 0)
        return q;
    if (!k.cvmd || k.kind == KIND_OTHER) {
        c->other++;
        return cvm_cbor_skip(r) ? 0 : bad(c, "a reference triple");
    }
    if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &list))
        return bad(c, "a reference triple");
    for (uint64_t i = 0; i < list.value; i++) {
        q = take_measurement(r, c, k.kind);
        if (q < 0)
            return q;
    }
    return 0;
}

static int triples(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct cvm_cbor_item list;
    int q = 0;

    (void)data;
    if (label != 0) {
        cvm_cbor_skip(r); /* endorsements, keys: no reference values */
        return 0;
    }
    if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &list))
        return bad(c, "the list of reference triples");
    for (uint64_t i = 0; q == 0 && i < list.value; i++)
        q = triple(r, c);
    return q;
}

static int comid(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    if (label == 4)
        return each(r, c, "the triples", triples, data);
    cvm_cbor_skip(r);
    return 0;
}

/* validity-map: not before, not after; times are tag 1. */
static int validity(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct cvm_cbor_item tag;
    int64_t t;

    (void)data;
    if (!cvm_cbor_expect(r, CVM_CBOR_TAG, &tag) || tag.value != 1 || !cvm_cbor_int(r, &t))
        return bad(c, "the validity");
    if (label == 0 ? c->now < t : label == 1 && c->now > t)
        return cvm_error_set(c->e, -ETIMEDOUT,
                             label ? "the CoRIM's time is over" : "the CoRIM's time has not begun");
    return 0;
}

static int corim(struct cvm_reader *r, struct corim *c, int64_t label, void *data) {
    struct cvm_cbor_item list, tag, bytes;
    int q = 0;

    if (label == 4)
        return each(r, c, "the validity", validity, NULL);
    if (label != 1) {
        cvm_cbor_skip(r);
        return 0;
    }
    if (!cvm_cbor_expect(r, CVM_CBOR_ARRAY, &list))
        return bad(c, "the list of tags");
    for (uint64_t i = 0; q == 0 && i < list.value; i++) {
        struct cvm_reader inner = {0};

        if (!cvm_cbor_expect(r, CVM_CBOR_TAG, &tag) || !cvm_cbor_expect(r, CVM_CBOR_BYTES, &bytes))
            return bad(c, "a tag");
        if (tag.value != TAG_COMID)
            continue; /* CoSWID and others: no reference triples */
        inner.p = bytes.bytes;
        inner.n = (size_t)bytes.value;
        q = each(&inner, c, "a CoMID", comid, data);
        if (q == 0 && inner.n)
            return bad(c, "a CoMID");
    }
    return q;
}

int cvm_corim_parse(const void *buf, size_t size, const uint8_t *point, time_t now, struct cvm_reference *ret,
                    unsigned *other, struct cvm_error *e) {
    struct corim c = {.ref = ret, .now = now, .e = e};
    struct cvm_reader r = {.p = buf, .n = size}, look = r;
    const uint8_t *payload = NULL;
    struct cvm_cbor_item tag;
    size_t payload_size = 0;
    bool is_signed;
    int q;

    memset(ret, 0, sizeof(*ret));
    is_signed = cvm_cbor_expect(&look, CVM_CBOR_TAG, &tag) && tag.value == TAG_COSE_SIGN1;
    if (is_signed != (point != NULL))
        return cvm_error_set(e, -EINVAL,
                             is_signed ? "the CoRIM is signed: give the key that must have signed it"
                                       : "the CoRIM is not signed, but a key is given");
    if (is_signed) {
        q = cvm_cose_verify(buf, size, point, CVM_CORIM_TYPE, &payload, &payload_size, e);
        if (q < 0)
            return q;
        r = (struct cvm_reader){.p = payload, .n = payload_size};
    }
    if (!cvm_cbor_expect(&r, CVM_CBOR_TAG, &tag) || tag.value != TAG_CORIM)
        return cvm_error_set(e, -EINVAL, "this is no CoRIM (no tag %u)", TAG_CORIM);
    q = each(&r, &c, "the CoRIM", corim, NULL);
    if (q == 0 && r.n)
        q = bad(&c, "the CoRIM");
    *other = c.other;
    if (q == 0 && !ret->nr_rootvisor && !ret->nr_guardian && !ret->nr_boot)
        return cvm_error_set(e, -ENOENT,
                             "nothing in this CoRIM is for cvmd (%u triples of other environments)", c.other);
    return q;
}
