/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a tenant or vendor signs (policies and records as JWS, CoRIMs as COSE_Sign1): each bit flipped, cut and lengthened
 * anywhere, parts of two messages of the same signer put together. Nothing of it is taken.
 */
#include "attest-fixture.h"

#include <errno.h>
#include <string.h>

#include "attest/cose.h"
#include "attest/jws.h"

#define TYPE "vnd.cvmd.policy+json"
#define FIRST "{\"id\":\"first\",\"revoked\":[]}"
#define SECOND "{\"id\":\"other\",\"revoked\":[]}"

static int take_jws(const struct fixture *f, const char *text, size_t size) {
    struct cvm_error e = {""};
    void *payload = NULL;
    size_t n;
    int r = cvm_jws_verify(text, size, f->point, TYPE, &payload, &n, &e);

    assert_true(r == 0 || e.text[0]);
    free(payload);
    return r;
}

static void test_jws_each_bit(void **state) {
    const struct fixture *f = *state;
    char *jws = NULL, *part;
    size_t size;

    assert_int_equal(cvm_jws_sign(f->quoter, TYPE, FIRST, strlen(FIRST), &jws), 0);
    size = strlen(jws);
    assert_int_equal(take_jws(f, jws, size), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        jws[bit / 8] = (char)(jws[bit / 8] ^ 1 << bit % 8);
        if (take_jws(f, jws, size) == 0)
            fail_msg("bit %zu: taken", bit);
        jws[bit / 8] = (char)(jws[bit / 8] ^ 1 << bit % 8);
    }
    part = malloc(size + 1);
    for (size_t n = 0; n < size; n++) {
        memcpy(part, jws, n);
        if (take_jws(f, part, n) == 0)
            fail_msg("cut behind %zu bytes: taken", n);
        /* one character more, there */
        part[n] = 'A';
        memcpy(part + n + 1, jws + n, size - n);
        if (take_jws(f, part, size + 1) == 0)
            fail_msg("one more character behind %zu: taken", n);
    }
    assert_int_equal(take_jws(f, jws, size), 0);
    free(part);
    free(jws);
}

/* Header, payload and signature of two records in all six mixtures. */
static void test_jws_parts_of_two(void **state) {
    const struct fixture *f = *state;
    char *jws[2] = {NULL}, text[1024], *part[2][3], *save = NULL;

    assert_int_equal(cvm_jws_sign(f->quoter, TYPE, FIRST, strlen(FIRST), &jws[0]), 0);
    assert_int_equal(cvm_jws_sign(f->quoter, "vnd.cvmd.enrolment+json", SECOND, strlen(SECOND), &jws[1]), 0);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 3; k++)
            part[i][k] = strtok_r(k ? NULL : jws[i], ".", &save);
    for (unsigned mix = 0; mix < 8; mix++) {
        snprintf(text, sizeof(text), "%s.%s.%s", part[mix & 1][0], part[mix >> 1 & 1][1], part[mix >> 2][2]);
        assert_int_equal(take_jws(f, text, strlen(text)) == 0, mix == 0);
    }
    free(jws[0]);
    free(jws[1]);
}

static int take_cose(const struct fixture *f, const uint8_t *p, size_t size) {
    /* Its own allocation, so that a read behind the end is seen by ASan. */
    uint8_t *copy = malloc(size ?: 1);
    const uint8_t *payload;
    struct cvm_error e = {""};
    size_t n;
    int r;

    memcpy(copy, p, size);
    r = cvm_cose_verify(copy, size, f->point, NULL, &payload, &n, &e);
    if (r == 0) /* lent out of what was given */
        assert_true(payload >= copy && payload + n <= copy + size);
    free(copy);
    return r;
}

static void test_cose_each_bit(void **state) {
    const struct fixture *f = *state;
    uint8_t *p = NULL, *longer;
    unsigned unprotected = 0;
    size_t size = 0;

    assert_int_equal(cvm_cose_sign(f->quoter, 0, FIRST, strlen(FIRST), (void **)&p, &size), 0);
    assert_int_equal(take_cose(f, p, size), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        unprotected += take_cose(f, p, size) == 0;
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(unprotected, 0);
    longer = malloc(size + 1);
    for (size_t n = 0; n < size; n++) {
        assert_int_not_equal(take_cose(f, p, n), 0);
        memcpy(longer, p, n);
        longer[n] = 0;
        memcpy(longer + n + 1, p + n, size - n);
        assert_int_not_equal(take_cose(f, longer, size + 1), 0);
    }
    memcpy(longer, p, size);
    longer[size] = 0;
    assert_int_not_equal(take_cose(f, longer, size + 1), 0);
    free(longer);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jws_each_bit),
        cmocka_unit_test(test_jws_parts_of_two),
        cmocka_unit_test(test_cose_each_bit),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
