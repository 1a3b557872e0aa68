/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The evidence container, keys and encodings: round trips and bad input. */
#include "attest-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/json.h"

static void test_round_trip(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report)];
    struct cvm_evidence ev;
    struct cvm_error e;
    char *text;

    fixture_sign(f, &f->report, wire);
    text = fixture_evidence(f, wire);
    assert_int_equal(cvm_evidence_parse(text, strlen(text), &ev, &e), 0);
    assert_int_equal(ev.report_size, sizeof(wire));
    assert_memory_equal(ev.report, wire, sizeof(wire));
    assert_true(ev.has_key);
    assert_memory_equal(ev.key, f->point, CVM_POINT_SIZE);
    free(text);
}

static void test_compose_refuses_bad_key(void **state) {
    const struct fixture *f = *state;
    struct cvm_report_key key = {0};
    char *text = NULL;

    memcpy(key.point, f->point, sizeof(key.point));
    key.point[40] ^= 1;
    assert_int_equal(cvm_evidence_compose(&f->report, &key, NULL, &text), -EINVAL);
    assert_null(text);
}

/* Cut at every length: an error of its own, never a report. */
static void test_cut_everywhere(void **state) {
    const struct fixture *f = *state;
    uint8_t wire[sizeof(struct cvm_report)];
    struct cvm_evidence ev;
    size_t len;
    char *text;

    fixture_sign(f, &f->report, wire);
    text = fixture_evidence(f, wire);
    len = strlen(text) - 1; /* without the newline the object is still whole */
    for (size_t n = 0; n < len; n++) {
        struct cvm_error e = {""};
        char *part = malloc(n ?: 1);

        memcpy(part, text, n);
        assert_true(cvm_evidence_parse(part, n, &ev, &e) < 0);
        assert_true(e.text[0]);
        free(part);
    }
    assert_int_equal(cvm_evidence_parse(text, len, &ev, NULL), 0);
    free(text);
}

static void test_bad_members(void **state) {
    const struct fixture *f = *state;
    static const struct {
        int r;
        const char *word, *text;
    } cases[] = {
        {-ENOENT, "'profile' is missing", "{\"report\":\"AA\"}"},
        {-ENOENT, "'report' is missing", "{\"profile\":\"tag:cvmd.org,2026:evidence#1\"}"},
        {-EINVAL, "'profile' must be of type string", "{\"profile\":1,\"report\":\"AA\"}"},
        {-EPROTONOSUPPORT, "not known", "{\"profile\":\"x\",\"report\":\"AA\"}"},
        {-EINVAL, "'report' must be of type string",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":null}"},
        {-EINVAL, "no base64url", "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"A+\"}"},
        {-EINVAL, "no base64url", "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA==\"}"},
        {-EINVAL, "no base64url", "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"A\"}"},
        {-EINVAL, "NUL", "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\\u0000\"}"},
        {-EINVAL, "no JSON object",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":[]}"},
        {-EINVAL, "'kty' is missing",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{}}"},
        {-EINVAL, "kty 'RSA'",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{\"kty\":\"RSA\"}}"},
        {-EINVAL, "crv 'P-224'",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{\"kty\":\"EC\","
         "\"crv\":\"P-224\"}}"},
        {-EINVAL, "private",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{\"kty\":\"EC\","
         "\"crv\":\"P-256\",\"d\":\"AA\"}}"},
        {-EINVAL, "'x' is not the base64url of 32 bytes",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{\"kty\":\"EC\","
         "\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}}"},
        {-EINVAL, "no point",
         "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"AA\",\"report_key\":{\"kty\":\"EC\","
         "\"crv\":\"P-256\","
         "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":"
         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}"},
        {-EINVAL, "bad JSON", "{\"profile\":\"x\"} {"},
        {-EINVAL, "bad JSON", "{\"profile\":'x'}"},
        {-EINVAL, "bad JSON", "{profile:1}"},
        {-EINVAL, "bad JSON", "{\"a\":\"\xff\"}"},
    };

    (void)f;
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct cvm_evidence ev;
        struct cvm_error e = {""};
        int r = cvm_evidence_parse(cases[i].text, strlen(cases[i].text), &ev, &e);

        if (r != cases[i].r || !strstr(e.text, cases[i].word))
            fail_msg("case %zu: %d '%s', expected %d '%s'", i, r, e.text, cases[i].r, cases[i].word);
    }
}

static void test_giant_and_nested(void **state) {
    static const char head[] = "{\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"";
    char *text = malloc(CVM_EVIDENCE_MAX + 2);
    struct cvm_evidence ev;
    struct cvm_error e;
    size_t n;

    (void)state;
    assert_non_null(text);
    memset(text, '{', CVM_EVIDENCE_MAX + 1);
    assert_int_equal(cvm_evidence_parse(text, CVM_EVIDENCE_MAX + 1, &ev, &e), -EFBIG);
    for (size_t i = 0; i + 5 <= CVM_EVIDENCE_MAX; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(cvm_evidence_parse(text, CVM_EVIDENCE_MAX, &ev, &e), -EINVAL);
    assert_non_null(strstr(e.text, "nesting"));
    /* A report longer than a report. */
    memset(text, 'A', CVM_EVIDENCE_MAX);
    memcpy(text, head, sizeof(head) - 1);
    n = sizeof(head) - 1 + CVM_BASE64URL_LEN(sizeof(struct cvm_report) + 1);
    text[n] = '"';
    text[n + 1] = '}';
    assert_int_equal(cvm_evidence_parse(text, n + 2, &ev, &e), -ENOBUFS);
    /* Bare bytes longer than a report. */
    memset(text, 'C', sizeof(struct cvm_report) + 1);
    assert_int_equal(cvm_evidence_parse(text, sizeof(struct cvm_report) + 1, &ev, &e), -ENOBUFS);
    free(text);
}

static void test_unknown_members_ignored(void **state) {
    static const char text[] =
        " \n{\"quote\":{\"x\":[1,2]},\"profile\":\"tag:cvmd.org,2026:evidence#1\",\"report\":\"Q1Y\"}\n\n";
    struct cvm_evidence ev;

    (void)state;
    assert_int_equal(cvm_evidence_parse(text, strlen(text), &ev, NULL), 0);
    assert_int_equal(ev.report_size, 2);
    assert_false(ev.has_key);
}

static void test_base64url(void **state) {
    /* RFC 4648 section 10, without padding. */
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    uint8_t out[8];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(plain); i++) {
        char *s = cvm_base64url_encode(plain[i], strlen(plain[i]));

        assert_string_equal(s, coded[i]);
        assert_int_equal(cvm_base64url_decode(s, strlen(s), out, sizeof(out), &n), 0);
        assert_int_equal(n, strlen(plain[i]));
        assert_memory_equal(out, plain[i], n);
        free(s);
    }
    assert_int_equal(cvm_base64url_decode("Zh", 2, out, sizeof(out), &n),
                     -EINVAL); /* set bits behind the end */
    assert_int_equal(cvm_base64url_decode("Zm9vYmFy", 8, out, 5, &n), -ENOBUFS);
    assert_int_equal(cvm_base64url_decode("Zm 9v", 5, out, sizeof(out), &n), -EINVAL);
    assert_int_equal(cvm_base64url_decode("-_", 2, out, 1, &n), -EINVAL);
    assert_int_equal(cvm_base64url_decode("-_8", 3, out, 2, &n), 0);
    assert_int_equal(out[0], 0xfb);
}

static void test_hex(void **state) {
    uint8_t out[2];

    (void)state;
    assert_int_equal(cvm_hex_decode("aB09", 4, out, 2), 0);
    assert_int_equal(out[0], 0xab);
    assert_int_equal(cvm_hex_decode("aB0", 3, out, 2), -EINVAL);
    assert_int_equal(cvm_hex_decode("aB0g", 4, out, 2), -EINVAL);
    assert_int_equal(cvm_hex_decode("aB090", 5, out, 2), -EINVAL);
}

/* RFC 7638 has its example for RSA only; RFC 7515 A.3 gives an ES256 key and signature. */
static void test_es256_vector(void **state) {
    static const char jwk[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
    static const char input[] = "eyJhbGciOiJFUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    static const char sig64[] = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
                                "pmWQxfKTUJqPP3-Kg6NU1Q";
    uint8_t point[CVM_POINT_SIZE], sig[64];
    struct cvm_error e = {""};
    json_object *o = NULL;
    size_t n = 0;

    (void)state;
    assert_int_equal(cvm_json_parse(jwk, strlen(jwk), &o, &e), 0);
    assert_int_equal(cvm_key_from_jwk(o, point, &e), 0);
    assert_int_equal(cvm_base64url_decode(sig64, strlen(sig64), sig, sizeof(sig), &n), 0);
    assert_int_equal(cvm_key_verify(point, input, strlen(input), sig), 0);
    sig[0] ^= 1;
    assert_int_equal(cvm_key_verify(point, input, strlen(input), sig), -EBADMSG);
    json_object_put(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_compose_refuses_bad_key),
        cmocka_unit_test(test_cut_everywhere),   cmocka_unit_test(test_bad_members),
        cmocka_unit_test(test_giant_and_nested), cmocka_unit_test(test_unknown_members_ignored),
        cmocka_unit_test(test_base64url),        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_es256_vector),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
