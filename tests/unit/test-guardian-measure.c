/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The launch measurement against an independent computation, and what is refused. */
#include <errno.h>
#include <openssl/evp.h>

#include "guardian-fixture.h"

#define FW_SIZE 0x5000u
#define KERNEL_GPA 0x100000u
#define CHUNK CVM_MEASURE_CHUNK
#define KERNEL_SIZE (4 * CHUNK + 1234)
#define CMDLINE_GPA 0x200000u
#define CMDLINE_SIZE 11u

static int setup(void **state) {
    struct fixture *f = fixture_new();

    fixture_init(f);
    fixture_fill(f->guest, FIXTURE_GUEST_SIZE, 42);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture_free(*state);
    return 0;
}

/* report.h, spelled out once more. */
static void independent_component(const uint8_t *p, size_t size, uint8_t out[48]) {
    uint8_t list[16 * 48];
    size_t n = 0;

    for (size_t at = 0; at < size; at += 0x10000, n++)
        assert_int_equal(EVP_Digest(p + at, size - at < 0x10000 ? size - at : 0x10000, list + n * 48, NULL, EVP_sha384(), NULL), 1);
    assert_int_equal(EVP_Digest(list, n * 48, out, NULL, EVP_sha384(), NULL), 1);
}

static void independent_digest(const struct fixture *f, uint8_t out[48]) {
    const struct {
        uint32_t kind;
        uint64_t gpa, size;
    } part[] = {
        { CVM_COMP_FIRMWARE, CVM_FW_GPA, FW_SIZE },
        { CVM_COMP_KERNEL, KERNEL_GPA, KERNEL_SIZE },
        { CVM_COMP_CMDLINE, CMDLINE_GPA, CMDLINE_SIZE },
    };
    uint8_t buf[16 + 3 * 64] = "CVMD-LAUNCH-V2", *p = buf + 16;

    for (unsigned i = 0; i < 3; i++, p += 64) {
        p[0] = part[i].kind;
        for (unsigned k = 0; k < 8; k++)
            p[8 + k] = part[i].size >> 8 * k;
        independent_component(f->guest + part[i].gpa, part[i].size, p + 16);
    }
    assert_int_equal(EVP_Digest(buf, sizeof(buf), out, NULL, EVP_sha384(), NULL), 1);
}

static int part(struct fixture *f, uint64_t gpa, uint64_t size, uint32_t first, uint32_t last) {
    f->mb.measure = (struct cvm_g_measure){ .index = 1, .kind = CVM_COMP_KERNEL, .gpa = gpa, .size = size,
                                            .total = KERNEL_SIZE, .first = first, .last = last };
    return fixture_call(f, CVM_G_MEASURE);
}

static void test_digest(void **state) {
    struct fixture *f = *state;
    uint8_t want[48];

    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, FW_SIZE), 0);
    assert_int_equal(part(f, KERNEL_GPA, CHUNK, 1, 0), 0);
    assert_int_equal(part(f, KERNEL_GPA + CHUNK, 3 * CHUNK, 0, 0), 0);
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, 1234, 0, 1), 0);
    assert_int_equal(fixture_measure(f, 2, CVM_COMP_CMDLINE, CMDLINE_GPA, CMDLINE_SIZE), 0);
    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), 0);
    independent_digest(f, want);
    assert_memory_equal(f->mb.launch.digest, want, 48);
    assert_memory_equal(f->g.launch_digest, want, 48);

    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), -EPERM);
    assert_int_equal(fixture_measure(f, 3, CVM_COMP_CMDLINE, CMDLINE_GPA, CMDLINE_SIZE), -EPERM);
}

/* report.h: a record behind the components; none for one vCPU, as test_digest() shows. */
static void test_digest_names_vcpus(void **state) {
    struct fixture *f = *state;
    uint8_t buf[16 + 2 * 64] = "CVMD-LAUNCH-V2", want[48];
    const uint8_t three[4] = { 3 };

    f->g.more_vcpus = 2;
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, 4096), 0);
    assert_int_equal(fixture_measure(f, 1, CVM_COMP_VCPUS, CMDLINE_GPA, 4), -EINVAL); /* not PROTECT's to name */
    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), 0);
    buf[16] = CVM_COMP_FIRMWARE;
    buf[16 + 9] = 0x10;
    independent_component(f->guest + CVM_FW_GPA, 4096, buf + 32);
    buf[80] = CVM_COMP_VCPUS;
    buf[80 + 8] = 3;
    assert_int_equal(EVP_Digest(three, 4, buf + 96, NULL, EVP_sha384(), NULL), 1);
    assert_int_equal(EVP_Digest(buf, sizeof(buf), want, NULL, EVP_sha384(), NULL), 1);
    assert_memory_equal(f->mb.launch.digest, want, 48);
    assert_int_equal(f->g.nr_measured, 2);
}

/* RootVisor enters an operation again when guest memory was not there. */
static void test_refused_part_changes_nothing(void **state) {
    struct fixture *f = *state;
    uint8_t want[48];

    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, FW_SIZE), 0);
    assert_int_equal(part(f, KERNEL_GPA, 4 * CHUNK, 1, 0), 0);
    assert_int_equal(part(f, KERNEL_GPA, 4 * CHUNK, 1, 0), -EINVAL);         /* begun already */
    assert_int_equal(part(f, KERNEL_GPA + 5 * CHUNK, 1234, 0, 1), -EINVAL);  /* a gap */
    assert_int_equal(part(f, KERNEL_GPA, 1234, 0, 1), -EINVAL);           /* back */
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, 1233, 0, 1), -EINVAL);  /* too short */
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, 1235, 0, 1), -EINVAL);  /* too long */
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, 1234, 0, 0), -EINVAL);  /* ends without saying so */
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, UINT64_MAX - 5, 0, 1), -EINVAL);
    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), -EPERM);              /* unfinished */
    assert_int_equal(part(f, KERNEL_GPA + 4 * CHUNK, 1234, 0, 1), 0);
    assert_int_equal(fixture_measure(f, 2, CVM_COMP_CMDLINE, CMDLINE_GPA, CMDLINE_SIZE), 0);
    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), 0);
    independent_digest(f, want);
    assert_memory_equal(f->mb.launch.digest, want, 48);
}

static void test_order(void **state) {
    struct fixture *f = *state;

    assert_int_equal(fixture_call(f, CVM_G_LAUNCH), -EPERM);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_KERNEL, KERNEL_GPA, 5), -EINVAL); /* firmware is first */
    assert_int_equal(fixture_measure(f, 1, CVM_COMP_FIRMWARE, CVM_FW_GPA, 5), -EINVAL);
    assert_int_equal(part(f, KERNEL_GPA, CHUNK, 0, 0), -EINVAL); /* none begun */
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, FW_SIZE), 0);
    assert_int_equal(fixture_measure(f, 1, CVM_COMP_FIRMWARE, CVM_FW_GPA, FW_SIZE), -EINVAL); /* twice */
    assert_int_equal(fixture_measure(f, 1, CVM_COMP_CMDLINE + 1, CMDLINE_GPA, 5), -EINVAL);
    assert_int_equal(fixture_measure(f, 1, CVM_COMP_CMDLINE, CMDLINE_GPA, 5), 0);
    assert_int_equal(fixture_measure(f, 2, CVM_COMP_INITRD, KERNEL_GPA, 5), -EINVAL); /* descending */
}

static void test_range(void **state) {
    struct fixture *f = *state;

    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA, 0), -EINVAL);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, CVM_FW_GPA + 1, 5), -EINVAL);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, FIXTURE_GUEST_SIZE, 5), -EINVAL);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, FIXTURE_GUEST_SIZE - 4096, 4097), -EINVAL);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, UINT64_MAX & ~4095ull, 5), -EINVAL);
    f->mb.measure = (struct cvm_g_measure){ .kind = CVM_COMP_FIRMWARE, .gpa = CVM_FW_GPA, .size = 100, .total = 200,
                                            .first = 1 };
    assert_int_equal(fixture_call(f, CVM_G_MEASURE), -EINVAL); /* not whole chunks */
    f->mb.measure.size = CHUNK - 4096;
    f->mb.measure.total = CHUNK;
    assert_int_equal(fixture_call(f, CVM_G_MEASURE), -EINVAL);
    f->mb.measure.first = 2;
    assert_int_equal(fixture_call(f, CVM_G_MEASURE), -EINVAL);
    assert_int_equal(fixture_measure(f, 0, CVM_COMP_FIRMWARE, FIXTURE_GUEST_SIZE - 4096, 4096), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest_names_vcpus, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_part_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_range, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
