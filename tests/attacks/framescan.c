/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ring 0 reads one page of guest RAM by its frame, through the direct map, with no process in between
 * (module cvmattack), and looks for a marker in it.
 *   framescan PID MARKER OFFSET
 *     OFFSET  of guest RAM: the guest-physical address, up to QEMU's PCI hole
 * Exit status: 0 the marker was found, 1 not found, 2 trouble.
 */
#include "attack.h"

#define PHYSICAL "/sys/kernel/debug/cvmattack/physical"

int main(int argc, char **argv) {
    static unsigned char page[PAGE];
    uint64_t entry;
    if (argc != 4)
        trouble(0, "usage: framescan PID MARKER OFFSET");
    pid_t pid = (pid_t)number(argv[1], "PID");
    struct marker marker = marker_parse(argv[2]);
    struct mapping ram = guest_ram(pid);
    uint64_t offset = number(argv[3], "OFFSET") / PAGE * PAGE;
    if (offset >= ram.end - ram.start)
        trouble(0, "offset %s is not in the guest's RAM", argv[3]);
    int pagemap = proc_open(pid, "pagemap", O_RDONLY);
    if (pread(pagemap, &entry, 8, (off_t)((ram.start + offset) / PAGE * 8)) != 8)
        trouble(errno, "pagemap");
    uint64_t frame = entry & PFN_MASK;
    if (!(entry & PRESENT) || !frame)
        trouble(0, "no frame for %#llx", (unsigned long long)offset);
    int physical = open(PHYSICAL, O_RDONLY | O_CLOEXEC);
    if (physical < 0 || pread(physical, page, PAGE, (off_t)(frame * PAGE)) != PAGE)
        trouble(errno, PHYSICAL);
    bool found = marker_find(&marker, page, PAGE, 0) < PAGE;
    printf("{\"tool\":\"framescan\",\"found\":%s,\"offset\":\"%#llx\",\"frame\":\"%#llx\",\"bits_a_byte\":%."
           "3f}\n",
           found ? "true" : "false", (unsigned long long)offset, (unsigned long long)frame,
           page_entropy(page));
    return found ? FOUND : NOT_FOUND;
}
