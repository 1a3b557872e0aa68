/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said to libvirt of a domain, and what it says. Golden files for each shape: argv[1] is the directory.
 * CVMD_UPDATE_GOLDEN=1 writes them anew; look at the difference before committing it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "cvmd/domain-changes.h"
#include "cvmd/domain-event.h"
#include "cvmd/domain-xml.h"
#include "cvmd/util.h"

static const char *golden;

static struct domain_shape shape(void) {
    return (struct domain_shape){
        .type = "kvm",
        .name = "web-1",
        .uuid = "01234567-89ab-4def-8123-456789abcdef",
        .protected = true,
        .memory = 256ull << 20,
        .vcpus = 1,
        .backing = MEMORY_PAGEABLE,
        .firmware = "/usr/lib/cvmd/cvmboot.rom",
        .kernel = "/var/lib/cvmd/machines/web-1/kernel",
        .initrd = "/var/lib/cvmd/machines/web-1/initrd",
        .cmdline = "console=ttyS0 quiet",
        .console_log = "/var/lib/cvmd/machines/web-1/console.log",
    };
}

static void compare(const struct domain_shape *s, const char *name) {
    _cleanup_free_ char *xml = NULL, *path = NULL;
    _cleanup_free_ void *want = NULL;
    struct cvm_error e;
    size_t size;

    assert_int_equal(domain_xml(s, &xml), 0);
    assert_true(asprintf(&path, "%s/%s.xml", golden, name) > 0);
    if (getenv("CVMD_UPDATE_GOLDEN"))
        assert_int_equal(cvm_write_file(path, xml, strlen(xml), &e), 0);
    assert_int_equal(cvm_read_file(path, 65536, &want, &size, &e), 0);
    assert_string_equal(xml, want);
}

static void test_protected(void **state) {
    struct domain_shape s = shape();

    (void)state;
    compare(&s, "domain-protected");
}

static void test_protected_hugepages(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.backing = MEMORY_HUGEPAGES;
    s.vcpus = 4;
    s.initrd = NULL;
    compare(&s, "domain-protected-hugepages");
}

static void test_protected_locked(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.backing = MEMORY_LOCKED;
    s.cmdline = NULL;
    compare(&s, "domain-protected-locked");
}

/* IDE for a protected machine, virtio for another. */
static void test_disks(void **state) {
    static const struct domain_disk disks[] = {{"/var/lib/cvmd/images/a", false}, {"/dev/vg/b", true}};
    struct domain_shape s = shape();

    (void)state;
    s.disks = disks;
    s.nr_disks = 2;
    compare(&s, "domain-protected-disks");
    s.protected = false;
    compare(&s, "domain-ordinary-disks");
}

static void test_ordinary(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.protected = false;
    compare(&s, "domain-ordinary");
}

static void test_limits(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.cpu_shares = 2048;
    s.cpu_quota = 150;
    s.io_weight = 500;
    compare(&s, "domain-protected-limits");

    /* More than the kernel takes, from a version that allowed it: as much as there is. */
    s.cpu_shares = 262144;
    _cleanup_free_ char *xml = NULL;
    assert_int_equal(domain_xml(&s, &xml), 0);
    assert_non_null(strstr(xml, "<shares>10000</shares>"));
}

static void test_devices(void **state) {
    const struct domain_disk disks[] = {{"/var/lib/cvmd/machines/web-1/disk0", false}, {"/dev/vg/web", true}};
    struct domain_shape s = shape();

    (void)state;
    s.protected = false;
    s.disks = disks;
    s.nr_disks = 2;
    s.network = "network:default";
    compare(&s, "domain-ordinary-devices");
    s.network = "bridge:br0";
    s.nr_disks = 0;
    compare(&s, "domain-ordinary-bridge");
}

static void test_without_kvm(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.type = "qemu";
    compare(&s, "domain-protected-qemu");
}

static void test_escaped(void **state) {
    struct domain_shape s = shape();

    (void)state;
    s.cmdline = "a=\"<b>\" & 'c' ü ]]> <!--";
    compare(&s, "domain-escaped");
}

static void test_console(void **state) {
    static const char *const others[] = {"/etc/shadow", "/dev/pts/", "/dev/pts/../mem", "/dev/pts/7x", "/dev/pts/12345678901"};
    _cleanup_free_ char *path = NULL;

    (void)state;
    assert_int_equal(
        domain_xml_console("<domain><devices><serial type='pty'><source path='/dev/pts/7'/></serial>"
                           "<serial type='pty'><source path='/dev/pts/8'/></serial></devices></domain>",
                           &path),
        0);
    assert_string_equal(path, "/dev/pts/7");
    assert_int_equal(domain_xml_console("<domain><devices><serial type='file'/></devices></domain>", &path),
                     -ENOENT);
    assert_int_equal(domain_xml_console("<domain>", &path), -EBADMSG);
    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        char xml[128];

        snprintf(xml, sizeof(xml), "<domain><devices><serial type='pty'><source path='%s'/></serial></devices></domain>", others[i]);
        assert_int_equal(domain_xml_console(xml, &path), -EBADMSG);
    }
    assert_int_equal(domain_xml_console("", &path), -EBADMSG);
}

#define UUID "01234567-89ab-4def-8123-456789abcdef"

static void test_event(void **state) {
    static const struct {
        int event, detail, want;
        enum virt_event is;
    } events[] = {
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, 0, VIRT_STOPPED},
        {VIR_DOMAIN_EVENT_STOPPED, 4711, 0, VIRT_STOPPED},
        {VIR_DOMAIN_EVENT_STARTED, 0, 0, VIRT_STARTED},
        {VIR_DOMAIN_EVENT_SUSPENDED, -1, 0, VIRT_PAUSED},
        {VIR_DOMAIN_EVENT_RESUMED, 0, 0, VIRT_RESUMED},
        {VIR_DOMAIN_EVENT_DEFINED, 0, -ENOENT, 0},
        {4711, 0, -ENOENT, 0},
        {-1, 0, -ENOENT, 0},
    };
    struct domain_event d;

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(events); i++) {
        assert_int_equal(domain_event_read(events[i].event, events[i].detail, UUID, &d), events[i].want);
        if (events[i].want == 0) {
            assert_int_equal(d.event, events[i].is);
            assert_string_equal(d.uuid, UUID);
            assert_non_null(d.detail);
        }
    }
    assert_int_equal(domain_event_read(VIR_DOMAIN_EVENT_STARTED, 0, "01234567-89AB-4DEF-8123-456789ABCDEF", &d), 0);
    assert_string_equal(d.uuid, UUID);
    assert_int_equal(domain_event_read(VIR_DOMAIN_EVENT_STARTED, 0, "", &d), -EBADMSG);
    assert_int_equal(domain_event_read(VIR_DOMAIN_EVENT_STARTED, 0, UUID UUID, &d), -EBADMSG);
}

/* What each event means for a machine that is down, starting, up. */
static void test_meaning(void **state) {
    const struct domain_event_view fresh = {0}, down = {.starts = 1}, starting = {.active = true, .job = true, .starts = 1, .unseen = 1},
                                   up = {.active = true, .starts = 1};

    (void)state;
    assert_int_equal(domain_event_judge(&fresh, VIRT_CHANGED), DOMAIN_EVENT_NOTHING);
    assert_int_equal(domain_event_judge(&up, VIRT_CHANGED), DOMAIN_EVENT_CHANGED);
    assert_int_equal(domain_event_judge(&fresh, VIRT_STARTED), DOMAIN_EVENT_ORPHAN);
    assert_int_equal(domain_event_judge(&down, VIRT_STARTED), DOMAIN_EVENT_NOTHING);
    assert_int_equal(domain_event_judge(&starting, VIRT_STARTED), DOMAIN_EVENT_SEEN);
    assert_int_equal(domain_event_judge(&up, VIRT_STARTED), DOMAIN_EVENT_NOTHING);
    assert_int_equal(domain_event_judge(&starting, VIRT_STOPPED), DOMAIN_EVENT_NOTHING); /* the one before this start */
    assert_int_equal(domain_event_judge(&up, VIRT_STOPPED), DOMAIN_EVENT_ENDED);
    assert_int_equal(domain_event_judge(&up, VIRT_PAUSED), DOMAIN_EVENT_PAUSED);
    assert_int_equal(domain_event_judge(&up, VIRT_RESUMED), DOMAIN_EVENT_RESUMED);
    assert_int_equal(domain_event_judge(&up, VIRT_LOST), DOMAIN_EVENT_NOTHING);
}

/* @xml with @from replaced, which is there. */
static char *edit(const char *xml, const char *from, const char *to) {
    const char *at = strstr(xml, from);
    char *s;

    assert_non_null(at);
    assert_true(asprintf(&s, "%.*s%s%s", (int)(at - xml), xml, to, at + strlen(from)) > 0);
    return s;
}

/* A domain as cvmd makes it differs in nothing; each thing that another program changes is told in its words. */
static void test_changes(void **state) {
    static const struct domain_disk disks[] = {{"/var/lib/cvmd/machines/web-1/disk0", false}, {"/dev/vg/web", true}};
    static const struct {
        const char *from, *to, *want;
    } rows[] = {
        {"</interface>", "</interface><interface type='bridge'><mac address='52:54:00:00:00:01'/></interface>",
         "interface 52:54:00:00:00:01 was added"},
        {"</interface>", "<bandwidth><inbound average='1'/></bandwidth></interface>", "interface 52:54:00:01:23:45 is throttled"},
        {"</interface>", "</interface><hostdev mode='subsystem'/>", "a device (hostdev) was added"},
        {"</interface>", "</interface><disk><target dev='vd\xc3\xbc'/></disk>", "disk vd?? was added"},
        {"</interface>", "</interface><serial type='file'/>", "a device (serial) was added"},
        {"</interface>", "</interface><input type='mouse' bus='ps2'/><audio id='1' type='none'/>", ""},
        {"</interface>", "</interface><input type='mouse' bus='virtio'/>", "a device (input) was added"},
        {"<target dev=\"vdb\"", "<target dev=\"vdc\"", "disk vdc was added; disk vdb was removed"},
        {"<source dev=\"/dev/vg/web\"", "<source dev=\"/dev/vg/other\"", "disk vdb has another source"},
        {"</disk>", "<iotune><read_iops_sec>1</read_iops_sec></iotune></disk>", "disk vda is throttled"},
        {"<mac address=\"52:54:00:01:23:45\"", "<mac address=\"52:54:00:01:23:46\"",
         "interface 52:54:00:01:23:46 was added; interface 52:54:00:01:23:45 was removed"},
        {"<shares>2048<", "<shares>2<", "CPU shares are 2"},
        {"<shares>2048</shares>", "", "CPU shares are 0"},
        {"<global_quota>150000<", "<global_quota>10000<", "the CPU quota is 10000 of 100000"},
        {"<global_quota>150000<", "<global_quota>-1<", "the CPU quota is gone"},
        {"</cputune>", "<emulator_quota>1000</emulator_quota></cputune>", "CPU tuning emulator_quota was set"},
        {"<weight>500<", "<weight>501<", "the I/O weight is 501"},
        {"</blkiotune>", "<device><path>/dev/sda</path></device></blkiotune>", "I/O limits of a device were set"},
        {"<os>", "<memtune><hard_limit>1</hard_limit></memtune><os>", "memory limit hard_limit was set"},
        {"<vcpu>", "<vcpu current='1'>", "it has 1 vCPUs now"},
        {DOMAIN_METADATA, "urn:other", ""}, /* not cvmd's: devices are not looked at */
    };
    static const struct domain_limits set = {2048, 150, 500}, none = {0, 0, 0};
    char words[DOMAIN_CHANGES_MAX];
    struct domain_shape s = shape();
    _cleanup_free_ char *xml = NULL;

    (void)state;
    s.protected = false;
    s.disks = disks;
    s.nr_disks = 2;
    s.network = "network:default";
    s.cpu_shares = 2048;
    s.cpu_quota = 150;
    s.io_weight = 500;
    assert_int_equal(domain_xml(&s, &xml), 0);
    assert_int_equal(domain_changes(xml, &set, words), 0);
    assert_string_equal(words, "");
    assert_int_equal(domain_changes(xml, &none, words), 0);
    assert_string_equal(words, "CPU shares are 2048; the CPU quota is 150000 of 100000; the I/O weight is 500");
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_free_ char *other = edit(xml, rows[i].from, rows[i].to);

        assert_int_equal(domain_changes(other, &set, words), 0);
        assert_string_equal(words, rows[i].want);
    }
    /* The defaults, as libvirt may tell them. */
    assert_int_equal(domain_changes("<domain><cputune><shares>100</shares><global_quota>-1</global_quota></cputune>"
                                    "<blkiotune><weight>100</weight></blkiotune></domain>", &none, words), 0);
    assert_string_equal(words, "");
    assert_int_equal(domain_changes("<domain>", &none, words), -EBADMSG);
    assert_int_equal(domain_changes("<volume/>", &none, words), -EBADMSG);
    assert_int_equal(domain_changes("", &none, words), -EBADMSG);
}

/* More than there is room for is cut. */
static void test_many_changes(void **state) {
    char xml[4096] = "<domain><cputune>", words[DOMAIN_CHANGES_MAX];
    static const struct domain_limits none = {0, 0, 0};

    (void)state;
    for (int i = 0; i < 100; i++)
        snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml), "<t%d/>", i);
    strcat(xml, "</cputune></domain>");
    assert_int_equal(domain_changes(xml, &none, words), 0);
    assert_int_equal(strlen(words), DOMAIN_CHANGES_MAX - 1);
    assert_memory_equal(words, "CPU tuning t0 was set; CPU tuning t1 was set; ", 46);
}

static void test_backing_names(void **state) {
    (void)state;
    for (int i = 0; i < MEMORY_BACKING_MAX; i++)
        assert_int_equal(memory_backing_from_string(memory_backing_to_string((enum memory_backing)i)), i);
    assert_int_equal(memory_backing_from_string("swap"), -EINVAL);
    assert_null(memory_backing_to_string(MEMORY_BACKING_MAX));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protected),        cmocka_unit_test(test_protected_hugepages),
        cmocka_unit_test(test_protected_locked), cmocka_unit_test(test_ordinary),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_devices),
        cmocka_unit_test(test_without_kvm),      cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_console),          cmocka_unit_test(test_event), cmocka_unit_test(test_meaning), cmocka_unit_test(test_backing_names),
        cmocka_unit_test(test_disks),            cmocka_unit_test(test_changes),
        cmocka_unit_test(test_many_changes),
    };

    if (argc != 2)
        return 2;
    golden = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
