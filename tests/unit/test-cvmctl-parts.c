/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cvmctl: progress, and the list of what is deployed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cvmctl/deploy.h" /* before cmocka's macro fail() */
#include "cvmctl/progress.h"

#include <cmocka.h>

bool arg_json, arg_quiet;

static void test_text(void **state) {
    char s[64];

    (void)state;
    progress_text(0, 0, "bytes", s, sizeof(s));
    assert_string_equal(s, "");
    progress_text(1536, 1ull << 30, "bytes", s, sizeof(s));
    assert_string_equal(s, "1.5 KiB of 1.0 GiB");
    progress_text(40, 100, "pages", s, sizeof(s));
    assert_string_equal(s, "40 of 100 pages");
    progress_text(UINT64_MAX, 0, "bytes", s, sizeof(s));
    assert_string_equal(s, "16777216.0 TiB");
}

static void test_left(void **state) {
    (void)state;
    assert_int_equal(progress_left(50, 0, 100, 10000000), 10);
    assert_int_equal(progress_left(75, 50, 100, 5000000), 5); /* the pace is of what was seen */
    assert_int_equal(progress_left(50, 50, 100, 10000000), -1);
    assert_int_equal(progress_left(50, 0, 100, 1000), -1); /* too early to tell */
    assert_int_equal(progress_left(100, 0, 50, 10000000), -1);
}

static void test_line(void **state) {
    char s[256];

    (void)state;
    progress_line("import", 50, 100, "pages", 75, 79, s, sizeof(s));
    assert_non_null(strstr(s, "50% 50 of 100 pages, 1:15 left"));
    assert_non_null(strstr(s, "import [===="));
    for (unsigned width = 1; width < 200; width++) {
        progress_line("images import", 5000, 4000, "bytes", -1, width, s, sizeof(s));
        assert_true(strlen(s) <= (width > 8 ? width : 8));
    }
    progress_line("stop", 3, 0, "steps", -1, 79, s, sizeof(s));
    assert_string_equal(s, "3 steps");
}

#define D "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_deployed(void **state) {
    static const char *const bad[] = {
        "current rootvisor-1 guardian-1 " D " " D " " D " " D, /* cut */
        "current rootvisor-1 guardian-1 " D " " D " " D "\n",
        "current ../../etc/shadow guardian-1 " D " " D " " D " " D "\n",
        "current .hidden guardian-1 " D " " D " " D " " D "\n",
        "current rootvisor$(x) guardian-1 " D " " D " " D " " D "\n",
        "current rootvisor-1 guardian-1 00 " D " " D " " D "\n",
    };
    struct deployed d, again;
    char *text;

    (void)state;
    assert_int_equal(deployed_parse("", &d), 0);
    assert_string_equal(d.current.rootvisor, "");
    assert_int_equal(deployed_parse("# words\n\nfuture line of a later one\ntrial\ncurrent rootvisor-1 guardian-1 " D " " D
                                    " " D " " D "\n",
                                    &d),
                     0);
    assert_true(d.trial);
    assert_string_equal(d.current.guardian, "guardian-1");
    assert_string_equal(d.previous.guardian, "");
    d.previous = d.current;
    text = deployed_format(&d);
    assert_non_null(text);
    assert_int_equal(deployed_parse(text, &again), 0);
    assert_memory_equal(&d, &again, sizeof(d));
    free(text);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(deployed_parse(bad[i], &d), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_left),
                                       cmocka_unit_test(test_line), cmocka_unit_test(test_deployed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
