/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure parts of cvmd: checks of arguments, the ACPI table, configuration, names of reasons. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cvm/abi.h"
#include "cvmd/acpi-table.h"
#include "cvmd/call-page.h"
#include "cvmd/config.h"
#include "cvmd/reason.h"
#include "cvmd/util.h"
#include "cvmd/validate.h"

static struct cvm_error e;

static void test_name(void **state) {
    static const char *const good[] = {"a", "web-1", "A.b_c-9", "0"};
    static const char *const bad[] = {"", "-a", ".a", "_a", "a/b", "a b", "a\n", "ä", "a\x80", "..", "a:b"};
    char s[66];

    (void)state;
    for (unsigned i = 0; i < ELEMENTSOF(good); i++)
        assert_int_equal(validate_name(good[i], &e), 0);
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(validate_name(bad[i], &e), -EINVAL);
    memset(s, 'a', sizeof(s));
    s[63] = 0;
    assert_int_equal(validate_name(s, &e), 0);
    s[63] = 'a';
    s[64] = 0;
    assert_int_equal(validate_name(s, &e), -EINVAL);
}

static void test_memory(void **state) {
    const uint64_t mib = 1u << 20, host = 4096 * mib;

    (void)state;
    assert_int_equal(validate_memory(64 * mib, host, &e), 0);
    assert_int_equal(validate_memory(host, host, &e), 0);
    assert_int_equal(validate_memory(63 * mib, host, &e), -ERANGE);
    assert_int_equal(validate_memory(host + mib, host, &e), -ERANGE);
    assert_int_equal(validate_memory(64 * mib + 1, host, &e), -EINVAL);
    assert_int_equal(validate_memory(0, host, &e), -ERANGE);
    assert_int_equal(validate_memory(UINT64_MAX - mib + 1, UINT64_MAX, &e), -ERANGE);
}

static void test_vcpus(void **state) {
    (void)state;
    assert_int_equal(validate_vcpus(1, &e), 0);
    assert_int_equal(validate_vcpus(CVM_MAX_CPUS, &e), 0);
    assert_int_equal(validate_vcpus(0, &e), -ERANGE);
    assert_int_equal(validate_vcpus(CVM_MAX_CPUS + 1, &e), -ERANGE);
}

static void test_cmdline(void **state) {
    static const char *const bad[] = {"a\nb",  "\x7f",        "\x1b[0m",      "\xff",
                                      "\xc3",  "\xc0\x80",    "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "a\x80", "\xe0\x80\x80"};
    char s[CMDLINE_MAX + 2];

    (void)state;
    assert_int_equal(validate_cmdline("", &e), 0);
    assert_int_equal(validate_cmdline("console=ttyS0 \xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", &e), 0);
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(validate_cmdline(bad[i], &e), -EINVAL);
    memset(s, 'a', sizeof(s));
    s[CMDLINE_MAX] = 0;
    assert_int_equal(validate_cmdline(s, &e), 0);
    s[CMDLINE_MAX] = 'a';
    s[CMDLINE_MAX + 1] = 0;
    assert_int_equal(validate_cmdline(s, &e), -E2BIG);
}

static void test_kernel(void **state) {
    uint8_t k[4096] = {0};

    (void)state;
    assert_true(validate_kernel(k, 0, &e) < 0);
    assert_true(validate_kernel(k, sizeof(k), &e) < 0);
    k[0x1f1] = 1;
    memcpy(k + 0x1fe, "\x55\xaa\xeb\x66HdrS\x0c\x02", 10);
    k[0x211] = 1;
    assert_int_equal(validate_kernel(k, sizeof(k), &e), 0);
    assert_memory_equal(k + 0x202, "HdrS", 4);
    assert_int_equal(k[0x211], 1); /* looked at, not changed */
    assert_true(validate_kernel(k, 0x250, &e) < 0);
    memcpy(k + 0x206, "\x05\x02", 2);
    assert_int_equal(validate_kernel(k, sizeof(k), &e), -EPROTONOSUPPORT);
}

static struct cvm_acpi_table make_table(void) {
    struct cvm_acpi_table t = {.abi_version = 1, .secret = {0x1122334455667788, 0x99aabbccddeeff00}};
    uint32_t length = sizeof(t);
    uint8_t sum = 0;

    memcpy(t.acpi_header, "CVMD", 4);
    memcpy(t.acpi_header + 4, &length, 4);
    for (size_t i = 0; i < sizeof(t); i++)
        sum = (uint8_t)(sum + ((uint8_t *)&t)[i]);
    t.acpi_header[9] = (uint8_t)-sum;
    return t;
}

static void test_acpi_table(void **state) {
    struct cvm_acpi_table t = make_table();
    uint64_t secret[2];
    uint32_t abi;

    (void)state;
    assert_int_equal(acpi_table_parse(&t, sizeof(t), &abi, secret, &e), 0);
    assert_int_equal(abi, 1);
    assert_true(secret[0] == 0x1122334455667788 && secret[1] == 0x99aabbccddeeff00);
    for (size_t n = 0; n < sizeof(t); n++)
        assert_int_equal(acpi_table_parse(&t, n, &abi, secret, &e), -EBADMSG);
    for (size_t i = 0; i < sizeof(t); i++) { /* the checksum covers every byte */
        struct cvm_acpi_table bad = make_table();

        ((uint8_t *)&bad)[i] ^= 0x40;
        assert_int_equal(acpi_table_parse(&bad, sizeof(bad), &abi, secret, &e), -EBADMSG);
    }
    assert_int_equal(acpi_table_read("/nonexistent/CVMD", &abi, secret, &e), -ENOENT);
    assert_non_null(strstr(e.text, "not started by RootVisor"));
}

static int load(struct config *c, const char *text) {
    char path[] = "/tmp/test-cvmd-XXXXXX";
    int fd = mkstemp(path), r;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    r = config_read(c, path, true, &e);
    unlink(path);
    return r;
}

static void test_config(void **state) {
    static const char *const bad[] = {
        "[other]\nA=b\n",
        "[cvmd]\nNoSuchKey=1\n",
        "[cvmd]\nMemoryBacking=swap\n",
        "[cvmd]\nLaunchTimeoutSec=0\n",
        "[cvmd]\nStopTimeoutSec=x\n",
        "[cvmd]\nFirmware=relative\n",
        "[cvmd]\nLibvirtURI=\n",
        "[cvmd]\nLaunchTimeoutSec=5s\n",
        "[cvmd]\nLaunchTimeoutSec=-1\n",
        "gibberish\n",
    };
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_int_equal(config_read(&c, "/nonexistent", false, &e), 0);
    assert_int_equal(config_read(&c, "/nonexistent", true, &e), -ENOENT);
    assert_true(c.memory_backing_auto);
    assert_int_equal(
        load(&c, "# comment\n[cvmd]\nMemoryBacking=locked\nLaunchTimeoutSec=7\nStateDirectory=/x\n"), 0);
    assert_false(c.memory_backing_auto);
    assert_int_equal(config_backing(&c, 1), MEMORY_LOCKED);
    assert_int_equal(c.launch_timeout, 7);
    assert_string_equal(c.state_directory, "/x");
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(load(&c, bad[i]), -EINVAL);
        assert_non_null(strstr(e.text, i == 9 ? "line 1" : "line 2"));
    }
    assert_int_equal(load(&c, "[cvmd]\nNoSuchKey=1\nMemoryBacking=swap\n"), -EINVAL);
    assert_non_null(strstr(e.text, "line 2: NoSuchKey"));
    config_done(&c);
}

static void test_uuid(void **state) {
    static const char text[] = "01234567-89ab-4def-8123-456789abcdef";
    static const char *const bad[] = {
        "", "01234567-89ab-4def-8123-456789abcde", "0123456789ab-4def-8123-456789abcdef0000",
        "01234567-89ab-4def-8123-456789abcdeg", "01234567-89ab-4def-8123_456789abcdef"};
    char out[UUID_STRING_MAX];
    uint8_t uuid[16];

    (void)state;
    assert_int_equal(uuid_from_string(text, uuid), 0);
    assert_int_equal(uuid[0], 0x01);
    assert_int_equal(uuid[15], 0xef);
    assert_string_equal(uuid_to_string(uuid, out), text);
    for (unsigned i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(uuid_from_string(bad[i], uuid), -EINVAL);
}

static void test_reasons(void **state) {
    (void)state;
    for (uint32_t i = 0; i < CVM_R_MAX; i++)
        assert_null(strstr(reason_text(i), "does not know"));
    assert_non_null(strstr(reason_text(CVM_R_MAX), "does not know"));
    for (uint32_t i = CVM_EV_BOOT; i < CVM_EV_MAX; i++)
        assert_string_not_equal(event_name(i), "unknown");
    assert_string_equal(event_name(CVM_EV_MAX), "unknown");
    assert_non_null(strstr(stop_text(CVM_R_DECODE, CVM_REFUSED_AVX << 16 | EOPNOTSUPP), "AVX"));
    for (uint64_t kind = 1; kind < CVM_REFUSED_MAX; kind++)
        assert_string_not_equal(stop_text(CVM_R_DECODE, kind << 16), reason_text(CVM_R_DECODE));
    assert_string_equal(stop_text(CVM_R_DECODE, EOPNOTSUPP), reason_text(CVM_R_DECODE));
    assert_string_equal(stop_text(CVM_R_DECODE, UINT64_MAX), reason_text(CVM_R_DECODE));
    assert_string_equal(stop_text(CVM_R_INTEGRITY, CVM_REFUSED_AVX << 16), reason_text(CVM_R_INTEGRITY));
    assert_string_equal(exit_reason_name(48), "ept-violation");
    assert_null(exit_reason_name(CVM_EXIT_REASONS));
    assert_false(reason_is_orderly(CVM_R_INTEGRITY));
    assert_true(reason_is_orderly(CVM_R_TRIPLE_FAULT));
}

/* What a fork leaves of it: shared pages would be copy-on-write, and RootVisor's next write to it refused. */
static void test_call_page(void **state) {
    uint8_t *page;
    unsigned char there;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(call_page_new(&page), 0);
    assert_int_equal((uintptr_t)page % CALL_PAGE_SIZE, 0);
    for (unsigned i = 0; i < CALL_PAGE_SIZE; i++)
        assert_int_equal(page[i], 0);
    assert_int_equal(mincore(page, CALL_PAGE_SIZE, &there), 0);
    child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(mincore(page, CALL_PAGE_SIZE, &there) < 0 && errno == ENOMEM ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    page[7] = 1;
    call_page_free(page);
    assert_int_equal(mincore(page, CALL_PAGE_SIZE, &there), -1);
    call_page_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),    cmocka_unit_test(test_memory), cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_cmdline), cmocka_unit_test(test_kernel), cmocka_unit_test(test_acpi_table),
        cmocka_unit_test(test_config),  cmocka_unit_test(test_uuid),   cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_call_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
