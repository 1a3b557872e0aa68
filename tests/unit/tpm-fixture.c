/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/evp.h>
#include <string.h>

#include "tpm-fixture.h"

#define TICKS_PER_MS 10 /* each look at the clock is a tick: waits are short */

static bool faulty(const struct played *p, enum played_fault f) {
    return p->fault == f && p->commands + 1 >= p->fault_at;
}

static uint32_t be(const uint8_t *b, unsigned n) {
    uint32_t v = 0;

    while (n--)
        v = v << 8 | *b++;
    return v;
}

static void put(struct played *p, uint32_t v, unsigned n) {
    while (n--)
        p->out[p->out_size++] = (uint8_t)(v >> 8 * n);
}

static const EVP_MD *bank_hash(unsigned bank) {
    return bank ? EVP_sha384() : EVP_sha256();
}

static void extend(struct played *p, unsigned pcr, const uint8_t *data, size_t n) {
    uint32_t start = p->out_size;

    put(p, 0, 4);
    put(p, 3, 4); /* SHA-1 is implemented, but no bank */
    put(p, 0x4, 2);
    EVP_Digest(data, n, p->out + p->out_size, NULL, EVP_sha1(), NULL);
    p->out_size += 20;
    for (unsigned b = 0; b < 2; b++) {
        unsigned size = (unsigned)EVP_MD_get_size(bank_hash(b));
        uint8_t both[128];

        put(p, b ? 0xc : 0xb, 2);
        EVP_Digest(data, n, p->out + p->out_size, NULL, bank_hash(b), NULL);
        memcpy(both, p->pcr[b][pcr], size);
        memcpy(both + size, p->out + p->out_size, size);
        EVP_Digest(both, 2 * size, p->pcr[b][pcr], NULL, bank_hash(b), NULL);
        p->out_size += size;
    }
    for (unsigned i = 0; i < 4; i++)
        p->out[start + i] = (uint8_t)((p->out_size - start - 4) >> 8 * (3 - i));
    put(p, 0, 2);
    put(p, 0, 1);
    put(p, 0, 2);
}

static void execute(struct played *p) {
    const uint8_t *c = p->in;
    uint32_t command = be(c + 6, 4), code = 0, tag = 0x8001, size;

    p->out_size = HEADER_SIZE;
    p->out_at = 0;
    if (faulty(p, PLAYED_CODE)) {
        code = 0x101;
    } else if (command == 0x144) {
        code = p->started ? 0x100 : 0;
        p->started = true;
    } else if (!p->started) {
        code = 0x100;
    } else if (command == 0x17a) {
        put(p, 0, 1);
        put(p, 5, 4);
        put(p, 3, 4);
        for (unsigned i = 0; i < 3; i++) {
            put(p, (const uint16_t[]){0x4, 0xb, 0xc}[i], 2);
            put(p, 3, 1);
            put(p, i ? 0xffffff : 0, 3);
        }
    } else if (command == 0x17e) {
        unsigned pcr = 0, b = be(c + 14, 2) == 0xc;

        while (!(c[17 + pcr / 8] & 1u << pcr % 8))
            pcr++;
        put(p, 1, 4);
        put(p, 1, 4);
        memcpy(p->out + p->out_size, c + 14, 6);
        p->out_size += 6;
        put(p, 1, 4);
        put(p, b ? 48 : 32, 2);
        memcpy(p->out + p->out_size, p->pcr[b][pcr], b ? 48 : 32);
        p->out_size += b ? 48 : 32;
    } else if (command == 0x13c) {
        tag = 0x8002;
        extend(p, be(c + 10, 4), c + 29, be(c + 27, 2));
    } else {
        code = 0x143;
    }
    size = p->out_size;
    if (faulty(p, PLAYED_LARGE))
        size = 0x10000;
    if (faulty(p, PLAYED_SMALL))
        size = 9;
    p->out_size = 0;
    put(p, tag, 2);
    put(p, size, 4);
    put(p, code, 4);
    p->out_size = size > sizeof(p->out) || size < HEADER_SIZE ? 100 : size;
    if (faulty(p, PLAYED_CUT))
        p->out_size /= 2;
    if (faulty(p, PLAYED_LONG))
        p->out_size += 3;
    p->commands++;
}

/* Whole? Then it runs. */
static bool take_byte(struct played *p, uint8_t b) {
    if (p->in_size < sizeof(p->in))
        p->in[p->in_size++] = b;
    return p->in_size >= HEADER_SIZE && p->in_size >= be(p->in + 2, 4);
}

static uint32_t next_byte(struct played *p) {
    return p->out_at < p->out_size ? p->out[p->out_at++] : 0xff;
}

static uint32_t tis_status(const struct played *p) {
    uint32_t v = 0x80 | p->burst << 8;

    if (p->ready && !faulty(p, PLAYED_NEVER_READY))
        v |= 0x40;
    if (p->in_size && (p->in_size < HEADER_SIZE || p->in_size < be(p->in + 2, 4) || faulty(p, PLAYED_ERROR_BIT)))
        v |= 0x08;
    if (p->running && p->out_at < p->out_size)
        v |= 0x10;
    return v;
}

static uint32_t hw_read(void *ctx, uint32_t offset, uint32_t size) {
    struct played *p = ctx;

    (void)size;
    if (p->transport == TPM_TIS)
        switch (offset) {
        case 0x00: return 0x80 | (p->granted && p->fault != PLAYED_NO_LOCALITY ? 0x20 : 0);
        case 0x18: return tis_status(p);
        case 0x24: return next_byte(p);
        case 0x30: return 0xf;
        case 0xf00: return 0x1014;
        }
    if (p->transport == TPM_CRB)
        switch (offset) {
        case 0x00: return 0x80 | (p->granted && p->fault != PLAYED_NO_LOCALITY ? 2 : 0);
        case 0x0c: return p->granted;
        case 0x30: return 1;
        case 0x40: return faulty(p, PLAYED_NEVER_READY);
        case 0x44: return faulty(p, PLAYED_ERROR_BIT);
        case 0x4c: return p->running;
        case 0x58: return p->fault == PLAYED_SMALL_BUFFER ? 11 : 0xf80;
        case 0x5c: return p->fault == PLAYED_FAR_BUFFER ? 0xfed50000 : 0xfed40080;
        case 0x60: return 0;
        case 0x64: return 0xf80;
        case 0x68: return 0xfed40080;
        case 0x6c: return 0;
        default:
            if (offset >= 0x80)
                return offset - 0x80 < p->out_size ? p->out[offset - 0x80] : 0xff;
        }
    return 0xffffffff;
}

static void tis_write(struct played *p, uint32_t offset, uint32_t v) {
    if (offset == 0x00 && v & 2) {
        p->granted = true;
        p->open++;
    } else if (offset == 0x00 && v & 0x20) {
        p->granted = false;
        p->open--;
    } else if (offset == 0x18 && v == 0x40) {
        p->in_size = p->out_size = 0;
        p->ready = true;
        p->running = false;
    } else if (offset == 0x24 && p->ready) {
        take_byte(p, (uint8_t)v);
    } else if (offset == 0x18 && v == 0x20 && !faulty(p, PLAYED_NEVER_DONE)) {
        execute(p);
        p->running = true;
    }
}

static void crb_write(struct played *p, uint32_t offset, uint32_t v) {
    if (offset == 0x08) {
        p->granted = v == 1;
        p->open += v == 1 ? 1 : (unsigned)-1;
    } else if (offset == 0x40 && v == 1) {
        p->in_size = p->out_size = 0;
    } else if (offset >= 0x80) {
        p->in[offset - 0x80] = (uint8_t)v;
    } else if (offset == 0x4c && v == 1) {
        p->running = faulty(p, PLAYED_NEVER_DONE);
        if (!p->running)
            execute(p);
    }
}

static void hw_write(void *ctx, uint32_t offset, uint32_t size, uint32_t v) {
    struct played *p = ctx;

    (void)size;
    if (p->transport == TPM_TIS)
        tis_write(p, offset, v);
    else if (p->transport == TPM_CRB)
        crb_write(p, offset, v);
}

static uint8_t hw_in(void *ctx, uint16_t port) {
    struct played *p = ctx;

    if (p->transport != TPM_COM2)
        return 0xff;
    if (port == 0x2fd)
        return (uint8_t)((faulty(p, PLAYED_NEVER_READY) ? 0 : 0x20) | (p->out_at < p->out_size ? 1 : 0));
    return port == 0x2f8 ? (uint8_t)next_byte(p) : 0;
}

static void hw_out(void *ctx, uint16_t port, uint8_t v) {
    struct played *p = ctx;

    if (p->transport == TPM_COM2 && port == 0x2fb)
        p->divisor = v & 0x80;
    if (p->transport != TPM_COM2 || port != 0x2f8 || p->divisor)
        return;
    if (take_byte(p, v)) {
        if (!faulty(p, PLAYED_NEVER_DONE))
            execute(p);
        p->in_size = 0;
    }
}

static uint64_t hw_now(void *ctx) {
    struct played *p = ctx;

    return p->clock++;
}

void played_init(struct played *p, enum tpm_transport transport, enum played_fault fault) {
    memset(p, 0, sizeof(*p));
    p->transport = transport;
    p->fault = fault;
    p->fault_at = 1;
    p->burst = 7;
    p->hw = (struct tpm_hw){p, hw_read, hw_write, hw_in, hw_out, hw_now, TICKS_PER_MS};
}
