// SOURCES: hypervisor/rootvisor/boot/multiboot2.c hypervisor/rootvisor/boot/memmap.c
// CFLAGS: -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boot information as a loader could hand it over. What is accepted must be a proper map. */
#include <stdlib.h>

#include "boot/multiboot2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int c) {
    if (!c)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct mb2_info out;
    const char *error = NULL;
    int r = mb2_parse(data, size, &out, &error);

    check((r == 0) == (error == NULL));
    if (r < 0)
        return 0;
    check(out.map.n > 0 && out.map.n <= MEMMAP_MAX);
    for (u32 i = 0; i < out.map.n; i++) {
        check(out.map.r[i].start < out.map.r[i].end);
        check(out.map.r[i].type >= MEM_RAM && out.map.r[i].type <= MEM_BAD);
        check(i == 0 || out.map.r[i - 1].end <= out.map.r[i].start);
    }
    check(!out.kernel.end || out.kernel.start < out.kernel.end);
    /* e820 after RootVisor took its part is still a proper map */
    if (memmap_set(&out.map, 0x4000000, 0x4100000, MEM_RESERVED) == 0)
        for (u32 i = 0; i < out.map.n; i++) {
            check(out.map.r[i].start < out.map.r[i].end);
            check(i == 0 || out.map.r[i - 1].end <= out.map.r[i].start);
            check(out.map.r[i].type == MEM_RESERVED || out.map.r[i].end <= 0x4000000 ||
                  out.map.r[i].start >= 0x4100000);
        }
    return 0;
}
