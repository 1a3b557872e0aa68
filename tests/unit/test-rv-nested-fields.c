/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of VMCS12 fields: complete in itself, and nothing found that is not in it. */
#include "rv-test.h"

#include "nested/fields.h"
#include "rv/vmcs.h"

static int setup(void **state) {
    (void) state;
    fields_init();
    return 0;
}

static void test_every_field_is_found(void **state) {
    (void) state;
    for (u32 i = 0; i < NR_FIELDS; i++) {
        assert_int_equal(field_lookup(fields[i].encoding), i);
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(field_slot(fields[i].encoding), field_slot(fields[j].encoding));
    }
}

static void test_no_field_twice(void **state) {
    (void) state;
    for (u32 i = 0; i < NR_FIELDS; i++)
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(fields[i].encoding, fields[j].encoding);
}

/* All 64 K encodings and some above: exactly the table, and high halves of 64-bit fields. */
static void test_nothing_else_is_found(void **state) {
    u32 found = 0, high = 0, wide = 0;

    (void) state;
    for (u64 e = 0; e < 0x10000; e++) {
        u32 i = field_lookup(e);

        if (i == FIELD_NONE)
            continue;
        assert_true(i < NR_FIELDS);
        assert_int_equal(fields[i].encoding, e & ~1ull);
        if (e & 1) {
            assert_int_equal(e >> 13 & 3, 1);
            high++;
        } else {
            found++;
            wide += (e >> 13 & 3) == 1;
        }
    }
    assert_int_equal(found, NR_FIELDS);
    assert_int_equal(high, wide);
    for (u32 bit = 15; bit < 64; bit++)
        assert_int_equal(field_lookup(BIT(bit) | VMCS_GUEST_RIP), FIELD_NONE);
    assert_int_equal(field_lookup(0x1000 | VMCS_GUEST_CS_SEL), FIELD_NONE);
}

/* SDM vol. 3, appendix B: the type in bits 11:10 is exit information, and read-only, or it is not. */
static void test_classes_follow_the_encoding(void **state) {
    (void) state;
    for (u32 i = 0; i < NR_FIELDS; i++) {
        u32 type = fields[i].encoding >> 10 & 3;

        assert_int_equal(type == 1, fields[i].class == FIELD_EXIT);
        if (fields[i].class == FIELD_GUEST)
            assert_int_equal(type, 2);
        if (fields[i].class == FIELD_HOST || type == 3)
            assert_true(fields[i].class == FIELD_HOST && type == 3);
        if (fields[i].class == FIELD_ENTRY)
            assert_int_equal(type, 0);
    }
}

/* What must never reach VMCS02 from L1, or be shown to it. */
static void test_dangerous_fields_are_absent(void **state) {
    static const u32 absent[] = {
        0x0002, 0x0004, 0x200e, 0x2014, 0x2016, 0x2018, 0x2024, 0x2026, 0x2028, 0x202a, 0x202e, 0x2030, 0x2032,
        0x4c02 };

    (void) state;
    for (u32 i = 0; i < ARRAY_SIZE(absent); i++)
        assert_int_equal(field_lookup(absent[i]), FIELD_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_found),
        cmocka_unit_test(test_no_field_twice),
        cmocka_unit_test(test_nothing_else_is_found),
        cmocka_unit_test(test_classes_follow_the_encoding),
        cmocka_unit_test(test_dangerous_fields_are_absent),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
