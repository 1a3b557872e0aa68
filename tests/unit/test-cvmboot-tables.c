/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest kernel gets from cvmboot: ACPI tables and boot_params. */
#include "cvmboot-fixture.h"

#include "acpi.h"
#include "bootparams.h"
#include "layout.h"

#define GIB (1ull << 30)

static uint8_t area[LAYOUT_ACPI_SIZE];
static const uint8_t dsdt[600] = "DSDT";

static uint8_t sum(const uint8_t *p, uint32_t n) {
    uint8_t s = 0;

    while (n--)
        s = (uint8_t) (s + *p++);
    return s;
}

/* The table at a guest address, its header checked. */
static const uint8_t *table(uint64_t gpa, const char *signature) {
    const uint8_t *t;

    assert_true(gpa >= LAYOUT_ACPI && gpa < LAYOUT_ACPI + sizeof(area));
    t = area + (gpa - LAYOUT_ACPI);
    assert_memory_equal(t, signature, 4);
    assert_true(gpa + le32(t + 4) <= LAYOUT_ACPI + sizeof(area));
    return t;
}

static void test_acpi(void **state) {
    const uint8_t *xsdt, *fadt, *madt, *facs;

    (void) state;
    for (uint32_t vcpus = 1; vcpus <= ACPI_MAX_VCPUS + 1; vcpus++) {
        uint32_t listed = vcpus > ACPI_MAX_VCPUS ? ACPI_MAX_VCPUS : vcpus, cpus = 0;

        memset(area, 0, sizeof(area));
        assert_int_equal(acpi_build(area, sizeof(area), LAYOUT_ACPI, dsdt, sizeof(dsdt), vcpus, 0), R_OK);
        assert_memory_equal(area, "RSD PTR ", 8);
        assert_int_equal(sum(area, 20), 0);
        assert_int_equal(sum(area, 36), 0);
        xsdt = table(le64(area + 24), "XSDT");
        assert_int_equal(sum(xsdt, le32(xsdt + 4)), 0);
        assert_int_equal(le32(xsdt + 4), 36 + 16);
        fadt = table(le64(xsdt + 36), "FACP");
        assert_int_equal(sum(fadt, le32(fadt + 4)), 0);
        madt = table(le64(xsdt + 44), "APIC");
        assert_int_equal(sum(madt, le32(madt + 4)), 0);
        facs = table(le32(fadt + 36), "FACS");
        assert_int_equal((facs - area) % 64, 0);
        assert_int_equal(le32(fadt + 40), le64(fadt + 140));
        assert_memory_equal(table(le64(fadt + 140), "DSDT"), dsdt, sizeof(dsdt));
        /* PM blocks: the old fields and the extended ones agree */
        assert_int_equal(le32(fadt + 56), 0x600);
        assert_int_equal(le64(fadt + 152), 0x600);
        assert_int_equal(le32(fadt + 64), 0x604);
        assert_int_equal(le64(fadt + 176), 0x604);
        assert_int_equal(le32(fadt + 76), 0x608);
        assert_int_equal(le64(fadt + 212), 0x608);
        /* MADT entries fill the table exactly */
        for (uint32_t off = 44; off < le32(madt + 4); off += madt[off + 1]) {
            assert_true(madt[off + 1] >= 2 && off + madt[off + 1] <= le32(madt + 4));
            if (madt[off] != 0)
                continue;
            assert_int_equal(madt[off + 3], cpus++);
            assert_int_equal(le32(madt + off + 4), 1);
        }
        assert_int_equal(cpus, listed);
    }
}

/* ACPI 6.5, 5.2.12.19: the last entry, if others wait at a mailbox, and none if they do not. */
static void test_acpi_mailbox(void **state) {
    (void) state;
    for (uint32_t mailbox = 0; mailbox <= LAYOUT_MAILBOX; mailbox += LAYOUT_MAILBOX) {
        const uint8_t *xsdt, *madt;
        uint32_t found = 0;

        memset(area, 0, sizeof(area));
        assert_int_equal(acpi_build(area, sizeof(area), LAYOUT_ACPI, dsdt, sizeof(dsdt), 2, mailbox), R_OK);
        xsdt = area + (le64(area + 24) - LAYOUT_ACPI);
        madt = area + (le64(xsdt + 44) - LAYOUT_ACPI);
        for (uint32_t off = 44; off < le32(madt + 4); off += madt[off + 1]) {
            assert_true(madt[off + 1] >= 2 && off + madt[off + 1] <= le32(madt + 4));
            if (madt[off] != 16)
                continue;
            found++;
            assert_int_equal(madt[off + 1], 16);
            assert_int_equal(le16(madt + off + 2), 0);
            assert_true(le64(madt + off + 8) == mailbox);
        }
        assert_int_equal(found, mailbox != 0);
    }
}

static void test_acpi_needs_room(void **state) {
    uint32_t size;

    (void) state;
    for (size = 0; size < sizeof(area); size++) {
        memset(area, 0, sizeof(area));
        if (acpi_build(area, size, LAYOUT_ACPI, dsdt, sizeof(dsdt), 4, 0) == R_OK)
            break;
        assert_int_equal(area[size], 0); /* never behind the end */
    }
    assert_in_range(size, 1000, 2000);
    for (uint32_t i = size; i < sizeof(area); i++)
        assert_int_equal(area[i], 0);
    assert_int_equal(acpi_build(area, sizeof(area), LAYOUT_ACPI, dsdt, UINT32_MAX, 1, 0), R_ACPI);
}

static void test_bootparams(void **state) {
    uint8_t page[BOOTPARAMS_SIZE], head[BZIMAGE_HEAD];
    struct launch l = {
        .vcpus = 1,
        .low_top = 0x10000000,
        .high_top = 4 * GIB,
        .initrd_gpa = 0xf000000,
        .initrd_size = 12345,
    };
    struct bzimage bz;

    (void) state;
    fixture_head(head);
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), R_OK);
    memset(page, 0xff, sizeof(page));
    bootparams_build(page, head, &bz, &l, 0x47000, 0x9e000);

    for (uint32_t i = 0; i < 0x1f1; i++) /* screen_info and the rest: only what we set */
        if (i != 0x1e8 && (i < 0x70 || i >= 0x78))
            assert_int_equal(page[i], 0);
    assert_int_equal(le64(page + 0x70), 0x9e000);
    assert_memory_equal(page + 0x202, head + 0x202, 0x210 - 0x202);
    assert_int_equal(page[0x210], 0xff);
    assert_int_equal(page[0x211], 1);
    assert_int_equal(le32(page + 0x218), 0xf000000);
    assert_int_equal(le32(page + 0x21c), 12345);
    assert_int_equal(le16(page + 0x224), 0);
    assert_int_equal(le32(page + 0x228), 0x47000);
    assert_memory_equal(page + 0x22c, head + 0x22c, 0x250 - 0x22c);
    assert_int_equal(le64(page + 0x250), 0);
    assert_memory_equal(page + 0x258, head + 0x258, 0x26c - 0x258);
    for (uint32_t i = 0x26c; i < 0x2d0; i++) /* nothing behind the header's end */
        assert_int_equal(page[i], 0);

    assert_int_equal(page[0x1e8], 8);
    for (uint32_t i = 0; i < 8; i++) { /* ascending, disjoint */
        const uint8_t *e = page + 0x2d0 + i * 20;

        assert_true(le64(e + 8) > 0);
        if (i)
            assert_true(le64(e) >= le64(e - 20) + le64(e - 12));
    }
    assert_true(le64(page + 0x2d0 + 20) == CVM_EOI_GPA && le64(page + 0x2d0 + 28) == 4096 + CVM_BOUNCE_SIZE);
    assert_int_equal(le32(page + 0x2d0 + 36), 2);
    l.mailbox = LAYOUT_MAILBOX; /* others wait in stage 2: its pages are no RAM for the kernel */
    bootparams_build(page, head, &bz, &l, 0x47000, 0x9e000);
    assert_int_equal(page[0x1e8], 10);
    assert_true(le64(page + 0x2d0 + 20) == CVM_FW_GPA && le32(page + 0x2d0 + 20 + 16) == 2);
    assert_true(le64(page + 0x2d0 + 20) + le64(page + 0x2d0 + 20 + 8) > LAYOUT_MAILBOX);
    assert_true(le64(page + 0x2d0 + 20) + le64(page + 0x2d0 + 20 + 8) > LAYOUT_PAGE_TABLES);
    l.mailbox = 0;
    l.high_top = 6 * GIB;
    bootparams_build(page, head, &bz, &l, 0x47000, 0x9e000);
    assert_int_equal(page[0x1e8], 9);
    assert_true(le64(page + 0x2d0 + 8 * 20) == 4 * GIB && le64(page + 0x2d0 + 8 * 20 + 8) == 2 * GIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acpi),
        cmocka_unit_test(test_acpi_mailbox),
        cmocka_unit_test(test_acpi_needs_room),
        cmocka_unit_test(test_bootparams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
