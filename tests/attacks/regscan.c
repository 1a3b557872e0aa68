/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root looks for register values of a guest in all that the host kernel holds: every frame of RAM
 * that /proc/kcore shows (vcpu structures, VMCS12 pages, FPU images, stacks, page cache, free pages),
 * but the guest's own RAM, which is ramscan's work (--ram scans it here too).
 *   regscan PID SEED [--ram]
 *     PID   QEMU
 *     SEED  of the patterns that the guest agent's `regs SEED ...` loads
 * Exit status: 0 some value was found, 1 none, 2 trouble.
 */
#include "attack.h"

#include <elf.h>
#include <sys/mman.h>

#include "patterns.h"

#define MASK 0x5a5a5a5a5a5a5a5aull
#define CHUNK_PAGES 256u
#define GPRS 15u
#define VECTORS 64u
#define PATTERNS (GPRS + VECTORS + 1u)
#define BUCKETS 65536u

/* Kept XOR 0x5a, and compared so: this program must not be what it finds. */
static uint64_t disguised[PATTERNS];
static unsigned long counts[PATTERNS];
static unsigned char bucket[BUCKETS]; /* by the low 16 bits: 0 none, else that some pattern has them */
static uint64_t *excluded;            /* bitmap of page frames */
static uint64_t excluded_frames;
static uint64_t buffer[CHUNK_PAGES * PAGE / 8] __attribute__((aligned(4096)));

static void patterns_make(uint64_t seed) {
    for (unsigned i = 0; i < PATTERNS; i++) {
        volatile uint64_t *slot = &disguised[i];
        if (i < GPRS)
            *slot = pattern64(seed, i) ^ MASK;
        else if (i < GPRS + VECTORS)
            *slot = pattern64(seed, 100 + i - GPRS) ^ MASK;
        else
            *slot = (pattern64(seed, PATTERN_GS) & PATTERN_GS_MASK) ^ MASK;
        bucket[(disguised[i] ^ MASK) % BUCKETS] = 1;
    }
}

static void exclude(uint64_t pfn) {
    if (pfn < excluded_frames && !(excluded[pfn / 64] >> pfn % 64 & 1))
        excluded[pfn / 64] |= 1ull << pfn % 64;
}

/* The frames of [start, end) of a process. */
static unsigned long exclude_range(int pagemap, uint64_t start, uint64_t end) {
    uint64_t entry;
    unsigned long n = 0;
    for (uint64_t at = start; at < end; at += PAGE) {
        if (pread(pagemap, &entry, 8, (off_t)(at / PAGE * 8)) != 8)
            trouble(errno, "pagemap");
        if (entry & PRESENT && entry & PFN_MASK) {
            exclude(entry & PFN_MASK);
            n++;
        }
    }
    return n;
}

static void scan_word(uint64_t w) {
    if (!bucket[w % BUCKETS])
        return;
    for (unsigned p = 0; p < PATTERNS; p++)
        if ((w ^ MASK) == disguised[p])
            counts[p]++;
}

/* Whole pages. Most memory of an emulated host is zero: a cache line of zeros is passed over at once. */
static void scan_words(size_t words) {
    for (size_t i = 0; i + 8 <= words; i += 8) {
        const uint64_t *b = buffer + i;
        if (!(b[0] | b[1] | b[2] | b[3] | b[4] | b[5] | b[6] | b[7]))
            continue;
        for (unsigned j = 0; j < 8; j++)
            scan_word(b[j]);
    }
}

static unsigned long count_kind(unsigned from, unsigned to, unsigned *distinct) {
    unsigned long sum = 0;
    *distinct = 0;
    for (unsigned i = from; i < to; i++) {
        sum += counts[i];
        *distinct += counts[i] != 0;
    }
    return sum;
}

/* Frames of RAM, from /proc/iomem: "start-end : System RAM". */
static uint64_t ram_end(void) {
    char line[256];
    uint64_t top = 0;
    FILE *iomem = fopen("/proc/iomem", "re");
    if (!iomem)
        trouble(errno, "/proc/iomem");
    while (fgets(line, sizeof line, iomem)) {
        unsigned long long start, end;
        if (sscanf(line, " %llx-%llx : ", &start, &end) == 2 && strstr(line, "System RAM") && end > top)
            top = end;
    }
    fclose(iomem);
    if (!top)
        trouble(0, "/proc/iomem names no RAM");
    return top + 1;
}

int main(int argc, char **argv) {
    bool with_ram = argc == 4 && !strcmp(argv[3], "--ram");
    if (argc != 3 && !with_ram)
        trouble(0, "usage: regscan PID SEED [--ram]");
    pid_t pid = (pid_t)number(argv[1], "PID");
    patterns_make(number(argv[2], "SEED"));
    mlockall(MCL_CURRENT | MCL_FUTURE);

    uint64_t top = ram_end();
    excluded_frames = top / PAGE;
    excluded = calloc(excluded_frames / 64 + 1, 8);
    if (!excluded)
        trouble(ENOMEM, "bitmap of frames");
    /* What this program copied must not count as found. */
    int self = proc_open(getpid(), "pagemap", O_RDONLY);
    memset(buffer, 0, sizeof buffer);
    exclude_range(self, (uintptr_t)buffer, (uintptr_t)buffer + sizeof buffer);
    unsigned long ram_frames = 0;
    if (!with_ram) {
        struct mapping ram = guest_ram(pid);
        int pagemap = proc_open(pid, "pagemap", O_RDONLY);
        ram_frames = exclude_range(pagemap, ram.start, ram.end);
        close(pagemap);
    }

    int kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr e;
    if (kcore < 0 || pread(kcore, &e, sizeof e, 0) != sizeof e)
        trouble(errno, "/proc/kcore");
    uint64_t bytes = 0, skipped = 0, unreadable = 0;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p;
        if (pread(kcore, &p, sizeof p, (off_t)(e.e_phoff + i * sizeof p)) != sizeof p)
            trouble(errno, "/proc/kcore");
        /* Only the direct map names a frame once; p_paddr is -1 for the others. */
        if (p.p_type != PT_LOAD || p.p_paddr >= top || p.p_filesz == 0)
            continue;
        uint64_t end = p.p_filesz < top - p.p_paddr ? p.p_filesz : top - p.p_paddr;
        for (uint64_t at = 0; at < end;) {
            uint64_t pfn = (p.p_paddr + at) / PAGE;
            if (excluded[pfn / 64] >> pfn % 64 & 1) {
                skipped += PAGE;
                at += PAGE;
                continue;
            }
            unsigned run = 1;
            while (run < CHUNK_PAGES && at + (uint64_t)run * PAGE < end &&
                   !(excluded[(pfn + run) / 64] >> (pfn + run) % 64 & 1))
                run++;
            ssize_t n = pread(kcore, buffer, (size_t)run * PAGE, (off_t)(p.p_offset + at));
            if (n <= 0)
                unreadable += (uint64_t)run * PAGE;
            else
                scan_words((size_t)n / 8);
            bytes += n > 0 ? (uint64_t)n : 0;
            at += (uint64_t)run * PAGE;
        }
    }
    if (!bytes)
        trouble(0, "/proc/kcore showed no RAM");
    unsigned gprs, vectors, gs;
    unsigned long gpr_hits = count_kind(0, GPRS, &gprs),
                  vector_hits = count_kind(GPRS, GPRS + VECTORS, &vectors),
                  gs_hits = count_kind(PATTERNS - 1, PATTERNS, &gs);
    printf("{\"tool\":\"regscan\",\"found\":%s,\"gpr\":%u,\"gpr_hits\":%lu,\"vector_words\":%u,\"vector_"
           "hits\":%lu,"
           "\"gs_base\":%u,\"gs_hits\":%lu,\"bytes\":%llu,\"skipped_bytes\":%llu,\"guest_ram_frames\":%lu,"
           "\"unreadable\":%llu}\n",
           gprs + vectors + gs ? "true" : "false", gprs, gpr_hits, vectors, vector_hits, gs, gs_hits,
           (unsigned long long)bytes, (unsigned long long)skipped, ram_frames,
           (unsigned long long)unreadable);
    return gprs + vectors + gs ? FOUND : NOT_FOUND;
}
