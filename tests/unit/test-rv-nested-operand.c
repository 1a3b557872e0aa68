/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands of VMX instructions. SDM vol. 3, tables 28-13 and 28-14. */
#include "rv-test.h"

#include "nested/operand.h"

#define NO_BASE BIT(27)
#define NO_INDEX BIT(22)
#define ASIZE(n) ((n) << 7)
#define SEG(n) ((n) << 15)

static u64 gpr[16];
static struct vmx_operand op;

static int setup(void **state) {
    (void) state;
    for (u32 i = 0; i < 16; i++)
        gpr[i] = 0x100000000000ull * i + 0x1000 * i + i;
    return 0;
}

static int decode(u32 info, u64 disp) {
    return vmx_decode_operand(info, disp, gpr, 0xf5000, 0x65000, &op);
}

static void test_registers(void **state) {
    (void) state;
    for (u32 r = 0; r < 16; r++) {
        assert_int_equal(decode(BIT(10) | r << 3 | (15 - r) << 28, 0), 0);
        assert_true(op.is_reg);
        assert_int_equal(op.reg, r);
        assert_int_equal(op.reg2, 15 - r);
    }
}

static void test_base_index_scale_displacement(void **state) {
    (void) state;
    for (u32 base = 0; base < 16; base++)
        for (u32 index = 0; index < 16; index++)
            for (u32 scale = 0; scale < 4; scale++) {
                assert_int_equal(decode(scale | ASIZE(2u) | SEG(3u) | index << 18 | base << 23 | 3u << 28,
                                        (u64) -8), 0);
                assert_false(op.is_reg);
                assert_int_equal(op.la, gpr[base] + (gpr[index] << scale) - 8);
                assert_int_equal(op.reg2, 3);
            }
    assert_int_equal(decode(ASIZE(2u) | NO_BASE | NO_INDEX, 0x1234), 0);
    assert_int_equal(op.la, 0x1234);
    assert_int_equal(decode(ASIZE(2u) | NO_INDEX | 5u << 23, 0), 0);
    assert_int_equal(op.la, gpr[5]);
    assert_int_equal(decode(3 | ASIZE(2u) | NO_BASE | 5u << 18, 0), 0);
    assert_int_equal(op.la, gpr[5] << 3);
}

static void test_address_size(void **state) {
    (void) state;
    assert_int_equal(decode(ASIZE(1u) | NO_INDEX | 5u << 23, 0x10), 0);
    assert_int_equal(op.la, (gpr[5] + 0x10) & 0xffffffff);
    assert_int_equal(decode(ASIZE(0u) | NO_INDEX, 0), -EINVAL);     /* 16 bits: not in 64-bit mode */
    for (u32 a = 3; a < 8; a++)
        assert_int_equal(decode(ASIZE(a) | NO_INDEX, 0), -EINVAL);
}

static void test_segments(void **state) {
    static const u64 base[] = { 0, 0, 0, 0, 0xf5000, 0x65000 };

    (void) state;
    for (u32 s = 0; s < 6; s++) {
        assert_int_equal(decode(ASIZE(2u) | NO_BASE | NO_INDEX | SEG(s), 0x20), 0);
        assert_int_equal(op.la, base[s] + 0x20);
    }
    /* the base is added behind the truncation */
    assert_int_equal(decode(ASIZE(1u) | NO_BASE | NO_INDEX | SEG(4u), 0xffffffffffull), 0);
    assert_int_equal(op.la, 0xf5000 + 0xffffffffull);
    assert_int_equal(decode(ASIZE(2u) | SEG(6u), 0), -EINVAL);
    assert_int_equal(decode(ASIZE(2u) | SEG(7u), 0), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registers, setup),
        cmocka_unit_test_setup(test_base_index_scale_displacement, setup),
        cmocka_unit_test_setup(test_address_size, setup),
        cmocka_unit_test_setup(test_segments, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
