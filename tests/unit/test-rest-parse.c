/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gateway's pure parts: header fields, query, paths, roles. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cvmd/rest/parse.h"
#include "cvmd/rest/routes-match.h"
#include "cvmd/roles.h"

static void limits(void **state) {
    uint32_t n;

    (void)state;
    assert_int_equal(parse_limit(NULL, &n), 0);
    assert_int_equal(n, LIMIT_DEFAULT);
    assert_int_equal(parse_limit("1000", &n), 0);
    assert_int_equal(n, 1000);
    for (const char *const *s = (const char *[]){"0", "1001", "", "-1", "+1", "1 ", "0x10", "18446744073709551617", NULL}; *s; s++)
        assert_int_equal(parse_limit(*s, &n), -EINVAL);
}

static void ranges(void **state) {
    static const struct {
        const char *s;
        int r;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-0", 0, 0, 0},      {"bytes=0-", 0, 0, 9},       {"bytes=-3", 0, 7, 9},
        {"bytes=-99", 0, 0, 9},      {"bytes=4-99", 0, 4, 9},     {"bytes=9-9", 0, 9, 9},
        {"bytes=10-", -ERANGE, 0, 0}, {"bytes=-0", -ERANGE, 0, 0}, {"bytes=5-4", -EINVAL, 0, 0},
        {"bytes=0-1,3-4", -EINVAL, 0, 0}, {"lines=0-1", -EINVAL, 0, 0}, {"bytes=-", -EINVAL, 0, 0},
        {"bytes=99999999999999999999-", -ERANGE, 0, 0}, {"bytes=1-99999999999999999999", 0, 1, 9},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        uint64_t first = 0, last = 0;

        assert_int_equal(parse_range(cases[i].s, 10, &first, &last), cases[i].r);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
}

static void tags(void **state) {
    bool m = false;

    (void)state;
    assert_int_equal(parse_match(NULL, 1, false, &m), MATCH_ABSENT);
    assert_int_equal(parse_match(" * ", 1, false, &m), MATCH_ANY);
    assert_true(m);
    m = false;
    assert_int_equal(parse_match("\"1\" , \"2a\"", 0x2a, false, &m), MATCH_LIST);
    assert_true(m);
    assert_int_equal(parse_match("W/\"2a\"", 0x2a, false, &m), MATCH_LIST);
    assert_false(m); /* a weak tag does not guard a change */
    assert_int_equal(parse_match("W/\"2a\"", 0x2a, true, &m), MATCH_LIST);
    assert_true(m);
    for (const char *const *s = (const char *[]){"", "x", "\"1", "\"1\",", "*, \"1\"", "\"1\" \"2\"", "\"\x01\"", NULL}; *s; s++)
        assert_int_equal(parse_match(*s, 1, false, &m), -EINVAL);
}

static void cursors(void **state) {
    char key[CURSOR_KEY_MAX + 1], *c = cursor_encode('m', "web-1");

    (void)state;
    assert_non_null(c);
    assert_int_equal(parse_cursor(c, 'm', key), 0);
    assert_string_equal(key, "web-1");
    assert_int_equal(parse_cursor(c, 'o', key), -EINVAL);
    assert_int_equal(parse_cursor("!", 'm', key), -EINVAL);
    free(c);
}

static void keys(void **state) {
    char key[IDEMPOTENCY_KEY_MAX + 1], time[RFC3339_MAX];

    (void)state;
    assert_int_equal(parse_idempotency_key("\"abc\"", key), 0);
    assert_string_equal(key, "abc");
    assert_int_equal(parse_idempotency_key("abc", key), 0);
    for (const char *const *s = (const char *[]){"", "\"\"", "a b", "a\"b", "\xc3\xa4", NULL}; *s; s++)
        assert_int_equal(parse_idempotency_key(*s, key), -EINVAL);
    assert_string_equal(rfc3339_format(1700000000123456, time), "2023-11-14T22:13:20.123456Z");
}

static void paths(void **state) {
    const char *segments[2] = {0};
    size_t sizes[2];
    char *out = NULL;

    (void)state;
    assert_true(path_matches("/v1/m/{a}/x/{b}", "/v1/m/web/x/go", segments, sizes));
    assert_int_equal(sizes[0], 3);
    assert_memory_equal(segments[1], "go", 2);
    assert_false(path_matches("/v1/m/{a}", "/v1/m/", segments, sizes));
    assert_false(path_matches("/v1/m/{a}", "/v1/m/a/b", segments, sizes));
    assert_int_equal(path_decode("a%2db", 5, &out), 0);
    assert_string_equal(out, "a-b");
    free(out);
    for (const char *const *s = (const char *[]){"%", "%2", "%00", "%zz", "a%2Fb", "%0a", NULL}; *s; s++)
        assert_int_equal(path_decode(*s, strlen(*s), &out), -EINVAL);
}

static void roles(void **state) {
    (void)state;
    assert_int_equal(role_from_string("none"), -EINVAL);
    for (enum permission p = 0; p < PERMISSION_MAX; p++) {
        assert_int_equal(permission_from_string(permission_to_string(p)), p);
        assert_false(grant_allows(ROLE_NONE, "*", p, "web"));
        assert_true(grant_allows(ROLE_ADMIN, "*", p, "web") && grant_allows(ROLE_ADMIN, "*", p, NULL));
        assert_false(grant_allows(ROLE_ADMIN, "web-*", p, "db"));
        /* About no machine: reading is for every role, the rest for those of all machines. */
        assert_int_equal(grant_allows(ROLE_ADMIN, "web-*", p, NULL), p == PERMISSION_READ);
    }
    assert_true(grant_allows(ROLE_VIEWER, "web-?", PERMISSION_READ, "web-1"));
    assert_false(grant_allows(ROLE_VIEWER, "*", PERMISSION_CONTROL, "web-1"));
    assert_true(grant_allows(ROLE_OPERATOR, "*", PERMISSION_CONTROL, "web-1"));
    assert_false(grant_allows(ROLE_OPERATOR, "*", PERMISSION_DEFINE, "web-1"));
    assert_false(pattern_is_valid("") || pattern_is_valid("a,b") || pattern_is_valid("a b"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits), cmocka_unit_test(ranges), cmocka_unit_test(tags),  cmocka_unit_test(cursors),
        cmocka_unit_test(keys),   cmocka_unit_test(paths),  cmocka_unit_test(roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
