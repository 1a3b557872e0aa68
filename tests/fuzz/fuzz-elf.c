// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/elf-image.c attest/bzimage.c attest/rom-image.c attest/report.c attest/util.c
// The files that get measured: each parser must give ranges inside the file, or an error with a text.
#include <stdlib.h>
#include <string.h>

#include "attest/bzimage.h"
#include "attest/elf-image.h"
#include "attest/rom-image.h"
#include "cvm/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void elf(const uint8_t *data, size_t size) {
    struct cvm_elf_image elf;
    struct cvm_error e = { "" };

    if (cvm_elf_parse(data, size, &elf, &e) < 0) {
        if (!e.text[0])
            abort();
        return;
    }
    if (elf.nr == 0 || elf.nr > CVM_ELF_MAX_SEGMENTS)
        abort();
    for (unsigned i = 0; i < elf.nr; i++) {
        const struct cvm_elf_segment *s = &elf.segment[i];
        volatile uint8_t sum;

        if (s->size == 0 || s->offset > size || s->size > size - s->offset)
            abort();
        sum = data[s->offset];
        sum = data[s->offset + s->size - 1];
        (void)sum;
    }
}

static void bzimage(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ?: 1);
    struct cvm_error e = { "" };

    if (!copy)
        return;
    memcpy(copy, data, size);
    if (cvm_bzimage_mask(copy, size, &e) < 0 && (!e.text[0] || memcmp(copy, data, size) != 0))
        abort(); /* an error, but no text, or the file was changed all the same */
    free(copy);
}

static void rom(const uint8_t *data, size_t size) {
    static uint8_t image[CVM_ROM_SIZE];
    struct cvm_rom_firmware fw;
    struct cvm_error e = { "" };
    size_t n = size < 64 ? size : 64;

    memset(image + CVM_ROM_DESC_OFFSET, 0, 64);
    memcpy(image + CVM_ROM_DESC_OFFSET, data, n);
    if (cvm_rom_parse(image, sizeof(image), &fw, &e) < 0) {
        if (!e.text[0])
            abort();
    } else if (fw.offset + (uint64_t)fw.image_size > CVM_ROM_SIZE || fw.size % 4096 || fw.size < fw.image_size)
        abort();
    cvm_rom_parse(data, size, &fw, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    elf(data, size);
    bzimage(data, size);
    rom(data, size);
    return 0;
}
