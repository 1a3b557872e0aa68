/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog.h"

#include <errno.h>
#include <string.h>

CVM_DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

/* Digest sizes that the registry of the TCG fixes; a log that says otherwise is malformed. */
static bool size_fits(uint16_t hash, uint16_t size) {
    switch (hash) {
    case CVM_TPM_ALG_SHA1:
        return size == 20;
    case CVM_TPM_ALG_SHA256:
        return size == 32;
    case CVM_TPM_ALG_SHA384:
        return size == 48;
    case CVM_TPM_ALG_SHA512:
        return size == 64;
    default:
        return size >= 1 && size <= 64;
    }
}

/* TCG_EfiSpecIdEvent. */
static int parse_header(struct cvm_reader *r, struct cvm_log *log, struct cvm_error *e) {
    const uint8_t *signature = cvm_take(r, 16);
    uint32_t count;

    if (!signature || memcmp(signature, "Spec ID Event03", 16) != 0)
        return cvm_error_set(e, -EPROTONOSUPPORT, "the event log is not crypto-agile (no Spec ID Event03)");
    cvm_take(r, 4 + 1 + 1 + 1 + 1); /* platform class, version, errata, size of a UINTN */
    count = cvm_take_le(r, 4);
    if (r->bad || count == 0 || count > CVM_LOG_BANKS_MAX)
        return cvm_error_set(e, -EINVAL, "the event log names %u hash algorithms, 1 to %u are taken", count,
                             CVM_LOG_BANKS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t hash = (uint16_t)cvm_take_le(r, 2), size = (uint16_t)cvm_take_le(r, 2);

        if (r->bad || !size_fits(hash, size) || cvm_log_bank(log, hash) >= 0)
            return cvm_error_set(e, -EINVAL, "the event log's header names hash 0x%x with %u bytes", hash,
                                 size);
        log->bank[i].hash = hash;
        log->bank[i].size = size;
        log->nr_banks = i + 1;
    }
    cvm_take(r, cvm_take_le(r, 1)); /* vendor information */
    return r->bad || r->n ? cvm_error_set(e, -EINVAL, "the event log's header has another size than it says")
                          : 0;
}

int cvm_log_open(const void *buf, size_t size, struct cvm_log *log, struct cvm_error *e) {
    struct cvm_reader header;
    uint32_t pcr, type, len;

    memset(log, 0, sizeof(*log));
    if (size > CVM_LOG_MAX)
        return cvm_error_set(e, -EFBIG, "the event log has %zu bytes, at most %u are taken", size,
                             CVM_LOG_MAX);
    log->events = (struct cvm_reader){.p = buf, .n = size};
    /* The header is a TCG_PCClientPCREvent: one SHA-1 digest, always zero. */
    pcr = cvm_take_le(&log->events, 4);
    type = cvm_take_le(&log->events, 4);
    cvm_take(&log->events, 20);
    len = cvm_take_le(&log->events, 4);
    header.p = cvm_take(&log->events, len);
    header.n = len;
    header.bad = false;
    if (!header.p)
        return cvm_error_set(e, -EINVAL, "the event log is cut short in its header");
    if (pcr != 0 || type != CVM_EV_NO_ACTION)
        return cvm_error_set(e, -EPROTONOSUPPORT, "the event log does not begin with a Spec ID event");
    return parse_header(&header, log, e);
}

int cvm_log_bank(const struct cvm_log *log, uint16_t hash) {
    for (unsigned i = 0; i < log->nr_banks; i++)
        if (log->bank[i].hash == hash)
            return (int)i;
    return -ENOENT;
}

/* TCG_PCR_EVENT2 */
int cvm_log_next(struct cvm_log *log, struct cvm_log_event *ev, struct cvm_error *e) {
    struct cvm_reader *r = &log->events;
    uint32_t count;

    memset(ev, 0, sizeof(*ev));
    if (r->n == 0)
        return r->bad ? -EINVAL : 0;
    if (log->nr_seen == CVM_LOG_EVENTS_MAX)
        return cvm_error_set(e, -E2BIG, "the event log has more than %u events", CVM_LOG_EVENTS_MAX);
    ev->number = ++log->nr_seen;
    ev->pcr = cvm_take_le(r, 4);
    ev->type = cvm_take_le(r, 4);
    count = cvm_take_le(r, 4);
    if (r->bad || count != log->nr_banks)
        return cvm_error_set(e, -EINVAL, "event %u has %u digests, the log's header names %u", ev->number,
                             count, log->nr_banks);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t hash = (uint16_t)cvm_take_le(r, 2);
        int bank = r->bad ? -ENOENT : cvm_log_bank(log, hash);

        if (bank < 0 || ev->digest[bank])
            return cvm_error_set(e, -EINVAL,
                                 "event %u has a digest of hash 0x%x that is not in the header, or twice",
                                 ev->number, hash);
        ev->digest[bank] = cvm_take(r, log->bank[bank].size);
        if (!ev->digest[bank])
            return cvm_error_set(e, -EINVAL, "event %u is cut short", ev->number);
    }
    ev->size = cvm_take_le(r, 4);
    ev->data = cvm_take(r, ev->size);
    if (!ev->data)
        return cvm_error_set(e, -EINVAL, "event %u is cut short", ev->number);
    if (ev->pcr >= CVM_PCRS && !(ev->type == CVM_EV_NO_ACTION && ev->pcr == UINT32_MAX))
        return cvm_error_set(e, -EINVAL, "event %u is about PCR %u", ev->number, ev->pcr);
    return 1;
}

static int extend(EVP_MD_CTX *ctx, const EVP_MD *md, uint8_t *value, size_t size, const uint8_t *digest) {
    uint8_t both[2 * CVM_TPM_HASH_MAX];

    memcpy(both, value, size);
    memcpy(both + size, digest, size);
    return EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, both, 2 * size) == 1 &&
                   EVP_DigestFinal_ex(ctx, value, NULL) == 1
               ? 0
               : -EIO;
}

int cvm_log_replay(const struct cvm_log *from, uint16_t hash, struct cvm_pcrs *ret, struct cvm_error *e) {
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = cvm_tpm_md(hash);
    int bank = cvm_log_bank(from, hash), r;
    struct cvm_log log = *from;
    struct cvm_log_event ev;

    memset(ret, 0, sizeof(*ret));
    ret->hash = hash;
    ret->size = cvm_tpm_hash_size(hash);
    /* D-RTM and debug PCRs start with ones; nothing of this project looks at them. */
    for (int i = 17; i <= 22; i++)
        memset(ret->value[i], 0xff, ret->size);
    if (bank < 0 || !md)
        return cvm_error_set(e, -ENOENT, "the event log has no %s digests", cvm_tpm_hash_name(hash));
    if (!ctx)
        return cvm_error_set(e, -ENOMEM, "out of memory");
    while ((r = cvm_log_next(&log, &ev, e)) > 0) {
        if (ev.type == CVM_EV_NO_ACTION) {
            if (ev.pcr == 0 && ev.size == 17 && memcmp(ev.data, "StartupLocality", 16) == 0 &&
                !(ret->mask & 1))
                ret->value[0][ret->size - 1] = ev.data[16];
            continue;
        }
        if (extend(ctx, md, ret->value[ev.pcr], ret->size, ev.digest[bank]) < 0)
            return cvm_error_set(e, -EIO, "libcrypto cannot hash");
        ret->mask |= 1u << ev.pcr;
    }
    return r;
}

bool cvm_log_data_is_measured(const struct cvm_log *log, const struct cvm_log_event *ev, int bank) {
    const EVP_MD *md = cvm_tpm_md(log->bank[bank].hash);
    uint8_t hash[CVM_TPM_HASH_MAX];

    return md && EVP_Digest(ev->data, ev->size, hash, NULL, md, NULL) == 1 &&
           memcmp(hash, ev->digest[bank], log->bank[bank].size) == 0;
}

const char *cvm_log_type_name(uint32_t type) {
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {
        {0x0, "EV_PREBOOT_CERT"},
        {0x1, "EV_POST_CODE"},
        {0x3, "EV_NO_ACTION"},
        {0x4, "EV_SEPARATOR"},
        {0x5, "EV_ACTION"},
        {0x6, "EV_EVENT_TAG"},
        {0x7, "EV_S_CRTM_CONTENTS"},
        {0x8, "EV_S_CRTM_VERSION"},
        {0x9, "EV_CPU_MICROCODE"},
        {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
        {0xb, "EV_TABLE_OF_DEVICES"},
        {0xc, "EV_COMPACT_HASH"},
        {0xd, "EV_IPL"},
        {0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
        {0x80000002, "EV_EFI_VARIABLE_BOOT"},
        {0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
        {0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
        {0x80000006, "EV_EFI_GPT_EVENT"},
        {0x80000007, "EV_EFI_ACTION"},
        {0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
        {0x80000009, "EV_EFI_HANDOFF_TABLES"},
        {0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
        {0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
        {0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
        {0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}
