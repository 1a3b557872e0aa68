/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host may do to a sealed page, and that the Guardian notices. */
#include <errno.h>
#include <openssl/evp.h>

#include "guardian-fixture.h"

static int setup(void **state) {
    struct fixture *f = fixture_new();

    fixture_init(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture_free(*state);
    return 0;
}

static uint8_t *slot(struct fixture *f, unsigned n) {
    return f->slots + n * PAGE_SIZE;
}

static int page_call(struct fixture *f, enum cvm_g_op op, uint64_t gfn, uint32_t n) {
    f->mb.page = (struct cvm_g_page){ .gfn = gfn, .slot = n };
    return fixture_call(f, op);
}

/* Seals the page of that seed as gfn; the ciphertext goes to out. */
static void seal(struct fixture *f, uint64_t gfn, uint32_t seed, uint8_t *out) {
    fixture_fill(slot(f, 0), PAGE_SIZE, seed);
    assert_int_equal(page_call(f, CVM_G_SEAL, gfn, 0), 0);
    memcpy(out, slot(f, 0), PAGE_SIZE);
}

static int unseal(struct fixture *f, uint64_t gfn, const uint8_t *ciphertext) {
    memcpy(slot(f, 3), ciphertext, PAGE_SIZE);
    return page_call(f, CVM_G_UNSEAL, gfn, 3);
}

static void assert_is_seed(const uint8_t *page, uint32_t seed) {
    uint8_t want[PAGE_SIZE];

    fixture_fill(want, sizeof(want), seed);
    assert_memory_equal(page, want, PAGE_SIZE);
}

static void assert_is_zero(const uint8_t *page) {
    static const uint8_t zero[PAGE_SIZE];

    assert_memory_equal(page, zero, PAGE_SIZE);
}

static void test_round_trip(void **state) {
    struct fixture *f = *state;
    uint8_t a[PAGE_SIZE], b[PAGE_SIZE];

    seal(f, 7, 100, a);
    seal(f, FIXTURE_GUEST_SIZE / PAGE_SIZE - 1, 100, b);
    assert_memory_not_equal(a, b, PAGE_SIZE); /* same plaintext, other nonce */
    assert_int_equal(unseal(f, 7, a), 0);
    assert_is_seed(slot(f, 3), 100);
    assert_int_equal(unseal(f, FIXTURE_GUEST_SIZE / PAGE_SIZE - 1, b), 0);
    assert_is_seed(slot(f, 3), 100);
}

/* The same page by another implementation of AES-256-GCM. */
static void test_against_openssl(void **state) {
    struct fixture *f = *state;
    struct {
        char label[16];
        uint64_t vm_id, gfn, version;
    } aad = { "CVMD-PAGE-V1", 1, 9, 2 };
    uint8_t nonce[12] = { 2 }, got[PAGE_SIZE], want[PAGE_SIZE], plain[PAGE_SIZE], tag[16];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;

    seal(f, 8, 1, got);
    seal(f, 9, 2, got);
    fixture_fill(plain, sizeof(plain), 2);
    /* The key schedule begins with the key. */
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, (uint8_t *)f->g.page_key.ctr.skey.skni, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, (uint8_t *)&aad, sizeof(aad)), 1);
    assert_int_equal(EVP_EncryptUpdate(c, want, &n, plain, PAGE_SIZE), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, want + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(c);
    assert_memory_equal(got, want, PAGE_SIZE);
    assert_memory_equal(f->meta + 9 * CVM_G_META_SIZE + 16, tag, 16);
}

static void test_tamper(void **state) {
    struct fixture *f = *state;
    uint8_t a[PAGE_SIZE];

    seal(f, 5, 1, a);
    for (unsigned i = 0; i < PAGE_SIZE; i += 273) {
        a[i] ^= 1 << i % 8;
        assert_int_equal(unseal(f, 5, a), -EBADMSG);
        assert_is_zero(slot(f, 3)); /* no forged plaintext stays */
        a[i] ^= 1 << i % 8;
    }
    assert_int_equal(unseal(f, 5, a), 0); /* the record has not moved */
    assert_is_seed(slot(f, 3), 1);
}

static void test_replay(void **state) {
    struct fixture *f = *state;
    uint8_t old[PAGE_SIZE], now[PAGE_SIZE];

    seal(f, 5, 1, old);
    assert_int_equal(unseal(f, 5, old), 0);
    assert_int_equal(unseal(f, 5, old), -ENOENT); /* used once */
    seal(f, 5, 2, now);
    assert_int_equal(unseal(f, 5, old), -EBADMSG);
    assert_int_equal(unseal(f, 5, now), 0);
    assert_is_seed(slot(f, 3), 2);
    /* The same content again is another ciphertext. */
    seal(f, 5, 1, now);
    assert_memory_not_equal(old, now, PAGE_SIZE);
}

static void test_swap(void **state) {
    struct fixture *f = *state;
    uint8_t a[PAGE_SIZE], b[PAGE_SIZE];

    seal(f, 5, 1, a);
    seal(f, 6, 2, b);
    assert_int_equal(unseal(f, 5, b), -EBADMSG);
    assert_int_equal(unseal(f, 6, a), -EBADMSG);
    /* Even with the other's version and tag: the gfn is authenticated. */
    memcpy(f->meta + 6 * CVM_G_META_SIZE, f->meta + 5 * CVM_G_META_SIZE, CVM_G_META_SIZE);
    assert_int_equal(unseal(f, 6, a), -EBADMSG);
    assert_int_equal(unseal(f, 5, a), 0);
}

static void test_other_vm(void **state) {
    struct fixture *f = *state, *other = fixture_new();
    uint8_t a[PAGE_SIZE], b[PAGE_SIZE];

    fixture_init(other);
    seal(f, 5, 1, a);
    seal(other, 5, 1, b);
    assert_memory_not_equal(a, b, PAGE_SIZE);
    assert_int_equal(unseal(other, 5, a), -EBADMSG);
    memcpy(other->meta, f->meta, 6 * CVM_G_META_SIZE);
    assert_int_equal(unseal(other, 5, a), -EBADMSG);
    fixture_free(other);
}

static void test_double_seal(void **state) {
    struct fixture *f = *state;
    uint8_t a[PAGE_SIZE];

    seal(f, 5, 1, a);
    fixture_fill(slot(f, 0), PAGE_SIZE, 9);
    assert_int_equal(page_call(f, CVM_G_SEAL, 5, 0), -EINVAL);
    assert_is_seed(slot(f, 0), 9);
    assert_int_equal(unseal(f, 5, a), 0);
}

static void test_versions_never_repeat(void **state) {
    struct fixture *f = *state;
    uint64_t last = 0, version;
    uint8_t a[PAGE_SIZE];

    for (unsigned i = 0; i < 100; i++) {
        seal(f, i % 3, i, a);
        memcpy(&version, f->meta + i % 3 * CVM_G_META_SIZE + 8, 8);
        assert_true(version > last);
        last = version;
        assert_int_equal(unseal(f, i % 3, a), 0);
    }
    f->g.version = UINT64_MAX; /* the counter is at its end: no more, rather than from the start */
    assert_int_equal(page_call(f, CVM_G_SEAL, 1, 0), -EINVAL);
}

static void test_range(void **state) {
    struct fixture *f = *state;
    uint64_t end = FIXTURE_GUEST_SIZE / PAGE_SIZE;

    assert_int_equal(page_call(f, CVM_G_UNSEAL, 4, 0), -ENOENT);
    assert_int_equal(page_call(f, CVM_G_SEAL, end, 0), -EINVAL);
    assert_int_equal(page_call(f, CVM_G_UNSEAL, end, 0), -EINVAL);
    assert_int_equal(page_call(f, CVM_G_SEAL, UINT64_MAX, 0), -EINVAL);
    assert_int_equal(page_call(f, CVM_G_SEAL, 4, CVM_MAX_CPUS), -EINVAL);
    assert_int_equal(page_call(f, CVM_G_SEAL, 4, UINT32_MAX), -EINVAL);
    f->mb.page = (struct cvm_g_page){ .gfn = 4, .reserved = 1 };
    assert_int_equal(fixture_call(f, CVM_G_SEAL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_openssl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tamper, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_vm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_double_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_versions_never_repeat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_range, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
