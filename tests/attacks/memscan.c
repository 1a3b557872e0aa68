/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root looks into a guest's memory from outside.
 *   memscan find HEX PID              the marker in all memory of process PID (/proc/PID/mem)
 *   memscan find-file HEX FILE        the marker in a file, such as a memory dump
 *   memscan patterns SEED FILE        register patterns of guest-agent's `regs` in a file
 *   memscan read PID MIB GPA LENGTH   guest-physical bytes in hex, and how random they look
 *   memscan write PID MIB GPA HEX     overwrites guest-physical bytes
 * HEX is disguised: each byte XOR 0x5a, so that this program's own arguments are no hit anywhere.
 * MIB is the size of the guest's RAM: QEMU's only mapping of that size.
 * Status: 0 found or done, 1 not found, 2 could not look.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "patterns.h"

#define DISGUISE 0x5a
#define CHUNK (1u << 20)
#define MARKER_MAX 64u
#define SHOWN 4u

static unsigned char marker[MARKER_MAX];
static size_t marker_length;
static uint64_t hits, scanned;

static int fail(const char *what) {
    fprintf(stderr, "memscan: %s: %s\n", what, strerror(errno));
    return 2;
}

static int parse_hex(const char *hex, unsigned char *out, size_t max, size_t *length, unsigned char mask) {
    size_t digits = strlen(hex);
    if (digits == 0 || digits % 2 || digits / 2 > max)
        return -EINVAL;
    for (size_t i = 0; i < digits / 2; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0}, *end;
        out[i] = (unsigned char)(strtoul(pair, &end, 16) ^ mask);
        if (*end)
            return -EINVAL;
    }
    *length = digits / 2;
    return 0;
}

static void look(const unsigned char *data, size_t n, uint64_t base) {
    const unsigned char *p = data;
    while ((p = memmem(p, n - (size_t)(p - data), marker, marker_length))) {
        if (hits++ < SHOWN)
            printf("hit at %#" PRIx64 "\n", base + (uint64_t)(p - data));
        p++;
    }
}

/* Scans [start, end) of fd in chunks that overlap by the marker's length. Pages that cannot be read are skipped. */
static void scan(int fd, uint64_t start, uint64_t end) {
    static unsigned char buffer[CHUNK + MARKER_MAX];
    size_t carried = 0;
    for (uint64_t at = start; at < end;) {
        size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = pread(fd, buffer + carried, want, (off_t)at);
        if (n <= 0) {
            carried = 0;
            at = (at / 4096 + 1) * 4096;
            continue;
        }
        scanned += (uint64_t)n;
        size_t have = carried + (size_t)n;
        look(buffer, have, at - carried);
        at += (uint64_t)n;
        carried = have < marker_length - 1 ? have : marker_length - 1;
        memmove(buffer, buffer + have - carried, carried);
    }
    explicit_bzero(buffer, sizeof buffer);
}

static int verdict(void) {
    printf("%" PRIu64 " hits in %" PRIu64 " bytes\n", hits, scanned);
    if (!scanned) {
        fprintf(stderr, "memscan: not a byte could be read\n");
        return 2;
    }
    return hits ? 0 : 1;
}

static FILE *maps_of(const char *pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    return fopen(path, "re");
}

static int mem_of(const char *pid, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/mem", pid);
    return open(path, flags | O_CLOEXEC);
}

static int find_in_process(const char *pid) {
    int fd = mem_of(pid, O_RDONLY);
    FILE *maps = maps_of(pid);
    if (fd < 0 || !maps)
        return fail("the process cannot be read");
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        uint64_t start, end;
        char mode[5];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, mode) == 3 && mode[0] == 'r' &&
            !strstr(line, "[v"))
            scan(fd, start, end);
    }
    fclose(maps);
    close(fd);
    return verdict();
}

static int find_in_file(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(path);
    scan(fd, 0, (uint64_t)st.st_size);
    close(fd);
    return verdict();
}

/* Which of the register values stand in the file, bit for bit. */
static int patterns_in_file(uint64_t seed, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(path);
    size_t size = (size_t)st.st_size, have = 0;
    unsigned char *data = malloc(size + 1);
    if (!data)
        return fail("malloc");
    while (have < size) {
        ssize_t n = read(fd, data + have, size - have);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    close(fd);
    if (!have) {
        fprintf(stderr, "memscan: %s is empty\n", path);
        return 2;
    }
    unsigned gpr = 0, vector = 0, gs = 0;
    for (unsigned i = 0; i < 15; i++) {
        uint64_t value = pattern64(seed, i);
        gpr += memmem(data, have, &value, sizeof value) != NULL;
    }
    for (unsigned i = 0; i < 64; i++) {
        uint64_t value = pattern64(seed, 100 + i);
        vector += memmem(data, have, &value, sizeof value) != NULL;
    }
    uint64_t value = pattern64(seed, PATTERN_GS) & PATTERN_GS_MASK;
    gs = memmem(data, have, &value, sizeof value) != NULL;
    free(data);
    printf("found %u of 15 general registers, %u of 64 vector quadwords, %u of 1 GS base in %zu bytes\n", gpr, vector,
           gs, have);
    return gpr || vector || gs ? 0 : 1;
}

/* Host-virtual address of guest-physical 0 in QEMU. */
static int ram_of(const char *pid, uint64_t mib, uint64_t *out) {
    FILE *maps = maps_of(pid);
    if (!maps)
        return fail("the process cannot be read");
    char line[512];
    unsigned found = 0;
    while (fgets(line, sizeof line, maps)) {
        uint64_t start, end;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 && end - start == mib << 20) {
            *out = start;
            found++;
        }
    }
    fclose(maps);
    if (found == 1)
        return 0;
    fprintf(stderr, "memscan: process %s has %u mappings of %" PRIu64 " MiB, not one\n", pid, found, mib);
    return 2;
}

static int read_guest(const char *pid, uint64_t mib, uint64_t gpa, uint64_t length) {
    unsigned char data[4096];
    unsigned seen[256] = {0}, different = 0;
    uint64_t ram;
    if (!length || length > sizeof data || gpa + length > mib << 20) {
        fprintf(stderr, "memscan: length 1..4096, within RAM\n");
        return 2;
    }
    int r = ram_of(pid, mib, &ram);
    if (r)
        return r;
    int fd = mem_of(pid, O_RDONLY);
    if (fd < 0 || pread(fd, data, length, (off_t)(ram + gpa)) != (ssize_t)length)
        return fail("guest memory cannot be read");
    close(fd);
    for (uint64_t i = 0; i < length; i++)
        different += !seen[data[i]]++;
    printf("%u different byte values in %" PRIu64 ": ", different, length);
    for (uint64_t i = 0; i < length && i < 32; i++)
        printf("%02x", data[i]);
    printf("\n");
    return 0;
}

static int write_guest(const char *pid, uint64_t mib, uint64_t gpa, const char *hex) {
    unsigned char data[256], back[256];
    size_t length;
    uint64_t ram;
    if (parse_hex(hex, data, sizeof data, &length, DISGUISE) < 0 || gpa + length > mib << 20) {
        fprintf(stderr, "memscan: 1..256 bytes in hex, within RAM\n");
        return 2;
    }
    int r = ram_of(pid, mib, &ram);
    if (r)
        return r;
    int fd = mem_of(pid, O_RDWR);
    if (fd < 0 || pwrite(fd, data, length, (off_t)(ram + gpa)) != (ssize_t)length ||
        pread(fd, back, length, (off_t)(ram + gpa)) != (ssize_t)length)
        return fail("guest memory cannot be written");
    close(fd);
    if (memcmp(data, back, length)) {
        fprintf(stderr, "memscan: the bytes did not stay as written\n");
        return 2;
    }
    printf("%zu bytes written at %#" PRIx64 "\n", length, gpa);
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc == 4 && (!strcmp(verb, "find") || !strcmp(verb, "find-file"))) {
        if (parse_hex(argv[2], marker, sizeof marker, &marker_length, DISGUISE) < 0 || marker_length < 8) {
            fprintf(stderr, "memscan: the marker is 8..%u bytes in hex\n", MARKER_MAX);
            return 2;
        }
        return !strcmp(verb, "find") ? find_in_process(argv[3]) : find_in_file(argv[3]);
    }
    if (argc == 4 && !strcmp(verb, "patterns"))
        return patterns_in_file(strtoull(argv[2], NULL, 0), argv[3]);
    if (argc == 6 && !strcmp(verb, "read"))
        return read_guest(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
    if (argc == 6 && !strcmp(verb, "write"))
        return write_guest(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0), argv[5]);
    fprintf(stderr, "usage: memscan find HEX PID | find-file HEX FILE | patterns SEED FILE |\n"
                    "               read PID MIB GPA LENGTH | write PID MIB GPA HEX\n");
    return 2;
}
