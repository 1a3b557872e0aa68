/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory map: what loaders get wrong is put right, and e820 loses RootVisor's ranges only. */
#include "rv-test.h"

#include "hostboot/place.h"

static void add(struct memmap *m, u64 start, u64 end, u32 type) {
    m->r[m->n++] = (struct memmap_range) { .start = start, .end = end, .type = type };
}

static void expect_map(const struct memmap *m, const struct memmap_range *want, u32 n) {
    assert_int_equal(m->n, n);
    for (u32 i = 0; i < n; i++) {
        assert_int_equal(m->r[i].start, want[i].start);
        assert_int_equal(m->r[i].end, want[i].end);
        assert_int_equal(m->r[i].type, want[i].type);
    }
}
#define EXPECT_MAP(m, ...) do { \
        const struct memmap_range want_[] = { __VA_ARGS__ }; \
        expect_map((m), want_, ARRAY_SIZE(want_)); \
    } while (0)

static void test_sorts_and_joins(void **state) {
    struct memmap m = { 0 };

    (void) state;
    add(&m, 0x300000, 0x400000, MEM_RAM);
    add(&m, 0x100000, 0x200000, MEM_RAM);
    add(&m, 0x200000, 0x300000, MEM_RAM);
    add(&m, 0x500000, 0x500000, MEM_RAM);
    assert_int_equal(memmap_normalise(&m), 0);
    EXPECT_MAP(&m, { 0x100000, 0x400000, MEM_RAM, 0 });
}

static void test_overlap_takes_careful_type(void **state) {
    struct memmap m = { 0 };

    (void) state;
    add(&m, 0, 0x1000000, MEM_RAM);
    add(&m, 0x9f000, 0x100000, MEM_RESERVED);
    add(&m, 0x800000, 0x900000, MEM_ACPI);
    add(&m, 0x880000, 0xa00000, MEM_NVS);
    add(&m, 0x890000, 0x891000, MEM_BAD);
    assert_int_equal(memmap_normalise(&m), 0);
    EXPECT_MAP(&m, { 0, 0x9f000, MEM_RAM, 0 }, { 0x9f000, 0x100000, MEM_RESERVED, 0 },
               { 0x100000, 0x800000, MEM_RAM, 0 }, { 0x800000, 0x880000, MEM_ACPI, 0 },
               { 0x880000, 0x890000, MEM_NVS, 0 }, { 0x890000, 0x891000, MEM_BAD, 0 },
               { 0x891000, 0xa00000, MEM_NVS, 0 }, { 0xa00000, 0x1000000, MEM_RAM, 0 });
}

static void test_unknown_type_is_reserved(void **state) {
    struct memmap m = { 0 };

    (void) state;
    add(&m, 0, 0x1000, 77);
    add(&m, 0x800, 0x2000, MEM_RAM);
    assert_int_equal(memmap_normalise(&m), 0);
    EXPECT_MAP(&m, { 0, 0x1000, MEM_RESERVED, 0 }, { 0x1000, 0x2000, MEM_RAM, 0 });
}

static void test_refuses_backwards_and_too_many(void **state) {
    static struct memmap m;

    (void) state;
    add(&m, 0x2000, 0x1000, MEM_RAM);
    assert_int_equal(memmap_normalise(&m), -EINVAL);

    /* 128 ranges of which each but the first cuts the first: 255 pieces */
    m.n = 0;
    add(&m, 0, 0x1000000, MEM_RAM);
    for (u32 i = 1; i < MEMMAP_MAX; i++)
        add(&m, i * 0x2000ull, i * 0x2000ull + 0x1000, MEM_RESERVED);
    assert_int_equal(memmap_normalise(&m), -ENOSPC);
    m.n = MEMMAP_MAX + 1;
    assert_int_equal(memmap_normalise(&m), -ENOSPC);
}

static void test_set_cuts_out(void **state) {
    struct memmap m = { 0 };

    (void) state;
    add(&m, 0, 0x10000, MEM_RAM);
    add(&m, 0x20000, 0x30000, MEM_RAM);
    assert_int_equal(memmap_set(&m, 0x4000, 0x5000, MEM_RESERVED), 0);
    assert_int_equal(memmap_set(&m, 0x8000, 0x24000, MEM_ACPI), 0);
    EXPECT_MAP(&m, { 0, 0x4000, MEM_RAM, 0 }, { 0x4000, 0x5000, MEM_RESERVED, 0 },
               { 0x5000, 0x8000, MEM_RAM, 0 }, { 0x8000, 0x24000, MEM_ACPI, 0 },
               { 0x24000, 0x30000, MEM_RAM, 0 });
    assert_int_equal(memmap_set(&m, 0x40000, 0x41000, MEM_NVS), 0);
    assert_int_equal(m.r[m.n - 1].type, MEM_NVS);
    assert_int_equal(memmap_set(&m, 0x5000, 0x5000, MEM_NVS), -EINVAL);
    assert_int_equal(memmap_set(&m, 0x4000, 0x5000, MEM_RAM), 0);
    assert_int_equal(m.r[0].end, 0x8000);
}

static void test_find(void **state) {
    struct memmap m = { 0 };

    (void) state;
    add(&m, 0x1000, 0x9f000, MEM_RAM);
    add(&m, 0x100000, 0x4000000, MEM_RAM);
    add(&m, 0x4000000, 0x5000000, MEM_RESERVED);
    add(&m, 0x5000000, 0x8000800, MEM_RAM);
    add(&m, 0x100000000, 0x200000000, MEM_RAM);
    assert_int_equal(memmap_find_low(&m, 0x3000000, 0x200000, 0x1000000, 0x100000000), 0x1000000);
    assert_int_equal(memmap_find_low(&m, 0x3000001, 0x200000, 0x1000000, 0x100000000), 0x5000000);
    assert_int_equal(memmap_find_low(&m, 0x4000000, 0x200000, 0x1000000, 0x100000000), 0);
    assert_int_equal(memmap_find_high(&m, 0x100000, 0x1000, 0, 0x100000000), 0x7f00000);
    assert_int_equal(memmap_find_high(&m, 0x3000000, 0x1000, 0, 0x100000000), 0x5000000);
    assert_int_equal(memmap_find_high(&m, 0x8000000, 0x1000, 0, 0x100000000), 0);
    assert_true(memmap_is_ram(&m, 0x100000, 0x4000000));
    assert_false(memmap_is_ram(&m, 0x100000, 0x4000001));
    assert_false(memmap_is_ram(&m, 0x100000, 0x100000));
    assert_int_equal(memmap_ram_top(&m), 0x200000000);
    assert_int_equal(memmap_ram_bytes(&m), 0x9e000 + 0x3f00000 + 0x3000800 + 0x100000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorts_and_joins),
        cmocka_unit_test(test_overlap_takes_careful_type),
        cmocka_unit_test(test_unknown_type_is_reserved),
        cmocka_unit_test(test_refuses_backwards_and_too_many),
        cmocka_unit_test(test_set_cuts_out),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
