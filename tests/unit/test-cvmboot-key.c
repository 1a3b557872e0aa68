/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk key: what the command line asks for, and the archive that a stock kernel unpacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "key.h"

static enum reason parse(const char *s, struct key_wish *w) {
    /* Exactly as long as it is: nothing behind it may be read. */
    uint8_t *copy = malloc(strlen(s) + 1);
    enum reason r;

    memcpy(copy, s, strlen(s));
    r = key_parse(copy, (uint32_t)strlen(s), w);
    free(copy);
    return r;
}

static void test_wishes(void **state) {
    static const struct { const char *line; enum reason r; bool required; uint32_t wait; } cases[] = {
        {"", R_OK, false, KEY_WAIT_DEFAULT},
        {"console=ttyS0 quiet", R_OK, false, KEY_WAIT_DEFAULT},
        {"cvm.key=required", R_OK, true, KEY_WAIT_DEFAULT},
        {"a cvm.key=required b", R_OK, true, KEY_WAIT_DEFAULT},
        {"cvm.key.wait=20 cvm.key=required", R_OK, true, 20},
        {"\tcvm.key=required\ncvm.key.wait=86400 ", R_OK, true, 86400},
        {"xcvm.key=required", R_OK, false, KEY_WAIT_DEFAULT},
        {"cvm.key=require", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key=requiredx", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key=optional", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key=", R_BAD_KEY_OPTION, false, 0},
        {"cvm.keys=required", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key=required cvm.key.wait", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=0", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=86401", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=999999", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=1s", R_BAD_KEY_OPTION, false, 0},
        {"cvm.key.wait=-1", R_BAD_KEY_OPTION, false, 0},
    };

    (void) state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct key_wish w;

        assert_int_equal(parse(cases[i].line, &w), cases[i].r);
        if (cases[i].r == R_OK) {
            assert_int_equal(w.required, cases[i].required);
            assert_int_equal(w.wait, cases[i].wait);
        }
    }
}

/* A reader of the format, as strict as the kernel's. Returns the entry's data. */
static const uint8_t *next(const uint8_t **p, const char *name, uint32_t mode, uint32_t size) {
    char head[111] = {0};
    unsigned field[13];
    const uint8_t *data;

    memcpy(head, *p, 110);
    assert_memory_equal(head, "070701", 6);
    for (unsigned i = 0; i < 13; i++) {
        char digits[9] = {0};

        memcpy(digits, head + 6 + 8 * i, 8);
        field[i] = (unsigned) strtoul(digits, NULL, 16);
    }
    assert_int_equal(field[1], mode);
    assert_int_equal(field[2] | field[3], 0);
    assert_int_equal(field[6], size);
    assert_int_equal(field[11], strlen(name) + 1);
    assert_string_equal(*p + 110, name);
    data = *p + (110 + field[11] + 3) / 4 * 4;
    *p = data + (size + 3) / 4 * 4;
    return data;
}

static void test_archive(void **state) {
    (void) state;
    for (uint32_t size = 1; size <= CVM_KEY_MAX; size += size < 8 ? 1 : 60)
        for (uint32_t before = 1000; before < 1008; before++) {
            /* As in memory: the initrd begins on a page, so its size gives the alignment. */
            uint8_t *out = aligned_alloc(8, 1008 + KEY_ARCHIVE_MAX);
            struct cvm_key key = {.size = size};
            const uint8_t *p;
            uint32_t n;

            memset(out, 0xee, 1008 + KEY_ARCHIVE_MAX);
            memset(key.bytes, 0x5c, size);
            n = key_archive(out + before, before, &key);
            assert_true(n <= KEY_ARCHIVE_MAX);
            p = out + before;
            while (!*p)
                p++;
            assert_int_equal((p - out) % 4, 0);
            assert_true(p - (out + before) < 4);
            next(&p, "cvm", 040700, 0);
            assert_memory_equal(next(&p, "cvm/disk.key", 0100400, size), key.bytes, size);
            next(&p, "TRAILER!!!", 0, 0);
            assert_ptr_equal(p, out + before + n);
            free(out);
        }
}

static void test_place(void **state) {
    const struct bzimage bz = {.setup_size = 0x4000, .pref_address = 0x1000000, .init_size = 0x2000000,
                               .initrd_addr_max = 0x7fffffff};
    const struct launch good = {.low_top = 0x10000000, .high_top = 1ull << 32, .kernel_gpa = 0xffc000,
                                .kernel_size = 0x800000, .initrd_gpa = 0x8000000, .initrd_size = 1001};
    struct launch l = good;

    (void) state;
    assert_int_equal(key_check_place(&l, &bz), R_OK);
    l.initrd_size = 0;
    assert_int_equal(key_check_place(&l, &bz), R_KEY_NO_INITRD);
    l = good;
    l.initrd_gpa = (uint32_t) l.low_top - 0x1000; /* fits, its archive does not */
    l.initrd_size = 0x1000 - KEY_ARCHIVE_MAX + 1;
    assert_int_equal(key_check_place(&l, &bz), R_BAD_LAUNCH_TABLE);
    l.initrd_size--;
    assert_int_equal(key_check_place(&l, &bz), R_OK);
    l = good;
    l.initrd_gpa = l.kernel_gpa - 0x1000; /* ends where the kernel begins */
    l.initrd_size = 0x1000;
    assert_int_equal(key_check_place(&l, &bz), R_BAD_LAUNCH_TABLE);
    l = good;
    l.initrd_gpa = 0x2fff000; /* inside what the kernel overwrites */
    assert_int_equal(key_check_place(&l, &bz), R_BAD_LAUNCH_TABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
