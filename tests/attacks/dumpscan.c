/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks for a marker in a file, as `virsh dump --memory-only` writes one, and measures its pages.
 *   dumpscan FILE MARKER [--sample N]
 *     MARKER    hex, each byte XOR 0x5a
 *     --sample  measures the entropy of N pages, evenly spread (512)
 * Exit status: 0 the marker was found, 1 not found, 2 trouble.
 */
#include "attack.h"

#include <sys/stat.h>

#define CHUNK (64u * PAGE)

static unsigned char buffer[PAGE + CHUNK];

/* Elf64: guest memory begins at the first PT_LOAD; QEMU aligns it to nothing, so samples follow it. */
static uint64_t first_load(int fd) {
    unsigned char e[64], p[56];
    if (pread(fd, e, sizeof e, 0) != sizeof e || memcmp(e, "\177ELF\2\1", 6))
        return 0;
    uint64_t phoff;
    uint16_t phentsize, phnum;
    memcpy(&phoff, e + 32, 8);
    memcpy(&phentsize, e + 54, 2);
    memcpy(&phnum, e + 56, 2);
    for (unsigned i = 0; i < phnum; i++) {
        uint32_t type;
        uint64_t offset;
        if (phentsize < sizeof p ||
            pread(fd, p, sizeof p, (off_t)(phoff + (uint64_t)i * phentsize)) != sizeof p)
            return 0;
        memcpy(&type, p, 4);
        memcpy(&offset, p + 8, 8);
        if (type == 1)
            return offset;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3 && !(argc == 5 && !strcmp(argv[3], "--sample")))
        trouble(0, "usage: dumpscan FILE MARKER [--sample N]");
    struct marker marker = marker_parse(argv[2]);
    uint64_t samples = argc == 5 ? number(argv[4], argv[3]) : 512;
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        trouble(errno, "%s", argv[1]);
    uint64_t start = first_load(fd), size = (uint64_t)st.st_size;
    uint64_t pages = size > start ? (size - start) / PAGE : 0,
             step = samples && pages > samples ? pages / samples : 1;

    struct entropy entropy = {0};
    uint64_t hits = 0, first[4], bytes = 0, page = 0;
    size_t carry = 0, keep = marker.length - 1;
    unsigned char *data = buffer + PAGE;
    /* The headers first, then memory from its own first byte on, so that chunks are whole pages. */
    for (uint64_t at = 0; at < size;) {
        uint64_t want = at < start ? start - at : CHUNK;
        if (want > CHUNK)
            want = CHUNK;
        ssize_t n = pread(fd, data, want, (off_t)at);
        if (n < 0)
            trouble(errno, "%s at %#llx", argv[1], (unsigned long long)at);
        if (n == 0)
            break;
        size_t got = (size_t)n;
        for (size_t o = 0; at >= start && o + PAGE <= got; o += PAGE)
            if (page++ % step == 0)
                entropy_add(&entropy, data + o);
        unsigned char *begin = data - carry;
        for (size_t o = 0; (o = marker_find(&marker, begin, got + carry, o)) < got + carry; o++) {
            if (hits < 4)
                first[hits] = at - carry + o;
            hits++;
        }
        bytes += got;
        at += got;
        carry = got >= keep ? keep : 0;
        memcpy(data - carry, data + got - carry, carry);
    }
    printf("{\"tool\":\"dumpscan\",\"found\":%s,\"hits\":%llu,\"first\":[", hits ? "true" : "false",
           (unsigned long long)hits);
    for (unsigned i = 0; i < hits && i < 4; i++)
        printf("%s\"%#llx\"", i ? "," : "", (unsigned long long)first[i]);
    printf("],\"bytes\":%llu,\"memory_from\":%llu,", (unsigned long long)bytes, (unsigned long long)start);
    entropy_print(&entropy);
    printf("}\n");
    return hits ? FOUND : NOT_FOUND;
}
