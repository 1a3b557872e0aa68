/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boot information of the loader: good, odd and broken. */
#include "rv-test.h"

#include "start/multiboot2.h"

struct info {
    _Alignas(8) uint8_t b[16384];
    uint32_t n;
};

static void begin(struct info *i) {
    memset(i, 0, sizeof(*i));
    i->n = 8;
}

/* Appends a tag with this payload; returns where the payload starts. */
static uint8_t *tag(struct info *i, uint32_t type, const void *data, uint32_t size) {
    uint8_t *p = i->b + i->n;

    put_le(p, type, 4);
    put_le(p + 4, size + 8, 4);
    if (data)
        memcpy(p + 8, data, size);
    i->n += (8 + size + 7) / 8 * 8;
    return p + 8;
}

static void end(struct info *i) {
    tag(i, 0, NULL, 0);
    put_le(i->b, i->n, 4);
}

static void module(struct info *i, uint32_t start, uint32_t stop, const char *cmdline) {
    uint8_t *p = tag(i, 3, NULL, (uint32_t) (8 + strlen(cmdline) + 1));

    put_le(p, start, 4);
    put_le(p + 4, stop, 4);
    strcpy((char *) p + 8, cmdline);
}

struct range {
    uint64_t start, size;
    uint32_t type;
};

static void mmap_tag(struct info *i, const struct range *r, uint32_t n) {
    uint8_t *p = tag(i, 6, NULL, 8 + 24 * n);

    put_le(p, 24, 4);
    for (uint32_t k = 0; k < n; k++) {
        put_le(p + 8 + 24 * k, r[k].start, 8);
        put_le(p + 16 + 24 * k, r[k].size, 8);
        put_le(p + 24 + 24 * k, r[k].type, 4);
    }
}

static const struct range ram = { 0x100000, 0x10000000, MEM_RAM };
static struct mb2_info out;
static const char *error;

static int parse(const struct info *i) {
    /* A copy of the exact size: the sanitizer sees any read behind it. */
    uint8_t *copy = malloc(i->n);
    int r;

    assert_non_null(copy);
    memcpy(copy, i->b, i->n);
    r = mb2_parse(copy, i->n, &out, &error);
    free(copy);
    return r;
}

static void test_good(void **state) {
    static const struct range map[] = {
        { 0x100000, 0x3fef0000, MEM_RAM }, { 0, 0x9f000, MEM_RAM }, { 0x80000, 0, MEM_BAD },
        { 0x3fff0000, 0x10000, MEM_ACPI } };
    uint8_t rsdp[36] = "RSD PTR ";
    struct info i;

    (void) state;
    begin(&i);
    tag(&i, 1, "fallback=native pool=64", 24);
    tag(&i, 2, "GRUB 2.06", 10);
    module(&i, 0x1000000, 0x1800000, "vmlinuz console=ttyS0  quiet");
    module(&i, 0x2000000, 0x2800000, "initrd");
    module(&i, 0x3000000, 0x3004000, "guardian");
    mmap_tag(&i, map, ARRAY_SIZE(map));
    tag(&i, 14, rsdp, 20);
    tag(&i, 15, rsdp, 36);
    end(&i);
    assert_int_equal(parse(&i), 0);
    assert_null(error);
    assert_true(out.fallback_native);
    assert_int_equal(out.pool_mib, 64);
    assert_string_equal(out.kernel.cmdline, "console=ttyS0  quiet");
    assert_int_equal(out.kernel.start, 0x1000000);
    assert_int_equal(out.kernel.end, 0x1800000);
    assert_int_equal(out.initrd.start, 0x2000000);
    assert_string_equal(out.guardian.cmdline, "");
    assert_int_equal(out.guardian.end, 0x3004000);
    assert_int_equal(out.rsdp_size, 36);
    assert_int_equal(out.map.n, 3);
    assert_int_equal(out.map.r[0].start, 0);
    assert_int_equal(out.map.r[2].type, MEM_ACPI);
}

static void test_old_rsdp_does_not_replace_new(void **state) {
    uint8_t old[20] = "old", new[36] = "new";
    struct info i;

    (void) state;
    begin(&i);
    mmap_tag(&i, &ram, 1);
    tag(&i, 15, new, 36);
    tag(&i, 14, old, 20);
    end(&i);
    assert_int_equal(parse(&i), 0);
    assert_int_equal(out.rsdp_size, 36);
    assert_memory_equal(out.rsdp, "new", 3);
}

static void test_overlapping_map_is_normalised(void **state) {
    static const struct range map[] = {
        { 0, 0x8000000, MEM_RAM }, { 0x4000000, 0x1000000, MEM_RESERVED }, { 0x4800000, 0x8000000, MEM_RAM } };
    struct info i;

    (void) state;
    begin(&i);
    mmap_tag(&i, map, ARRAY_SIZE(map));
    end(&i);
    assert_int_equal(parse(&i), 0);
    assert_int_equal(out.map.n, 3);
    assert_int_equal(out.map.r[0].end, 0x4000000);
    assert_int_equal(out.map.r[1].type, MEM_RESERVED);
    assert_int_equal(out.map.r[1].end, 0x5000000);
    assert_int_equal(out.map.r[2].end, 0xc800000);
}

static void test_bad_maps(void **state) {
    static const struct range wrap = { 0xfffffffffffff000, 0x2000, MEM_RAM };
    static struct range many[MEMMAP_MAX + 1];
    struct info i;
    uint8_t *p;

    (void) state;
    begin(&i);
    mmap_tag(&i, &wrap, 1);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "wraps around");

    for (unsigned k = 0; k < ARRAY_SIZE(many); k++)
        many[k] = (struct range) { k * 0x10000ull, 0x1000, MEM_RAM };
    begin(&i);
    mmap_tag(&i, many, ARRAY_SIZE(many));
    end(&i);
    expect_error(parse(&i), -ENOSPC, &error, "more than 128");

    begin(&i);
    p = tag(&i, 6, NULL, 8 + 24);
    put_le(p, 16, 4);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "entry size");

    begin(&i);
    p = tag(&i, 6, NULL, 8 + 25);
    put_le(p, 24, 4);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "entry size");

    begin(&i);
    mmap_tag(&i, &ram, 1);
    mmap_tag(&i, &ram, 1);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "two memory maps");

    begin(&i);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "no memory map");
}

static int one_module(uint32_t start, uint32_t stop, const char *cmdline) {
    struct info i;

    begin(&i);
    mmap_tag(&i, &ram, 1);
    module(&i, start, stop, cmdline);
    end(&i);
    return parse(&i);
}

static void test_bad_modules(void **state) {
    char line[MB2_CMDLINE_MAX + 8] = "vmlinuz ";
    struct info i;

    (void) state;
    expect_error(one_module(0x1000, 0x2000, "microcode"), -EINVAL, &error, "none of vmlinuz");
    expect_error(one_module(0x1000, 0x2000, "vmlinuzx"), -EINVAL, &error, "none of vmlinuz");
    expect_error(one_module(0x1000, 0x2000, ""), -EINVAL, &error, "none of vmlinuz");
    expect_error(one_module(0x2000, 0x2000, "initrd"), -EINVAL, &error, "empty");
    expect_error(one_module(0x2000, 0x1000, "initrd"), -EINVAL, &error, "empty");
    memset(line + 8, 'x', MB2_CMDLINE_MAX - 8);
    expect_error(one_module(0x1000, 0x2000, line), -EINVAL, &error, "longer than 2047");
    line[MB2_CMDLINE_MAX - 1] = 0;
    assert_int_equal(one_module(0x1000, 0x2000, line), 0);
    assert_int_equal(strlen(out.kernel.cmdline), MB2_CMDLINE_MAX - 9);

    begin(&i);
    mmap_tag(&i, &ram, 1);
    module(&i, 0x1000, 0x2000, "guardian");
    module(&i, 0x3000, 0x4000, "guardian");
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "same role");

    begin(&i);
    mmap_tag(&i, &ram, 1);
    memcpy(tag(&i, 3, NULL, 16), "\0\x10\0\0\0\x20\0\0initrdXX", 16);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "no end");
}

static int cmdline(const char *s) {
    struct info i;

    begin(&i);
    mmap_tag(&i, &ram, 1);
    tag(&i, 1, s, (uint32_t) strlen(s) + 1);
    end(&i);
    return parse(&i);
}

static void test_command_line(void **state) {
    (void) state;
    assert_int_equal(cmdline(""), 0);
    assert_false(out.fallback_native);
    assert_int_equal(cmdline("  pool=100\tfallback=native  "), 0);
    assert_true(out.fallback_native);
    assert_int_equal(out.pool_mib, 100);
    assert_string_equal(out.cmdline, "  pool=100\tfallback=native  ");   /* as it is measured */
    assert_int_equal(cmdline("tpm=com2"), 0);
    expect_error(cmdline("tpm=com1"), -EINVAL, &error, "unknown word");
    char longest[CVM_TPM_CONFIG_MAX + 2];
    memset(longest, ' ', sizeof(longest));
    longest[CVM_TPM_CONFIG_MAX] = 0;
    assert_int_equal(cmdline(longest), 0);
    longest[CVM_TPM_CONFIG_MAX] = ' ';
    longest[CVM_TPM_CONFIG_MAX + 1] = 0;
    expect_error(cmdline(longest), -EINVAL, &error, "longer than 511 bytes");
    expect_error(cmdline("fallback=natives"), -EINVAL, &error, "unknown word");
    expect_error(cmdline("pool="), -EINVAL, &error, "pool=");
    expect_error(cmdline("pool=0"), -EINVAL, &error, "pool=");
    expect_error(cmdline("pool=12x"), -EINVAL, &error, "pool=");
    expect_error(cmdline("pool=99999999999999999999"), -EINVAL, &error, "pool=");
}

static void test_bad_structure(void **state) {
    struct info i;

    (void) state;
    begin(&i);
    mmap_tag(&i, &ram, 1);
    end(&i);
    put_le(i.b, i.n + 8, 4);
    expect_error(parse(&i), -EINVAL, &error, "bad size");
    put_le(i.b, 8, 4);
    expect_error(parse(&i), -EINVAL, &error, "bad size");

    /* no end tag */
    begin(&i);
    mmap_tag(&i, &ram, 1);
    put_le(i.b, i.n, 4);
    expect_error(parse(&i), -EINVAL, &error, "without an end tag");

    /* a tag that is longer than the rest, and one shorter than its head */
    begin(&i);
    mmap_tag(&i, &ram, 1);
    end(&i);
    put_le(i.b + 12, 0xfffffff8, 4);
    expect_error(parse(&i), -EINVAL, &error, "tag");
    put_le(i.b + 12, 7, 4);
    expect_error(parse(&i), -EINVAL, &error, "tag");

    begin(&i);
    tag(&i, 15, NULL, 20);
    end(&i);
    expect_error(parse(&i), -EINVAL, &error, "RSDP");
}

/* Kernel, initrd, Guardian, each [start, end); the image is [0x4000000, 0x4200000). */
static int free_of(const uint32_t m[3][2], struct memmap *map, uint64_t *at) {
    static const char *const roles[] = { "vmlinuz", "initrd", "guardian" };
    struct info i;

    begin(&i);
    mmap_tag(&i, &ram, 1);
    for (unsigned k = 0; k < 3; k++)
        if (m[k][1])
            module(&i, m[k][0], m[k][1], roles[k]);
    end(&i);
    assert_int_equal(parse(&i), 0);
    return mb2_free(&out, 0x4000000, 0x4200000, map, at, &error);
}

static void test_free_memory(void **state) {
    struct memmap map;
    uint64_t at;

    (void) state;
    /* one behind the other without a gap, the last page of one used in part */
    assert_int_equal(free_of((const uint32_t [3][2]) { { 0x4200000, 0x4200801 }, { 0x4201000, 0x4300000 }, { 0x4300000, 0x4304000 } }, &map, &at), 0);
    assert_null(error);
    assert_true(memmap_is_ram(&map, 0x100000, 0x4000000));
    assert_true(memmap_is_ram(&map, 0x4304000, 0x10100000));
    assert_int_equal(memmap_ram_bytes(&map), 0x10000000 - 0x304000);
    assert_int_equal(free_of((const uint32_t [3][2]) { { 0 } }, &map, &at), 0);
    assert_int_equal(memmap_ram_bytes(&map), 0x10000000 - 0x200000);
}

static void test_modules_overlap(void **state) {
    static const struct {
        uint32_t m[3][2];
        uint64_t at;
    } bad[] = {
        { { { 0x1000000, 0x1800000 }, { 0x1000000, 0x1800000 }, { 0 } }, 0x1000000 },            /* the same bytes */
        { { { 0x1000000, 0x1800000 }, { 0x17ff000, 0x1900000 }, { 0 } }, 0x17ff000 },            /* the end of one */
        { { { 0x1000000, 0x1800000 }, { 0x0fff000, 0x1000001 }, { 0 } }, 0x0fff000 },            /* its first byte */
        { { { 0x1000000, 0x1800000 }, { 0x1200000, 0x1201000 }, { 0 } }, 0x1200000 },            /* within */
        { { { 0x1200000, 0x1201000 }, { 0x1000000, 0x1800000 }, { 0 } }, 0x1000000 },            /* around */
        { { { 0x1000000, 0x1000801 }, { 0x1000900, 0x1002000 }, { 0 } }, 0x1000900 },            /* one page */
        { { { 0 }, { 0x1000000, 0x1800000 }, { 0x1400000, 0x1404000 } }, 0x1400000 },
        { { { 0x1000000, 0x1800000 }, { 0 }, { 0x1400000, 0x1404000 } }, 0x1400000 },
        { { { 0x3fff000, 0x4000001 }, { 0 }, { 0 } }, 0x3fff000 },                               /* the image's first byte */
        { { { 0 }, { 0x41ff000, 0x4300000 }, { 0 } }, 0x41ff000 },                               /* its last page */
        { { { 0 }, { 0 }, { 0x4100000, 0x4104000 } }, 0x4100000 },
        { { { 0 }, { 0 }, { 0x00ff000, 0x0101000 } }, 0x00ff000 },                               /* no RAM */
        { { { 0 }, { 0 }, { 0x100ff000, 0x10101000 } }, 0x100ff000 },
    };
    struct memmap map;
    uint64_t at;

    (void) state;
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        expect_error(free_of(bad[k].m, &map, &at), -EINVAL, &error, "not in free RAM");
        assert_int_equal(at, bad[k].at);
    }
    expect_error(mb2_free(&out, 0, 0x200000, &map, &at, &error), -EINVAL, &error, "no RAM where RootVisor is");
    /* each of the holes makes two ranges more */
    for (unsigned k = 0; k < MEMMAP_MAX; k++)
        out.map.r[k] = (struct memmap_range) { k * 0x10000000ull, k * 0x10000000ull + 0x8000000, MEM_RAM, 0 };
    out.map.n = MEMMAP_MAX;
    expect_error(mb2_free(&out, 0x4000000, 0x4200000, &map, &at, &error), -ENOSPC, &error, "too fragmented");
}

/* RAM below 4 GiB up to low_top, and so many GiB above; the pool that there is place for. */
static uint64_t pool(uint64_t low_top, uint64_t gib_above, uint64_t pool_mib) {
    struct memmap map = { .n = 1, .r = { { 0x100000, low_top, MEM_RAM, 0 } } };
    uint64_t size;

    if (gib_above)
        map.r[map.n++] = (struct memmap_range) { 4ull << 30, (4 + gib_above) << 30, MEM_RAM, 0 };
    out = (struct mb2_info) { .map = map, .pool_mib = pool_mib };
    size = mb2_pool_size(&out, &map);
    assert_true(memmap_find_high(&map, size, 4096, 0x100000, 4ull << 30));
    return size >> 20;
}

static void test_pool_size(void **state) {
    (void) state;
    assert_int_equal(pool(0x10000000, 0, 0), 48);
    assert_int_equal(pool(0x80000000, 0, 0), 64);
    assert_int_equal(pool(0x80000000, 14, 0), 512);
    assert_int_equal(pool(0x80000000, 14, 700), 700);
    /* A server: a 32nd would find no place. RootVisor's tables take a 256th, and a part of the rest is the host's. */
    for (uint64_t gib = 32; gib <= 192; gib += 32)
        assert_in_range(pool(0x7f000000, gib, 0), (gib + 2) * 4, 1016);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_old_rsdp_does_not_replace_new),
        cmocka_unit_test(test_overlapping_map_is_normalised),
        cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_bad_modules),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_bad_structure),
        cmocka_unit_test(test_free_memory),
        cmocka_unit_test(test_modules_overlap),
        cmocka_unit_test(test_pool_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
