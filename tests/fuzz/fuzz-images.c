// SOURCES: hypervisor/hostboot/bzimage.c hypervisor/hostboot/place.c hypervisor/start/memmap.c hypervisor/start/guardian_image.c
// CFLAGS: -Ihypervisor -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that hostboot and RootVisor are given as kernel and Guardian. */
#include <stdlib.h>

#include "start/guardian_image.h"
#include "hostboot/bzimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct memmap m = { .n = 2, .r = { { 0x100000, 0x4000000, MEM_RAM, 0 }, { 0x40ab000, 0xc0000000, MEM_RAM, 0 } } };
    static uint8_t page[4096];
    struct bzimage k;
    const char *error;

    if (bzimage_parse(data, size, &k, &error) == 0) {
        u64 at = bzimage_place(&k, &m);

        if (k.setup_size + (u64) k.payload_size != size || (at && (at & (k.align - 1))) ||
            (at && !memmap_is_ram(&m, at, at + k.init_size)))
            abort();
        boot_params_fill(page, data, &k, &(struct boot_params_args) { .map = &m });
    }
    guardian_image_check(data, size, &error);
    return 0;
}
