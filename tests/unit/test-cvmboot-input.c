/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cvmboot reads from the host: fw_cfg's directory, etc/e820, the kernel's setup header. */
#include "cvmboot-fixture.h"

#include "cvm/boot.h"
#include "fwcfg-parse.h"
#include "layout.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static uint8_t dir[FWCFG_DIR_SIZE];

static void put_be32(uint8_t *p, uint32_t v) {
    put_le32(p, __builtin_bswap32(v));
}

static void dir_add(const char *name, uint32_t size, uint16_t key) {
    uint32_t n = be32(dir);
    uint8_t *entry = dir + 4 + n * FWCFG_DIR_ENTRY;

    put_be32(entry, size);
    put_be32(entry + 4, (uint32_t) key << 16);
    strncpy((char *) entry + 8, name, 56);
    put_be32(dir, n + 1);
}

static int setup(void **state) {
    (void) state;
    memset(dir, 0, sizeof(dir));
    return 0;
}

static void test_dir_finds(void **state) {
    struct fwcfg_file f;

    (void) state;
    dir_add("etc/e820x", 1, 1);
    dir_add("etc/e82", 2, 2);
    dir_add("etc/e820", 60, 0x2a);
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_OK);
    assert_int_equal(f.size, 60);
    assert_int_equal(f.key, 0x2a);
}

static void test_dir_misses(void **state) {
    struct fwcfg_file f;

    (void) state;
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_NO_E820);
    dir_add("etc/e820x", 1, 1);
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_NO_E820);
}

static void test_dir_name_without_end(void **state) {
    struct fwcfg_file f;

    (void) state;
    dir_add("etc/e820", 60, 0x2a);
    memset(dir + 12, 'x', 56);
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_FWCFG_DIR);
}

static void test_dir_count_too_large(void **state) {
    struct fwcfg_file f;

    (void) state;
    put_be32(dir, 0xffffffff);
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_NO_E820);
    put_be32(dir, FWCFG_DIR_FILES - 1);
    dir_add("etc/e820", 7, 7);
    put_be32(dir, 0xffffffff);
    assert_int_equal(fwcfg_find(dir, "etc/e820", &f), R_OK);
    assert_int_equal(f.size, 7);
}

struct entry {
    uint64_t addr, len;
    uint32_t type;
};

static enum reason parse(const struct entry *e, uint32_t n, struct ram *ram) {
    uint8_t map[(E820_MAX + 1) * E820_ENTRY];

    for (uint32_t i = 0; i < n; i++) {
        put_le64(map + i * E820_ENTRY, e[i].addr);
        put_le64(map + i * E820_ENTRY + 8, e[i].len);
        put_le32(map + i * E820_ENTRY + 16, e[i].type);
    }
    return e820_parse(map, n * E820_ENTRY, ram);
}

static void test_e820_good(void **state) {
    const struct entry low[] = { { 0xfeffc000, 0x4000, 2 }, { 0, 512 * MIB, 1 } };
    const struct entry both[] = { { 0, 3 * GIB, 1 }, { 4 * GIB, 2 * GIB, 1 }, { 0xfeffc000, 0x4000, 2 } };
    struct ram ram;

    (void) state;
    assert_int_equal(parse(low, 2, &ram), R_OK);
    assert_true(ram.low_top == 512 * MIB && ram.high_top == 4 * GIB);
    assert_int_equal(parse(both, 3, &ram), R_OK);
    assert_true(ram.low_top == 3 * GIB && ram.high_top == 6 * GIB);
}

static void test_e820_bad(void **state) {
    static const struct {
        struct entry e[3];
        uint32_t n;
    } bad[] = {
        { { { 0 } }, 0 },                                                 /* nothing */
        { { { 4 * GIB, GIB, 1 } }, 1 },                                   /* no low RAM */
        { { { 0, 512 * MIB + 1, 1 } }, 1 },                               /* not whole pages */
        { { { 0, 512 * MIB, 1 }, { 0, 256 * MIB, 1 } }, 2 },              /* twice */
        { { { 0, 512 * MIB, 1 }, { 512 * MIB, 256 * MIB, 1 } }, 2 },      /* elsewhere */
        { { { 0, 512 * MIB, 1 }, { 4 * GIB, GIB, 1 }, { 4 * GIB, GIB, 1 } }, 3 },
        { { { 0, LAYOUT_LOW_TOP_MAX + 4096, 1 } }, 1 },                   /* into the PCI window */
        { { { 0, 512 * MIB, 1 }, { 4 * GIB, UINT64_MAX - 4095, 1 } }, 2 }, /* wraps */
        { { { 0, 512 * MIB, 1 }, { UINT64_MAX - 4095, 8192, 1 } }, 2 },
        { { { 0, 640 * 1024, 1 } }, 1 },                                  /* no room for anything */
    };
    struct entry many[E820_MAX + 1] = { { 0, 512 * MIB, 1 } };
    struct ram ram;
    uint8_t odd[E820_ENTRY + 1] = { 0 };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(bad[i].e, bad[i].n, &ram), R_BAD_E820);
    assert_int_equal(parse(many, E820_MAX, &ram), R_OK);
    assert_int_equal(parse(many, E820_MAX + 1, &ram), R_BAD_E820);
    assert_int_equal(e820_parse(odd, sizeof(odd), &ram), R_BAD_E820);
}

static void test_header_good(void **state) {
    uint8_t head[BZIMAGE_HEAD];
    struct bzimage bz;

    (void) state;
    fixture_head(head);
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), R_OK);
    assert_int_equal(bz.setup_size, FIXTURE_SETUP);
    assert_int_equal(bz.header_end, 0x26c);
    assert_int_equal(bz.alignment, 0x200000);
    assert_int_equal(bz.init_size, 0x800000);
    assert_int_equal(bz.pref_address, 0x1000000);
    assert_int_equal(bz.cmdline_max, 2047);
    assert_int_equal(bz.syssize, FIXTURE_KERNEL);
    head[0x1f1] = 0;
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), R_OK);
    assert_int_equal(bz.setup_size, 5 * 512);
    head[0x201] = 0xff; /* longer than boot_params has room for */
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), R_OK);
    assert_int_equal(bz.header_end, BZIMAGE_HEADER_LIMIT);
}

static void test_header_bad(void **state) {
    static const struct {
        uint16_t offset;
        uint8_t size;
        uint64_t value;
        enum reason want;
    } bad[] = {
        { 0x1fe, 2, 0xaa54, R_NOT_BZIMAGE },
        { 0x202, 4, 0, R_NOT_BZIMAGE },
        { 0x211, 1, 0xfe, R_NOT_BZIMAGE },
        { 0x206, 2, 0x20b, R_OLD_PROTOCOL },
        { 0x236, 2, 0xfffe, R_NO_64BIT_ENTRY },
        { 0x201, 1, 0x61, R_BAD_HEADER },
        { 0x230, 4, 0, R_BAD_HEADER },
        { 0x230, 4, 0x800, R_BAD_HEADER },
        { 0x230, 4, 0x300000, R_BAD_HEADER },
        { 0x258, 8, 0x1001000, R_BAD_HEADER },
        { 0x258, 8, 1ull << 31, R_BAD_HEADER },
        { 0x258, 8, 1ull << 63, R_BAD_HEADER },
        { 0x1f4, 4, 0, R_BAD_HEADER },
        { 0x1f4, 4, 0x20, R_BAD_HEADER },
        { 0x1f4, 4, 0xffffffff, R_BAD_HEADER },
        { 0x1f4, 4, FIXTURE_KERNEL / 16 + 1, R_KERNEL_CUT },
        { 0x1f1, 1, 0xff, R_KERNEL_CUT },
    };
    uint8_t head[BZIMAGE_HEAD];
    struct bzimage bz;

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fixture_head(head);
        for (uint8_t b = 0; b < bad[i].size; b++)
            head[bad[i].offset + b] = (uint8_t) (bad[i].value >> 8 * b);
        assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), bad[i].want);
    }
}

static void test_header_cut_anywhere(void **state) {
    uint8_t head[BZIMAGE_HEAD];
    struct bzimage bz;

    (void) state;
    fixture_head(head);
    for (uint32_t size = BZIMAGE_HEAD; size < FIXTURE_SETUP + FIXTURE_KERNEL; size += 509)
        assert_int_equal(bzimage_parse(head, size, false, &bz), R_KERNEL_CUT);
}

static void test_mask(void **state) {
    static const struct {
        uint16_t offset, size;
    } fields[] = CVM_SETUP_MASK_FIELDS;
    uint8_t head[BZIMAGE_HEAD], want[BZIMAGE_HEAD];
    struct bzimage bz;

    (void) state;
    fixture_head(head);
    memcpy(want, head, sizeof(want));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        for (uint16_t b = 0; b < fields[i].size; b++) {
            head[fields[i].offset + b] = 0x5a; /* whatever a loader wrote */
            want[fields[i].offset + b] = 0;
        }
    bzimage_mask(head);
    assert_memory_equal(head, want, sizeof(want));
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, false, &bz), R_NOT_BZIMAGE);
    assert_int_equal(bzimage_parse(head, FIXTURE_SETUP + FIXTURE_KERNEL, true, &bz), R_OK);
}

static void test_appended_data_is_cut(void **state) {
    uint8_t head[BZIMAGE_HEAD];
    uint32_t size;

    (void) state;
    fixture_head(head);
    assert_int_equal(bzimage_kernel_size(head, 0x9003, &size), R_OK);
    assert_int_equal(size, 0x9003);
    put_le64(head + 0x250, 0x109010);
    assert_int_equal(bzimage_kernel_size(head, 0x9040, &size), R_OK);
    assert_int_equal(size, 0x9010);
    assert_int_equal(bzimage_kernel_size(head, 0x9010, &size), R_BAD_SETUP_DATA);
    put_le64(head + 0x250, 0x100000);
    assert_int_equal(bzimage_kernel_size(head, 0x9040, &size), R_BAD_SETUP_DATA);
    put_le64(head + 0x250, 0x100109010);
    assert_int_equal(bzimage_kernel_size(head, 0x9040, &size), R_BAD_SETUP_DATA);
}

static void test_reasons_have_text(void **state) {
    (void) state;
    for (unsigned int r = 0; r < R_MAX; r++)
        assert_string_not_equal(reason_text(r), "unknown reason");
    assert_string_equal(reason_text(R_MAX), "unknown reason");
    assert_string_equal(reason_text((enum reason) -1), "unknown reason");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dir_finds, setup),
        cmocka_unit_test_setup(test_dir_misses, setup),
        cmocka_unit_test_setup(test_dir_name_without_end, setup),
        cmocka_unit_test_setup(test_dir_count_too_large, setup),
        cmocka_unit_test(test_e820_good),
        cmocka_unit_test(test_e820_bad),
        cmocka_unit_test(test_header_good),
        cmocka_unit_test(test_header_bad),
        cmocka_unit_test(test_header_cut_anywhere),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_appended_data_is_cut),
        cmocka_unit_test(test_reasons_have_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
