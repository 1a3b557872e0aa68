// SOURCES: hypervisor/tpm/command.c hypervisor/tpm/crb.c hypervisor/tpm/find.c hypervisor/tpm/log.c hypervisor/tpm/measure.c hypervisor/tpm/serial.c hypervisor/tpm/tis.c hypervisor/tpm/vault.c tests/unit/tpm-fixture.c
// CFLAGS: -Ihypervisor -Itests/unit
// LIBS: -lcrypto
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First byte: 0 a firmware's log before ours; 1 registers that read as the input says, for every driver; 2-4 the answers of
 * a TPM, bit by bit; else a good TPM whose answers the input overwrites from some command on.
 */
#include <stdlib.h>
#include <string.h>

#include "tpm-fixture.h"
#include "tpm/command.h"
#include "tpm/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct registers {
    const uint8_t *data;
    size_t left;
    uint64_t clock;
};

static uint8_t next(struct registers *r) {
    if (!r->left)
        return 0xa4;
    r->left--;
    return *r->data++;
}

static uint32_t reg_read(void *ctx, uint32_t offset, uint32_t size) {
    uint32_t v = next(ctx);

    if (offset >= 0x1000 || (size != 1 && size != 4) || offset % size)
        abort();
    for (uint32_t i = 1; i < size; i++)
        v |= (uint32_t)next(ctx) << 8 * i;
    return v;
}

static void reg_write(void *ctx, uint32_t offset, uint32_t size, uint32_t v) {
    (void)ctx;
    (void)v;
    if (offset >= 0x1000 || (size != 1 && size != 4))
        abort();
}

static uint8_t reg_in(void *ctx, uint16_t port) {
    if (port < 0x2f8 || port > 0x2ff)
        abort();
    return next(ctx);
}

static void reg_out(void *ctx, uint16_t port, uint8_t v) {
    (void)ctx;
    (void)v;
    if (port < 0x2f8 || port > 0x2ff)
        abort();
}

static uint64_t reg_now(void *ctx) {
    return ((struct registers *)ctx)->clock++;
}

static int measure(const struct tpm_hw *hw, uint8_t *log, uint32_t size, uint32_t *used) {
    static const struct tpm_facts facts = {.config = "tpm=com2", .config_size = 8};
    struct tpm t;
    int err = tpm_find(&t, hw, true, 200);

    *used = 0;
    if (err == 0)
        err = tpm_measure(&t, &facts, log, size, used);
    if (*used > size || err > 0)
        abort();
    return err;
}

static void merge(const uint8_t *data, size_t size) {
    static uint8_t own[3072];
    static uint32_t own_size;
    size_t room = size + 3072;
    uint8_t *out = malloc(room);
    uint32_t merged;
    int n;

    if (!own_size) {
        struct played p;

        played_init(&p, TPM_CRB, PLAYED_GOOD);
        if (measure(&p.hw, own, sizeof(own), &own_size) || !own_size)
            abort();
    }
    n = log_merge(data, size, own, own_size, out, room, &merged);
    if (n <= 0 || (size_t)n > room || memcmp(out + n - 4, own + own_size - 4, 4))
        abort();
    if (log_merge(NULL, 0, data, size, out, room, &merged) > (int)room)
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct registers r = {.data = data + 1, .left = size - 1};
    struct tpm_hw hw = {&r, reg_read, reg_write, reg_in, reg_out, reg_now, 1};
    struct tpm_bank bank[TPM_BANKS_MAX];
    struct tpm_digests digests;
    uint8_t log[3072], digest[TPM_HASH_MAX];
    uint32_t used, code;

    if (!size)
        return 0;
    switch (data[0]) {
    case 0:
        merge(data + 1, size - 1);
        break;
    case 1:
        measure(&hw, log, sizeof(log), &used);
        break;
    case 2:
        tpm_parse_header(data + 1, size - 1, &code);
        if (tpm_parse_banks(data + 1, size - 1, 3u << 12, bank, &used) == 0 && (!used || used > TPM_BANKS_MAX))
            abort();
        break;
    case 3:
        tpm_parse_pcr_read(data + 1, size - 1, 0xc, 13, digest);
        break;
    case 4:
        if (tpm_parse_pcr_event(data + 1, size - 1, &digests) == 0 && digests.n > TPM_BANKS_MAX)
            abort();
        break;
    default: {
        struct played p;

        played_init(&p, (enum tpm_transport)(1 + data[0] % 3), (enum played_fault)(data[0] / 3 % (PLAYED_CODE + 1)));
        p.fault_at = size > 1 ? data[1] % 16 : 1;
        p.burst = size > 2 ? data[2] : 1;
        measure(&p.hw, log, sizeof(log), &used);
    }
    }
    return 0;
}
