// SOURCES: hypervisor/start/multiboot2.c hypervisor/start/memmap.c
// CFLAGS: -Ihypervisor -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boot information as a loader could hand it over. What is accepted must be a proper map. */
#include <stdlib.h>

#include "start/multiboot2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int c) {
    if (!c)
        abort();
}

/* What is free has neither image nor modules in it, and each of them is RAM by itself. */
static void check_free(const struct mb2_info *mb) {
    const struct mb2_module *m[] = { &mb->kernel, &mb->initrd, &mb->guardian };
    struct memmap map;
    const char *error;
    u64 at;

    if (mb2_free(mb, 0x4000000, 0x4100000, &map, &at, &error) < 0) {
        check(error != NULL);
        return;
    }
    u64 pool = mb2_pool_size(mb, &map);

    check(pool && !(pool & 0xfffff));
    check(mb->pool_mib || pool <= 48u << 20 || memmap_find_high(&map, pool, 4096, 1 << 20, 1ull << 32));
    for (u32 i = 0; i < map.n; i++)
        check(map.r[i].type != MEM_RAM || map.r[i].end <= 0x4000000 || map.r[i].start >= 0x4100000);
    for (unsigned k = 0; k < 3; k++) {
        if (!m[k]->end)
            continue;
        check(memmap_is_ram(&mb->map, m[k]->start, m[k]->end) && (m[k]->end <= 0x4000000 || m[k]->start >= 0x4100000));
        for (u32 i = 0; i < map.n; i++)
            check(map.r[i].type != MEM_RAM || map.r[i].end <= m[k]->start || map.r[i].start >= m[k]->end);
        for (unsigned j = 0; j < k; j++)
            check(!m[j]->end || m[j]->end <= m[k]->start || m[j]->start >= m[k]->end);
    }
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
    check_free(&out);
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
