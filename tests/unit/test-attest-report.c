/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The binary report: round trip, cut at each length, each field wrong, each byte flipped. */
#include "attest-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/report.h"

static void test_round_trip(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report)], again[sizeof(wire)];
    struct cvm_report rep = {0};
    struct cvm_error e = {""};

    fixture_sign(f, &f->report, wire);
    assert_int_equal(cvm_report_decode(wire, sizeof(wire), &rep, &e), 0);
    assert_int_equal(rep.vm_id, 5);
    assert_int_equal(rep.tsc_khz, 2000000);
    assert_int_equal(rep.measured[2].size, 12345678);
    cvm_report_encode(&rep, again);
    assert_memory_equal(wire, again, sizeof(wire));
}

/* Offsets as the ABI header gives them, not as the table in the decoder has them. */
static void test_layout(void **state) {
    const struct fixture *f = *state;
    struct cvm_report rep = fixture_report(f);
    uint8_t wire[sizeof(struct cvm_report)];

    rep.platform = 0x1122334455667788;
    rep.measured[1].size = 0x0102030405060708;
    cvm_report_encode(&rep, wire);
    assert_int_equal(wire[32], 0x88);
    assert_int_equal(wire[39], 0x11);
    assert_int_equal(wire[424 + 64 + 8], 0x08);
    assert_int_equal(wire[424 + 64 + 15], 0x01);
    assert_memory_equal(wire + 1008, f->nonce, 64);
    assert_memory_equal(wire + 1080, rep.report_key_id, 32);
}

static void test_cut_everywhere(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report) + 16] = {0};
    struct cvm_report rep;

    fixture_sign(f, &f->report, wire);
    for (size_t n = 0; n < sizeof(rep); n++) {
        /* Its own allocation, so that a read behind the end is seen by ASan. */
        uint8_t *part = malloc(n ?: 1);
        struct cvm_error e = {""};
        char after[64];
        int r;

        memcpy(part, wire, n);
        r = cvm_report_decode(part, n, &rep, &e);
        assert_int_equal(r, n ? -EMSGSIZE : -ENODATA);
        snprintf(after, sizeof(after), "after %zu of 1176 bytes", n);
        assert_non_null(strstr(e.text, n ? after : "empty"));
        free(part);
    }
    for (size_t n = 1; n <= 16; n++) {
        struct cvm_error e = {""};

        assert_int_equal(cvm_report_decode(wire, sizeof(rep) + n, &rep, &e), -EMSGSIZE);
        assert_non_null(strstr(e.text, "behind"));
    }
}

static void test_cut_names_field(void **state) {
    const struct fixture *f = *state;
    static const struct {
        size_t size;
        const char *field;
    } cases[] = {
        {5, "version"},
        {64, "rootvisor_digest"},
        {111, "rootvisor_digest"},
        {112, "guardian_digest"},
        {424 + 64 + 16, "measured[1].digest"},
        {1008, "user_data"},
        {1175, "signature"},
    };
    uint8_t wire[sizeof(struct cvm_report)];
    struct cvm_report rep;

    fixture_sign(f, &f->report, wire);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct cvm_error e = {""};

        assert_int_equal(cvm_report_decode(wire, cases[i].size, &rep, &e), -EMSGSIZE);
        assert_non_null(strstr(e.text, cases[i].field));
    }
}

/* Every field that has wrong values: its own error, before any signature is looked at. */
static void test_bad_fields(void **state) {
    const struct fixture *f = *state;

#define BAD(expect, word, change)                                                                            \
    do {                                                                                                     \
        struct cvm_report out, bad = fixture_report(f);                                                      \
        uint8_t wire[sizeof(bad)];                                                                           \
        struct cvm_error e = {""};                                                                           \
        change;                                                                                              \
        fixture_sign(f, &bad, wire);                                                                         \
        assert_int_equal(cvm_report_decode(wire, sizeof(wire), &out, &e), expect);                           \
        if (!strstr(e.text, word))                                                                           \
            fail_msg("'%s' does not name '%s'", e.text, word);                                               \
    } while (0)

    BAD(-EBADMSG, "no VM report", bad.magic ^= 1);
    BAD(-EPROTONOSUPPORT, "version 2", bad.version = 2);
    BAD(-EPROTONOSUPPORT, "version 0", bad.version = 0);
    BAD(-EINVAL, "size field", bad.size--);
    BAD(-EINVAL, "rollback", bad.rollback_epoch = 1);
    BAD(-EINVAL, "vm_id", bad.vm_id = 0);
    BAD(-EINVAL, "rollback", bad.rollback = 1);
    BAD(-EINVAL, "requester", bad.requester = 2);
    BAD(-EINVAL, "kex_alg", bad.kex_alg = 0);
    BAD(-EINVAL, "kex_public", bad.kex_public[0] = 2);
    BAD(-EINVAL, "padded", bad.kex_public[71] = 1);
    BAD(-EINVAL, "nr_measured", bad.nr_measured = 0);
    BAD(-EINVAL, "nr_measured", bad.nr_measured = 9);
    BAD(-EINVAL, "nr_measured", bad.nr_measured = UINT32_MAX);
    BAD(-EINVAL, "measured[3] is unused", bad.nr_measured = 3);
    BAD(-EINVAL, "measured[4].kind", bad.nr_measured = 5);
    BAD(-EINVAL, "measured[7] is unused", bad.measured[7].digest[47] = 1);
    BAD(-EINVAL, "ascend", bad.measured[2].kind = CVM_COMP_KERNEL);
    BAD(-EINVAL, "ascend", bad.measured[3].kind = CVM_COMP_KERNEL);
    BAD(-EINVAL, "unknown", bad.measured[3].kind = 6);
    BAD(-EINVAL, "unknown", bad.measured[0].kind = 0);
    BAD(-EINVAL, "measured[1].reserved", bad.measured[1].reserved = 1);
    BAD(-EINVAL, "measured[1].size", bad.measured[1].size = 0);
    BAD(-EINVAL, "not whole pages", bad.measured[0].size = 4095);
    BAD(-EINVAL, "not whole pages", bad.measured[0].size = CVM_FW_MAX + 4096);
    BAD(
        -EINVAL, "not the firmware", do {
            bad.nr_measured = 3;
            memmove(bad.measured, bad.measured + 1, 3 * sizeof(bad.measured[0]));
            memset(&bad.measured[3], 0, sizeof(bad.measured[3]));
        } while (0));
}

/* No byte can change without the verdict becoming "contraindicated, broken evidence". */
static void test_each_byte_counts(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report)];
    struct cvm_verdict v;

    fixture_sign(f, &f->report, wire);
    fixture_appraise(f, wire, &v);
    assert_int_equal(v.tier, CVM_TIER_WARNING); /* the control */
    for (size_t i = 0; i < sizeof(wire); i++) {
        uint8_t bit = (uint8_t)(1 << i % 8);

        wire[i] ^= bit;
        fixture_appraise(f, wire, &v);
        if (v.tier != CVM_TIER_CONTRAINDICATED || v.failure != CVM_BROKEN_EVIDENCE)
            fail_msg("byte %zu, bit 0x%02x: the change was not detected", i, bit);
        wire[i] ^= bit;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_layout),
        cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_cut_names_field),
        cmocka_unit_test(test_bad_fields),     cmocka_unit_test(test_each_byte_counts),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
