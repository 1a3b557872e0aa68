/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where cvmboot puts things, and what stage 2 accepts of a launch table. */
#include "cvmboot-fixture.h"

#include "launch.h"
#include "layout.h"
#include "key.h"
#include "plan.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct plan_input make_input(void) {
    struct plan_input in = {
        .ram = { 256 * MIB, 4 * GIB },
        .firmware_size = 0x2000,
        .kernel_size = FIXTURE_KERNEL,
        .initrd_size = 1000001,
        .cmdline_size = 13,
    };
    uint8_t head[BZIMAGE_HEAD];

    fixture_head(head);
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &in.bz), R_OK);
    return in;
}

static struct cvm_launch_table make_table(const struct plan_input *in) {
    struct cvm_launch_table t = { .version = CVM_ABI_VERSION, .vcpus = 1 };
    struct cvm_protect p;

    assert_int_equal(plan_make(in, &p), R_OK);
    t.nr_ram = p.nr_ram;
    t.nr_components = p.nr_components;
    memcpy(t.ram, p.ram, sizeof(t.ram));
    memcpy(t.comp, p.comp, sizeof(t.comp));
    return t;
}

static void test_plan(void **state) {
    struct plan_input in = make_input();
    struct cvm_protect p;

    (void) state;
    assert_int_equal(plan_make(&in, &p), R_OK);
    assert_int_equal(p.version, CVM_ABI_VERSION);
    assert_int_equal(p.more_vcpus, 0);
    /* all but the hole */
    assert_int_equal(p.nr_ram, 2);
    assert_true(p.ram[0].gpa == 0 && p.ram[0].size == CVM_EOI_GPA);
    assert_true(p.ram[1].gpa == CVM_BOUNCE_GPA + CVM_BOUNCE_SIZE && p.ram[1].gpa + p.ram[1].size == 256 * MIB);
    assert_int_equal(p.nr_components, 4);
    assert_int_equal(p.comp[0].kind, CVM_COMP_FIRMWARE);
    assert_int_equal(p.comp[0].gpa, CVM_FW_GPA);
    assert_int_equal(p.comp[1].kind, CVM_COMP_KERNEL);
    assert_int_equal(p.comp[1].gpa, 0x1000000 - FIXTURE_SETUP);
    assert_int_equal(p.comp[1].size, FIXTURE_SETUP + FIXTURE_KERNEL);
    assert_int_equal(p.comp[2].kind, CVM_COMP_INITRD);
    assert_int_equal(p.comp[2].gpa, (256 * MIB - 1000001) & ~0xfffull);
    assert_int_equal(p.comp[3].kind, CVM_COMP_CMDLINE);
    assert_int_equal(p.comp[3].size, 13);
    for (uint32_t i = 0; i < p.nr_components; i++)
        assert_int_equal(p.comp[i].gpa % 4096, 0);

    in.ram.high_top = 6 * GIB;
    in.initrd_size = in.cmdline_size = 0;
    assert_int_equal(plan_make(&in, &p), R_OK);
    assert_int_equal(p.nr_ram, 3);
    assert_true(p.ram[2].gpa == 4 * GIB && p.ram[2].size == 2 * GIB);
    assert_int_equal(p.nr_components, 2);
}

static void test_plan_initrd_below_its_maximum(void **state) {
    struct plan_input in = make_input();
    struct cvm_protect p;

    (void) state;
    in.bz.initrd_addr_max = 0x37ffffff;
    in.ram.low_top = 3 * GIB;
    assert_int_equal(plan_make(&in, &p), R_OK);
    assert_true(p.comp[2].gpa + p.comp[2].size <= 0x38000000);
    in.bz.initrd_addr_max = 0xffffffff;
    assert_int_equal(plan_make(&in, &p), R_OK);
    assert_true(p.comp[2].gpa + p.comp[2].size <= 3 * GIB);
    in.bz.initrd_addr_max = 0x100000;
    assert_int_equal(plan_make(&in, &p), R_INITRD_TOO_BIG);
}

static void test_plan_refuses(void **state) {
    struct plan_input in = make_input();
    struct cvm_protect p;
    uint64_t run_end = in.bz.pref_address + in.bz.init_size;

    (void) state;
    in.cmdline_size = 2048;
    assert_int_equal(plan_make(&in, &p), R_CMDLINE_TOO_LONG);
    in.bz.cmdline_max = UINT32_MAX;
    in.cmdline_size = LAYOUT_CMDLINE_MAX;
    assert_int_equal(plan_make(&in, &p), R_OK);
    in.cmdline_size++;
    assert_int_equal(plan_make(&in, &p), R_CMDLINE_TOO_LONG);

    in = make_input();
    in.ram.low_top = run_end - 4096;
    assert_int_equal(plan_make(&in, &p), R_TOO_LITTLE_RAM);
    in.ram.low_top = run_end;
    assert_int_equal(plan_make(&in, &p), R_INITRD_TOO_BIG);
    in.initrd_size = 0;
    assert_int_equal(plan_make(&in, &p), R_OK);
    in.initrd_size = UINT32_MAX;
    assert_int_equal(plan_make(&in, &p), R_INITRD_TOO_BIG);

    in = make_input();
    in.bz.init_size = UINT32_MAX;
    assert_int_equal(plan_make(&in, &p), R_TOO_LITTLE_RAM);
    in = make_input();
    in.bz.pref_address = LAYOUT_1MIB;
    assert_int_equal(plan_make(&in, &p), R_BAD_HEADER);
}

/* Whatever is planned, stage 2 accepts, and no two components share a page. */
static void test_plan_is_accepted(void **state) {
    (void) state;
    for (uint32_t sects = 1; sects <= 64; sects++) {
        for (uint32_t i = 0; i < 40; i++) {
            struct plan_input in = make_input();
            struct cvm_launch_table t;
            struct launch l;

            in.bz.setup_size = (sects + 1) * 512;
            in.initrd_size = i % 7 ? i * 99991 : 0;
            in.cmdline_size = i % 5 ? i * 50 : 0;
            in.ram.high_top = 4 * GIB + (i % 3) * GIB;
            t = make_table(&in);
            assert_int_equal(launch_check(&t, &l), R_OK);
            assert_int_equal(launch_check_kernel(&l, &in.bz), R_OK);
            assert_true(l.low_top == in.ram.low_top && l.high_top == in.ram.high_top);
            assert_int_equal(l.initrd_size, in.initrd_size);
            assert_int_equal(key_check_place(&l, &in.bz), in.initrd_size ? R_OK : R_KEY_NO_INITRD);
            assert_int_equal(l.cmdline_size, in.cmdline_size);
            for (uint32_t a = 0; a < t.nr_components; a++)
                for (uint32_t b = 0; b < a; b++)
                    assert_true(t.comp[a].gpa > t.comp[b].gpa + t.comp[b].size - 1 ||
                                t.comp[b].gpa > t.comp[a].gpa + t.comp[a].size - 1);
        }
    }
}

#define REFUSED(change)                                             \
    do {                                                            \
        struct cvm_launch_table t = good;                           \
        struct launch l;                                            \
        change;                                                     \
        assert_int_equal(launch_check(&t, &l), R_BAD_LAUNCH_TABLE); \
    } while (0)

static void test_launch_refuses(void **state) {
    const struct plan_input in = make_input();
    const struct cvm_launch_table good = make_table(&in);

    (void) state;
    REFUSED(t.version++);
    REFUSED(t.vcpus = 0);
    REFUSED(t.nr_ram = 0);
    REFUSED(t.nr_ram = 1);
    REFUSED(t.nr_ram = 4);
    REFUSED(t.nr_ram = UINT32_MAX);
    REFUSED(t.nr_ram = 3); /* the third is empty */
    REFUSED(t.ram[0].gpa = 4096);
    REFUSED(t.ram[0].size++);
    REFUSED(t.ram[0].size = UINT64_MAX & ~0xfffull);
    REFUSED(t.ram[0].size = MIB);
    REFUSED(t.ram[0].size += 4096); /* into the hole */
    REFUSED(t.ram[0].size -= 4096);
    REFUSED((t.ram[1].gpa -= 4096, t.ram[1].size += 4096));
    REFUSED((t.ram[1].gpa += 4096, t.ram[1].size -= 4096));
    REFUSED(t.ram[1].size++);
    REFUSED(t.ram[1].size = MIB - t.ram[1].gpa);
    REFUSED(t.ram[1].size = UINT64_MAX & ~0xfffull);
    REFUSED((t.nr_ram = 3, t.ram[2].gpa = 3 * GIB, t.ram[2].size = GIB));
    REFUSED((t.nr_ram = 3, t.ram[2].gpa = 4 * GIB, t.ram[2].size = -4096ull));
    REFUSED(t.nr_components = 1);
    REFUSED(t.nr_components = CVM_MAX_COMPONENTS + 1);
    REFUSED(t.nr_components = CVM_MAX_COMPONENTS); /* empty ones */
    REFUSED(t.comp[0].kind = CVM_COMP_KERNEL);
    REFUSED(t.comp[0].gpa += 4096);
    REFUSED(t.comp[0].size++);
    REFUSED(t.comp[0].size = 0);
    REFUSED(t.comp[0].size = CVM_FW_MAX + 4096);
    REFUSED(t.comp[1].kind = CVM_COMP_INITRD);
    REFUSED(t.comp[2].kind = 77);
    REFUSED(t.comp[3].kind = 5);
    REFUSED(t.comp[1].gpa = 0x30000);         /* stage 2's stack */
    REFUSED(t.comp[1].gpa++);
    REFUSED(t.comp[1].gpa = 256 * MIB);
    REFUSED(t.comp[1].gpa = 4 * GIB);
    REFUSED(t.comp[1].gpa = -4096ull);
    REFUSED(t.comp[1].size = 0);
    REFUSED(t.comp[1].size = BZIMAGE_HEAD);
    REFUSED(t.comp[1].size = UINT64_MAX);
    REFUSED(t.comp[1].size = 256 * MIB);
    REFUSED(t.comp[2].gpa = t.comp[1].gpa);   /* overlap */
    REFUSED(t.comp[2].gpa = (t.comp[1].gpa + t.comp[1].size - 1) & ~0xfffull); /* one page shared */
    REFUSED(t.comp[2].size += 8192);          /* behind low RAM */
    REFUSED(t.comp[3].gpa = LAYOUT_BOOT_PARAMS);
    REFUSED(t.comp[3].gpa = 2 * MIB);
    REFUSED(t.comp[3].size = 4097);
    REFUSED(t.comp[3].size = 4096);           /* no room for the NUL */
}

static void test_launch_refuses_kernel_place(void **state) {
    struct plan_input in = make_input();
    struct cvm_launch_table t = make_table(&in);
    struct bzimage bz;
    struct launch l;

    (void) state;
    assert_int_equal(launch_check(&t, &l), R_OK);
    bz = in.bz;
    bz.pref_address += 0x200000; /* the kernel lies below where it runs */
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);
    bz.pref_address -= 0x400000; /* more than a page above */
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);
    bz = in.bz;
    bz.init_size = 0xf000000; /* up to the very end of low RAM, over the initrd */
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);
    bz.init_size = UINT32_MAX;
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);

    in.initrd_size = 0; /* nothing in the way but the end of low RAM */
    t = make_table(&in);
    assert_int_equal(launch_check(&t, &l), R_OK);
    bz.init_size = 0xf000000;
    assert_int_equal(launch_check_kernel(&l, &bz), R_OK);
    bz.init_size++;
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);
    bz.init_size = UINT32_MAX;
    assert_int_equal(launch_check_kernel(&l, &bz), R_BAD_LAUNCH_TABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_initrd_below_its_maximum),
        cmocka_unit_test(test_plan_refuses),
        cmocka_unit_test(test_plan_is_accepted),
        cmocka_unit_test(test_launch_refuses),
        cmocka_unit_test(test_launch_refuses_kernel_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
