/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ring 0 reads guest RAM by its frames, through the direct map, with no process in between
 * (module cvmattack), and looks for a marker there.
 *   framescan PID MARKER OFFSET|all
 *     OFFSET  of guest RAM: the guest-physical address, up to QEMU's PCI hole
 *     all     every frame that the guest's RAM has now, one by one
 * Exit status: 0 the marker was found, 1 not found, 2 trouble.
 */
#include "attack.h"

#define PHYSICAL "/sys/kernel/debug/cvmattack/physical"

struct target {
    struct mapping ram;
    int pagemap, physical;
    struct marker marker;
};

/* The page at this offset of guest RAM into page. False: there is none. */
static bool read_frame(const struct target *t, uint64_t offset, unsigned char *page, uint64_t *frame) {
    uint64_t entry;
    if (pread(t->pagemap, &entry, 8, (off_t)((t->ram.start + offset) / PAGE * 8)) != 8)
        trouble(errno, "pagemap");
    *frame = entry & PFN_MASK;
    if (!(entry & PRESENT) || !*frame)
        return false;
    if (pread(t->physical, page, PAGE, (off_t)(*frame * PAGE)) != PAGE)
        trouble(errno, PHYSICAL);
    return true;
}

static int one(const struct target *t, uint64_t offset) {
    static unsigned char page[PAGE];
    uint64_t frame;
    if (offset >= t->ram.end - t->ram.start)
        trouble(0, "offset %#llx is not in the guest's RAM", (unsigned long long)offset);
    if (!read_frame(t, offset, page, &frame))
        trouble(0, "no frame for %#llx", (unsigned long long)offset);
    bool found = marker_find(&t->marker, page, PAGE, 0) < PAGE;
    printf("{\"tool\":\"framescan\",\"found\":%s,\"offset\":\"%#llx\",\"frame\":\"%#llx\",\"bits_a_byte\":%."
           "3f}\n",
           found ? "true" : "false", (unsigned long long)offset, (unsigned long long)frame,
           page_entropy(page));
    return found ? FOUND : NOT_FOUND;
}

/* Two pages beside each other in guest RAM are searched together: a marker may cross from one to the next. */
static int all(const struct target *t) {
    static unsigned char pages[2 * PAGE];
    uint64_t frames = 0, hits = 0, first = 0, frame;
    size_t keep = t->marker.length - 1, carry = 0;
    for (uint64_t at = 0; at < t->ram.end - t->ram.start; at += PAGE) {
        if (!read_frame(t, at, pages + PAGE, &frame)) {
            carry = 0;
            continue;
        }
        frames++;
        unsigned char *begin = pages + PAGE - carry;
        for (size_t o = 0; (o = marker_find(&t->marker, begin, PAGE + carry, o)) < PAGE + carry; o++)
            if (!hits++)
                first = at - carry + o;
        carry = keep;
        memcpy(pages + PAGE - keep, pages + 2 * PAGE - keep, keep);
    }
    if (!frames)
        trouble(0, "no frame of the guest's RAM could be read");
    printf("{\"tool\":\"framescan\",\"found\":%s,\"hits\":%llu,\"first\":\"%#llx\",\"frames\":%llu}\n",
           hits ? "true" : "false", (unsigned long long)hits, (unsigned long long)first,
           (unsigned long long)frames);
    return hits ? FOUND : NOT_FOUND;
}

int main(int argc, char **argv) {
    if (argc != 4)
        trouble(0, "usage: framescan PID MARKER OFFSET|all");
    pid_t pid = (pid_t)number(argv[1], "PID");
    struct target t = {.marker = marker_parse(argv[2]), .ram = guest_ram(pid)};
    t.pagemap = proc_open(pid, "pagemap", O_RDONLY);
    t.physical = open(PHYSICAL, O_RDONLY | O_CLOEXEC);
    if (t.physical < 0)
        trouble(errno, PHYSICAL);
    if (!strcmp(argv[3], "all"))
        return all(&t);
    return one(&t, number(argv[3], "OFFSET") / PAGE * PAGE);
}
