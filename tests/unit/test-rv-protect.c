/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which PROTECT blocks are well-formed (cvm/boot.h). */
#include "rv-test.h"

#include "cvm/boot.h"
#include "rv/types.h"

int protect_check(const struct cvm_protect *p);

static struct cvm_protect p;

static int setup(void **state) {
    (void) state;
    memset(&p, 0, sizeof(p));
    p.version = CVM_ABI_VERSION;
    p.nr_ram = 2;
    p.ram[0] = (struct cvm_ram_range) { 0, 0xa0000 };
    p.ram[1] = (struct cvm_ram_range) { 0x100000, 0x7f00000 };
    p.nr_components = 4;
    p.comp[0] = (struct cvm_component) { CVM_COMP_FIRMWARE, 0, CVM_FW_GPA, 0x8000 };
    p.comp[1] = (struct cvm_component) { CVM_COMP_KERNEL, 0, 0x1000000, 0x7ffc01 };
    p.comp[2] = (struct cvm_component) { CVM_COMP_INITRD, 0, 0x4000000, 0x1234567 };
    p.comp[3] = (struct cvm_component) { CVM_COMP_CMDLINE, 0, 0x3000000, 17 };
    return 0;
}

static void test_good(void **state) {
    (void) state;
    assert_int_equal(protect_check(&p), 0);
    p.nr_components = 1;
    assert_int_equal(protect_check(&p), 0);
    p.comp[0].size = CVM_FW_MAX;
    assert_int_equal(protect_check(&p), 0);
    p.ram[1].gpa = 0xa0000;             /* ranges may touch */
    assert_int_equal(protect_check(&p), 0);
}

#define BAD(change) do { setup(NULL); change; assert_int_equal(protect_check(&p), -EINVAL); } while (0)

static void test_header(void **state) {
    (void) state;
    BAD(p.version = 0);
    BAD(p.version = CVM_ABI_VERSION + 1);
    BAD(p.more_vcpus = 1u << 31);
    BAD(p.nr_ram = 0);
    BAD(p.nr_ram = CVM_MAX_RAM_RANGES + 1);
    BAD(p.nr_ram = ~0u);
    BAD(p.nr_components = 0);
    BAD(p.nr_components = CVM_MAX_COMPONENTS + 1);
    BAD(p.nr_components = ~0u);
}

static void test_ram(void **state) {
    (void) state;
    BAD(p.ram[0].gpa = 1);
    BAD(p.ram[0].size = 0);
    BAD(p.ram[0].size = 0xa0001);
    BAD(p.ram[1].gpa = 0x9f000);
    BAD(p.ram[1].size = ~0xfffull);
    BAD(p.ram[1].gpa = 1ull << 36);
    BAD(p.ram[1].size = (1ull << 36) - 0xff000);
    BAD(p.ram[1].gpa = ~0xfffull);
    BAD(p.ram[0] = p.ram[1]; p.ram[1] = ((struct cvm_ram_range) { 0, 0xa0000 }));
}

static void test_components(void **state) {
    (void) state;
    BAD(p.comp[0].kind = CVM_COMP_KERNEL);
    BAD(p.comp[0].kind = 0);
    BAD(p.comp[3].kind = 5);
    BAD(p.comp[1].kind = CVM_COMP_FIRMWARE);
    BAD(p.comp[2].kind = CVM_COMP_KERNEL);
    BAD(p.comp[2].kind = CVM_COMP_CMDLINE);
    BAD(p.comp[0].gpa = CVM_FW_GPA + 0x1000);
    BAD(p.comp[0].size = CVM_FW_MAX + 1);
    BAD(p.comp[1].reserved = 1);
    BAD(p.comp[1].size = 0);
    BAD(p.comp[1].gpa = 0x1000800);
    BAD(p.comp[1].gpa = 0xa0000);                       /* in the hole */
    BAD(p.comp[1].gpa = 0x9f000; p.comp[1].size = 0x1001);  /* over the edge */
    BAD(p.comp[1].size = ~0ull);
    BAD(p.comp[1].size = 0x7000000);                    /* beyond the RAM */
    BAD(p.comp[2].gpa = 0x1000000 + 0x7ff000);          /* shares the kernel's last page */
    BAD(p.comp[2].gpa = CVM_FW_GPA);
    BAD(p.comp[3].gpa = 0x4000000);
}

/* A component may fill its range to the last byte, and the round-up must not reach beyond it. */
static void test_edges(void **state) {
    (void) state;
    p.comp[3].gpa = 0x100000 + 0x7f00000 - 0x1000;
    p.comp[3].size = 0x1000;
    p.comp[2].gpa = 0x2000000;
    assert_int_equal(protect_check(&p), 0);
    p.comp[3].size = 0x1001;
    assert_int_equal(protect_check(&p), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, setup),
        cmocka_unit_test_setup(test_header, setup),
        cmocka_unit_test_setup(test_ram, setup),
        cmocka_unit_test_setup(test_components, setup),
        cmocka_unit_test_setup(test_edges, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
