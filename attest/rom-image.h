/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The firmware component inside cvmboot.rom. Pure.
 */
#ifndef CVM_ATTEST_ROM_IMAGE_H
#define CVM_ATTEST_ROM_IMAGE_H

#include "util.h"

/* Bytes [offset, offset + image_size) of the ROM, then zeros up to size. */
struct cvm_rom_firmware {
    uint32_t offset;
    uint32_t image_size;
    uint32_t size; /* of the component, whole pages */
};

/**
 * cvm_rom_parse - find the firmware component by its descriptor
 * @buf, @size: cvmboot.rom
 *
 * Source: struct cvm_rom_descriptor, hypervisor/include/cvm/boot.h.
 *
 * Returns 0;
 *   -EMSGSIZE         not CVM_ROM_SIZE bytes
 *   -ENOEXEC          no descriptor
 *   -EPROTONOSUPPORT  descriptor of another ABI version
 *   -EINVAL           descriptor out of bounds
 */
int cvm_rom_parse(const void *buf, size_t size, struct cvm_rom_firmware *ret, struct cvm_error *e);

#endif
