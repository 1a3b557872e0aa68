/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM-entry checks that RootVisor makes itself. SDM vol. 3, 27.2. */
#include "rv-test.h"

#include "nested/nested.h"

static u64 f[NR_FIELD_SLOTS];
/* low half: must be one; high half: may be one */
static const struct vmx_caps caps = {
    .true_pin = 0x16 | (u64) (0x16 | PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI) << 32,
    .true_proc = 0x04006172 | (u64) (0x04006172 | PROC_HLT | PROC_UNCOND_IO | PROC_MSR_BITMAPS | PROC_SECONDARY |
                                     PROC_NMI_WINDOW | PROC_INTR_WINDOW) << 32,
    .proc2 = (u64) (PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED) << 32,
    .true_exit = 0x36dfb | (u64) (0x36dfb | EXIT_HOST64 | EXIT_ACK_INTR | EXIT_LOAD_EFER | EXIT_LOAD_PAT) << 32,
    .true_entry = 0x11fb | (u64) (0x11fb | ENTRY_IA32E | ENTRY_LOAD_EFER | ENTRY_LOAD_PAT) << 32,
    .cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff, .cr4_fixed0 = CR4_VMXE, .cr4_fixed1 = 0xb727ff, .phys_bits = 39 };

#define F(enc) f[field_slot(enc)]

static int setup(void **state) {
    (void) state;
    fields_init();
    memset(f, 0, sizeof(f));
    F(VMCS_PIN_CTLS) = 0x16 | PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI;
    F(VMCS_PROC_CTLS) = 0x04006172 | PROC_HLT | PROC_SECONDARY;
    F(VMCS_PROC2_CTLS) = PROC2_EPT | PROC2_UNRESTRICTED;
    F(VMCS_EXIT_CTLS) = 0x36dfb | EXIT_HOST64 | EXIT_LOAD_EFER | EXIT_LOAD_PAT;
    F(VMCS_ENTRY_CTLS) = 0x11fb | ENTRY_IA32E;
    F(VMCS_EPTP) = 0x1000 | 0x1e;
    F(VMCS_HOST_CR0) = 0x80050033;
    F(VMCS_HOST_CR4) = CR4_PAE | CR4_VMXE;
    F(VMCS_HOST_CR3) = 0x5000;
    F(VMCS_HOST_CS_SEL) = 0x10;
    F(VMCS_HOST_TR_SEL) = 0x40;
    F(VMCS_HOST_EFER) = EFER_LME | EFER_LMA | EFER_NXE;
    F(VMCS_HOST_PAT) = 0x0007040600070406ull;
    F(VMCS_HOST_RIP) = 0xffffffff81000000ull;
    return 0;
}

static u32 controls(u32 field, u64 v) {
    u64 old = F(field);
    u32 r;

    F(field) = v;
    r = vmcs12_check_controls(f, &caps);
    F(field) = old;
    return r;
}

static u32 host(u32 field, u64 v) {
    u64 old = F(field);
    u32 r;

    F(field) = v;
    r = vmcs12_check_host(f, &caps);
    F(field) = old;
    return r;
}

static void test_good(void **state) {
    (void) state;
    assert_int_equal(vmcs12_check_controls(f, &caps), 0);
    assert_int_equal(vmcs12_check_host(f, &caps), 0);
}

/* Every bit of every control, also those above 32 that a VMCS page written by L1 could have. */
static void test_control_bits(void **state) {
    static const struct { u32 field; size_t cap; } ctl[] = {
        { VMCS_PIN_CTLS, offsetof(struct vmx_caps, true_pin) }, { VMCS_PROC_CTLS, offsetof(struct vmx_caps, true_proc) },
        { VMCS_PROC2_CTLS, offsetof(struct vmx_caps, proc2) }, { VMCS_EXIT_CTLS, offsetof(struct vmx_caps, true_exit) },
        { VMCS_ENTRY_CTLS, offsetof(struct vmx_caps, true_entry) } };

    (void) state;
    for (u32 i = 0; i < ARRAY_SIZE(ctl); i++) {
        u64 cap = *(const u64 *) ((const char *) &caps + ctl[i].cap);

        for (u32 b = 0; b < 64; b++) {
            if (b >= 32 || !(cap >> 32 & BIT(b)))
                assert_int_equal(controls(ctl[i].field, F(ctl[i].field) | BIT(b)), VMX_ERR_CONTROLS);
            else if (cap & BIT(b))
                assert_int_equal(controls(ctl[i].field, F(ctl[i].field) & ~BIT(b)), VMX_ERR_CONTROLS);
        }
    }
}

static void test_control_combinations(void **state) {
    (void) state;
    assert_int_equal(controls(VMCS_PROC_CTLS, F(VMCS_PROC_CTLS) & ~PROC_SECONDARY), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_PROC2_CTLS, PROC2_UNRESTRICTED), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_EPTP, 0), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_EPTP, 0x105e), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_CR3_TARGET_COUNT, 1), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_EXIT_MSR_STORE_COUNT, 1), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_EXIT_MSR_LOAD_COUNT, BIT(40)), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_ENTRY_MSR_LOAD_COUNT, 1), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_EXIT_CTLS, F(VMCS_EXIT_CTLS) & ~EXIT_HOST64), VMX_ERR_CONTROLS);
    F(VMCS_PROC_CTLS) |= PROC_MSR_BITMAPS;
    assert_int_equal(controls(VMCS_MSR_BITMAP, 0x7001), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_MSR_BITMAP, BIT(39)), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_MSR_BITMAP, 0x7000), 0);
    F(VMCS_PROC2_CTLS) |= PROC2_VPID;
    assert_int_equal(controls(VMCS_VPID, 0), VMX_ERR_CONTROLS);
    assert_int_equal(controls(VMCS_VPID, 1), 0);
    F(VMCS_VPID) = 1;
    F(VMCS_PIN_CTLS) &= ~PIN_VIRTUAL_NMI;
    assert_int_equal(controls(VMCS_PROC_CTLS, F(VMCS_PROC_CTLS) | PROC_NMI_WINDOW), VMX_ERR_CONTROLS);
}

static void test_host_state(void **state) {
    static const u32 sel[] = { VMCS_HOST_ES_SEL, VMCS_HOST_CS_SEL, VMCS_HOST_SS_SEL, VMCS_HOST_DS_SEL,
                               VMCS_HOST_FS_SEL, VMCS_HOST_GS_SEL, VMCS_HOST_TR_SEL };
    static const u32 address[] = { VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE, VMCS_HOST_TR_BASE, VMCS_HOST_GDTR_BASE,
                                   VMCS_HOST_IDTR_BASE, VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP, VMCS_HOST_RIP };

    (void) state;
    for (u32 i = 0; i < ARRAY_SIZE(sel); i++) {
        assert_int_equal(host(sel[i], 0x11), VMX_ERR_HOST_STATE);
        assert_int_equal(host(sel[i], 0x14), VMX_ERR_HOST_STATE);
        assert_int_equal(host(sel[i], 0x10010), VMX_ERR_HOST_STATE);
        assert_int_equal(host(sel[i], 0x18), 0);
    }
    assert_int_equal(host(VMCS_HOST_CS_SEL, 0), VMX_ERR_HOST_STATE);
    assert_int_equal(host(VMCS_HOST_TR_SEL, 0), VMX_ERR_HOST_STATE);
    for (u32 i = 0; i < ARRAY_SIZE(address); i++) {
        assert_int_equal(host(address[i], 0x800000000000ull), VMX_ERR_HOST_STATE);
        assert_int_equal(host(address[i], 0xffff7fffffffffffull), VMX_ERR_HOST_STATE);
        assert_int_equal(host(address[i], 0x7fffffffffffull), 0);
        assert_int_equal(host(address[i], 0xffff800000000000ull), 0);
    }
    for (u32 b = 0; b < 64; b++) {
        if (caps.cr0_fixed0 & BIT(b))
            assert_int_equal(host(VMCS_HOST_CR0, F(VMCS_HOST_CR0) & ~BIT(b)), VMX_ERR_HOST_STATE);
        if (!(caps.cr0_fixed1 & BIT(b)))
            assert_int_equal(host(VMCS_HOST_CR0, F(VMCS_HOST_CR0) | BIT(b)), VMX_ERR_HOST_STATE);
        if (!(caps.cr4_fixed1 & BIT(b)))
            assert_int_equal(host(VMCS_HOST_CR4, F(VMCS_HOST_CR4) | BIT(b)), VMX_ERR_HOST_STATE);
    }
    assert_int_equal(host(VMCS_HOST_CR4, CR4_PAE), VMX_ERR_HOST_STATE);
    assert_int_equal(host(VMCS_HOST_CR4, CR4_VMXE), VMX_ERR_HOST_STATE);
    /* vmcs01 takes these as guest state: what passes here must pass there */
    for (u32 b = 39; b < 64; b++)
        assert_int_equal(host(VMCS_HOST_CR3, BIT(b)), VMX_ERR_HOST_STATE);
    assert_int_equal(host(VMCS_HOST_CR3, BIT(38)), 0);
    assert_int_equal(host(VMCS_HOST_CR4, F(VMCS_HOST_CR4) | BIT(23)), 0);       /* CET needs CR0.WP */
    F(VMCS_HOST_CR4) |= BIT(23);
    assert_int_equal(host(VMCS_HOST_CR0, F(VMCS_HOST_CR0) & ~BIT(16)), VMX_ERR_HOST_STATE);
    F(VMCS_HOST_CR4) &= ~BIT(23);
    assert_int_equal(host(VMCS_HOST_EFER, EFER_LME), VMX_ERR_HOST_STATE);
    assert_int_equal(host(VMCS_HOST_EFER, EFER_LMA), VMX_ERR_HOST_STATE);
    assert_int_equal(host(VMCS_HOST_EFER, EFER_LMA | EFER_LME | BIT(12)), VMX_ERR_HOST_STATE);
    for (u32 i = 0; i < 8; i++)
        for (u64 t = 0; t < 256; t++) {
            bool good = t <= 7 && t != 2 && t != 3;

            assert_int_equal(host(VMCS_HOST_PAT, t << 8 * i), good ? 0 : VMX_ERR_HOST_STATE);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good, setup),
        cmocka_unit_test_setup(test_control_bits, setup),
        cmocka_unit_test_setup(test_control_combinations, setup),
        cmocka_unit_test_setup(test_host_state, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
