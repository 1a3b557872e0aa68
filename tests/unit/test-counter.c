/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rollback counters: the leaves that cvmd keeps against the tree that the Quoter computes, and the session with the TPM against one
 * made here with libcrypto. The whole of it with a TPM: tests/integration/tpm/test-counter.py.
 */
#include "guardian-fixture.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "counter/tree.h"
#include "cvmd/counter-leaves.h"

static void identity(uint8_t *out, unsigned n) {
    uint8_t seed[4] = {(uint8_t)n, (uint8_t)(n >> 8), 0, 1};

    assert_int_equal(EVP_Digest(seed, sizeof(seed), out, NULL, EVP_sha384(), NULL), 1);
}

/* The root that a leaf and its siblings lead to, by the Quoter's own sources. */
static void root_of(const struct counter_leaves *l, size_t begun, const uint8_t *id, uint32_t *count, uint8_t *root) {
    struct cvm_counter_call c = {.step = 0};

    assert_int_equal(counter_leaves_path(l, begun, id, &c), 0);
    assert_int_equal(tree_root(id, c.count, c.map, c.sibling, root), 0);
    *count = c.count;
}

static struct counter_leaves *empty(void) {
    struct counter_leaves *l;

    assert_int_equal(counter_leaves_parse("", 0, &l, NULL), 0);
    return l;
}

static void test_leaves(void **state) {
    struct counter_leaves *l = empty();
    uint8_t id[CVM_DIGEST_SIZE], other[CVM_DIGEST_SIZE], before[32], after[32], seen[32];
    uint32_t count;

    (void)state;
    memset(before, 0, sizeof(before));
    for (unsigned n = 0; n < 200; n++) {
        identity(id, n % 70);
        root_of(l, 0, id, &count, seen);
        assert_memory_equal(seen, before, 32);
        assert_int_equal(count, n / 70);
        /* What the Quoter makes of it is what cvmd says afterwards, whichever leaf is asked. */
        struct cvm_counter_call c = {.step = 0};

        assert_int_equal(counter_leaves_path(l, 0, id, &c), 0);
        assert_int_equal(tree_root(id, c.count + 1, c.map, c.sibling, after), 0);
        assert_memory_not_equal(after, before, 32);
        assert_int_equal(counter_leaves_begin(l, id), 0);
        root_of(l, 0, id, &count, seen);
        assert_memory_equal(seen, before, 32);
        identity(other, (n + 13) % 70);
        root_of(l, 1, other, &count, seen);
        assert_memory_equal(seen, after, 32);
        assert_int_equal(counter_leaves_settle(l, 1), 0);
        root_of(l, 0, id, &count, seen);
        assert_memory_equal(seen, after, 32);
        memcpy(before, after, 32);
    }
    counter_leaves_free(l);
}

/* Some begun, none known: each of the states in between can be had, and one of them becomes the true one. */
static void test_begun(void **state) {
    struct counter_leaves *l = empty();
    uint8_t id[CVM_DIGEST_SIZE], root[4][32], seen[32];
    uint32_t count;

    (void)state;
    identity(id, 1);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(counter_leaves_begin(l, id), 0);
    for (unsigned n = 0; n < 4; n++) {
        root_of(l, n, id, &count, root[n]);
        assert_int_equal(count, n);
    }
    assert_int_equal(counter_leaves_settle(l, 2), 0);
    assert_int_equal(l->nr_begun, 0);
    root_of(l, 0, id, &count, seen);
    assert_memory_equal(seen, root[2], 32);
    counter_leaves_free(l);
}

static void test_file(void **state) {
    char path[] = "/tmp/cvmd-counters.XXXXXX", digits[97];
    struct counter_leaves *l = empty(), *again;
    uint8_t id[CVM_DIGEST_SIZE], root[32], seen[32];
    struct cvm_error e = {""};
    uint32_t count;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (unsigned n = 0; n < 40; n++) {
        identity(id, n % 30);
        assert_int_equal(counter_leaves_begin(l, id), 0);
        assert_int_equal(counter_leaves_settle(l, 1), 0);
    }
    assert_int_equal(counter_leaves_begin(l, id), 0);
    assert_int_equal(counter_leaves_save(l, path, &e), 0);
    assert_int_equal(counter_leaves_load(path, &again, &e), 0);
    assert_int_equal(again->nr, 30);
    assert_int_equal(again->nr_begun, 1);
    for (size_t begun = 0; begun < 2; begun++) {
        root_of(l, begun, id, &count, root);
        root_of(again, begun, id, &count, seen);
        assert_memory_equal(root, seen, 32);
    }
    counter_leaves_free(again);
    counter_leaves_free(l);
    unlink(path);
    assert_int_equal(counter_leaves_load(path, &again, &e), 0); /* none yet */
    assert_int_equal(again->nr, 0);
    counter_leaves_free(again);

    memset(digits, 'a', 96);
    digits[96] = 0;
    static const char *const bad[] = {"%s", "%s 1", "%s 0\n", "%s 4294967296\n", "%s 1 \n", "%s  1\n", "%s -1\n", "%s 1\n%s 2\n", "+ %s\n%s 1\n",
                                      "+%s\n", "\n", "+ %s", "%s 1\n\n", "%s x\n", "%s 18446744073709551617\n"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[300];
        int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        n = snprintf(text, sizeof(text), bad[i], digits, digits);
#pragma GCC diagnostic pop
        assert_int_equal(counter_leaves_parse(text, (size_t)n, &again, &e), -EBADMSG);
    }
    char good[300];
    int n = snprintf(good, sizeof(good), "%s 4294967295\n+ %.95sb\n", digits, digits);
    assert_int_equal(counter_leaves_parse(good, (size_t)n, &again, &e), 0);
    assert_int_equal(again->leaf[0].count, UINT32_MAX);
    counter_leaves_free(again);
}

/* --- the session --- */

static void be(uint8_t *p, uint32_t v, unsigned n) {
    while (n--)
        *p++ = (uint8_t)(v >> 8 * n);
}

/* TPM 2.0 Library, Part 1, 19.6.5: HMAC(authValue, pHash || nonceNewer || nonceOlder || attributes). */
static void mac(const uint8_t *secret, const uint8_t *said, size_t size, const uint8_t *newer, const uint8_t *older, uint8_t attributes,
                uint8_t *out) {
    uint8_t data[32 + 32 + 32 + 1];
    unsigned n = 32;

    assert_int_equal(EVP_Digest(said, size, data, NULL, EVP_sha256(), NULL), 1);
    memcpy(data + 32, newer, 32);
    memcpy(data + 64, older, 32);
    data[96] = attributes;
    assert_non_null(HMAC(EVP_sha256(), secret, 32, data, sizeof(data), out, &n));
}

static void test_session(void **state) {
    static const uint8_t public[] = {0x01, 0x80, 0xc4, 0xd1, 0, 0x0b, 0x22, 0x04, 0, 4, 0, 0, 0, 32};
    uint8_t secret[32], root[32], nonce[32], command[256], want[32], answer[64 + 32], said[4 + 34 + 34 + 36] = {0};
    struct session s;
    uint32_t n;

    (void)state;
    fixture_fill(secret, 32, 1);
    fixture_fill(root, 32, 2);
    fixture_fill(nonce, 32, 3);
    fixture_fill(s.caller, 32, 4);
    n = session_start(nonce, command, sizeof(command));
    assert_int_equal(n, 59);
    assert_memory_equal(command, "\x80\x01\0\0\0\x3b\0\0\x01\x76\x40\0\0\x07\x40\0\0\x07\0\x20", 20);
    assert_memory_equal(command + 20, nonce, 32);
    assert_memory_equal(command + 52, "\0\0\0\0\x10\0\x0b", 7);
    assert_int_equal(session_start(nonce, command, 58), 0);

    memcpy(answer, "\x80\x01\0\0\0\x30\0\0\0\0\x02\0\0\x05\0\x20", 16);
    fixture_fill(answer + 16, 32, 5);
    assert_int_equal(session_started(&s, answer, 48), 0);
    assert_int_equal(s.handle, 0x02000005);
    for (size_t cut = 0; cut < 48; cut++)
        assert_int_equal(session_started(&s, answer, cut), -EPROTO);
    assert_int_equal(session_started(&s, answer, 49), -EPROTO);
    assert_int_equal(session_started(&s, (const uint8_t *)"\x80\x01\0\0\0\x0a\0\0\x09\x03", 10), -EIO);

    n = session_write(&s, secret, root, command, sizeof(command));
    assert_int_equal(n, 131);
    be(said, 0x137, 4);
    for (unsigned i = 0; i < 2; i++) {
        be(said + 4 + 34 * i, 0xb, 2);
        assert_int_equal(EVP_Digest(public, sizeof(public), said + 6 + 34 * i, NULL, EVP_sha256(), NULL), 1);
    }
    be(said + 72, 32, 2);
    memcpy(said + 74, root, 32);
    mac(secret, said, sizeof(said), s.caller, s.tpm, 0, want);
    assert_memory_equal(command + 63, want, 32);
    assert_memory_equal(command + 95, said + 72, 36);
    assert_int_equal(session_write(&s, secret, root, command, 130), 0);

    /* The answer: nonceTPM, attributes, HMAC over rpHash. */
    static const uint8_t success[8] = {0, 0, 0, 0, 0, 0, 1, 0x37};
    memcpy(answer, "\x80\x02\0\0\0\x53\0\0\0\0\0\0\0\0\0\x20", 16);
    fixture_fill(answer + 16, 32, 6);
    answer[48] = 1;
    be(answer + 49, 32, 2);
    mac(secret, success, sizeof(success), answer + 16, s.caller, 1, answer + 51);
    assert_int_equal(session_written(&s, secret, answer, 83), 0);
    for (size_t cut = 0; cut < 83; cut++)
        assert_int_equal(session_written(&s, secret, answer, cut), -EPROTO);
    for (size_t bit = 0; bit < 83 * 8; bit++) {
        answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(session_written(&s, secret, answer, 83) < 0);
        answer[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    secret[31] ^= 1;
    assert_int_equal(session_written(&s, secret, answer, 83), -EBADMSG);
    secret[31] ^= 1;
    s.caller[0] ^= 1;
    assert_int_equal(session_written(&s, secret, answer, 83), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
