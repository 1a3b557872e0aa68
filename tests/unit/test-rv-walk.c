/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk through page tables that the host wrote. */
#include "rv-test.h"

#include "memory/walk.h"

#define P 1ull
#define W 2ull
#define U 4ull
#define LARGE 0x80ull
#define PHYS_BITS 36u
#define PAGES 8u

/* Physical pages 0..7 are the walker's memory; all else is not. */
static u64 memory[PAGES][512];
static unsigned reads;

static int read_entry(void *ctx, u64 pa, u64 *entry) {
    (void) ctx;
    reads++;
    if (pa / PAGE_SIZE >= PAGES)
        return -EPERM;
    assert_int_equal(pa % 8, 0);
    *entry = memory[pa / PAGE_SIZE][pa % PAGE_SIZE / 8];
    return 0;
}

static const struct walk_ops ops = { .read_entry = read_entry };
static u64 at, left;

static int walk(u64 la, bool write, bool user) {
    reads = 0;
    return walk4(&ops, 0x1000, PHYS_BITS, la, write, user, &at, &left);
}

static int setup(void **state) {
    (void) state;
    memset(memory, 0, sizeof(memory));
    memory[1][0] = 0x2000 | P | W | U;
    memory[1][511] = 0x2000 | P | W;
    memory[2][0] = 0x3000 | P | W | U;
    memory[2][1] = 0x40000000 | P | W | U | LARGE;
    memory[2][511] = 0x3000 | P | W;
    memory[3][0] = 0x4000 | P | W | U;
    memory[3][1] = 0x00a00000 | P | W | U | LARGE;
    memory[3][511] = 0x4000 | P | W;
    memory[4][0] = 0x5000 | P | W | U | BIT(63);
    memory[4][1] = 0x6000 | P | U;
    memory[4][2] = 0x7000 | P | W;
    memory[4][511] = 0x123456000 | P | W;
    return 0;
}

static void test_leaves(void **state) {
    (void) state;
    assert_int_equal(walk(0x123, true, true), 0);
    assert_int_equal(at, 0x5123);
    assert_int_equal(left, 0x1000 - 0x123);
    assert_int_equal(reads, 4);
    assert_int_equal(walk(0x2abcde, true, true), 0);           /* 2 MiB */
    assert_int_equal(at, 0xaabcde);
    assert_int_equal(reads, 3);
    assert_int_equal(walk(0x7fffffff, true, true), 0);         /* 1 GiB */
    assert_int_equal(at, 0x7fffffff);
    assert_int_equal(left, 1);
    assert_int_equal(reads, 2);
    assert_int_equal(walk(0xffffffffffffff00ull, true, false), 0);
    assert_int_equal(at, 0x123456f00);
}

static void test_rights(void **state) {
    (void) state;
    assert_int_equal(walk(0x1000, false, true), 0);
    assert_int_equal(walk(0x1000, true, true), -EFAULT);        /* read-only */
    assert_int_equal(walk(0x2000, true, false), 0);
    assert_int_equal(walk(0x2000, false, true), -EFAULT);       /* the kernel's */
    assert_int_equal(walk(0x3000, false, false), -EFAULT);      /* not present */
    memory[3][0] &= ~U;                                         /* one level is enough */
    assert_int_equal(walk(0x123, false, true), -EFAULT);
    assert_int_equal(walk(0x123, false, false), 0);
    memory[1][0] &= ~W;
    assert_int_equal(walk(0x123, true, false), -EFAULT);
}

static void test_hostile_tables(void **state) {
    (void) state;
    assert_int_equal(walk(0x0000800000000000ull, false, false), -EFAULT);       /* not canonical */
    assert_int_equal(walk(0xffff7fffffffffffull, false, false), -EFAULT);
    memory[3][0] = 0x9000 | P | W | U;                          /* a table that is not the host's */
    assert_int_equal(walk(0x123, false, false), -EPERM);
    memory[1][0] = 0x2000 | P | W | U | LARGE;                  /* no 512 GiB pages */
    assert_int_equal(walk(0x123, false, false), -EFAULT);
    memory[1][0] = 0x2000 | P | W | U | BIT(PHYS_BITS);         /* reserved address bit */
    assert_int_equal(walk(0x123, false, false), -EFAULT);
    memory[1][0] = 0x1000 | P | W | U;                          /* a loop ends all the same */
    assert_int_equal(walk(0, false, false), 0);
    assert_int_equal(reads, 4);
    assert_int_equal(at, 0x1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_leaves, setup),
        cmocka_unit_test_setup(test_rights, setup),
        cmocka_unit_test_setup(test_hostile_tables, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
