/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that hostboot and RootVisor load: Linux and the Guardian. Each broken field is named. */
#include "rv-test.h"

#include "start/guardian_image.h"
#include "cvm/guardian.h"
#include "hostboot/bzimage.h"

#define FILE_SIZE 0x8000u

static const char *error;

static void make_kernel(uint8_t *f) {
    memset(f, 0xcc, FILE_SIZE);
    f[0x1f1] = 7;
    put_le(f + 0x1fe, 0xaa55, 2);
    f[0x200] = 0xeb;
    f[0x201] = 0x66;                 /* header ends at 0x268 */
    memcpy(f + 0x202, "HdrS", 4);
    put_le(f + 0x206, 0x020f, 2);
    f[0x211] = 1;
    put_le(f + 0x230, 0x200000, 4);
    f[0x234] = 1;
    put_le(f + 0x236, 0x7f, 2);
    put_le(f + 0x238, 2047, 4);
    put_le(f + 0x258, 0x1000000, 8);
    put_le(f + 0x260, 0x3000000, 4);
}

static int kernel(uint8_t *f, uint64_t size, struct bzimage *k) {
    uint8_t *copy = malloc(size);
    int r;

    assert_non_null(copy);
    memcpy(copy, f, size);
    r = bzimage_parse(copy, size, k, &error);
    free(copy);
    return r;
}

static void test_kernel_good(void **state) {
    uint8_t f[FILE_SIZE];
    struct bzimage k;

    (void) state;
    make_kernel(f);
    assert_int_equal(kernel(f, FILE_SIZE, &k), 0);
    assert_int_equal(k.setup_size, 8 * 512);
    assert_int_equal(k.payload_size, FILE_SIZE - 8 * 512);
    assert_int_equal(k.init_size, 0x3000000);
    assert_int_equal(k.align, 0x200000);
    assert_int_equal(k.pref_address, 0x1000000);
    assert_true(k.relocatable);
    assert_int_equal(k.cmdline_max, 2047);
    f[0x1f1] = 0;                    /* means 4 */
    assert_int_equal(kernel(f, FILE_SIZE, &k), 0);
    assert_int_equal(k.setup_size, 5 * 512);
}

static void test_kernel_bad(void **state) {
    static const struct {
        unsigned at, bytes;
        uint64_t value;
        const char *error;
    } cases[] = {
        { 0x1fe, 2, 0, "no bzImage" },
        { 0x202, 4, 0, "no bzImage" },
        { 0x206, 2, 0x020b, "older than 2.12" },
        { 0x211, 1, 0, "no 64-bit entry" },
        { 0x236, 2, 0x7e, "no 64-bit entry" },
        { 0x201, 1, 0x61, "setup header" },
        { 0x1f1, 1, 63, "within its setup code" },
        { 0x260, 4, 0x100, "init_size" },
        { 0x260, 4, 0x90000000, "init_size" },
        { 0x230, 4, 0, "alignment" },
        { 0x230, 4, 0x300000, "alignment" },
        { 0x230, 4, 0x800, "alignment" },
        { 0x258, 8, 0x1001000, "preferred address" },
        { 0x258, 8, 0, "preferred address" },
        { 0x258, 8, 0x100000000, "preferred address" },
    };
    uint8_t f[FILE_SIZE];
    struct bzimage k;

    (void) state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        make_kernel(f);
        put_le(f + cases[i].at, cases[i].value, cases[i].bytes);
        expect_error(kernel(f, FILE_SIZE, &k), -EINVAL, &error, cases[i].error);
    }
    make_kernel(f);
    expect_error(kernel(f, 0x263, &k), -EINVAL, &error, "too short");
    expect_error(kernel(f, 8 * 512, &k), -EINVAL, &error, "within its setup code");
    for (unsigned size = 1; size <= 8 * 512; size++)
        assert_int_equal(kernel(f, size, &k), -EINVAL);
}

static void test_kernel_place(void **state) {
    struct bzimage k = { .init_size = 0x3000000, .align = 0x200000, .pref_address = 0x1000000, .relocatable = true };
    struct memmap m = { .n = 2, .r = { { 0x100000, 0x4000000, MEM_RAM, 0 }, { 0x40ab000, 0x10000000, MEM_RAM, 0 } } };

    (void) state;
    assert_int_equal(bzimage_place(&k, &m), 0x1000000);
    k.init_size++;
    assert_int_equal(bzimage_place(&k, &m), 0x4200000);
    k.relocatable = false;
    assert_int_equal(bzimage_place(&k, &m), 0);
    k.relocatable = true;
    k.init_size = 0x10000000;
    assert_int_equal(bzimage_place(&k, &m), 0);
    /* never across 4 GiB */
    m = (struct memmap) { .n = 1, .r = { { 0xfe000000, 0x140000000, MEM_RAM, 0 } } };
    k.init_size = 0x3000000;
    k.pref_address = 0xfe000000;
    assert_int_equal(bzimage_place(&k, &m), 0);
}

static uint64_t get(const uint8_t *p, unsigned n) {
    uint64_t v = 0;

    while (n--)
        v = v << 8 | p[n];
    return v;
}

static void test_boot_params(void **state) {
    const struct memmap m = { .n = 2, .r = { { 0, 0x9f000, MEM_RAM, 0 }, { 0x9f000, 0x100000, MEM_RESERVED, 0 } } };
    const struct boot_params_args a = {
        .initrd = 0x123456000, .initrd_size = 0x2345, .cmdline = 0x101000, .rsdp = 0x3cfe8000, .map = &m };
    uint8_t f[FILE_SIZE], page[4096];
    struct bzimage k;

    (void) state;
    make_kernel(f);
    assert_int_equal(kernel(f, FILE_SIZE, &k), 0);
    memset(page, 0xff, sizeof(page));
    boot_params_fill(page, f, &k, &a);
    assert_memory_equal(page + 0x202, "HdrS", 4);
    assert_int_equal(get(page + 0x218, 4), 0x23456000);
    assert_int_equal(get(page + 0x0c0, 4), 1);
    assert_int_equal(get(page + 0x21c, 4), 0x2345);
    assert_int_equal(get(page + 0x228, 4), 0x101000);
    assert_int_equal(get(page + 0x070, 8), 0x3cfe8000);
    assert_int_equal(page[0x210], 0xff);
    assert_int_equal(page[0x1ef], 0);                   /* sentinel */
    assert_int_equal(page[0x1e8], 2);
    assert_int_equal(get(page + 0x2d0 + 20, 8), 0x9f000);
    assert_int_equal(get(page + 0x2d0 + 28, 8), 0x61000);
    assert_int_equal(get(page + 0x2d0 + 36, 4), MEM_RESERVED);
    assert_int_equal(page[0x2d0 + 40], 0);
    assert_int_equal(page[0x268], 0);                   /* behind the header */
    assert_int_equal(page[0x07], 80);
    assert_int_equal(page[0x0f], 1);
}

static struct cvm_g_header good_header(void) {
    return (struct cvm_g_header) {
        .magic = CVM_G_MAGIC, .abi_version = CVM_ABI_VERSION, .svn = 1, .image_size = 0x3000, .memory_size = 0x5000,
        .text_size = 0x1000, .rodata_size = 0x1000, .entry = CVM_G_IMAGE + 0x80, .stack_top = CVM_G_IMAGE + 0x5000,
        .page_table = CVM_G_IMAGE + 0x1000 };
}

static int guardian(const struct cvm_g_header *h) {
    uint8_t f[0x3000] = { 0 };

    memcpy(f, h, sizeof(*h));
    return guardian_image_check(f, sizeof(f), &error);
}

static void test_guardian(void **state) {
    static const struct {
        size_t at;
        unsigned bytes;
        uint64_t value;
        const char *error;
    } cases[] = {
#define F(field, value, error) { offsetof(struct cvm_g_header, field), sizeof(((struct cvm_g_header *) 0)->field), value, error }
        F(magic, 0, "magic"),
        F(abi_version, 2, "ABI version"),
        F(image_size, 0x3001, "size is not that of the file"),
        F(memory_size, 0, "memory size"),
        F(memory_size, 0x5001, "memory size"),
        F(memory_size, 0x2000, "memory size"),
        F(memory_size, CVM_G_IMAGE_MAX + 0x1000, "memory size"),
        F(text_size, 0, "text or rodata"),
        F(text_size, 0x800, "text or rodata"),
        F(text_size, 0x6000, "text or rodata"),
        F(rodata_size, 0x5000, "text or rodata"),
        F(rodata_size, 0xfffffffffffff000, "text or rodata"),
        F(entry, CVM_G_IMAGE + 0x1000, "entry"),
        F(entry, CVM_G_IMAGE - 1, "entry"),
        F(stack_top, CVM_G_IMAGE + 0x2000, "stack"),
        F(stack_top, CVM_G_IMAGE + 0x5010, "stack"),
        F(stack_top, CVM_G_IMAGE + 0x4ff8, "stack"),
        F(page_table, CVM_G_IMAGE + 0x5000, "page table"),
        F(page_table, CVM_G_IMAGE + 0x1008, "page table"),
        F(page_table, 0, "page table"),
#undef F
    };
    struct cvm_g_header h = good_header();

    (void) state;
    assert_int_equal(guardian(&h), 0);
    assert_null(error);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        h = good_header();
        put_le((uint8_t *) &h + cases[i].at, cases[i].value, cases[i].bytes);
        expect_error(guardian(&h), -EINVAL, &error, cases[i].error);
    }
    h = good_header();
    expect_error(guardian_image_check((const uint8_t *) &h, sizeof(h) - 1, &error), -EINVAL, &error, "too short");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_good),
        cmocka_unit_test(test_kernel_bad),
        cmocka_unit_test(test_kernel_place),
        cmocka_unit_test(test_boot_params),
        cmocka_unit_test(test_guardian),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
