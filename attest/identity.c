/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <errno.h>
#include <string.h>

#include "le.h"

/* Entries of the two PCRs, in order. */
enum { IDENTITY_ROOTVISOR, IDENTITY_CONFIG, IDENTITY_GUARDIAN, IDENTITY_SEPARATOR, IDENTITY_NR };
enum { KEY_ID, KEY_SEPARATOR, KEY_NR };

static int bad(struct cvm_error *e, const struct cvm_log_event *ev, const char *text) {
    return cvm_error_set(e, -EINVAL, "event %u, PCR %u: %s", ev->number, ev->pcr, text);
}

static int separator(const struct cvm_log_event *ev, struct cvm_error *e) {
    if (ev->type != CVM_EV_SEPARATOR || ev->size != 4)
        return bad(e, ev, "a separator is expected");
    return le32_get(ev->data) == 0 ? 0 : bad(e, ev, "the separator says that an extend failed");
}

/* The data of a tagged event whose size is right. */
static int tagged(const struct cvm_log_event *ev, uint32_t tag, struct cvm_reader *ret, struct cvm_error *e) {
    struct cvm_reader r = {.p = ev->data, .n = ev->size};

    if (ev->type != CVM_EV_EVENT_TAG || cvm_take_le(&r, 4) != tag || cvm_take_le(&r, 4) != r.n || r.bad)
        return bad(e, ev, "it is not the entry that stands in this place");
    *ret = r;
    return 0;
}

static int image(const struct cvm_log_event *ev, uint32_t tag, uint32_t *version, uint32_t *svn,
                 uint8_t *digest, struct cvm_error *e) {
    struct cvm_reader r;
    const uint8_t *p;
    int q;

    q = tagged(ev, tag, &r, e);
    if (q < 0)
        return q;
    *version = cvm_take_le(&r, 4);
    *svn = cvm_take_le(&r, 4);
    p = cvm_take(&r, CVM_DIGEST_SIZE);
    if (!p || r.n)
        return bad(e, ev, "an image entry of another size");
    memcpy(digest, p, CVM_DIGEST_SIZE);
    return 0;
}

static int config(const struct cvm_log_event *ev, struct cvm_identity *id, struct cvm_error *e) {
    struct cvm_reader r;
    int q;

    q = tagged(ev, CVM_TPM_TAG_CONFIG, &r, e);
    if (q < 0)
        return q;
    if (r.n > CVM_TPM_CONFIG_MAX)
        return bad(e, ev, "the command line is too long");
    memcpy(id->config, r.p, r.n);
    cvm_defang(id->config);
    return 0;
}

static int key(const struct cvm_log_event *ev, struct cvm_identity *id, struct cvm_error *e) {
    struct cvm_reader r;
    int q;

    q = tagged(ev, CVM_TPM_TAG_KEY, &r, e);
    if (q < 0)
        return q;
    if (r.n != sizeof(id->key_id))
        return bad(e, ev, "a key entry of another size");
    memcpy(id->key_id, r.p, sizeof(id->key_id));
    return 0;
}

static int take(const struct cvm_log_event *ev, unsigned place, struct cvm_identity *id,
                struct cvm_error *e) {
    uint32_t none;

    if (ev->pcr == CVM_PCR_KEY)
        return place == KEY_ID          ? key(ev, id, e)
               : place == KEY_SEPARATOR ? separator(ev, e)
                                        : bad(e, ev, "something was extended behind the separator");
    switch (place) {
    case IDENTITY_ROOTVISOR:
        return image(ev, CVM_TPM_TAG_ROOTVISOR, &id->rootvisor_version, &id->rootvisor_svn,
                     id->rootvisor_digest, e);
    case IDENTITY_CONFIG:
        return config(ev, id, e);
    case IDENTITY_GUARDIAN:
        return image(ev, CVM_TPM_TAG_GUARDIAN, &none, &id->guardian_svn, id->guardian_digest, e);
    case IDENTITY_SEPARATOR:
        return separator(ev, e);
    default:
        return bad(e, ev, "something was extended behind the separator");
    }
}

int cvm_identity_read(const struct cvm_log *from, uint16_t hash, struct cvm_identity *ret,
                      struct cvm_error *e) {
    unsigned identity = 0, keys = 0;
    int bank = cvm_log_bank(from, hash), r, q;
    struct cvm_log log = *from;
    struct cvm_log_event ev;

    memset(ret, 0, sizeof(*ret));
    if (bank < 0)
        return cvm_error_set(e, -EINVAL, "the event log has no %s digests", cvm_tpm_hash_name(hash));
    while ((r = cvm_log_next(&log, &ev, e)) > 0) {
        if ((ev.pcr != CVM_PCR_IDENTITY && ev.pcr != CVM_PCR_KEY) || ev.type == CVM_EV_NO_ACTION)
            continue;
        if (!cvm_log_data_is_measured(&log, &ev, bank))
            return bad(e, &ev, "its digest is not that of its data");
        q = take(&ev, ev.pcr == CVM_PCR_IDENTITY ? identity++ : keys++, ret, e);
        if (q < 0)
            return q;
    }
    if (r < 0)
        return r;
    if (identity != IDENTITY_NR || keys != KEY_NR)
        return cvm_error_set(e, -EINVAL,
                             "the event log has %u of %u entries of PCR %u and %u of %u of PCR %u", identity,
                             IDENTITY_NR, CVM_PCR_IDENTITY, keys, KEY_NR, CVM_PCR_KEY);
    return 0;
}
