/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built ROM images: size, decoy table, descriptor, reset vector. Arguments: the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cvm/boot.h"

static const char *path;
static uint8_t rom[CVM_ROM_SIZE + 1];

static int load(void **state) {
    FILE *f = fopen(path, "rb");
    size_t n;

    (void) state;
    if (!f)
        return -1;
    n = fread(rom, 1, sizeof(rom), f);
    fclose(f);
    return n == CVM_ROM_SIZE ? 0 : -1;
}

static void test_decoy(void **state) {
    static const struct {
        enum cvm_decoy slot;
        uint8_t size, bytes[3];
    } want[] = {
        { CVM_DECOY_LOAD8, 2, { 0x8a, 0x07 } },
        { CVM_DECOY_LOAD16, 3, { 0x66, 0x8b, 0x07 } },
        { CVM_DECOY_LOAD32, 2, { 0x8b, 0x07 } },
        { CVM_DECOY_STORE8, 2, { 0x88, 0x07 } },
        { CVM_DECOY_STORE16, 3, { 0x66, 0x89, 0x07 } },
        { CVM_DECOY_STORE32, 2, { 0x89, 0x07 } },
        { CVM_DECOY_NOP, 1, { 0x90 } },
        { CVM_DECOY_INS8, 2, { 0xf3, 0x6c } },
        { CVM_DECOY_INS16, 3, { 0x66, 0xf3, 0x6d } },
        { CVM_DECOY_INS32, 2, { 0xf3, 0x6d } },
        { CVM_DECOY_OUTS8, 2, { 0xf3, 0x6e } },
        { CVM_DECOY_OUTS16, 3, { 0x66, 0xf3, 0x6f } },
        { CVM_DECOY_OUTS32, 2, { 0xf3, 0x6f } },
    };

    (void) state;
    assert_int_equal(sizeof(want) / sizeof(want[0]), CVM_DECOY_MAX);
    for (size_t i = 0; i < CVM_DECOY_MAX; i++)
        assert_memory_equal(rom + CVM_DECOY_OFFSET + want[i].slot * CVM_DECOY_SLOT, want[i].bytes, want[i].size);
}

static void test_descriptor(void **state) {
    struct cvm_rom_descriptor d;

    (void) state;
    memcpy(&d, rom + CVM_ROM_DESC_OFFSET, sizeof(d));
    assert_int_equal(d.magic, CVM_ROM_DESC_MAGIC);
    assert_int_equal(d.version, CVM_ABI_VERSION);
    assert_true(d.image_size > 0 && d.image_size <= d.size);
    assert_true(d.size - d.image_size < 4096 && d.size % 4096 == 0 && d.size <= CVM_FW_MAX);
    assert_true(d.offset < CVM_ROM_DESC_OFFSET && d.image_size <= CVM_ROM_DESC_OFFSET - d.offset);
    for (size_t i = 0; i < sizeof(d.reserved) / sizeof(d.reserved[0]); i++)
        assert_int_equal(d.reserved[i], 0);
    /* stage 2 begins with CLI, CLD, MOV ESP, CVM_FW_STACK */
    assert_memory_equal(rom + d.offset, ((const uint8_t[]) { 0xfa, 0xfc, 0xbc, 0x00, 0x00, 0x04, 0x00 }), 7);
}

static void test_reset_vector(void **state) {
    (void) state;
    /* a near jump: a far one would leave the alias at 4 GiB */
    assert_int_equal(rom[0xfff0], 0xe9);
    assert_int_equal((uint16_t) (0xfff3 + (rom[0xfff1] | rom[0xfff2] << 8)), 0);
    assert_int_equal(rom[0], 0xfa);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoy),
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_reset_vector),
    };
    int r = argc < 2;

    for (int i = 1; i < argc; i++) {
        path = argv[i];
        r |= cmocka_run_group_tests(tests, load, NULL);
    }
    return r;
}
