/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the attack tools share: disguised markers, entropy of a page, one JSON line, /proc/PID/maps.
 * Every tool is one static program of one C file, so these are functions of a header.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE 4096u
#define DISGUISE 0x5au
#define PRESENT (1ull << 63)
#define PFN_MASK ((1ull << 55) - 1)

/* Exit status of every tool. */
enum { FOUND = 0, NOT_FOUND = 1, TROUBLE = 2 };

__attribute__((format(printf, 2, 3), noreturn)) static inline void trouble(int error, const char *format,
                                                                           ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("{\"error\":\"%s%s%s\"}\n", text, error ? ": " : "", error ? strerror(error) : "");
    exit(TROUBLE);
}

/* A number of the command line; `name` is for the message. */
static inline uint64_t number(const char *text, const char *name) {
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (errno || end == text || *end)
        trouble(0, "%s: '%s' is no number", name, text);
    return value;
}

/* --- markers ------------------------------------------------------------------------------ */

/* What is looked for, kept as it was given (XOR 0x5a), so that the search never makes a copy of it. */
struct marker {
    unsigned char disguised[64];
    unsigned length;
};

static inline struct marker marker_parse(const char *hex) {
    struct marker m = {.length = (unsigned)strlen(hex) / 2};
    if (strlen(hex) % 2 || m.length < 8 || m.length > sizeof m.disguised)
        trouble(0, "a marker is 8..64 bytes in hex, each XOR 0x5a");
    for (unsigned i = 0; i < m.length; i++) {
        unsigned byte;
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        if (sscanf(pair, "%2x", &byte) != 1)
            trouble(0, "the marker is not hex");
        m.disguised[i] = (unsigned char)byte;
    }
    return m;
}

/* First place of the marker in `data` at or after `from`; `size` if there is none. */
static inline size_t marker_find(const struct marker *m, const unsigned char *data, size_t size,
                                 size_t from) {
    const unsigned char first = (unsigned char)(m->disguised[0] ^ DISGUISE);
    while (from + m->length <= size) {
        const unsigned char *p = memchr(data + from, first, size - from - m->length + 1);
        if (!p)
            return size;
        unsigned i = 1;
        while (i < m->length && (p[i] ^ DISGUISE) == m->disguised[i])
            i++;
        if (i == m->length)
            return (size_t)(p - data);
        from = (size_t)(p - data) + 1;
    }
    return size;
}

/* --- entropy ------------------------------------------------------------------------------- */

/* log2 by repeated squaring: 24 binary places, without libm (the lab links single files). */
static inline double log2_of(unsigned value) {
    double x = value, result = 0, bit = 1;
    while (x >= 2) {
        x /= 2;
        result += 1;
    }
    for (int i = 0; i < 24; i++) {
        bit /= 2;
        x *= x;
        if (x >= 2) {
            x /= 2;
            result += bit;
        }
    }
    return result;
}

/* Shannon entropy of the byte values of one page, in bits a byte. 4096 random bytes give about 7.955. */
static inline double page_entropy(const unsigned char *page) {
    static double weight[PAGE + 1]; /* c * log2(c) */
    if (weight[2] == 0)
        for (unsigned c = 2; c <= PAGE; c++)
            weight[c] = c * log2_of(c);
    unsigned count[256] = {0};
    for (unsigned i = 0; i < PAGE; i++)
        count[page[i]]++;
    double sum = 0;
    for (unsigned v = 0; v < 256; v++)
        sum += weight[count[v]];
    return 12 - sum / PAGE;
}

#define HIGH_ENTROPY 7.90

/* Pages that were measured, by kind. Ciphertext is high; text, code and tables are low. */
struct entropy {
    unsigned long zero, low, high;
    double least_high, sum_high;
};

static inline bool page_is_zero(const unsigned char *page) {
    const uint64_t *w = (const uint64_t *)(const void *)page;
    for (unsigned i = 0; i < PAGE / 8; i++)
        if (w[i])
            return false;
    return true;
}

static inline void entropy_add(struct entropy *e, const unsigned char *page) {
    if (page_is_zero(page)) {
        e->zero++;
        return;
    }
    double bits = page_entropy(page);
    if (bits < HIGH_ENTROPY) {
        e->low++;
        return;
    }
    if (!e->high++ || bits < e->least_high)
        e->least_high = bits;
    e->sum_high += bits;
}

static inline void entropy_print(const struct entropy *e) {
    printf("\"sampled\":%lu,\"zero\":%lu,\"low\":%lu,\"high\":%lu,\"mean_high_bits\":%.3f",
           e->zero + e->low + e->high, e->zero, e->low, e->high,
           e->high ? e->sum_high / (double)e->high : 0.0);
}

/* --- a process's memory ---------------------------------------------------------------------- */

struct mapping {
    uint64_t start, end;
    bool readable, writable;
    char name[64]; /* of the file; empty: anonymous */
};

static inline FILE *maps_open(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        trouble(errno, "%s", path);
    return maps;
}

static inline bool maps_next(FILE *maps, struct mapping *m) {
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        char access[5], name[256] = "";
        unsigned long long start, end;
        if (sscanf(line, "%llx-%llx %4s %*s %*s %*s %255s", &start, &end, access, name) < 3)
            continue;
        *m = (struct mapping){
            .start = start, .end = end, .readable = access[0] == 'r', .writable = access[1] == 'w'};
        snprintf(m->name, sizeof m->name, "%.63s", name);
        return true;
    }
    return false;
}

/* The guest's RAM in QEMU: its largest anonymous (or memfd) writable mapping. */
static inline struct mapping guest_ram(pid_t pid) {
    struct mapping m, best = {0};
    FILE *maps = maps_open(pid);
    while (maps_next(maps, &m))
        if (m.readable && m.writable && m.end - m.start > best.end - best.start &&
            (!m.name[0] || strstr(m.name, "memfd") || strstr(m.name, "hugepages")))
            best = m;
    fclose(maps);
    if (best.end - best.start < 16u << 20)
        trouble(0, "process %d has no mapping that could be a guest's RAM", (int)pid);
    return best;
}

static inline int proc_open(pid_t pid, const char *file, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        trouble(errno, "%s", path);
    return fd;
}

#endif
