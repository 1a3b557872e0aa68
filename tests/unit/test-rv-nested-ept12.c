/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk through an EPT that the host wrote. */
#include "rv-test.h"

#include "nested/ept12.h"
#include "rv/vmcs.h"

#define PAGES 8u
#define LEAF (EPT_RWX | EPT_MT_WB)
#define EPTP(page) ((page) * PAGE_SIZE | 0x1e)

/* Physical pages 0..7 are the host's; all else is not. */
static u64 memory[PAGES][512];
static unsigned reads;

static bool read_entry(u64 pa, u64 *e) {
    assert_true(++reads <= 4);
    assert_int_equal(pa % 8, 0);
    if (pa / PAGE_SIZE >= PAGES)
        return false;
    *e = memory[pa / PAGE_SIZE][pa % PAGE_SIZE / 8];
    return true;
}

static struct ept12_leaf leaf;

static enum ept12_status walk(u64 eptp, u64 gpa) {
    reads = 0;
    memset(&leaf, 0xa5, sizeof(leaf));
    return ept12_walk(eptp, gpa, read_entry, &leaf);
}

static int setup(void **state) {
    (void) state;
    memset(memory, 0, sizeof(memory));
    memory[1][0] = 2 * PAGE_SIZE | EPT_RWX;
    memory[2][0] = 3 * PAGE_SIZE | EPT_RWX;
    memory[3][0] = 4 * PAGE_SIZE | EPT_RWX;
    memory[3][1] = 0x40200000 | LEAF | EPT_LARGE;
    memory[4][5] = 0x123000 | LEAF;
    return 0;
}

static void test_leaf(void **state) {
    (void) state;
    assert_int_equal(walk(EPTP(1), 0x5abc), EPT12_OK);
    assert_int_equal(leaf.pfn, 0x123);
    assert_int_equal(leaf.base_pfn, 0x123);
    assert_int_equal(leaf.level, 1);
    assert_int_equal(leaf.perms, EPT_RWX);
    assert_int_equal(leaf.memtype, EPT_MT_WB);
    assert_int_equal(reads, 4);
}

static void test_large_leaf(void **state) {
    (void) state;
    assert_int_equal(walk(EPTP(1), 0x2abcde), EPT12_OK);
    assert_int_equal(leaf.level, 2);
    assert_int_equal(leaf.base_pfn, 0x40200);
    assert_int_equal(leaf.pfn, 0x402ab);
    assert_int_equal(walk(EPTP(1), 0x3fffff), EPT12_OK);
    assert_int_equal(leaf.pfn, 0x403ff);
    assert_int_equal(reads, 3);
}

static void test_permissions_are_the_weakest(void **state) {
    (void) state;
    memory[2][0] &= ~EPT_W;
    memory[3][0] &= ~EPT_X;
    assert_int_equal(walk(EPTP(1), 0x5000), EPT12_OK);
    assert_int_equal(leaf.perms, EPT_R);
}

static void test_not_present_at_every_level(void **state) {
    (void) state;
    assert_int_equal(walk(EPTP(1), 0x6000), EPT12_NOT_PRESENT);
    assert_int_equal(leaf.perms, 0);
    assert_int_equal(walk(EPTP(1), 0x400000), EPT12_NOT_PRESENT);
    assert_int_equal(walk(EPTP(1), 1ull << 30), EPT12_NOT_PRESENT);
    assert_int_equal(walk(EPTP(1), 1ull << 39), EPT12_NOT_PRESENT);
}

static void test_misconfigurations(void **state) {
    static const u64 bad_leaf[] = {
        EPT_W, EPT_X, EPT_W | EPT_X, EPT_RWX | 2 << 3, EPT_RWX | 3 << 3, EPT_RWX | 7 << 3,
        LEAF | BIT(46), LEAF | BIT(51) };

    (void) state;
    for (u32 i = 0; i < ARRAY_SIZE(bad_leaf); i++) {
        memory[4][5] = bad_leaf[i];
        assert_int_equal(walk(EPTP(1), 0x5000), EPT12_MISCONFIG);
    }
    for (u32 bit = 3; bit <= 7; bit++) {    /* reserved in an entry that leads to a table */
        memory[2][0] = 3 * PAGE_SIZE | EPT_RWX | BIT(bit);
        assert_int_equal(walk(EPTP(1), 0x5000), EPT12_MISCONFIG);
        memory[2][0] = 3 * PAGE_SIZE | EPT_RWX;
        memory[1][0] = 2 * PAGE_SIZE | EPT_RWX | BIT(bit);
        assert_int_equal(walk(EPTP(1), 0x5000), EPT12_MISCONFIG);
        memory[1][0] = 2 * PAGE_SIZE | EPT_RWX;
    }
    for (u32 bit = 12; bit < 21; bit++) {   /* address bits within a large page */
        memory[3][1] = 0x40200000 | LEAF | EPT_LARGE | BIT(bit);
        assert_int_equal(walk(EPTP(1), 0x200000), EPT12_MISCONFIG);
    }
}

static void test_tables_elsewhere(void **state) {
    (void) state;
    assert_int_equal(walk(EPTP(9), 0), EPT12_BAD_TABLE);
    memory[3][0] = 100 * PAGE_SIZE | EPT_RWX;
    assert_int_equal(walk(EPTP(1), 0x5000), EPT12_BAD_TABLE);
    memory[1][0] = (BIT(45) | PAGE_SIZE) | EPT_RWX;
    assert_int_equal(walk(EPTP(1), 0x5000), EPT12_BAD_TABLE);
}

/* A table that points to itself: four steps, no more. */
static void test_loop(void **state) {
    (void) state;
    for (u32 i = 0; i < 512; i++)
        memory[7][i] = 7 * PAGE_SIZE | EPT_RWX;
    assert_int_equal(walk(EPTP(7), 0x123456789000), EPT12_OK);
    assert_int_equal(leaf.pfn, 7);
    assert_int_equal(reads, 4);
}

static void test_pointers(void **state) {
    static const u64 bad[] = { 0, 0x18, 0x1f, 0x1a, 0x16, 0x26, 0x5e, 0x9e, 0x81e, BIT(46) | 0x1e, BIT(63) | 0x1e };

    (void) state;
    assert_true(ept12_pointer_valid(EPTP(1)));
    assert_true(ept12_pointer_valid((BIT(46) - PAGE_SIZE) | 0x1e));
    for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(ept12_pointer_valid(bad[i]));
        assert_int_equal(walk(bad[i], 0), EPT12_BAD_POINTER);
        assert_int_equal(reads, 0);
    }
    assert_int_equal(walk(EPTP(1), 1ull << 48), EPT12_BAD_POINTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_leaf, setup),
        cmocka_unit_test_setup(test_large_leaf, setup),
        cmocka_unit_test_setup(test_permissions_are_the_weakest, setup),
        cmocka_unit_test_setup(test_not_present_at_every_level, setup),
        cmocka_unit_test_setup(test_misconfigurations, setup),
        cmocka_unit_test_setup(test_tables_elsewhere, setup),
        cmocka_unit_test_setup(test_loop, setup),
        cmocka_unit_test_setup(test_pointers, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
