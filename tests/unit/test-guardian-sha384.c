/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's bulk SHA-384 (OpenSSL's block function in BearSSL's context) against BearSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "crypto/crypto.h"

#define SIZE 70000u

static uint8_t data[SIZE];

static void want(size_t size, uint8_t out[CVM_DIGEST_SIZE]) {
    br_sha384_context c;

    br_sha384_init(&c);
    br_sha384_update(&c, data, size);
    br_sha384_out(&c, out);
}

/* FIPS 180-2, C.3: "abc". */
static void test_known(void **state) {
    static const uint8_t abc[] = { 0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d, 0x69, 0x9a, 0xc6, 0x50, 0x07,
                                   0x27, 0x2c, 0x32, 0xab, 0x0e, 0xde, 0xd1, 0x63, 0x1a, 0x8b, 0x60, 0x5a, 0x43, 0xff, 0x5b, 0xed,
                                   0x80, 0x86, 0x07, 0x2b, 0xa1, 0xe7, 0xcc, 0x23, 0x58, 0xba, 0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7 };
    br_sha384_context c;
    uint8_t got[CVM_DIGEST_SIZE];

    (void)state;
    br_sha384_init(&c);
    sha384_update(&c, "abc", 3);
    br_sha384_out(&c, got);
    assert_memory_equal(got, abc, sizeof(abc));
}

static void test_sizes(void **state) {
    uint8_t a[CVM_DIGEST_SIZE], b[CVM_DIGEST_SIZE];

    (void)state;
    for (size_t size = 0; size < SIZE; size += size < 600 ? 1 : 997) {
        br_sha384_context c;

        br_sha384_init(&c);
        sha384_update(&c, data, size);
        br_sha384_out(&c, a);
        want(size, b);
        assert_memory_equal(a, b, sizeof(a));
    }
}

/* In pieces, also such that end inside a block. */
static void test_pieces(void **state) {
    uint8_t a[CVM_DIGEST_SIZE], b[CVM_DIGEST_SIZE];

    (void)state;
    want(SIZE, b);
    for (size_t piece = 1; piece < 9000; piece = piece * 2 + piece % 7) {
        br_sha384_context c;

        br_sha384_init(&c);
        for (size_t at = 0; at < SIZE; at += piece)
            sha384_update(&c, data + at, at + piece < SIZE ? piece : SIZE - at);
        br_sha384_out(&c, a);
        assert_memory_equal(a, b, sizeof(a));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pieces),
    };

    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 131 + (i >> 7));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
