/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root changes guest RAM behind the guest's back, through /proc/PID/mem.
 *   hostwrite PID flip OFFSET [BYTES]      complements BYTES (8) bytes; a second call undoes it
 *   hostwrite PID stride K [FROM [TO]]     complements 8 bytes in every K-th present page of [FROM, TO)
 *   hostwrite PID copy FROM TO             lays what page FROM reads as over page TO
 *   hostwrite PID save OFFSET FILE         keeps what the page reads as
 *   hostwrite PID restore OFFSET FILE      puts it back (replay)
 * Offsets are of guest RAM: guest-physical addresses, up to QEMU's PCI hole.
 * Exit status: 0 done, 2 trouble.
 */
#include "attack.h"

static int mem;
static struct mapping ram;
static unsigned long pages;

static uint64_t in_ram(const char *text, uint64_t size) {
    uint64_t offset = number(text, "OFFSET");
    if (offset > ram.end - ram.start || size > ram.end - ram.start - offset)
        trouble(0, "offset %s is not in the guest's RAM of %llu bytes", text,
                (unsigned long long)(ram.end - ram.start));
    return offset;
}

static void get(uint64_t offset, void *data, size_t size) {
    if (pread(mem, data, size, (off_t)(ram.start + offset)) != (ssize_t)size)
        trouble(errno, "reading guest RAM at %#llx", (unsigned long long)offset);
}

static void put(uint64_t offset, const void *data, size_t size) {
    if (pwrite(mem, data, size, (off_t)(ram.start + offset)) != (ssize_t)size)
        trouble(errno, "writing guest RAM at %#llx", (unsigned long long)offset);
    pages++;
}

static void flip(uint64_t offset, size_t size) {
    unsigned char data[PAGE];
    get(offset, data, size);
    for (size_t i = 0; i < size; i++)
        data[i] ^= 0xff;
    put(offset, data, size);
}

static void stride(pid_t pid, uint64_t k, uint64_t from, uint64_t to) {
    int pagemap = proc_open(pid, "pagemap", O_RDONLY);
    uint64_t entry, present = 0;
    for (uint64_t at = from / PAGE * PAGE; at + PAGE <= to; at += PAGE) {
        if (pread(pagemap, &entry, 8, (off_t)((ram.start + at) / PAGE * 8)) != 8)
            trouble(errno, "pagemap");
        if (entry & PRESENT && present++ % k == 0)
            flip(at + 512, 8);
    }
    close(pagemap);
}

static void page_file(const char *path, unsigned char *page, bool save) {
    int fd = open(path, save ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
    if (fd < 0 || (save ? write(fd, page, PAGE) : read(fd, page, PAGE)) != PAGE)
        trouble(errno, "%s", path);
    close(fd);
}

int main(int argc, char **argv) {
    unsigned char page[PAGE];
    if (argc < 4)
        trouble(0, "usage: hostwrite PID flip OFFSET [BYTES] | stride K [FROM [TO]] | copy FROM TO | "
                   "save OFFSET FILE | restore OFFSET FILE");
    pid_t pid = (pid_t)number(argv[1], "PID");
    const char *what = argv[2];
    ram = guest_ram(pid);
    mem = proc_open(pid, "mem", O_RDWR);
    if (!strcmp(what, "flip")) {
        size_t size = argc > 4 ? (size_t)number(argv[4], "BYTES") : 8;
        if (size > PAGE)
            trouble(0, "at most %u bytes", PAGE);
        flip(in_ram(argv[3], size), size);
    } else if (!strcmp(what, "stride")) {
        uint64_t k = number(argv[3], "K");
        stride(pid, k ? k : 1, argc > 4 ? in_ram(argv[4], 0) : 0,
               argc > 5 ? in_ram(argv[5], 0) : ram.end - ram.start);
    } else if (!strcmp(what, "copy") && argc == 5) {
        get(in_ram(argv[3], PAGE), page, PAGE);
        put(in_ram(argv[4], PAGE), page, PAGE);
    } else if (!strcmp(what, "save") && argc == 5) {
        get(in_ram(argv[3], PAGE), page, PAGE);
        page_file(argv[4], page, true);
    } else if (!strcmp(what, "restore") && argc == 5) {
        page_file(argv[4], page, false);
        put(in_ram(argv[3], PAGE), page, PAGE);
    } else {
        trouble(0, "hostwrite does not know '%s', or words are missing", what);
    }
    printf("{\"tool\":\"hostwrite\",\"what\":\"%s\",\"pages_written\":%lu}\n", what, pages);
    return 0;
}
