/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parsers of the measured files, and digests against values that sha384sum gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "attest/bzimage.h"
#include "attest/digest.h"
#include "attest/elf-image.h"
#include "attest/le.h"
#include "attest/rom-image.h"
#include "cvm/boot.h"
#include "cvm/guardian.h"

static void assert_hex(const uint8_t *digest, const char *hex) {
    char text[2 * CVM_DIGEST_SIZE + 1];

    assert_string_equal(cvm_hex_encode(digest, CVM_DIGEST_SIZE, text), hex);
}

static void test_sha384(void **state) {
    uint8_t d[CVM_DIGEST_SIZE];

    (void)state;
    /* FIPS 180-4 example "abc". */
    assert_int_equal(cvm_sha384("abc", 3, d), 0);
    assert_hex(d, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                  "8086072ba1e7cc2358baeca134c825a7");
}

/* printf 'CVMD-LAUNCH-V2\0\0\001\0\0\0\0\0\0\0\0\020\0\0\0\0\0\0' and 48 bytes 0xaa, then
 * '\002\0\0\0\0\0\0\0\005\0\0\0\0\0\0\0' and 48 bytes 0xbb, into sha384sum. */
static void test_launch_digest(void **state) {
    struct cvm_measured m[2] = {{.kind = CVM_COMP_FIRMWARE, .size = 4096},
                                {.kind = CVM_COMP_KERNEL, .size = 5}};
    uint8_t d[CVM_DIGEST_SIZE];

    (void)state;
    memset(m[0].digest, 0xaa, CVM_DIGEST_SIZE);
    memset(m[1].digest, 0xbb, CVM_DIGEST_SIZE);
    assert_int_equal(cvm_launch_digest(m, 2, d), 0);
    assert_hex(d, "c471dc957426d87040a971ca2dbd6f81f2d0569331c84f4d79aa2ea8a808a797"
                  "542ba364fcec2e71c38d21a1d8231b60");
    assert_int_equal(cvm_launch_digest(m, CVM_MAX_COMPONENTS + 1, d), -E2BIG);
}

/* A kernel file as far as its header goes: 4 setup sectors, protocol 2.15, loaded high. */
static size_t make_bzimage(uint8_t *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(i * 31 + 7);
    p[0x1f1] = 4;
    p[0x1fe] = 0x55;
    p[0x1ff] = 0xaa;
    memcpy(p + 0x202, "HdrS", 4);
    p[0x206] = 0x0f;
    p[0x207] = 0x02;
    p[0x211] |= 1;
    return size;
}

static void test_bzimage_mask(void **state) {
    static const struct {
        size_t offset, size;
    } mask[] = {{0x1fa, 2}, {0x210, 1}, {0x211, 1}, {0x218, 4},
                {0x21c, 4}, {0x224, 2}, {0x228, 4}, {0x250, 8}};
    uint8_t a[8192], b[8192], c[8192];
    struct cvm_measured ma, mb;
    size_t masked = 0;

    (void)state;
    make_bzimage(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    memcpy(c, a, sizeof(a));
    /* What a loader does to the header must not count. */
    for (size_t i = 0; i < ELEMENTSOF(mask); i++)
        for (size_t k = 0; k < mask[i].size; k++)
            b[mask[i].offset + k] ^= 0xfe; /* keeps LOADED_HIGH */
    assert_int_equal(cvm_measure_kernel(a, sizeof(a), &ma, NULL), 0);
    assert_int_equal(cvm_measure_kernel(b, sizeof(b), &mb, NULL), 0);
    assert_memory_equal(&ma, &mb, sizeof(ma));
    assert_int_equal(ma.kind, CVM_COMP_KERNEL);
    assert_int_equal(ma.size, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        if (a[i] != c[i])
            masked++;
    assert_int_equal(masked, 26);

    /* Every other byte counts: header, setup code, payload, last byte. */
    static const size_t counts[] = {0,     0x1f9, 0x1fc, 0x20f, 0x212, 0x217, 0x220,
                                    0x226, 0x22c, 0x24f, 0x258, 4096,  8191};
    for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
        memcpy(b, c, sizeof(b));
        b[counts[i]] ^= 1;
        assert_int_equal(cvm_measure_kernel(b, sizeof(b), &mb, NULL), 0);
        assert_memory_not_equal(ma.digest, mb.digest, CVM_DIGEST_SIZE);
    }
}

static void test_bzimage_bad(void **state) {
    uint8_t good[4096], p[4096];
    struct cvm_error e;

    (void)state;
    make_bzimage(good, sizeof(good));
#define BAD(expect, size, change)                                                                            \
    do {                                                                                                     \
        memcpy(p, good, sizeof(p));                                                                          \
        change;                                                                                              \
        assert_int_equal(cvm_bzimage_mask(p, size, &e), expect);                                             \
    } while (0)
    BAD(0, sizeof(p), (void)0);
    BAD(-ENOEXEC, 0, (void)0);
    BAD(-ENOEXEC, 0x257, (void)0);
    BAD(-EMSGSIZE, 0x258, (void)0);
    BAD(-EMSGSIZE, 2560, (void)0); /* setup alone, no kernel */
    BAD(0, 2561, (void)0);
    BAD(-EMSGSIZE, sizeof(p), p[0x1f1] = 7);
    BAD(-EMSGSIZE, sizeof(p), p[0x1f1] = 255);
    BAD(0, sizeof(p), p[0x1f1] = 0); /* means 4 */
    BAD(-ENOEXEC, sizeof(p), p[0x202] = 'h');
    BAD(-ENOEXEC, sizeof(p), p[0x1ff] = 0);
    BAD(-EPROTONOSUPPORT, sizeof(p), p[0x206] = 5);
    BAD(-ENOEXEC, sizeof(p), p[0x211] &= 0xfe);
#undef BAD
}

static void make_rom(uint8_t *rom, uint32_t offset, uint32_t image_size, uint32_t size) {
    uint8_t *d = rom + CVM_ROM_DESC_OFFSET;

    for (size_t i = 0; i < CVM_ROM_SIZE; i++)
        rom[i] = (uint8_t)(i >> 8 ^ i);
    le32_put(d, CVM_ROM_DESC_MAGIC);
    le32_put(d + 4, CVM_ABI_VERSION);
    le32_put(d + 8, offset);
    le32_put(d + 12, image_size);
    le32_put(d + 16, size);
}

static void test_rom(void **state) {
    static uint8_t rom[CVM_ROM_SIZE], padded[12288];
    struct cvm_measured a, b;
    uint8_t d[CVM_DIGEST_SIZE];
    struct cvm_error e;

    (void)state;
    make_rom(rom, 0x1234, 8193, 12288);
    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &a, &e), 0);
    assert_int_equal(a.kind, CVM_COMP_FIRMWARE);
    assert_int_equal(a.size, 12288);
    memcpy(padded, rom + 0x1234, 8193);
    assert_int_equal(cvm_sha384(padded, sizeof(padded), d), 0);
    assert_int_equal(cvm_sha384(d, sizeof(d), d), 0); /* a single chunk */
    assert_memory_equal(a.digest, d, sizeof(d));

    /* The last byte of the firmware counts, the one behind it does not. */
    rom[0x1234 + 8193] ^= 1;
    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &b, &e), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    rom[0x1234 + 8192] ^= 1;
    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &b, &e), 0);
    assert_memory_not_equal(a.digest, b.digest, sizeof(d));

    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom) - 1, &b, &e), -EMSGSIZE);
    assert_int_equal(cvm_measure_firmware(rom, 0, &b, &e), -EMSGSIZE);
    rom[CVM_ROM_DESC_OFFSET] ^= 1;
    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &b, &e), -ENOEXEC);
    make_rom(rom, 0, 1, 4096);
    rom[CVM_ROM_DESC_OFFSET + 4]++;
    assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &b, &e), -EPROTONOSUPPORT);

    static const uint32_t bad[][3] = {
        {0, 0, 0},
        {0, 0, 4096},
        {0, 4096, 8192},
        {0, 4097, 4096},
        {0x10000, 1, 4096},
        {0xffff, 2, 4096},
        {0xffffffff, 2, 4096},
        {1, 0xffffffff, 0},
        {0, 0x10001, 0x11000},
        {0, 100, 100},
    };
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        make_rom(rom, bad[i][0], bad[i][1], bad[i][2]);
        assert_int_equal(cvm_measure_firmware(rom, sizeof(rom), &b, &e), -EINVAL);
    }
}

/* An executable with three program headers: PT_LOAD, PT_NOTE, PT_LOAD. */
static size_t make_elf64(uint8_t *p) {
    Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 3};
    Elf64_Phdr ph[3] = {
        {.p_type = PT_LOAD, .p_offset = 0x300, .p_filesz = 0x100, .p_memsz = 0x100},
        {.p_type = PT_NOTE, .p_offset = 0x100, .p_filesz = 0x10, .p_memsz = 0x10},
        {.p_type = PT_LOAD, .p_offset = 0x200, .p_filesz = 0x80, .p_memsz = 0x1000},
    };

    for (size_t i = 0; i < 0x400; i++)
        p[i] = (uint8_t)(i * 5);
    memcpy(p, &h, sizeof(h));
    memcpy(p + sizeof(h), ph, sizeof(ph));
    return 0x400;
}

static void test_elf(void **state) {
    uint8_t p[0x400], joined[0x180], want[CVM_DIGEST_SIZE], got[CVM_DIGEST_SIZE];
    size_t size = make_elf64(p);
    struct cvm_error e;

    (void)state;
    memcpy(joined, p + 0x300, 0x100);
    memcpy(joined + 0x100, p + 0x200, 0x80);
    assert_int_equal(cvm_sha384(joined, sizeof(joined), want), 0);
    assert_int_equal(cvm_rootvisor_digest(p, size, got, &e), 0);
    assert_memory_equal(want, got, sizeof(want));
    /* Headers, notes and what no segment covers do not count. */
    p[0x180] ^= 1;
    p[0x280] ^= 1;
    assert_int_equal(cvm_rootvisor_digest(p, size, got, &e), 0);
    assert_memory_equal(want, got, sizeof(want));
    p[0x27f] ^= 1;
    assert_int_equal(cvm_rootvisor_digest(p, size, got, &e), 0);
    assert_memory_not_equal(want, got, sizeof(want));
}

static void test_elf32(void **state) {
    Elf32_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_phoff = sizeof(Elf32_Ehdr),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = 1};
    Elf32_Phdr ph = {.p_type = PT_LOAD, .p_offset = 0x80, .p_filesz = 3, .p_memsz = 3};
    uint8_t p[0x100] = {0}, want[CVM_DIGEST_SIZE], got[CVM_DIGEST_SIZE];
    struct cvm_error e;

    (void)state;
    memcpy(p, &h, sizeof(h));
    memcpy(p + sizeof(h), &ph, sizeof(ph));
    memcpy(p + 0x80, "abc", 3);
    assert_int_equal(cvm_sha384("abc", 3, want), 0);
    assert_int_equal(cvm_rootvisor_digest(p, sizeof(p), got, &e), 0);
    assert_memory_equal(want, got, sizeof(want));
}

static void test_elf_bad(void **state) {
    uint8_t p[0x400];
    struct cvm_elf_image elf;
    struct cvm_error e;
    size_t size = make_elf64(p);

    (void)state;
    /* Cut everywhere: never a read outside, and an error until the last segment is whole. */
    for (size_t n = 0; n < size; n++) {
        uint8_t *part = malloc(n ?: 1);

        memcpy(part, p, n);
        assert_true(cvm_elf_parse(part, n, &elf, &e) < 0);
        free(part);
    }
#define BAD(expect, field, type, value)                                                                      \
    do {                                                                                                     \
        type v_ = (type)(value);                                                                             \
        make_elf64(p);                                                                                       \
        memcpy(p + (field), &v_, sizeof(v_));                                                                \
        assert_int_equal(cvm_elf_parse(p, size, &elf, &e), expect);                                          \
    } while (0)
#define PH(i, f) (sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, f))
    BAD(-ENOEXEC, 0, uint8_t, 0);
    BAD(-ENOEXEC, EI_CLASS, uint8_t, 3);
    BAD(-ENOEXEC, EI_DATA, uint8_t, ELFDATA2MSB);
    BAD(-ENOEXEC, offsetof(Elf64_Ehdr, e_type), uint16_t, ET_REL);
    BAD(-ENOEXEC, offsetof(Elf64_Ehdr, e_machine), uint16_t, EM_AARCH64);
    BAD(-EINVAL, offsetof(Elf64_Ehdr, e_phentsize), uint16_t, 55);
    BAD(-E2BIG, offsetof(Elf64_Ehdr, e_phnum), uint16_t, 0xffff);
    BAD(-EINVAL, offsetof(Elf64_Ehdr, e_phnum), uint16_t, 0);
    BAD(-EMSGSIZE, offsetof(Elf64_Ehdr, e_phoff), uint64_t, 0x400 - 100);
    BAD(-EMSGSIZE, offsetof(Elf64_Ehdr, e_phoff), uint64_t, UINT64_MAX);
    BAD(-EMSGSIZE, PH(0, p_offset), uint64_t, 0x301);
    BAD(-EMSGSIZE, PH(0, p_offset), uint64_t, UINT64_MAX - 0x7f);
    BAD(-EINVAL, PH(0, p_filesz), uint64_t, 0x101); /* more than memsz */
    BAD(-EINVAL, PH(2, p_filesz), uint64_t, UINT64_MAX);
    BAD(-EMSGSIZE, PH(2, p_filesz), uint64_t, 0x201);
#undef BAD
    make_elf64(p);
    memset(p + PH(0, p_type), 0, 4);
    memset(p + PH(2, p_filesz), 0, 8);
    assert_int_equal(cvm_elf_parse(p, size, &elf, &e), -EINVAL);
}

static void test_guardian(void **state) {
    uint8_t p[256] = {0}, want[CVM_DIGEST_SIZE], got[CVM_DIGEST_SIZE];
    struct cvm_error e;
    uint32_t svn = 0;

    (void)state;
    le64_put(p, CVM_G_MAGIC);
    le32_put(p + offsetof(struct cvm_g_header, svn), 7);
    le64_put(p + offsetof(struct cvm_g_header, image_size), sizeof(p));
    assert_int_equal(cvm_guardian_digest(p, sizeof(p), got, &svn, &e), 0);
    assert_int_equal(svn, 7);
    assert_int_equal(cvm_sha384(p, sizeof(p), want), 0);
    assert_memory_equal(want, got, sizeof(want));
    assert_int_equal(cvm_guardian_digest(p, sizeof(p) - 1, got, &svn, &e), -EMSGSIZE);
    assert_int_equal(cvm_guardian_digest(p, 8, got, &svn, &e), -ENOEXEC);
    p[0] ^= 1;
    assert_int_equal(cvm_guardian_digest(p, sizeof(p), got, &svn, &e), -ENOEXEC);
}

/* head -c N /dev/zero | split -b 65536 --filter='sha384sum | cut -c -96 | xxd -r -p' | sha384sum */
static void test_chunks(void **state) {
    static const struct {
        size_t size;
        const char *digest;
    } known[] = {
        {1,
         "e97420bf0d8dcd2211cb5fb2205027aa7f740eadf0e58728"
         "88f71a17aa1644b9c36d9ed53eb294d133aeb3bf86a535d8"},
        {65535,
         "85245eda554cc36114f5bf33efcbd4c38589355227d56b45"
         "9780b5e1367450d1f4fd2fd8e9cd4974aac6b2af1f07e156"},
        {65536,
         "b635c5bcc4816fa44779a4e1854bb5c3a473d9cb853e9403"
         "6d5e5d53648b74f5b5213e3f8e8a29db41e61bfc422f6ef7"},
        {65537,
         "c11f195e7a14c312891d4ed7beb345b62bd8a052ce1bbb2e"
         "82de8f0f45070f0f5283c32bd29b4b32a45d33e1795ffc35"},
        {131072,
         "97a68200e2626f69ac725a21cd79722c9dd80ab5b1694fa4"
         "cf98e314e427d66682ea42c56415ec30a04bf0446c77222f"},
        {196608,
         "c0438fe5cf0193c00b89aefa2328b532a7fcdfc3994758d1"
         "8422386ed8a40807b69d07ccc64209a70e82f851a25b6fd2"},
    };
    static uint8_t zeros[3 * CVM_MEASURE_CHUNK];
    struct cvm_measured m;

    (void)state;
    for (size_t i = 0; i < ELEMENTSOF(known); i++) {
        assert_int_equal(cvm_measure_bytes(CVM_COMP_INITRD, zeros, known[i].size, &m, NULL), 0);
        assert_int_equal(m.size, known[i].size);
        assert_hex(m.digest, known[i].digest);
    }
}

static void test_empty_component(void **state) {
    struct cvm_measured m;
    struct cvm_error e = {""};

    (void)state;
    assert_int_equal(cvm_measure_bytes(CVM_COMP_INITRD, "", 0, &m, &e), -ENODATA);
    assert_non_null(strstr(e.text, "initrd is empty"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha384),       cmocka_unit_test(test_launch_digest),
        cmocka_unit_test(test_bzimage_mask), cmocka_unit_test(test_bzimage_bad),
        cmocka_unit_test(test_rom),          cmocka_unit_test(test_elf),
        cmocka_unit_test(test_elf32),        cmocka_unit_test(test_elf_bad),
        cmocka_unit_test(test_guardian),     cmocka_unit_test(test_empty_component),
        cmocka_unit_test(test_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
