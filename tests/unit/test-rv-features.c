/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What RootVisor asks of a CPU, and memory types by the MTRRs. */
#include "rv-test.h"

#include "start/features.h"
#include "memory/mtrr.h"
#include "rv/vmcs.h"

static struct cpu_raw everything(void) {
    struct cpu_raw raw;

    memset(&raw, 0xff, sizeof(raw));
    raw.vmx_basic = 0x00d8100000000001ull;
    return raw;
}

static bool misses(const struct cpu_raw *raw, const char *name) {
    const char *names[64];
    u32 n = features_missing(raw, names, ARRAY_SIZE(names));

    for (u32 i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void test_complete_cpu(void **state) {
    struct cpu_raw raw = everything();
    const char *names[1];

    (void) state;
    assert_int_equal(features_missing(&raw, names, 1), 0);
}

static void test_each_bit_is_needed(void **state) {
    static const struct {
        size_t field;
        unsigned bit;
        const char *name;
    } cases[] = {
#define F(field, bit, name) { offsetof(struct cpu_raw, field), bit, name }
        F(leaf1_ecx, 5, "VMX"), F(leaf1_ecx, 9, "SSSE3"), F(leaf1_ecx, 1, "PCLMULQDQ"), F(leaf1_ecx, 25, "AES-NI"),
        F(leaf1_ecx, 26, "XSAVE"), F(leaf1_ecx, 30, "RDRAND"), F(leaf7_ebx, 10, "INVPCID"), F(leaf7_ebx, 18, "RDSEED"),
        F(ext1_edx, 26, "1 GiB pages"), F(ext1_edx, 27, "RDTSCP"),
        F(vmx_basic, 55, "VMX true controls"), F(vmx_pin, 32 + 3, "NMI exiting"), F(vmx_pin, 32 + 5, "virtual NMIs"),
        F(vmx_proc, 32 + 28, "MSR bitmaps"), F(vmx_proc, 32 + 31, "secondary controls"),
        F(vmx_proc2, 32 + 1, "EPT"), F(vmx_proc2, 32 + 5, "VPID"), F(vmx_proc2, 32 + 7, "unrestricted guest"),
        F(vmx_proc2, 32 + 14, "VMCS shadowing"), F(vmx_misc, 29, "VMWRITE to any field"),
        F(vmx_proc2, 32 + 3, "RDTSCP in VMX"), F(vmx_proc2, 32 + 12, "INVPCID in VMX"),
        F(vmx_exit, 32 + 18, "save/load PAT on exit"), F(vmx_exit, 32 + 21, "save/load EFER on exit"),
        F(vmx_entry, 32 + 14, "load PAT on entry"), F(vmx_entry, 32 + 15, "load EFER on entry"),
        F(ept_vpid, 6, "EPT, 4 levels"), F(ept_vpid, 14, "EPT, write-back"), F(ept_vpid, 16, "EPT, 2 MiB pages"),
        F(ept_vpid, 20, "INVEPT, single context"), F(ept_vpid, 25, "INVEPT, single context"),
        F(ept_vpid, 26, "INVEPT, all contexts"), F(ept_vpid, 32, "INVVPID, all contexts"),
        F(ept_vpid, 42, "INVVPID, all contexts"),
#undef F
    };

    (void) state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cpu_raw raw = everything();
        const char *names[4];

        *(u64 *) ((u8 *) &raw + cases[i].field) &= ~BIT(cases[i].bit);
        assert_true(misses(&raw, cases[i].name));
        assert_int_equal(features_missing(&raw, names, 4), 1);
    }
}

static void test_no_vmx_at_all(void **state) {
    struct cpu_raw raw = { 0 };
    const char *names[2] = { NULL, NULL };

    (void) state;
    assert_int_equal(features_missing(&raw, names, 1), 13);     /* what CPUID tells; no parts of VMX */
    assert_string_equal(names[0], "VMX");
    assert_null(names[1]);           /* never writes beyond max */
}

static void test_feature_control(void **state) {
    static const char name[] = "VMX enabled by the firmware (IA32_FEATURE_CONTROL)";
    struct cpu_raw raw = everything();

    (void) state;
    raw.feature_control = 5;
    assert_false(misses(&raw, name));
    raw.feature_control = 0;         /* unlocked: RootVisor sets it */
    assert_false(misses(&raw, name));
    raw.feature_control = 1;         /* locked off */
    assert_true(misses(&raw, name));
    raw.feature_control = 3;         /* only inside SMX */
    assert_true(misses(&raw, name));
}

static void test_mtrr(void **state) {
    struct mtrr m = {
        .def_type = BIT(11) | BIT(10) | MT_UC, .phys_bits = 39, .variable = 4,
        .var = { { 0x0 | MT_WB, 0x7f80000000ull | BIT(11) },            /* [0, 2 GiB) WB */
                 { 0x40000000 | MT_WT, 0x7ff0000000ull | BIT(11) },     /* 256 MiB WT in it */
                 { 0x60000000 | MT_UC, 0x7fffe00000ull | BIT(11) },     /* 2 MiB UC in it */
                 { 0x100000000ull | MT_WC, 0x7f00000000ull } } };       /* not valid */

    (void) state;
    m.fixed[0] = 0x0606060606060606ull;
    m.fixed[2] = 0;                                 /* A0000-BFFFF */
    m.fixed[3] = 0x0505050505050505ull;             /* C0000-C7FFF */
    m.fixed[10] = 0x0600000000000000ull;            /* F8000-FFFFF */
    assert_int_equal(mtrr_type(&m, 0x7ffff), MT_WB);
    assert_int_equal(mtrr_type(&m, 0xa0000), MT_UC);
    assert_int_equal(mtrr_type(&m, 0xc7000), MT_WP);
    assert_int_equal(mtrr_type(&m, 0xfe000), MT_UC);
    assert_int_equal(mtrr_type(&m, 0xff000), MT_WB);
    assert_int_equal(mtrr_type(&m, 0x100000), MT_WB);
    assert_int_equal(mtrr_type(&m, 0x40001000), MT_WT);
    assert_int_equal(mtrr_type(&m, 0x60000000), MT_UC);
    assert_int_equal(mtrr_type(&m, 0x601ff000), MT_UC);
    assert_int_equal(mtrr_type(&m, 0x60200000), MT_WB);
    assert_int_equal(mtrr_type(&m, 0x80000000), MT_UC);
    assert_int_equal(mtrr_type(&m, 0x100000000ull), MT_UC);
    assert_int_equal(mtrr_range_type(&m, 0x100000000ull, 0x40000000), MT_UC);
    assert_int_equal(mtrr_range_type(&m, 0x00000000, 0x40000000), MT_WB);
    assert_int_equal(mtrr_range_type(&m, 0x40000000, 0x40000000), MT_UC);   /* mixed */
    m.def_type = BIT(11) | MT_WB;
    assert_int_equal(mtrr_type(&m, 0xa0000), MT_WB);                        /* fixed ranges off */
    assert_int_equal(mtrr_range_type(&m, 0x200000000ull, 0x40000000), MT_WB);
    m.def_type = MT_WB;
    assert_int_equal(mtrr_type(&m, 0x100000), MT_UC);                       /* all off */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_cpu),
        cmocka_unit_test(test_each_bit_is_needed),
        cmocka_unit_test(test_no_vmx_at_all),
        cmocka_unit_test(test_feature_control),
        cmocka_unit_test(test_mtrr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
