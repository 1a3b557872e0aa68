/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bzimage.h"

#include <errno.h>
#include <string.h>

#include "cvm/boot.h"
#include "le.h"

#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define HEADER 0x202
#define VERSION 0x206
#define LOADFLAGS 0x211
#define LOADED_HIGH 0x01
#define HEADER_END 0x258 /* behind setup_data */

int cvm_bzimage_mask(void *buf, size_t size, struct cvm_error *e) {
    static const struct { uint16_t offset, size; } mask[] = CVM_SETUP_MASK_FIELDS;
    uint8_t *p = buf;
    size_t setup;

    if (size < HEADER_END)
        return cvm_error_set(e, -ENOEXEC, "this is no bzImage: %zu bytes are less than a setup header", size);
    if (le16_get(p + BOOT_FLAG) != 0xaa55 || memcmp(p + HEADER, "HdrS", 4) != 0)
        return cvm_error_set(e, -ENOEXEC, "this is no bzImage: no 'HdrS' at 0x202");
    if (le16_get(p + VERSION) < 0x206)
        return cvm_error_set(e, -EPROTONOSUPPORT, "the kernel's boot protocol %u.%02u is older than 2.06",
                             p[VERSION + 1], p[VERSION]);
    if (!(p[LOADFLAGS] & LOADED_HIGH))
        return cvm_error_set(e, -ENOEXEC, "this is no bzImage but a zImage");
    setup = (p[SETUP_SECTS] ? p[SETUP_SECTS] : 4) * 512u + 512u;
    if (size <= setup)
        return cvm_error_set(
            e, -EMSGSIZE, "the bzImage is cut short: %zu bytes, its setup part alone has %zu", size, setup);
    for (size_t i = 0; i < ELEMENTSOF(mask); i++)
        memset(p + mask[i].offset, 0, mask[i].size);
    return 0;
}
