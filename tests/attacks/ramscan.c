/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root looks for a marker in all memory of a QEMU process, and measures what its guest RAM reads as.
 *   ramscan PID MARKER [--sample N] [--at OFFSET]...
 *     MARKER    hex, each byte XOR 0x5a
 *     --sample  measures the entropy of N present RAM pages, evenly spread (512)
 *     --at      measures the page at this offset of guest RAM
 * Exit status: 0 the marker was found, 1 not found, 2 trouble.
 */
#include "attack.h"

#define CHUNK_PAGES 64u
#define MAX_AT 64

static unsigned char buffer[(CHUNK_PAGES + 1) * PAGE]; /* one page more: markers that cross chunks */

struct scan {
    int mem, pagemap;
    struct marker marker;
    struct mapping ram;
    uint64_t sample_step, sample_count;
    uint64_t bytes, hits, ram_hits, ram_pages, unreadable;
    uint64_t first[4];
    struct entropy entropy;
};

static void hit(struct scan *s, uint64_t address) {
    bool ram = address >= s->ram.start && address < s->ram.end;
    if (s->hits < 4)
        s->first[s->hits] = ram ? address - s->ram.start : address;
    s->hits++;
    s->ram_hits += ram;
}

/*
 * Reads and searches `pages` pages at `address`. In front of them in the buffer stand `carry` bytes of
 * the page before; returns how many bytes of the last one stand there for the next call.
 */
static size_t scan_chunk(struct scan *s, uint64_t address, unsigned pages, size_t carry) {
    unsigned char *data = buffer + PAGE;
    ssize_t n = pread(s->mem, data, (size_t)pages * PAGE, (off_t)address);
    if (n <= 0) {
        s->unreadable += pages;
        return 0;
    }
    size_t size = (size_t)n;
    s->bytes += size;
    if (address >= s->ram.start && address < s->ram.end)
        for (size_t at = 0; at + PAGE <= size; at += PAGE)
            if (s->ram_pages++ % s->sample_step == 0)
                entropy_add(&s->entropy, data + at);
    unsigned char *begin = data - carry;
    for (size_t at = 0; (at = marker_find(&s->marker, begin, size + carry, at)) < size + carry; at++)
        hit(s, address - carry + at);
    size_t keep = s->marker.length - 1;
    memcpy(data - keep, data + size - keep, keep);
    return keep;
}

/* Only pages that exist: reading the others would make the host fill them with zeros. */
static void scan_mapping(struct scan *s, const struct mapping *m) {
    uint64_t entries[CHUNK_PAGES];
    size_t carry = 0;
    for (uint64_t at = m->start; at < m->end;) {
        uint64_t left = (m->end - at) / PAGE;
        unsigned chunk = left < CHUNK_PAGES ? (unsigned)left : CHUNK_PAGES;
        if (pread(s->pagemap, entries, chunk * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(chunk * 8))
            trouble(errno, "pagemap at %#llx", (unsigned long long)at);
        unsigned i = 0;
        while (i < chunk) {
            unsigned run = 0;
            while (i + run < chunk && entries[i + run] >> 62) /* present or swapped */
                run++;
            if (run)
                carry = scan_chunk(s, at + (uint64_t)i * PAGE, run, carry);
            if (i + run < chunk) {
                carry = 0;
                run++;
            }
            i += run;
        }
        at += (uint64_t)chunk * PAGE;
    }
}

static uint64_t present_pages(struct scan *s) {
    uint64_t entries[512], present = 0;
    for (uint64_t at = s->ram.start; at < s->ram.end; at += 512 * PAGE) {
        uint64_t left = (s->ram.end - at) / PAGE, want = left < 512 ? left : 512;
        if (pread(s->pagemap, entries, want * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(want * 8))
            trouble(errno, "pagemap of guest RAM");
        for (unsigned i = 0; i < want; i++)
            present += entries[i] >> 62 != 0;
    }
    return present;
}

int main(int argc, char **argv) {
    uint64_t at[MAX_AT];
    unsigned ats = 0;
    struct scan s = {.sample_count = 512};
    if (argc < 3)
        trouble(0, "usage: ramscan PID MARKER [--sample N] [--at OFFSET]...");
    pid_t pid = (pid_t)number(argv[1], "PID");
    s.marker = marker_parse(argv[2]);
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 < argc && !strcmp(argv[i], "--sample"))
            s.sample_count = number(argv[i + 1], argv[i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--at") && ats < MAX_AT)
            at[ats++] = number(argv[i + 1], argv[i]);
        else
            trouble(0, "bad option '%s'", argv[i]);
    }
    s.ram = guest_ram(pid);
    s.mem = proc_open(pid, "mem", O_RDONLY);
    s.pagemap = proc_open(pid, "pagemap", O_RDONLY);
    uint64_t present = present_pages(&s);
    s.sample_step = s.sample_count && present > s.sample_count ? present / s.sample_count : 1;

    struct mapping m;
    FILE *maps = maps_open(pid);
    while (maps_next(maps, &m))
        /* Not [vvar] and its like: they are no memory of the process. */
        if (m.readable && (m.name[0] != '[' || !strcmp(m.name, "[heap]") || !strcmp(m.name, "[stack]")))
            scan_mapping(&s, &m);
    fclose(maps);
    if (!s.ram_pages)
        trouble(0, "no page of the guest's RAM could be read");

    printf("{\"tool\":\"ramscan\",\"pid\":%d,\"found\":%s,\"hits\":%llu,\"ram_hits\":%llu,\"first\":[",
           (int)pid, s.hits ? "true" : "false", (unsigned long long)s.hits, (unsigned long long)s.ram_hits);
    for (unsigned i = 0; i < s.hits && i < 4; i++)
        printf("%s\"%#llx\"", i ? "," : "", (unsigned long long)s.first[i]);
    printf("],\"bytes\":%llu,\"ram_pages\":%llu,\"unreadable_pages\":%llu,", (unsigned long long)s.bytes,
           (unsigned long long)s.ram_pages, (unsigned long long)s.unreadable);
    entropy_print(&s.entropy);
    if (ats) {
        printf(",\"at\":{");
        for (unsigned i = 0; i < ats; i++) {
            unsigned char *page = buffer;
            if (pread(s.mem, page, PAGE, (off_t)(s.ram.start + at[i] / PAGE * PAGE)) != PAGE)
                trouble(errno, "guest RAM at %#llx", (unsigned long long)at[i]);
            printf("%s\"%#llx\":%.3f", i ? "," : "", (unsigned long long)at[i], page_entropy(page));
        }
        printf("}");
    }
    printf("}\n");
    return s.hits ? FOUND : NOT_FOUND;
}
