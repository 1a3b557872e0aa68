/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference values: from files, to JSON and back, bad input. */
#include "attest-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attest/le.h"

static char *write_temp(const void *p, size_t size) {
    char *path = strdup("attest-test-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, size), (ssize_t)size);
    close(fd);
    return path;
}

static void drop_temp(char *path) {
    unlink(path);
    free(path);
}

static char *to_text(const struct cvm_reference *ref) {
    json_object *o = cvm_reference_to_json(ref);
    char *text;

    assert_non_null(o);
    text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    return text;
}

static void test_round_trip(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *back = malloc(sizeof(*back));
    char *text = to_text(&f->reference);
    struct cvm_error e = {""};

    if (cvm_reference_parse(text, strlen(text), back, &e) < 0)
        fail_msg("%s", e.text);
    assert_memory_equal(back, &f->reference, sizeof(*back));
    free(text);
    free(back);
}

/* Replaces the first @from in the fixture's text by @to. */
static char *changed(const struct fixture *f, const char *from, const char *to) {
    char *text = to_text(&f->reference), *at = strstr(text, from), *out = NULL;

    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    free(text);
    return out;
}

static void test_bad(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *ref = malloc(sizeof(*ref));
    static const struct {
        int r;
        const char *word, *from, *to;
    } cases[] = {
        {-EPROTONOSUPPORT, "profile", "reference-values#1", "reference-values#2"},
        {-EINVAL, "'profile' is missing", "\"profile\"", "\"prof\""},
        {-EINVAL, "rootvisor[0]: member 'digest'", "\"digest\":\"", "\"digest\":\"0"},
        {-EINVAL, "rootvisor[0]: member 'digest'", "\"digest\":\"01", "\"digest\":\"zz"},
        {-EINVAL, "rootvisor[0]: member 'digest' is missing", "\"digest\"", "\"digits\""},
        {-EINVAL, "min_svn", "\"min_svn\":3", "\"min_svn\":-1"},
        {-EINVAL, "min_svn", "\"min_svn\":3", "\"min_svn\":4294967296"},
        {-EINVAL, "min_svn", "\"min_svn\":3", "\"min_svn\":\"3\""},
        {-EINVAL, "'rootvisor' must be of type array", "\"rootvisor\":[", "\"rootvisor\":1,\"x\":["},
        {-EINVAL, "guardian[0] is no object", "\"guardian\":[", "\"guardian\":[1,"},
        {-EINVAL, "kind 'bios' is not known", "\"kind\":\"firmware\"", "\"kind\":\"bios\""},
        {-EINVAL, "out of order", "\"kind\":\"kernel\"", "\"kind\":\"firmware\""},
        {-EINVAL, "not the digest of its components", "\"kind\":\"firmware\",\"size\":8192",
         "\"kind\":\"firmware\",\"size\":4096"},
        {-EINVAL, "launch[0]: component 'firmware' has size 0", "\"kind\":\"firmware\",\"size\":8192",
         "\"kind\":\"firmware\",\"size\":0"},
        {-EINVAL, "firmware[0]: component 'firmware' has size 0", "\"size\":8192", "\"size\":0"},
        {-EINVAL, "firmware[0]: member 'size' is missing", "\"size\":8192", "\"sise\":8192"},
        {-EINVAL, "does not start with the firmware", "\"components\":[", "\"components\":[],\"x\":["},
        {-EINVAL, "'components' is missing", "\"components\"", "\"comps\""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char *text = changed(f, cases[i].from, cases[i].to);
        struct cvm_error e = {""};
        int r = cvm_reference_parse(text, strlen(text), ref, &e);

        if (r != cases[i].r || !strstr(e.text, cases[i].word))
            fail_msg("case %zu: %d '%s', expected %d '%s'", i, r, e.text, cases[i].r, cases[i].word);
        free(text);
    }
    free(ref);
}

static void test_absent_lists(void **state) {
    static const char text[] = "{\"profile\":\"tag:cvmd.org,2026:reference-values#1\",\"later\":1}";
    struct cvm_reference *ref = malloc(sizeof(*ref));

    (void)state;
    assert_int_equal(cvm_reference_parse(text, strlen(text), ref, NULL), 0);
    assert_int_equal(ref->nr_rootvisor + ref->nr_guardian + ref->nr_launch, 0);
    free(ref);
}

static void test_merge_overflow(void **state) {
    const struct fixture *f = *state;
    struct cvm_reference *sum = calloc(1, sizeof(*sum));

    for (unsigned i = 0; i < CVM_REFERENCE_MAX; i++)
        assert_int_equal(cvm_reference_merge(sum, &f->reference), 0);
    assert_int_equal(cvm_reference_merge(sum, &f->reference), -E2BIG);
    assert_int_equal(sum->nr_launch, CVM_REFERENCE_MAX);
    free(sum);
}

static void test_from_files_errors(void **state) {
    uint8_t rom[CVM_ROM_SIZE] = {0};
    struct cvm_reference *ref = malloc(sizeof(*ref));
    char *good_rom, *text_file, *empty;
    struct cvm_error e;

    (void)state;
    le32_put(rom + CVM_ROM_DESC_OFFSET, CVM_ROM_DESC_MAGIC);
    le32_put(rom + CVM_ROM_DESC_OFFSET + 4, CVM_ABI_VERSION);
    le32_put(rom + CVM_ROM_DESC_OFFSET + 12, 1);
    le32_put(rom + CVM_ROM_DESC_OFFSET + 16, 4096);
    good_rom = write_temp(rom, sizeof(rom));
    text_file = write_temp("hello", 5);
    empty = write_temp("", 0);

#define FAILS(expect, word, ...)                                                                             \
    do {                                                                                                     \
        e.text[0] = 0;                                                                                       \
        assert_int_equal(                                                                                    \
            cvm_reference_from_files(&(struct cvm_reference_files){__VA_ARGS__}, NULL, ref, &e), expect);    \
        if (!strstr(e.text, word))                                                                           \
            fail_msg("'%s' does not name '%s'", e.text, word);                                               \
    } while (0)
    FAILS(-EINVAL, "needs the kernel", .initrd = text_file);
    FAILS(-EINVAL, "needs the kernel", .cmdline = "quiet");
    FAILS(-EINVAL, "needs the kernel", .vcpus = 2);
    FAILS(-EINVAL, "cvmboot.rom", .kernel = text_file);
    FAILS(-ENOENT, "no-such-file", .kernel = text_file, .firmware = "no-such-file");
    FAILS(-ENOEXEC, "no bzImage", .kernel = text_file, .firmware = good_rom);
    FAILS(-ENOEXEC, "no bzImage", .kernel = empty, .firmware = good_rom);
    FAILS(-EMSGSIZE, "firmware ROM", .kernel = text_file, .firmware = text_file);
    FAILS(-ENOEXEC, "no ELF", .rootvisor = text_file);
    FAILS(-ENOEXEC, "no Guardian", .guardian = empty);
    FAILS(-EISDIR, "directory", .rootvisor = ".");
#undef FAILS
    drop_temp(good_rom);
    drop_temp(text_file);
    drop_temp(empty);
    free(ref);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_absent_lists),      cmocka_unit_test(test_merge_overflow),
        cmocka_unit_test(test_from_files_errors),
    };

    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
