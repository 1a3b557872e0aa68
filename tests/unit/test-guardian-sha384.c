/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's bulk SHA-384 (OpenSSL's block function in BearSSL's context; four messages at once) against BearSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "crypto/crypto.h"

#define CHUNK CVM_MEASURE_CHUNK
#define SIZE (9 * CHUNK + 4321)

static uint8_t data[SIZE];

static void want_at(size_t at, size_t size, uint8_t out[CVM_DIGEST_SIZE]) {
    br_sha384_context c;

    br_sha384_init(&c);
    br_sha384_update(&c, data + at, size);
    br_sha384_out(&c, out);
}

static void want(size_t size, uint8_t out[CVM_DIGEST_SIZE]) {
    want_at(0, size, out);
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
    for (size_t size = 0; size < 70000; size += size < 600 ? 1 : 997) {
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
    want(70000, b);
    for (size_t piece = 1; piece < 9000; piece = piece * 2 + piece % 7) {
        br_sha384_context c;

        br_sha384_init(&c);
        for (size_t at = 0; at < 70000; at += piece)
            sha384_update(&c, data + at, at + piece < 70000 ? piece : 70000 - at);
        br_sha384_out(&c, a);
        assert_memory_equal(a, b, sizeof(a));
    }
}

/* For this CPU or, without AVX2, for what the compiler makes of four lanes: the arithmetic is the same. */
static void test_four(void **state) {
    uint8_t got[4][CVM_DIGEST_SIZE], one[CVM_DIGEST_SIZE];

    (void)state;
    for (size_t each = 128; each <= 2 * CHUNK; each *= 2)
        for (size_t at = 0; at < 40; at += 13) { /* aligned or not */
            sha384_four_blocks(data + at, each, got);
            for (size_t i = 0; i < 4; i++) {
                want_at(at + i * each, each, one);
                assert_memory_equal(got[i], one, sizeof(one));
            }
        }
}

/* The list, with and without four at once; an image that is not told of the CPU does without. */
static void test_chunks(void **state) {
    static const size_t sizes[] = { 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 4 * CHUNK, 4 * CHUNK + 1, 8 * CHUNK, SIZE };
    uint8_t a[CVM_DIGEST_SIZE], b[CVM_DIGEST_SIZE], one[CVM_DIGEST_SIZE], four[4][CVM_DIGEST_SIZE];

    (void)state;
    __builtin_cpu_init();
    for (unsigned told = 0; told < 2; told++) {
        sha384_cpu = told && __builtin_cpu_supports("avx2") ? ~0u : 0;
        assert_int_equal(sha384_four(data, CHUNK, four), sha384_cpu != 0);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            br_sha384_context c, list;

            br_sha384_init(&c);
            br_sha384_init(&list);
            sha384_chunks(&c, data, sizes[i]);
            br_sha384_out(&c, a);
            for (size_t at = 0; at < sizes[i]; at += CHUNK) {
                want_at(at, sizes[i] - at < CHUNK ? sizes[i] - at : CHUNK, one);
                br_sha384_update(&list, one, sizeof(one));
            }
            br_sha384_out(&list, b);
            assert_memory_equal(a, b, sizeof(a));
        }
    }
    sha384_cpu = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_four),
        cmocka_unit_test(test_chunks),
    };

    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 131 + (i >> 7));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
