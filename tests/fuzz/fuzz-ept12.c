// SOURCES: hypervisor/rootvisor/nested/ept12.c
// CFLAGS: -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An EPT as a hostile host writes it: at most four reads, and what comes out is within bounds. */
#include <stdlib.h>
#include <string.h>

#include "nested/ept12.h"
#include "rv/vmcs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 4u
static u64 memory[PAGES * 512];
static unsigned reads;

static void check(int c) {
    if (!c)
        abort();
}

static bool read_entry(u64 pa, u64 *e) {
    check(++reads <= 4 && pa % 8 == 0 && pa >> 46 == 0);
    if (pa / 8 >= ARRAY_SIZE(memory))
        return false;
    *e = memory[pa / 8];
    return true;
}

/* 8 bytes EPTP, 8 bytes address, then pairs: 2 bytes of place, 8 bytes of entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ept12_leaf leaf;
    u64 eptp, gpa;

    if (size < 16)
        return 0;
    memcpy(&eptp, data, 8);
    memcpy(&gpa, data + 8, 8);
    if (data[0] & 1)                    /* mostly pointers that lead somewhere */
        eptp = (eptp & 0x3000) | 0x1e;
    if (data[8] & 1)
        gpa &= (1ull << 48) - 1;
    memset(memory, 0, sizeof(memory));
    for (size_t at = 16; at + 10 <= size; at += 10) {
        u64 place = data[at] | (u64) data[at + 1] << 8, e;

        memcpy(&e, data + at + 2, 8);
        if (place & 0x8000)             /* an entry on the walk's way */
            place = (place & 0x3000) / 8 + (gpa >> (12 + 9 * (place & 3)) & 511);
        memory[place % ARRAY_SIZE(memory)] = e;
    }
    reads = 0;
    memset(&leaf, 0, sizeof(leaf));
    switch (ept12_walk(eptp, gpa, read_entry, &leaf)) {
    case EPT12_OK:
        check(ept12_pointer_valid(eptp) && gpa >> 48 == 0);
        check(leaf.level == 1 || leaf.level == 2);
        check((leaf.perms & ~EPT_RWX) == 0 && (leaf.perms & EPT_R || !(leaf.perms & (EPT_W | EPT_X))));
        check(leaf.pfn >> 34 == 0);
        check(leaf.level == 1 ? leaf.pfn == leaf.base_pfn
                              : leaf.base_pfn % 512 == 0 && leaf.pfn - leaf.base_pfn == (gpa >> 12 & 511));
        check((leaf.memtype & ~0x78ull) == 0);
        break;
    case EPT12_NOT_PRESENT:
    case EPT12_MISCONFIG:
    case EPT12_BAD_TABLE:
        check(leaf.perms == 0 || leaf.perms == EPT_RWX);
        break;
    case EPT12_BAD_POINTER:
        check(reads == 0);
        break;
    default:
        abort();
    }
    return 0;
}
