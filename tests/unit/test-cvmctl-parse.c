/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cvmctl makes of arguments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cvmctl/cvmctl.h" /* before cmocka's macro fail() */

#include <cmocka.h>

static void test_memory(void **state) {
    static const struct {
        const char *text;
        int r;
        uint64_t bytes;
    } cases[] = {
        {"64", 0, 64ull << 20},
        {"64M", 0, 64ull << 20},
        {"64MiB", 0, 64ull << 20},
        {"1G", 0, 1ull << 30},
        {"65536K", 0, 64ull << 20},
        {"2T", 0, 2ull << 40},
        {"", -EINVAL, 0},
        {"M", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 G", -EINVAL, 0},
        {"1Gx", -EINVAL, 0},
        {"1MB", -EINVAL, 0},
        {"0x40", -EINVAL, 0},
        {"1.5G", -EINVAL, 0},
        {"0", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"17592186044416", -ERANGE, 0},
        {"16777216T", -ERANGE, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ELEMENTSOF(cases); i++) {
        uint64_t v = 0;

        assert_int_equal(parse_memory(cases[i].text, &v), cases[i].r);
        assert_true(v == cases[i].bytes);
    }
}

static void test_number(void **state) {
    uint64_t v;

    (void)state;
    assert_int_equal(parse_number("5", 1, 10, &v), 0);
    assert_int_equal(v, 5);
    assert_int_equal(parse_number("18446744073709551615", 0, UINT64_MAX, &v), 0);
    assert_int_equal(parse_number("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    assert_int_equal(parse_number("0", 1, 10, &v), -ERANGE);
    assert_int_equal(parse_number("11", 1, 10, &v), -ERANGE);
    assert_int_equal(parse_number("", 0, 10, &v), -EINVAL);
    assert_int_equal(parse_number("5x", 0, 10, &v), -EINVAL);
    assert_int_equal(parse_number("+5", 0, 10, &v), -EINVAL);
}

static void write_nonce(const char *path, const void *p, size_t n) {
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void test_nonce(void **state) {
    char path[] = "/tmp/test-cvmctl-XXXXXX", hex[2 * NONCE_SIZE + 2];
    uint8_t want[NONCE_SIZE], got[NONCE_SIZE];
    struct cvm_error e;

    (void)state;
    close(mkstemp(path));
    for (unsigned i = 0; i < NONCE_SIZE; i++)
        want[i] = (uint8_t)(3 * i + 1);
    cvm_hex_encode(want, NONCE_SIZE, hex);
    assert_int_equal(parse_nonce(hex, got, &e), 0);
    assert_memory_equal(got, want, NONCE_SIZE);

    write_nonce(path, want, NONCE_SIZE);
    memset(got, 0, sizeof(got));
    assert_int_equal(parse_nonce(path, got, &e), 0);
    assert_memory_equal(got, want, NONCE_SIZE);

    strcat(hex, "\n");
    write_nonce(path, hex, strlen(hex));
    memset(got, 0, sizeof(got));
    assert_int_equal(parse_nonce(path, got, &e), 0);
    assert_memory_equal(got, want, NONCE_SIZE);

    write_nonce(path, want, NONCE_SIZE - 1);
    assert_int_equal(parse_nonce(path, got, &e), -EINVAL);
    write_nonce(path, "", 0);
    assert_int_equal(parse_nonce(path, got, &e), -EINVAL);
    unlink(path);
    assert_int_equal(parse_nonce("abcd", got, &e), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_number),
                                       cmocka_unit_test(test_nonce)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
