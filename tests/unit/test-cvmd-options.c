/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of a machine, ids of operations, and which files make the configuration. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cvmd/config.h"
#include "cvmd/domain-xml.h"
#include "cvmd/options.h"
#include "cvmd/util.h"

#define DIGEST "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"

static struct cvm_error e;

static int set_text(struct machine_options *o, const char *key, const char *s) {
    return option_set(o, key, "s", &(union option_value){.s = s}, &e);
}

static int set_number(struct machine_options *o, const char *key, const char *signature, uint64_t u) {
    return option_set(o, key, signature, &(union option_value){.u = u}, &e);
}

static int set_list(struct machine_options *o, const char *key, const char *signature, const char *const *l) {
    return option_set(o, key, signature, &(union option_value){.l = l}, &e);
}

static void test_options(void **state) {
    struct machine_options o;

    (void)state;
    options_init(&o);
    assert_int_equal(set_number(&o, "Memory", "t", 1u << 30), 0);
    assert_true(option_given(&o, OPTION_MEMORY) && o.memory == 1u << 30);
    assert_int_equal(set_number(&o, "Memory", "t", 1), -EEXIST);
    assert_int_equal(set_number(&o, "VCPUs", "t", 1), -EMEDIUMTYPE);
    assert_int_equal(set_number(&o, "Bogus", "t", 1), -ENOENT);
    assert_int_equal(set_text(&o, "Restart", "sometimes"), -EINVAL);
    assert_false(option_given(&o, OPTION_RESTART));
    assert_int_equal(set_text(&o, "Restart", "on-failure"), 0);
    assert_int_equal(o.restart, RESTART_ON_FAILURE);
    assert_int_equal(set_text(&o, "KernelImage", DIGEST), 0);
    assert_int_equal(set_text(&o, "InitrdImage", "../../etc/shadow"), -EINVAL);
    assert_int_equal(set_text(&o, "InitrdImage", ""), 0);
    assert_int_equal(set_number(&o, "CPUShares", "t", 1), -ERANGE);
    assert_int_equal(set_number(&o, "CPUShares", "t", CPU_SHARES_MAX + 1), -ERANGE);
    assert_int_equal(set_number(&o, "CPUShares", "t", CPU_SHARES_MAX), 0);
    assert_int_equal(set_number(&o, "IOWeight", "u", 1001), -ERANGE);
    assert_int_equal(set_number(&o, "IOWeight", "u", 0), 0);
    assert_int_equal(set_number(&o, "CPUQuota", "u", 250), 0);
    assert_int_equal(set_text(&o, "Description", "two\nlines"), -EINVAL);
    assert_int_equal(set_text(&o, "Description", "a machine"), 0);
    options_done(&o);
}

static void test_network(void **state) {
    static const char *const good[] = {"none", "network:default", "bridge:br0"};
    static const char *const bad[] = {"", "default", "network:", "bridge:a/b", "bridge:sixteen-letters-", "user:x"};

    (void)state;
    for (unsigned i = 0; i < ELEMENTSOF(good) + ELEMENTSOF(bad); i++) {
        bool want = i < ELEMENTSOF(good);
        struct machine_options o;

        options_init(&o);
        assert_int_equal(set_text(&o, "Network", want ? good[i] : bad[i - ELEMENTSOF(good)]), want ? 0 : -EINVAL);
    }
}

static void test_labels(void **state) {
    const char *const two[] = {"tier", "web", "owner/team", "a = b", NULL};
    const char *const twice[] = {"a", "1", "a", "2", NULL};
    const char *const bad_key[] = {"a=b", "1", NULL}, *const bad_value[] = {"a", "1\n2", NULL};
    const char *many[2 * LABELS_MAX + 3] = {0};
    struct machine_options o;

    (void)state;
    options_init(&o);
    assert_int_equal(set_list(&o, "Labels", "a{ss}", two), 0);
    assert_string_equal(o.labels, "owner/team=a = b\ntier=web\n");
    options_done(&o);
    options_init(&o);
    assert_int_equal(set_list(&o, "Labels", "a{ss}", twice), -EINVAL);
    assert_int_equal(set_list(&o, "Labels", "a{ss}", bad_key), -EINVAL);
    assert_int_equal(set_list(&o, "Labels", "a{ss}", bad_value), -EINVAL);
    for (unsigned i = 0; i < 2 * LABELS_MAX + 2; i++)
        many[i] = "x";
    assert_int_equal(set_list(&o, "Labels", "a{ss}", many), -E2BIG);
    options_done(&o);
}

static void test_disks(void **state) {
    const char *const good[] = {DIGEST, "/dev/vg/web", NULL}, *const relative[] = {"disk.img", NULL};
    struct machine_options o;

    (void)state;
    options_init(&o);
    assert_int_equal(set_list(&o, "Disks", "as", relative), -EINVAL);
    assert_int_equal(set_list(&o, "Disks", "as", good), 0);
    assert_string_equal(o.disks, DIGEST "\n/dev/vg/web\n");
    options_done(&o);
}

/* RFC 9562, appendix A.6, but for the counter, which is ours. */
static void test_uuid7(void **state) {
    static const uint8_t random[10] = {0xff, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    uint8_t last[16] = {0}, next[16];
    char s[UUID_STRING_MAX];

    (void)state;
    uuid7_make(0x017F22E279B0, last, random, next);
    assert_string_equal(uuid_to_string(next, s), "017f22e2-79b0-77c3-98c4-dc0c0c07398f");
    for (unsigned i = 0; i < 10000; i++) { /* the clock stands, then goes back */
        memcpy(last, next, sizeof(last));
        uuid7_make(i < 5000 ? 0x017F22E279B0 : 1, last, random, next);
        assert_true(memcmp(next, last, sizeof(next)) > 0);
        assert_true(next[6] >> 4 == 7 && next[8] >> 6 == 2);
    }
}

static char root[] = "/tmp/test-cvmd-options-XXXXXX";

static void put(const char *path, const char *text) {
    char p[256];
    FILE *f;

    snprintf(p, sizeof(p), "%s%s", root, path);
    for (char *s = strchr(p + sizeof(root), '/'); s; s = strchr(s + 1, '/')) {
        *s = 0;
        mkdir(p, 0755);
        *s = '/';
    }
    if (strcmp(text, "/dev/null") == 0) {
        assert_int_equal(symlink(text, p), 0);
        return;
    }
    f = fopen(p, "w");
    assert_non_null(f);
    fprintf(f, "[cvmd]\n%s\n", text);
    fclose(f);
}

static void test_config_places(void **state) {
    struct config_source source = {.root = root, .firmware = "/override"};
    struct config c;
    char command[64];

    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(config_load(&c, &source, &e), 0);
    assert_int_equal(c.stop_timeout, 30);
    assert_string_equal(c.firmware, "/override");
    config_done(&c);

    put("/usr/lib/cvmd/cvmd.conf", "StopTimeoutSec=1\nLaunchTimeoutSec=1");
    put("/etc/cvmd/cvmd.conf", "StopTimeoutSec=2"); /* hides the other as a whole */
    put("/usr/lib/cvmd/cvmd.conf.d/50-a.conf", "OperationKeepSec=50");
    put("/run/cvmd/cvmd.conf.d/10-b.conf", "OperationKeepSec=10\nAuthorizationTimeoutSec=10");
    put("/usr/lib/cvmd/cvmd.conf.d/60-c.conf", "OperationKeepSec=60");
    put("/etc/cvmd/cvmd.conf.d/60-c.conf", "/dev/null");
    put("/etc/cvmd/cvmd.conf.d/README", "StopTimeoutSec=nonsense");
    assert_int_equal(config_load(&c, &source, &e), 0);
    assert_true(c.stop_timeout == 2 && c.launch_timeout == 180);
    assert_true(c.operation_keep == 50 && c.authorization_timeout == 10);
    config_done(&c);

    put("/run/cvmd/cvmd.conf.d/50-a.conf", "OperationKeepSec=x");
    assert_int_equal(config_load(&c, &source, &e), -EINVAL);
    assert_non_null(strstr(e.text, "/run/cvmd/cvmd.conf.d/50-a.conf, line 2: OperationKeepSec=x"));
    config_done(&c);
    snprintf(command, sizeof(command), "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void test_config_adopt(void **state) {
    struct config a, b;

    (void)state;
    assert_int_equal(config_init(&a), 0);
    assert_int_equal(config_init(&b), 0);
    b.stop_timeout = 77;
    assert_int_equal(free_and_strdup(&b.firmware, "/new"), 0);
    assert_null(config_adopt(&a, &b));
    assert_int_equal(a.stop_timeout, 77);
    assert_string_equal(a.firmware, "/new");
    assert_int_equal(free_and_strdup(&b.gateway_user, "gate"), 0);
    assert_null(config_adopt(&a, &b));
    assert_string_equal(a.gateway_user, "gate");
    b.tpm_quotes_per_minute++;
    assert_non_null(strstr(config_adopt(&a, &b), "TPMQuotesPerMinute"));
    assert_int_equal(free_and_strdup(&b.state_directory, "/elsewhere"), 0);
    assert_string_equal(config_adopt(&a, &b), "StateDirectory");
    assert_string_equal(a.state_directory, "/var/lib/cvmd");
    config_done(&a);
    config_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_network),       cmocka_unit_test(test_labels),
        cmocka_unit_test(test_disks),   cmocka_unit_test(test_uuid7),         cmocka_unit_test(test_config_places),
        cmocka_unit_test(test_config_adopt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
