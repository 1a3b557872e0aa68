/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which port writes of the host end the run, so that memory is wiped before them. */
#include "rv-test.h"

#include "vmx/power.h"

static const struct power_ports ports = {
    .pm1_cnt = { 0xb004, 0xb0f4 }, .sleep_control = 0x620, .reset = 0xcd0, .reset_value = 0x0b };

static bool ends(u16 port, u32 size, u32 value) {
    struct power_state s = { 0 };

    return power_write_ends(&ports, &s, port, size, value);
}

static void test_resets(void **state) {
    (void) state;
    assert_true(ends(0xcf9, 1, 0x06));
    assert_true(ends(0xcf9, 1, 0x0e));
    assert_false(ends(0xcf9, 1, 0x02));
    assert_true(ends(0xcf8, 2, 0x0600));             /* the high byte is 0xcf9 */
    assert_false(ends(0xcf8, 4, 0x80000600));        /* PCI configuration address */
    assert_true(ends(0xcf9, 4, 0x06));
    assert_true(ends(0x92, 1, 1));
    assert_false(ends(0x92, 1, 2));                  /* A20 */
    assert_true(ends(0x91, 2, 0x0100));
    assert_true(ends(0x64, 1, 0xfe));
    assert_true(ends(0x64, 1, 0xf0));
    assert_false(ends(0x64, 1, 0xff));
    assert_false(ends(0x64, 1, 0xaa));
    assert_true(ends(0xcd0, 1, 0x0b));
    assert_false(ends(0xcd0, 1, 0x0a));
}

static void test_keyboard_output_port(void **state) {
    struct power_state s = { 0 };

    (void) state;
    assert_false(power_write_ends(&ports, &s, 0x60, 1, 0x00));
    assert_false(power_write_ends(&ports, &s, 0x64, 1, 0xd1));
    assert_false(power_write_ends(&ports, &s, 0x60, 1, 0xdf));       /* A20 on, reset line high */
    assert_false(power_write_ends(&ports, &s, 0x60, 1, 0x00));       /* no longer the output port */
    assert_false(power_write_ends(&ports, &s, 0x64, 1, 0xd1));
    assert_true(power_write_ends(&ports, &s, 0x60, 1, 0xde));
}

static void test_sleep(void **state) {
    (void) state;
    assert_true(ends(0xb004, 2, 0x3c01));
    assert_false(ends(0xb004, 2, 0x1c01));           /* a type without SLP_EN */
    assert_true(ends(0xb005, 1, 0x20));
    assert_true(ends(0xb002, 4, 0x20000000));        /* a wide write over it */
    assert_false(ends(0xb004, 1, 0x20));
    assert_true(ends(0xb0f4, 2, 0x2000));
    assert_true(ends(0x620, 1, 0x20));
}

static void test_absent_registers(void **state) {
    static const struct power_ports none;
    struct power_state s = { 0 };

    (void) state;
    for (u32 port = 0; port < 0x10000; port++)
        if (port != 0x60 && port != 0x64 && port != 0x92 && port != 0xcf9)
            assert_false(power_write_ends(&none, &s, (u16) port, 1, 0xff) ||
                         power_write_ends(&none, &s, (u16) port, 1, 0));
}

/* Every write that ends the run must reach us: one of its bytes is trapped. */
static void test_bitmap_covers(void **state) {
    static uint8_t bitmap[8192];
    unsigned trapped = 0;

    (void) state;
    power_bitmap(&ports, bitmap);
    for (u32 port = 0; port < 0xffff; port++) {
        bool hit = bitmap[port / 8] >> port % 8 & 1;
        struct power_state s = { .kbc_output = true };

        trapped += hit;
        for (u32 v = 0; v < 256; v++)
            if (power_write_ends(&ports, &s, (u16) port, 1, v))
                assert_true(hit);
    }
    assert_int_equal(trapped, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_keyboard_output_port),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_absent_registers),
        cmocka_unit_test(test_bitmap_covers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
