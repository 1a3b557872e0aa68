/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of machines without a bus, with libvirt's test driver and a RootVisor that is played: launch,
 * protection, violation, stop, frames back, audit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "cvmd/bus.h"
#include "cvmd/image.h"
#include "cvmd/manager.h"
#include "cvmd/store-internal.h"
#include "fake-rootvisor.h"

static struct {
    char dir[64];
    char kernel[80];
    struct config config;
    sd_event *event;
    struct manager *m;
    struct operation *op; /* the last one */
    virConnectPtr libvirtd; /* domains of the test driver end with its last connection */
} t;

static _Atomic time_t wall_clock; /* seconds that somebody has put the clock ahead */

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts) {
    int r = __real_clock_gettime(clock, ts);

    if (clock == CLOCK_REALTIME)
        ts->tv_sec += wall_clock;
    return r;
}

static void start_manager(void) {
    struct cvm_error e = {0};

    assert_true(sd_event_new(&t.event) >= 0);
    if (manager_new(&t.config, t.event, &t.m, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(manager_start(t.m) >= 0);
}

static void stop_manager(void) {
    manager_free(TAKE_PTR(t.m));
    t.event = sd_event_unref(t.event);
}

static void write_kernel(void) {
    uint8_t k[8192] = {0};
    FILE *f = fopen(t.kernel, "w");

    k[0x1f1] = 1;
    memcpy(k + 0x1fe, "\x55\xaa\xeb\x66HdrS\x0c\x02", 10);
    k[0x211] = 1;
    assert_non_null(f);
    assert_int_equal(fwrite(k, 1, sizeof(k), f), sizeof(k));
    fclose(f);
}

static int setup(void **state) {
    (void)state;
    wall_clock = 0;
    fake_rootvisor_reset();
    fake_rootvisor_present(1);
    strcpy(t.dir, "/tmp/test-cvmd-manager-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.kernel, sizeof(t.kernel), "%s/kernel", t.dir);
    write_kernel();
    assert_int_equal(config_init(&t.config), 0);
    free_and_strdup(&t.config.state_directory, t.dir);
    free_and_strdup(&t.config.libvirt_uri, "test:///default");
    free_and_strdup(&t.config.domain_type, "test");
    free_and_strdup(&t.config.firmware, "/dev/null");
    t.config.launch_timeout = 1;
    t.config.stop_timeout = 1;
    start_manager();
    t.libvirtd = virConnectOpen("test:///default");
    assert_non_null(t.libvirtd);
    return 0;
}

static int teardown(void **state) {
    char command[128];

    (void)state;
    while (t.m->nr_machines) {
        struct machine *k = t.m->machines[0];
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        if (machine_is_active(k))
            (void)manager_stop(t.m, k->name, true, "test", &t.op, &error);
        while (machine_is_active(k))
            assert_true(sd_event_run(t.event, 1000000) >= 0);
        assert_int_equal(manager_delete(t.m, k->name, "test", &t.op, &error), 0);
    }
    while (inbox_jobs(t.m->inbox)) /* files of deleted machines */
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    stop_manager();
    virConnectClose(t.libvirtd);
    config_done(&t.config);
    snprintf(command, sizeof(command), "rm -r %s", t.dir);
    return system(command);
}

static int launch(const char *name, bool unprotected, sd_bus_error *error) {
    _cleanup_close_ int fd = open(t.kernel, O_RDONLY | O_CLOEXEC);
    struct machine_options o = {
        .set = 1u << OPTION_COMMAND_LINE | 1u << OPTION_MEMORY,
        .kernel_fd = fd, .initrd_fd = -1, .cmdline = "x", .memory = 64u << 20, .vcpus = 1, .unprotected = unprotected};

    return manager_launch(t.m, name, &o, "test", &t.op, error);
}

/* Runs the loop until the machine has the state; minutes at most, however slow this machine is. */
static void until(const char *name, enum machine_state s) {
    uint64_t end = now_usec(CLOCK_MONOTONIC) + 300000000;

    for (;;) {
        struct machine *k = manager_find(t.m, name);

        if (k && k->state == s && !k->job)
            return;
        if (now_usec(CLOCK_MONOTONIC) > end)
            fail_msg("%s is %s, not %s", name, k ? machine_state_to_string(k->state) : "gone",
                     machine_state_to_string(s));
        assert_true(sd_event_run(t.event, 50000) >= 0);
    }
}

static void command(const char *verb, const char *name, const char *rest) {
    char line[128];

    snprintf(line, sizeof(line), "%s %s %s", verb, manager_find(t.m, name)->uuid, rest);
    assert_int_equal(fake_rootvisor_command(line), 0);
}

static void wait_started(const char *name) {
    until(name, MACHINE_STARTING);
}

/* Launched, and protected with that many frames; "": not protected yet. */
static struct machine *run_protected(const char *name, const char *frames) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    t.config.launch_timeout = 300; /* however slow this machine is: who tests the time-out launches by himself */
    assert_int_equal(launch(name, false, &error), 0);
    wait_started(name);
    if (frames[0]) {
        command("protect", name, frames);
        until(name, MACHINE_RUNNING);
    }
    return manager_find(t.m, name);
}

static struct machine *run_unprotected(const char *name) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    assert_int_equal(launch(name, true, &error), 0);
    until(name, MACHINE_RUNNING);
    return manager_find(t.m, name);
}

/* As if cvmd had ended while the machine had that state, and started anew. */
static void restart_with(struct machine *k, enum machine_state s) {
    k->state = s;
    assert_int_equal(machine_save(k), 0);
    stop_manager();
    start_manager();
}

static int ascending(void *userdata, const struct store_audit *a) {
    uint64_t *last = userdata;

    assert_int_equal(a->id, *last + 1);
    *last = a->id;
    return 0;
}

static int collect(void *userdata, const struct store_audit *a) {
    char *s = userdata;

    strcat(s, a->event);
    strcat(s, " ");
    return 0;
}

static void check_audit(const char *name, const char *want) {
    char s[512] = "";

    assert_int_equal(store_each_audit(t.m->store, 0, name, 0, collect, s), 0);
    assert_string_equal(s, want);
}

static void test_life(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine *k;

    (void)state;
    run_protected("a", "1000");
    k = manager_find(t.m, "a");
    assert_int_equal(k->vm.frames, 1000);
    machine_refresh(k);
    assert_true(k->stats.exits > 0);
    assert_int_equal(manager_stop(t.m, "a", true, "test", &t.op, &error), 0);
    until("a", MACHINE_STOPPED);
    assert_int_equal(k->vm.frames, 0);
    check_audit("a", "launch vm-protected launched stop vm-released stopped ");
}

static void test_violation(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_protected("v", "100");
    command("stop", "v", "1 7");
    until("v", MACHINE_FAILED);
    assert_non_null(strstr(manager_find(t.m, "v")->reason, "integrity"));
    check_audit("v", "launch vm-protected launched vm-stopped vm-released failed ");
}

/* libvirt may tell of the end before cvmd has looked at RootVisor: the reason is RootVisor's all the same. */
static void test_violation_seen_late(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_protected("w", "100");
    command("stop", "w", "1 7");
    lifecycle_event(t.m, VIRT_STOPPED, manager_find(t.m, "w")->uuid, "the guest powered off or was reset");
    until("w", MACHINE_FAILED);
    assert_non_null(strstr(manager_find(t.m, "w")->reason, "integrity"));
}

static void test_orderly_end(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_protected("o", "100");
    command("stop", "o", "9 0"); /* triple fault: how a guest without ACPI resets */
    until("o", MACHINE_STOPPED);
}

static void test_timeout(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    assert_int_equal(launch("t", false, &error), 0);
    until("t", MACHINE_FAILED);
    assert_non_null(strstr(manager_find(t.m, "t")->reason, "within 1 s"));
}

static void test_unprotected(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_unprotected("u");
    assert_int_equal(manager_stop(t.m, "u", false, "test", &t.op, &error), 0);
    until("u", MACHINE_STOPPED);
}

static void test_refused(void **state) {
    _cleanup_bus_error_ sd_bus_error exists = SD_BUS_ERROR_NULL, active = SD_BUS_ERROR_NULL,
                                     none = SD_BUS_ERROR_NULL, ghost = SD_BUS_ERROR_NULL;

    (void)state;
    run_unprotected("u");
    assert_true(launch("u", true, &exists) < 0);
    assert_string_equal(exists.name, BUS_ERROR_EXISTS);
    assert_true(manager_delete(t.m, "u", "test", &t.op, &active) < 0);
    assert_string_equal(active.name, BUS_ERROR_STILL_ACTIVE);
    assert_true(manager_stop(t.m, "ghost", false, "test", &t.op, &ghost) < 0);
    assert_string_equal(ghost.name, BUS_ERROR_NO_SUCH_MACHINE);

    fake_rootvisor_present(0);
    rootvisor_close(TAKE_PTR(t.m->rootvisor));
    assert_true(launch("p", false, &none) < 0);
    assert_string_equal(none.name, BUS_ERROR_NO_ROOTVISOR);
}

/* What a kill leaves: the store says running, RootVisor has the VM, and libvirt (of another process) knows no
 * domain. */
static void test_restart(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(machine_freep) struct machine *lost =
        machine_new(t.m, "lost", "01234567-89ab-4def-8123-456789abcdef");

    (void)state;
    lost->protected = true;
    lost->memory = 64u << 20;
    lost->vcpus = 1;
    lost->state = MACHINE_RUNNING;
    assert_int_equal(machine_save(lost), 0);
    lost->manager = NULL;
    assert_int_equal(fake_rootvisor_command("protect 01234567-89ab-4def-8123-456789abcdef 600"), 0);
    stop_manager();
    start_manager();
    until("lost", MACHINE_STOPPED);
    assert_int_equal(fake_rootvisor_command("stop 01234567-89ab-4def-8123-456789abcdef 1 1"),
                     -EINVAL); /* gone */
}

/* A call that RootVisor fails once does no harm. */
static void test_rootvisor_error(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_protected("e", "");
    command("protect", "e", "100");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fake_rootvisor_command("bad-resume"), 0);
        assert_true(sd_event_run(t.event, 150000) >= 0);
    }
    until("e", MACHINE_RUNNING);
}

static bool all_ended(void) {
    for (size_t i = 0; i < t.m->nr_operations; i++)
        if (operation_is_active(t.m->operations[i]))
            return false;
    return true;
}

static void until_ended(void) {
    uint64_t end = now_usec(CLOCK_MONOTONIC) + 300000000;

    while (!all_ended()) {
        for (size_t i = 0; now_usec(CLOCK_MONOTONIC) > end && i < t.m->nr_operations; i++) {
            const struct operation *op = t.m->operations[i];
            const struct machine *k = op->machine ? manager_find(t.m, op->machine) : NULL;

            if (operation_is_active(op))
                fail_msg("a %s of %s has no end (%s%s)", operation_kind_to_string(op->kind), op->machine,
                         k ? machine_state_to_string(k->state) : "gone", k && k->job ? ", with a thread" : "");
        }
        assert_true(sd_event_run(t.event, 50000) >= 0);
    }
}

/* What somebody may do or libvirt may tell at any moment, in any order. */
static void random_step(unsigned *seed) {
    static const char *const names[] = {"a", "b", "c"};
    const char *name = names[rand_r(seed) % ELEMENTSOF(names)];
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine_options o;
    struct machine *k = manager_find(t.m, name);
    const char *uuid = k ? k->uuid : "00000000-0000-4000-8000-000000000000";
    char line[128];

    switch (rand_r(seed) % 14) {
    case 0:
        (void)launch(name, rand_r(seed) % 2, &error);
        break;
    case 1:
        (void)manager_stop(t.m, name, rand_r(seed) % 2, "random", &t.op, &error);
        break;
    case 2:
        (void)manager_kill(t.m, name, "random", &t.op, &error);
        break;
    case 3:
        (void)manager_pause(t.m, name, "random", &t.op, &error);
        break;
    case 4:
        (void)manager_resume(t.m, name, "random", &t.op, &error);
        break;
    case 5:
        (void)manager_reboot(t.m, name, "random", &t.op, &error);
        break;
    case 6:
        (void)manager_delete(t.m, name, "random", &t.op, &error);
        break;
    case 7:
        (void)manager_start_machine(t.m, name, "random", &t.op, &error);
        break;
    case 8:
        options_init(&o);
        o.set = 1u << OPTION_RESTART | 1u << OPTION_CPU_SHARES;
        o.restart = (enum restart_policy)(rand_r(seed) % RESTART_POLICY_MAX);
        o.cpu_shares = (uint64_t)rand_r(seed) % 1000 + 2;
        (void)manager_set_properties(t.m, name, &o, "random", &t.op, &error);
        break;
    case 9: /* true or not */
        lifecycle_event(t.m, (enum virt_event)((unsigned)rand_r(seed) % VIRT_LOST), uuid, "an event");
        break;
    case 10:
        if (rand_r(seed) % 8 == 0)
            lifecycle_event(t.m, VIRT_LOST, "", "the connection broke");
        break;
    case 11:
        snprintf(line, sizeof(line), "protect %s 100", uuid);
        if (k && k->protected && !k->vm_present)
            (void)fake_rootvisor_command(line);
        break;
    case 12:
        snprintf(line, sizeof(line), "stop %s %d 0", uuid, rand_r(seed) % 12);
        if (k)
            (void)fake_rootvisor_command(line);
        break;
    default:
        if (t.m->nr_operations)
            (void)operation_cancel(t.m->operations[(size_t)rand_r(seed) % t.m->nr_operations], "random", &error);
    }
}

/* Whatever comes, every operation ends, and what is in memory is in the store. */
static void test_random(void **state) {
    const char *from = getenv("CVMD_TEST_SEED");
    unsigned seed = from ? (unsigned)strtoul(from, NULL, 10) : 1;

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        random_step(&seed);
        assert_true(sd_event_run(t.event, (uint64_t)(rand_r(&seed) % 5) * 1000) >= 0);
    }
    until_ended();
    for (size_t i = 0; i < t.m->nr_machines; i++) {
        t.m->machines[i]->restart = RESTART_NO;
        t.m->machines[i]->restart_due = false;
        assert_false(t.m->machines[i]->dirty);
    }
}

static void test_operations(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL, gone = SD_BUS_ERROR_NULL;
    char id[UUID_STRING_MAX];
    struct operation *op;

    (void)state;
    assert_int_equal(launch("a", true, &error), 0);
    assert_ptr_equal(manager_machine_operation(t.m, "a", OPERATION_LAUNCH), t.op);
    until("a", MACHINE_RUNNING);
    assert_int_equal(t.op->state, OPERATION_DONE);
    assert_true(t.op->created <= t.op->started && t.op->started <= t.op->ended);
    assert_int_equal(operation_cancel(t.op, "test", &error), -EALREADY);
    memcpy(id, t.op->id, sizeof(id));

    /* What a restart finds under way and nobody takes up has failed; what ended stays. */
    assert_int_equal(operation_new(t.m, OPERATION_COLLECT_IMAGES, NULL, "test", &op, &gone), 0);
    assert_int_equal(manager_kill(t.m, "a", "test", &op, &gone), 0);
    until("a", MACHINE_STOPPED);
    stop_manager();
    start_manager();
    assert_int_equal(manager_find_operation(t.m, id)->state, OPERATION_DONE);
    op = t.m->operations[t.m->nr_operations - 2];
    assert_int_equal(op->kind, OPERATION_COLLECT_IMAGES);
    assert_int_equal(op->state, OPERATION_FAILED);
    assert_string_equal(op->error, BUS_ERROR_INTERRUPTED);

    t.config.operation_keep = 0;
    usleep(1000);
    operations_tidy(t.m);
    assert_int_equal(t.m->nr_operations, 0);
}

static void test_restart_policy(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine *k;

    (void)state;
    run_protected("r", "");
    k = manager_find(t.m, "r");
    k->restart = RESTART_ON_FAILURE;
    command("protect", "r", "100");
    until("r", MACHINE_RUNNING);
    command("stop", "r", "1 7");
    until("r", MACHINE_FAILED);
    assert_true(k->restart_due && k->restarts == 1);
    until("r", MACHINE_STARTING); /* a second later, to be measured again */
    command("protect", "r", "100");
    until("r", MACHINE_RUNNING);
    assert_false(k->restart_due);
    k->restart = RESTART_NO;
}

/* The state of cvmd's end in the middle of a start, whose QEMU runs. */
static void test_start_interrupted(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    char id[UUID_STRING_MAX];
    struct operation *op;

    (void)state;
    run_unprotected("a");
    assert_int_equal(operation_new(t.m, OPERATION_START, "a", "test", &op, &error), 0);
    memcpy(id, op->id, sizeof(id));
    restart_with(manager_find(t.m, "a"), MACHINE_STARTING);
    until("a", MACHINE_RUNNING);
    assert_int_equal(manager_find_operation(t.m, id)->state, OPERATION_DONE);
}

/* In the middle of a stop, whose QEMU has ended. */
static void test_stop_interrupted(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    char id[UUID_STRING_MAX];
    struct operation *op;

    (void)state;
    run_unprotected("a");
    assert_int_equal(manager_kill(t.m, "a", "test", &op, &error), 0);
    until("a", MACHINE_STOPPED);
    assert_int_equal(operation_new(t.m, OPERATION_STOP, "a", "test", &op, &error), 0);
    memcpy(id, op->id, sizeof(id));
    restart_with(manager_find(t.m, "a"), MACHINE_STOPPING);
    until("a", MACHINE_STOPPED);
    assert_int_equal(manager_find_operation(t.m, id)->state, OPERATION_DONE);
}

/* RootVisor stopped it, and cvmd ended before it had all frames: it has failed, not been stopped. */
static void test_failure_interrupted(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)state;
    run_protected("a", "100");
    command("stop", "a", "1 7");
    restart_with(manager_find(t.m, "a"), MACHINE_STOPPING);
    until("a", MACHINE_FAILED);
}

/* Ended while it starts, and libvirt does not obey: both operations have an end, and the machine is what it is. */
static void test_stop_fails(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct operation *start, *kill;
    struct virt *works, *broken;

    (void)state;
    run_protected("a", "");
    start = t.op;
    works = t.m->virt;
    assert_int_equal(virt_new("test:///nowhere", t.m->inbox, lifecycle_event, t.m, &broken), 0);
    t.m->virt = broken;
    assert_int_equal(manager_kill(t.m, "a", "test", &kill, &error), 0);
    while (operation_is_active(kill))
        assert_true(sd_event_run(t.event, 50000) >= 0);
    assert_int_equal(kill->state, OPERATION_FAILED);
    assert_int_equal(manager_find(t.m, "a")->state, MACHINE_STARTING);
    t.m->virt = works;
    virt_free(broken);
    command("protect", "a", "100");
    until("a", MACHINE_RUNNING);
    assert_int_equal(start->state, OPERATION_DONE);
}

/* An answer of libvirt that the cvmd before this one did not live to hear. */
static void test_late_start(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct cvm_error e = {0};
    char *console = NULL;
    struct machine *k;

    (void)state;
    run_unprotected("a");
    restart_with(manager_find(t.m, "a"), MACHINE_FAILED);
    k = manager_find(t.m, "a");
    assert_int_equal(virt_state(t.m->virt, k->uuid, &console, &e), VIRT_STATE_RUNNING);
    free(console);
    lifecycle_event(t.m, VIRT_STARTED, k->uuid, "started");
    until("a", MACHINE_FAILED);
    assert_int_equal(virt_state(t.m->virt, k->uuid, &console, &e), VIRT_STATE_NONE);
}

/* Between the check of settings and their record libvirt is asked: the images that they name stay meanwhile. */
static void test_image_of_settings(void **state) {
    _cleanup_close_ int fd = open(t.kernel, O_RDONLY | O_CLOEXEC);
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine_options o;
    char digest[DIGEST_STRING_MAX];
    struct machine *k;

    (void)state;
    assert_int_equal(manager_import_image(t.m, "i", "initrd", fd, NULL, "test", &t.op, &error), 0);
    while (!t.m->nr_images)
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    strcpy(digest, t.m->images[0]->digest);
    k = run_unprotected("a");
    options_init(&o);
    o.initrd_image = digest;
    o.io_weight = 100;
    o.set = 1u << OPTION_INITRD_IMAGE | 1u << OPTION_IO_WEIGHT;
    assert_int_equal(manager_set_properties(t.m, "a", &o, "test", &t.op, &error), 0);
    assert_true(k->job && !k->initrd_image);
    assert_true(manager_delete_image(t.m, digest, "test", &t.op, &error) < 0);
    assert_true(sd_bus_error_has_name(&error, BUS_ERROR_IMAGE_IN_USE));
    sd_bus_error_free(&error);
    assert_int_equal(manager_collect_images(t.m, "test", &t.op, &error), 0);
    assert_int_equal(t.m->nr_images, 1);
    while (k->job)
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    assert_string_equal(k->initrd_image, digest);
    assert_true(manager_delete_image(t.m, digest, "test", &t.op, &error) < 0);
}

static virDomainPtr domain_of(const struct machine *k) {
    virDomainPtr dom = virDomainLookupByUUIDString(t.libvirtd, k->uuid);

    assert_non_null(dom);
    return dom;
}

/* Somebody else's hand; or that of a cvmd that came no further. */
static void set_weight(const struct machine *k, unsigned weight) {
    virTypedParameterPtr p = NULL;
    virDomainPtr dom = domain_of(k);
    int n = 0, max = 0;

    assert_int_equal(virTypedParamsAddUInt(&p, &n, &max, VIR_DOMAIN_BLKIO_WEIGHT, weight), 0);
    assert_int_equal(virDomainSetBlkioParameters(dom, p, n, VIR_DOMAIN_AFFECT_LIVE), 0);
    virTypedParamsFree(p, n);
    virDomainFree(dom);
}

static bool has_weight(const struct machine *k, const char *element) {
    virDomainPtr dom = domain_of(k);
    char *xml = virDomainGetXMLDesc(dom, 0);
    bool has = xml && strstr(xml, element);

    free(xml);
    virDomainFree(dom);
    return has;
}

/* Killed between libvirt and the store: the operation has failed, and the domain gets what the store knows. */
static void test_set_interrupted(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    struct machine_options o;
    char id[UUID_STRING_MAX];
    struct machine *k;

    (void)state;
    k = run_unprotected("a");
    options_init(&o);
    o.io_weight = 300;
    o.set = 1u << OPTION_IO_WEIGHT;
    assert_int_equal(manager_set_properties(t.m, "a", &o, "test", &t.op, &error), 0);
    assert_int_equal(t.op->state, OPERATION_RUNNING);
    until("a", MACHINE_RUNNING);
    assert_int_equal(t.op->state, OPERATION_DONE);
    assert_true(k->io_weight == 300 && has_weight(k, "<weight>300</weight>"));
    assert_int_equal(operation_new(t.m, OPERATION_SET, "a", "test", &t.op, &error), 0);
    operation_begin(t.op);
    memcpy(id, t.op->id, sizeof(id));
    set_weight(k, 777);
    restart_with(k, MACHINE_RUNNING);
    k = manager_find(t.m, "a");
    while (!has_weight(k, "<weight>300</weight>"))
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    until("a", MACHINE_RUNNING);
    assert_int_equal(manager_find_operation(t.m, id)->state, OPERATION_FAILED);
    assert_string_equal(manager_find_operation(t.m, id)->error, BUS_ERROR_INTERRUPTED);
    while (k->looking)
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    assert_true(k->io_weight == 300 && !k->outside);
}

/* libvirt has no event for it: found in the next round, and told once. */
static void test_look_round(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    virTypedParameterPtr p = NULL;
    struct machine_options o;
    int n = 0, max = 0;
    struct machine *k;
    virDomainPtr dom;

    (void)state;
    k = run_unprotected("a");
    dom = domain_of(k);
    assert_int_equal(virTypedParamsAddULLong(&p, &n, &max, VIR_DOMAIN_MEMORY_SOFT_LIMIT, 32768), 0);
    assert_int_equal(virDomainSetMemoryParameters(dom, p, n, VIR_DOMAIN_AFFECT_LIVE), 0);
    virTypedParamsFree(p, n);
    virDomainFree(dom);
    assert_null(k->outside);
    t.config.outside_look = 1;
    while (!k->outside)
        assert_true(sd_event_run(t.event, 1000000) >= 0);
    assert_non_null(strstr(k->outside, "memory limit soft_limit was set"));
    check_audit("a", "launch launched changed-outside ");
    /* What waits for the next start, a restart of cvmd does not forget; the next start has it. */
    options_init(&o);
    o.memory = 128u << 20;
    o.set = 1u << OPTION_MEMORY;
    assert_int_equal(manager_set_properties(t.m, "a", &o, "test", &t.op, &error), 0);
    assert_int_equal(t.op->state, OPERATION_DONE);
    restart_with(k, MACHINE_RUNNING);
    k = manager_find(t.m, "a");
    assert_true(k->changed);
    until("a", MACHINE_RUNNING);
    assert_int_equal(manager_kill(t.m, "a", "test", &t.op, &error), 0);
    until("a", MACHINE_STOPPED);
    assert_int_equal(manager_start_machine(t.m, "a", "test", &t.op, &error), 0);
    until("a", MACHINE_RUNNING);
    assert_false(k->changed);
}

/* A row that somebody else wrote: lines without an end would be read on and on. */
static void test_damaged_row(void **state) {
    struct store_machine row = {.name = "d", .uuid = "01234567-89ab-4def-8123-456789abcdef", .state = "stopped",
                                .backing = "pageable", .restart = "no", .labels = "site=north"};
    struct machine *k = NULL;

    (void)state;
    assert_int_equal(machine_from_store(t.m, &row, &k), -EBADMSG);
    row.labels = NULL;
    row.disks = "/dev/sda";
    assert_int_equal(machine_from_store(t.m, &row, &k), -EBADMSG);
    row.disks = "/dev/sda\n";
    row.labels = "site=north\n";
    assert_int_equal(machine_from_store(t.m, &row, &k), 0);
    machine_free(k);
}

#define YEAR (365l * 86400l)

/*
 * Somebody sets the clock, ahead and back, while machines start, run, wait for their restart and end: no time-out comes
 * early or never, ids of operations ascend, none is forgotten before its time, and the log goes on.
 */
static void test_clock_jumps(void **state) {
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
    char launched[UUID_STRING_MAX], killed[UUID_STRING_MAX];
    struct machine *k;
    uint64_t last = 0;

    (void)state;
    k = run_protected("a", "");
    memcpy(launched, t.op->id, sizeof(launched));
    wall_clock = 10 * YEAR;
    manager_look(t.m);
    assert_int_equal(k->state, MACHINE_STARTING);
    command("protect", "a", "100");
    until("a", MACHINE_RUNNING);

    wall_clock = -10 * YEAR;
    manager_look(t.m);
    operations_tidy(t.m);
    assert_int_equal(manager_find_operation(t.m, launched)->state, OPERATION_DONE);
    assert_int_equal(manager_kill(t.m, "a", "test", &t.op, &error), 0);
    memcpy(killed, t.op->id, sizeof(killed));
    assert_true(strcmp(killed, launched) > 0);
    until("a", MACHINE_STOPPED);

    /* The restart after a failure waits for a second that passes, whatever the clock says. */
    k->restart = RESTART_ON_FAILURE;
    assert_int_equal(manager_start_machine(t.m, "a", "test", &t.op, &error), 0);
    assert_true(strcmp(t.op->id, killed) > 0);
    wait_started("a");
    command("protect", "a", "100");
    until("a", MACHINE_RUNNING);
    command("stop", "a", "1 7");
    while (!k->restart_due)
        assert_true(sd_event_run(t.event, 50000) >= 0);
    wall_clock = -20 * YEAR;
    until("a", MACHINE_STARTING);
    command("protect", "a", "100");
    until("a", MACHINE_RUNNING);
    k->restart = RESTART_NO;

    /* The cvmd of that time finds what lies in its future. */
    assert_int_equal(machine_save(k), 0);
    stop_manager();
    start_manager();
    until("a", MACHINE_RUNNING);
    operations_tidy(t.m);
    assert_int_equal(manager_find_operation(t.m, launched)->state, OPERATION_DONE);
    assert_int_equal(manager_find_operation(t.m, killed)->state, OPERATION_DONE);
    assert_int_equal(manager_kill(t.m, "a", "test", &t.op, &error), 0);
    assert_true(strcmp(t.op->id, killed) > 0);
    until("a", MACHINE_STOPPED);

    wall_clock = 0; /* set right: what ended ten years ago has been kept long enough, what ends in ten years has not */
    operations_tidy(t.m);
    assert_null(manager_find_operation(t.m, killed));
    assert_non_null(manager_find_operation(t.m, launched));
    assert_true(store_each_audit(t.m->store, 0, NULL, 0, ascending, &last) >= 0);
    assert_true(last > 10);
}

static unsigned commits_left;

/* Nonzero: the commit becomes a rollback. What the store holds is what a kill at this point leaves. */
static int on_commit(void *userdata) {
    (void)userdata;
    if (commits_left == 0)
        return 1;
    commits_left--;
    return 0;
}

/* A guest that calls PROTECT at once, and a look that does not wait for its timer. */
static void turn(void) {
    struct machine *k = manager_find(t.m, "a");
    char line[128];

    assert_true(sd_event_run(t.event, 10000) >= 0);
    manager_look(t.m);
    if (k != manager_find(t.m, "a") || !k || k->state != MACHINE_STARTING || !k->protected || k->job || k->vm_present)
        return;
    snprintf(line, sizeof(line), "protect %s 100", k->uuid);
    assert_int_equal(fake_rootvisor_command(line), 0);
    manager_look(t.m);
}

static void settle_or_cut(void) {
    while (commits_left && !all_ended())
        turn();
}

/* Every step of a machine's life. Returns whether it came to its end. */
static bool whole_life(bool unprotected) {
    typedef int (*step_fn)(struct manager *m, const char *name, const char *who, struct operation **ret,
                           sd_bus_error *error);
    static const step_fn steps[] = {manager_pause, manager_resume,        manager_reboot, manager_kill,
                                    manager_start_machine, manager_kill, manager_delete};
    _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)launch("a", unprotected, &error);
    settle_or_cut();
    for (size_t i = 0; i < ELEMENTSOF(steps) && commits_left; i++) {
        struct operation *op;

        if (steps[i](t.m, "a", "test", &op, &error) < 0 && commits_left)
            fail_msg("step %zu: %s", i, error.message);
        settle_or_cut();
    }
    return commits_left;
}

/*
 * The store as it is after each of its commits, and cvmd starts anew: each operation ends, and what the machine is
 * said to be is what libvirt says.
 */
static void kill_points(bool unprotected) {
    bool whole = false;

    t.config.launch_timeout = 300;
    for (unsigned n = 0; !whole; n++) {
        struct machine *k;

        commits_left = n;
        sqlite3_commit_hook(t.m->store->db, on_commit, NULL);
        whole = whole_life(unprotected);
        while (inbox_jobs(t.m->inbox))
            turn();
        stop_manager();
        start_manager();
        commits_left = 1;
        settle_or_cut();
        k = manager_find(t.m, "a");
        if (k) {
            _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
            _cleanup_free_ char *console = NULL;
            struct cvm_error e = {0};

            while (k->job || t.m->reconciling || k->state == MACHINE_STARTING || k->state == MACHINE_STOPPING)
                turn();
            assert_int_equal(virt_state(t.m->virt, k->uuid, &console, &e) != VIRT_STATE_NONE, machine_is_active(k));
            if (machine_is_active(k)) {
                assert_int_equal(manager_kill(t.m, "a", "test", &t.op, &error), 0);
                until_ended();
            }
            assert_int_equal(manager_delete(t.m, "a", "test", &t.op, &error), 0);
            until_ended();
        }
        if (whole)
            assert_true(n > 20);
    }
}

static void test_kill_points(void **state) {
    (void)state;
    kill_points(true);
}

static void test_kill_points_protected(void **state) {
    (void)state;
    kill_points(false);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_life),        T(test_violation), T(test_violation_seen_late),
                                       T(test_orderly_end), T(test_timeout),   T(test_unprotected),
                                       T(test_refused),     T(test_restart),   T(test_rootvisor_error),
                                       T(test_operations), T(test_restart_policy), T(test_random),
                                       T(test_start_interrupted), T(test_stop_interrupted), T(test_failure_interrupted),
                                       T(test_stop_fails), T(test_late_start), T(test_damaged_row), T(test_image_of_settings), T(test_look_round), T(test_set_interrupted), T(test_clock_jumps), T(test_kill_points),
                                       T(test_kill_points_protected)};

    cmocka_set_test_filter(getenv("CVMD_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
