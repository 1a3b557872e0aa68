/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real drivers, commands and log against a played TPM; then answers and logs that are not what they should be. */
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tpm-fixture.h"
#include "tpm/bytes.h"
#include "tpm/log.h"
#include "tpm/merge.h"

#define LOG_MAX 3072u

static const char config[] = "pool=64 tpm=com2";
static const enum tpm_transport all[] = {TPM_TIS, TPM_CRB, TPM_COM2};

static struct tpm_facts facts(void) {
    struct tpm_facts f = {.rootvisor_version = 0x010203, .rootvisor_svn = 4, .guardian_svn = 5, .config = config,
                          .config_size = sizeof(config) - 1};

    memset(f.rootvisor_digest, 1, sizeof(f.rootvisor_digest));
    memset(f.guardian_digest, 2, sizeof(f.guardian_digest));
    memset(f.key_id, 3, sizeof(f.key_id));
    return f;
}

static int measure(struct played *p, struct tpm *t, uint8_t *log, uint32_t *used) {
    struct tpm_facts f = facts();
    int err;

    *used = 0;
    err = tpm_find(t, &p->hw, true, 12000);
    return err < 0 ? err : tpm_measure(t, &f, log, LOG_MAX, used);
}

/* A second reader of the log, written from the specification: entries, and the PCRs of a bank. */
struct seen {
    unsigned n, count[24];
    uint8_t pcr[24][48];
    uint32_t type[32], index[32];
    const uint8_t *data[32];
    uint32_t size[32];
};

static uint32_t le(const uint8_t *p, unsigned n) {
    uint32_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

static void replay(const uint8_t *log, uint32_t size, uint16_t alg, unsigned digest_size, struct seen *s) {
    const EVP_MD *md = alg == 0xb ? EVP_sha256() : EVP_sha384();
    uint32_t at = 32 + le(log + 28, 4);

    memset(s, 0, sizeof(*s));
    while (at < size) {
        uint32_t pcr = le(log + at, 4), banks = le(log + at + 8, 4), n;
        uint8_t both[96], of_data[48];

        s->index[s->n] = pcr;
        s->type[s->n] = le(log + at + 4, 4);
        at += 12;
        for (uint32_t i = 0; i < banks; i++) {
            uint32_t seen = le(log + at, 2);

            if (seen == alg) {
                memcpy(both, s->pcr[pcr], digest_size);
                memcpy(both + digest_size, log + at + 2, digest_size);
            }
            at += 2 + (seen == 0xb ? 32 : 48);
        }
        n = le(log + at, 4);
        s->data[s->n] = log + at + 4;
        s->size[s->n++] = n;
        EVP_Digest(log + at + 4, n, of_data, NULL, md, NULL);
        assert_memory_equal(of_data, both + digest_size, digest_size); /* nothing is unmeasured */
        EVP_Digest(both, 2 * digest_size, s->pcr[pcr], NULL, md, NULL);
        at += 4 + n;
    }
    assert_int_equal(at, size);
}

static void test_good(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct cvm_tpm_image image;
        struct cvm_tpm_key key;
        struct played p;
        struct seen s;
        struct tpm t;
        uint8_t log[LOG_MAX];
        uint32_t used;

        played_init(&p, all[i], PLAYED_GOOD);
        assert_int_equal(measure(&p, &t, log, &used), 0);
        assert_int_equal(t.transport, all[i]);
        assert_int_equal(p.open, 0); /* the host can have it */
        for (unsigned b = 0; b < 2; b++) {
            replay(log, used, b ? 0xc : 0xb, b ? 48 : 32, &s);
            assert_memory_equal(s.pcr[12], p.pcr[b][12], b ? 48 : 32);
            assert_memory_equal(s.pcr[13], p.pcr[b][13], b ? 48 : 32);
        }
        assert_int_equal(s.n, 6);
        memcpy(&image, s.data[0], sizeof(image));
        assert_int_equal(s.size[0], sizeof(image));
        assert_true(s.type[0] == 6 && s.index[0] == 13 && image.head.tag == CVM_TPM_TAG_ROOTVISOR && image.head.size == 56);
        assert_true(image.version == 0x010203 && image.svn == 4 && image.digest[47] == 1);
        assert_int_equal(le(s.data[1], 4), CVM_TPM_TAG_CONFIG);
        assert_int_equal(le(s.data[1] + 4, 4), sizeof(config) - 1);
        assert_memory_equal(s.data[1] + 8, config, sizeof(config) - 1);
        memcpy(&image, s.data[2], sizeof(image));
        assert_true(image.head.tag == CVM_TPM_TAG_GUARDIAN && image.version == 0 && image.svn == 5 && image.digest[0] == 2);
        memcpy(&key, s.data[3], sizeof(key));
        assert_true(s.index[3] == 12 && key.head.tag == CVM_TPM_TAG_KEY && key.head.size == 32 && key.key_id[31] == 3);
        for (unsigned e = 4; e < 6; e++)
            assert_true(s.type[e] == 4 && s.index[e] == 8 + e && s.size[e] == 4 && le(s.data[e], 4) == 0);

        /* Once more: these PCRs are not fresh. */
        assert_int_equal(measure(&p, &t, log, &used), -EEXIST);
        assert_int_equal(used, 0);
        assert_int_equal(p.open, 0);
    }
}

static void test_faults(void **state) {
    static const struct {
        enum played_fault fault;
        int tis, crb, com2;
    } cases[] = {
        {PLAYED_NO_LOCALITY, -ETIMEDOUT, -ETIMEDOUT, 0},
        {PLAYED_NEVER_READY, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT},
        {PLAYED_NEVER_DONE, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT},
        {PLAYED_ERROR_BIT, -EIO, -EIO, 0},
        {PLAYED_CUT, -EPROTO, -EPROTO, -EPROTO},
        {PLAYED_LARGE, -EPROTO, -EPROTO, -EPROTO},
        {PLAYED_SMALL, -EPROTO, -EPROTO, -EPROTO},
        {PLAYED_LONG, -EPROTO, 0, 0}, /* the rest of a buffer says nothing; what a line still holds is dropped */
        {PLAYED_FAR_BUFFER, 0, -EOPNOTSUPP, 0},
        {PLAYED_SMALL_BUFFER, 0, -EOPNOTSUPP, 0},
        {PLAYED_CODE, -EIO, -EIO, -EIO},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned k = 0; k < 3; k++)
            for (unsigned at = 1; at <= 12; at++) {
                int want = (const int[]){cases[i].tis, cases[i].crb, cases[i].com2}[k], err;
                uint8_t log[LOG_MAX];
                struct played p;
                struct tpm t;
                uint32_t used;

                played_init(&p, all[k], cases[i].fault);
                p.fault_at = at;
                err = measure(&p, &t, log, &used);
                /* A CRB's buffer is not emptied: bytes of an older answer may stand behind a cut one. */
                if (all[k] == TPM_CRB && cases[i].fault == PLAYED_CUT && err != 0)
                    want = err;
                assert_int_equal(err, want);
                if (err == -EIO && cases[i].fault == PLAYED_CODE)
                    assert_int_equal(t.code, 0x101);
                assert_true(p.clock < 12000 * 10 + 100); /* within the time that is allowed */
                if (used && err)
                    assert_true(used < LOG_MAX);
            }
}

static void test_find(void **state) {
    struct played p;
    struct tpm t;

    (void)state;
    played_init(&p, TPM_NONE, PLAYED_GOOD);
    assert_int_equal(tpm_find(&t, &p.hw, false, 100), -ENODEV);
    assert_int_equal(tpm_find(&t, &p.hw, true, 100), 0); /* a serial line was asked for: opening tells */
    assert_int_equal(tpm_open(&t), -ENODEV);
    played_init(&p, TPM_COM2, PLAYED_GOOD);
    assert_int_equal(tpm_find(&t, &p.hw, false, 100), -ENODEV);
    /* A TPM in the register page is never passed over. */
    played_init(&p, TPM_TIS, PLAYED_GOOD);
    assert_int_equal(tpm_find(&t, &p.hw, true, 100), 0);
    assert_int_equal(t.transport, TPM_TIS);
    t.buffer[2] = t.buffer[3] = t.buffer[4] = 0;
    t.buffer[5] = 9;
    assert_int_equal(tpm_transact(&t), -EINVAL);
    t.buffer[4] = 0xff;
    assert_int_equal(tpm_transact(&t), -EINVAL);
}

static void test_word(void **state) {
#define WANTS(s) tpm_wants_serial(s, sizeof(s) - 1)
    (void)state;
    assert_true(WANTS("tpm=com2"));
    assert_true(WANTS("pool=1 tpm=com2"));
    assert_true(WANTS("tpm=com2\tpool=1"));
    assert_false(WANTS(""));
    assert_false(WANTS("tpm=com"));
    assert_false(WANTS("tpm=com21"));
    assert_false(WANTS("xtpm=com2"));
#undef WANTS
}

/* Every cut of a good answer, and every byte of it changed: an error, or something within its bounds. */
static void each(const uint8_t *good, size_t n, int (*parse)(const uint8_t *buf, size_t n)) {
    uint8_t buf[512];

    assert_int_equal(parse(good, n), 0);
    for (size_t cut = 0; cut < n; cut++)
        assert_true(parse(good, cut) < 0);
    for (size_t i = 0; i < n; i++)
        for (unsigned v = 0; v < 256; v++) {
            memcpy(buf, good, n);
            buf[i] = (uint8_t)v;
            parse(buf, n);
        }
    memcpy(buf, good, n);
    buf[n] = 0;
    assert_true(parse(buf, n + 1) < 0);
}

static int parse_banks(const uint8_t *buf, size_t n) {
    struct tpm_bank bank[TPM_BANKS_MAX];
    uint32_t count;

    return tpm_parse_banks(buf, n, 3u << 12, bank, &count);
}

static int parse_read(const uint8_t *buf, size_t n) {
    uint8_t digest[TPM_HASH_MAX];

    return tpm_parse_pcr_read(buf, n, 0xb, 12, digest);
}

static int parse_event(const uint8_t *buf, size_t n) {
    struct tpm_digests d;
    int err = tpm_parse_pcr_event(buf, n, &d);

    if (!err)
        assert_true(d.n <= TPM_BANKS_MAX);
    return err;
}

static void test_answers(void **state) {
    static const uint8_t banks[] = {0x80, 1, 0, 0, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 4, 3, 0, 0, 0, 0, 0xb, 3, 0xff, 0xff, 0xff};
    static const uint8_t partial[] = {0x80, 1, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0xb, 3, 0xff, 0x0f, 0};
    static const uint8_t strange[] = {0x80, 1, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0x7f, 0xb, 3, 0xff, 0xff, 0};
    static const uint8_t twice[] = {0x80, 1, 0, 0, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0xb, 3, 0xff, 0xff, 0, 0, 0xb, 3, 0xff, 0xff, 0xff};
    uint8_t read[62] = {0x80, 1, 0, 0, 0, 62, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0xb, 3, 0, 0x10, 0, 0, 0, 0, 1, 0, 32};
    uint8_t event[57] = {0x80, 2, 0, 0, 0, 57, 0, 0, 0, 0, 0, 0, 0, 38, 0, 0, 0, 1, 0, 0xb};

    (void)state;
    each(banks, sizeof(banks), parse_banks);
    assert_int_equal(parse_banks(partial, sizeof(partial)), -EPROTO); /* a bank without PCR 12 cannot be extended */
    assert_int_equal(parse_banks(strange, sizeof(strange)), -EOPNOTSUPP); /* nor could its log be written */
    assert_int_equal(parse_banks(twice, sizeof(twice)), -EPROTO);
    each(read, sizeof(read), parse_read);
    read[22] = 0;
    assert_int_equal(parse_read(read, sizeof(read)), -EPROTO); /* the TPM has no such PCR */
    each(event, sizeof(event), parse_event);
}

/* ---- logs ---- */

static uint32_t firmware_log(uint8_t *out, const struct tpm_bank *bank, uint32_t n, unsigned entries) {
    struct writer w = {.p = out, .size = 4096};
    struct tpm_digests d = {.n = n};

    log_header(&w, bank, n);
    for (uint32_t i = 0; i < n; i++) {
        d.d[i].alg = bank[i].alg;
        memset(d.d[i].digest, 0x40, bank[i].size);
    }
    for (unsigned i = 0; i < entries; i++)
        assert_int_equal(log_event2(&w, bank, n, i, 0xd, &d, "firmware", 8), 0);
    assert_false(w.failed);
    return (uint32_t)w.used;
}

static void own_log(uint8_t *log, uint32_t *used) {
    struct played p;
    struct tpm t;

    played_init(&p, TPM_CRB, PLAYED_GOOD);
    assert_int_equal(measure(&p, &t, log, used), 0);
}

static void test_merge(void **state) {
    static const struct tpm_bank both[] = {{0xb, 32}, {0xc, 48}}, reversed[] = {{0xc, 48}, {0xb, 32}}, one[] = {{0xc, 48}},
                                 other[] = {{0x4, 20}};
    uint8_t own[LOG_MAX], fw[4096], out[8192];
    uint32_t own_size, fw_size, merged;
    struct seen s;
    int n;

    (void)state;
    own_log(own, &own_size);
    n = log_merge(NULL, 0, own, own_size, out, sizeof(out), &merged);
    assert_int_equal(n, own_size);
    assert_memory_equal(out, own, own_size);
    assert_int_equal(merged, 0);

    fw_size = firmware_log(fw, both, 2, 3);
    n = log_merge(fw, fw_size, own, own_size, out, sizeof(out), &merged);
    assert_int_equal(merged, 3);
    assert_memory_equal(out, fw, fw_size);
    assert_memory_equal(out + n - 4, own + own_size - 4, 4);
    assert_int_equal(n, fw_size + own_size - (32 + le(own + 28, 4)));

    /* An area that is larger than its log. */
    for (unsigned fill = 0; fill < 256; fill += 255) {
        memset(fw + fw_size, (int)fill, sizeof(fw) - fw_size);
        assert_int_equal(log_merge(fw, sizeof(fw), own, own_size, out, sizeof(out), &merged), n);
        assert_int_equal(merged, 3);
    }

    /* The header says which banks, and in which order. */
    fw_size = firmware_log(fw, reversed, 2, 0);
    n = log_merge(fw, fw_size, own, own_size, out, sizeof(out), &merged);
    replay(out, (uint32_t)n, 0xb, 32, &s);
    assert_int_equal(s.n, 6);
    fw_size = firmware_log(fw, one, 1, 0);
    n = log_merge(fw, fw_size, own, own_size, out, sizeof(out), &merged);
    replay(out, (uint32_t)n, 0xc, 48, &s);
    assert_int_equal(s.n, 6);

    /* A bank that ours does not know: ours alone. */
    fw_size = firmware_log(fw, other, 1, 2);
    assert_int_equal(log_merge(fw, fw_size, own, own_size, out, sizeof(out), &merged), own_size);
    assert_int_equal(merged, 0);
    assert_memory_equal(out, own, own_size);

    /* No log at all, or one of TPM 1.2. */
    memset(fw, 0, 64);
    assert_int_equal(log_merge(fw, 64, own, own_size, out, sizeof(out), &merged), own_size);
    fw_size = firmware_log(fw, both, 2, 1);
    fw[32] = 'X';
    assert_int_equal(log_merge(fw, fw_size, own, own_size, out, sizeof(out), &merged), own_size);

    /* A firmware log of any length: never more than there is room for, never an end within an entry. */
    fw_size = firmware_log(fw, both, 2, 3);
    for (uint32_t cut = 0; cut <= fw_size; cut++) {
        n = log_merge(fw, cut, own, own_size, out, sizeof(out), &merged);
        assert_true(merged <= 3 && n >= (int)own_size);
        assert_memory_equal(out + n - 4, own + own_size - 4, 4);
    }
    for (uint32_t room = 0; room < own_size; room += 7)
        assert_int_equal(log_merge(fw, fw_size, own, own_size, out, room, &merged), -ENOSPC);
    assert_int_equal(log_merge(fw, fw_size, own, own_size - 1, out, sizeof(out), &merged), -EINVAL);
    assert_int_equal(log_merge(fw, fw_size, own, 20, out, sizeof(out), &merged), -EINVAL);
}

static void test_log_room(void **state) {
    (void)state;
    for (uint32_t size = 0; size < 1200; size += 13) {
        struct tpm_facts f = facts();
        uint8_t log[LOG_MAX];
        struct played p;
        struct tpm t;
        uint32_t used;
        int err;

        played_init(&p, TPM_TIS, PLAYED_GOOD);
        assert_int_equal(tpm_find(&t, &p.hw, false, 12000), 0);
        err = tpm_measure(&t, &f, log, size, &used);
        assert_true(err == 0 || err == -ENOSPC);
        assert_true(used <= size);
        assert_int_equal(p.open, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_faults), cmocka_unit_test(test_find), cmocka_unit_test(test_word),
        cmocka_unit_test(test_answers), cmocka_unit_test(test_merge), cmocka_unit_test(test_log_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
