/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rom-image.h"

#include <errno.h>

#include "cvm/boot.h"
#include "le.h"

int cvm_rom_parse(const void *buf, size_t size, struct cvm_rom_firmware *ret, struct cvm_error *e) {
    const uint8_t *d = (const uint8_t *)buf + CVM_ROM_DESC_OFFSET;
    uint32_t version;

    if (size != CVM_ROM_SIZE)
        return cvm_error_set(e, -EMSGSIZE, "the firmware ROM has %zu bytes, must be %u", size, CVM_ROM_SIZE);
    if (le32_get(d) != CVM_ROM_DESC_MAGIC)
        return cvm_error_set(e, -ENOEXEC, "this is no cvmboot ROM: no descriptor at 0x%x",
                             CVM_ROM_DESC_OFFSET);
    version = le32_get(d + 4);
    if (version != CVM_ABI_VERSION)
        return cvm_error_set(e, -EPROTONOSUPPORT, "the ROM is for ABI version %u, this tool knows %u",
                             version, CVM_ABI_VERSION);
    ret->offset = le32_get(d + 8);
    ret->image_size = le32_get(d + 12);
    ret->size = le32_get(d + 16);
    if (ret->image_size == 0 || ret->offset > CVM_ROM_SIZE || ret->image_size > CVM_ROM_SIZE - ret->offset)
        return cvm_error_set(e, -EINVAL, "the ROM's descriptor places the firmware outside the ROM");
    if (ret->size != ((ret->image_size + 4095u) & ~4095u) || ret->size > CVM_FW_MAX)
        return cvm_error_set(e, -EINVAL,
                             "the ROM's descriptor names a firmware component of %u bytes for %u in the ROM",
                             ret->size, ret->image_size);
    return 0;
}
