/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a Linux host does to guest RAM in the course of its life, made to happen at once.
 *   pagelife PID pageout           swaps all of it out (process_madvise); FOUND if at least half went
 *   pagelife PID split             splits its huge pages (one small page of each goes out); FOUND if any was split
 *   pagelife PID collapse          makes huge pages of it (MADV_COLLAPSE); FOUND if any came of it
 *   pagelife PID migrate           takes a block of memory away from the host; FOUND if pages of the guest moved
 *   pagelife PID resident          how much is in memory, in swap, in huge pages
 *   pagelife PID fork SECONDS      QEMU forks with its RAM, the child is held so long, then killed
 *   pagelife PID dontneed OFFSET   QEMU throws one page of guest RAM away
 * fork and dontneed are system calls that QEMU is made to do by ptrace. Offsets are of guest RAM:
 * guest-physical addresses, up to QEMU's PCI hole. One JSON line. Exit status: 0 FOUND, 1 NOT_FOUND, 2 trouble.
 */
#include "attack.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define MADV_DONTNEED_ 4
#define MADV_DOFORK_ 11
#define CHUNK (2u << 20)

static pid_t pid;
static struct mapping ram;

struct residence {
    unsigned long resident, swapped, huge; /* KiB of guest RAM */
};

static struct residence residence(void) {
    struct residence r = {0};
    char path[64], line[256];
    bool inside = false;
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    FILE *smaps = fopen(path, "re");
    if (!smaps)
        trouble(errno, "%s", path);
    while (fgets(line, sizeof line, smaps)) {
        unsigned long long start, end;
        unsigned long kib;
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
            inside = start >= ram.start && end <= ram.end;
        else if (inside && sscanf(line, "Rss: %lu", &kib) == 1)
            r.resident += kib;
        else if (inside && sscanf(line, "Swap: %lu", &kib) == 1)
            r.swapped += kib;
        else if (inside && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
            r.huge += kib;
        else if (inside && sscanf(line, "Private_Hugetlb: %lu", &kib) == 1)
            r.huge += kib;
    }
    fclose(smaps);
    return r;
}

/* Advises each CHUNK, or the first `size` bytes of each: the kernel refuses some advice for pieces that have nothing to
 * do. */
static unsigned long advise(int advice, uint64_t size) {
    unsigned long taken = 0;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), error = 0;
    if (fd < 0)
        trouble(errno, "pidfd_open");
    for (uint64_t at = ram.start; at < ram.end; at += CHUNK) {
        struct iovec piece = {(void *)at, ram.end - at < size ? ram.end - at : size};
        if (syscall(SYS_process_madvise, fd, &piece, 1ul, advice, 0u) >= 0)
            taken++;
        else
            error = errno;
    }
    close(fd);
    if (!taken)
        trouble(error, "process_madvise %d", advice);
    return taken;
}

static int report(const char *what, unsigned long count, bool found) {
    struct residence r = residence();
    printf("{\"did\":\"%s\",\"count\":%lu,\"resident_kib\":%lu,\"swapped_kib\":%lu,\"huge_kib\":%lu}\n", what,
           count, r.resident, r.swapped, r.huge);
    return found ? FOUND : NOT_FOUND;
}

static void compact_all(void) {
    int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1\n", 2) != 2)
        trouble(errno, "compact_memory");
    close(fd);
}

/* Pages that wait in per-CPU batches cannot be isolated: compaction drains these, then another round takes them. */
static int pageout(void) {
    unsigned long rounds = 0;
    struct residence r;
    do {
        advise(MADV_PAGEOUT, CHUNK);
        r = residence();
        if (r.swapped >= r.resident)
            break;
        compact_all();
    } while (++rounds < 10);
    return report("pageout", rounds + 1, r.swapped >= r.resident);
}

/* --- migration ------------------------------------------------------------------------------ */

static uint64_t *frames(size_t pages) {
    uint64_t *entry = malloc(pages * 8);
    int fd = proc_open(pid, "pagemap", O_RDONLY);
    if (!entry || pread(fd, entry, pages * 8, (off_t)(ram.start / PAGE * 8)) != (ssize_t)(pages * 8))
        trouble(errno, "pagemap");
    close(fd);
    return entry;
}

#define BLOCKS 256u

static bool block_state(unsigned block, const char *state) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/memory/memory%u/state", block);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t done = write(fd, state, strlen(state));
    close(fd);
    return done > 0;
}

static unsigned long block_pages(void) {
    char text[32] = "";
    int fd = open("/sys/devices/system/memory/block_size_bytes", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        trouble(errno, "block_size_bytes");
    close(fd);
    return strtoul(text, NULL, 16) / PAGE;
}

/* Takes the blocks of memory away in which most of the guest lies: the kernel must migrate it. */
static int migrate(void) {
    size_t pages = (ram.end - ram.start) / PAGE;
    unsigned long size = block_pages(), moved = 0;
    uint64_t *before = frames(pages), held[BLOCKS] = {0};
    for (size_t i = 0; i < pages; i++)
        if (before[i] & PRESENT && (before[i] & PFN_MASK) / size < BLOCKS)
            held[(before[i] & PFN_MASK) / size]++;
    for (unsigned tries = 0; tries < 4 && !moved; tries++) {
        unsigned block = 0;
        for (unsigned i = 1; i < BLOCKS; i++)
            if (held[i] > held[block])
                block = i;
        if (!held[block])
            break;
        held[block] = 0;
        if (block_state(block, "offline") && !block_state(block, "online"))
            trouble(errno, "memory block %u stays away", block);
        uint64_t *after = frames(pages);
        for (size_t i = 0; i < pages; i++)
            moved += before[i] & after[i] & PRESENT && (before[i] & PFN_MASK) != (after[i] & PFN_MASK);
        free(after);
    }
    return report("migrate", moved, moved > 0);
}

/* --- system calls by QEMU -------------------------------------------------------------------- */

static struct user_regs_struct saved;
static long text;

static void seize(void) {
    if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, NULL, 0) != pid)
        trouble(errno, "ptrace attach");
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK) || ptrace(PTRACE_GETREGS, pid, 0, &saved))
        trouble(errno, "ptrace");
    errno = 0;
    text = ptrace(PTRACE_PEEKTEXT, pid, saved.rip, 0);
    if (errno || ptrace(PTRACE_POKETEXT, pid, saved.rip, (text & ~0xffffL) | 0x050f)) /* SYSCALL */
        trouble(errno, "ptrace text");
}

static void release(void) {
    if (ptrace(PTRACE_POKETEXT, pid, saved.rip, text) || ptrace(PTRACE_SETREGS, pid, 0, &saved) ||
        ptrace(PTRACE_DETACH, pid, 0, 0))
        trouble(errno, "ptrace detach");
}

/* Its result; *child: the process that a fork made, stopped. */
static long remote(long number, uint64_t a, uint64_t b, uint64_t c, pid_t *child) {
    struct user_regs_struct r = saved;
    int status;
    r.rax = (unsigned long long)number;
    r.orig_rax = (unsigned long long)-1; /* nothing to restart */
    r.rdi = a;
    r.rsi = b;
    r.rdx = c;
    r.r10 = r.r8 = r.r9 = 0;
    if (ptrace(PTRACE_SETREGS, pid, 0, &r))
        trouble(errno, "ptrace registers");
    for (;;) {
        if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
            trouble(errno, "ptrace step");
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8)) {
            unsigned long new;
            if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &new))
                trouble(errno, "ptrace event");
            *child = (pid_t)new;
            continue;
        }
        if (WSTOPSIG(status) == SIGTRAP)
            break;
    }
    if (ptrace(PTRACE_GETREGS, pid, 0, &r))
        trouble(errno, "ptrace registers");
    return (long)r.rax;
}

static int do_fork(unsigned seconds) {
    pid_t child = 0;
    seize();
    long allowed = remote(SYS_madvise, ram.start, ram.end - ram.start, MADV_DOFORK_, &child);
    long result = remote(SYS_fork, 0, 0, 0, &child);
    release();
    if (allowed || result <= 0 || !child)
        trouble(0, "madvise %ld, fork %ld", allowed, result);
    printf("{\"did\":\"fork\",\"child\":%d}\n", (int)child);
    fflush(stdout);
    sleep(seconds);
    kill(child, SIGKILL);
    waitpid(child, NULL, __WALL);
    return FOUND;
}

static int dontneed(uint64_t offset) {
    pid_t child = 0;
    if (offset % PAGE || offset >= ram.end - ram.start)
        trouble(0, "no page of guest RAM at %#llx", (unsigned long long)offset);
    seize();
    long result = remote(SYS_madvise, ram.start + offset, PAGE, MADV_DONTNEED_, &child);
    release();
    if (result)
        trouble(0, "madvise %ld", result);
    return report("dontneed", 1, true);
}

int main(int argc, char **argv) {
    if (argc < 3)
        trouble(0, "usage: pagelife PID pageout | split | collapse | migrate | resident | fork SECONDS | dontneed OFFSET");
    pid = (pid_t)number(argv[1], "PID");
    ram = guest_ram(pid);
    const char *what = argv[2];
    if (!strcmp(what, "pageout"))
        return pageout();
    if (!strcmp(what, "split")) {
        unsigned long before = residence().huge, pieces = advise(MADV_PAGEOUT, PAGE);
        return report(what, pieces, residence().huge < before);
    }
    if (!strcmp(what, "collapse")) {
        unsigned long before = residence().huge, pieces = advise(MADV_COLLAPSE, CHUNK);
        return report(what, pieces, residence().huge > before);
    }
    if (!strcmp(what, "migrate"))
        return migrate();
    if (!strcmp(what, "resident"))
        return report(what, 0, true);
    if (!strcmp(what, "fork") && argc == 4)
        return do_fork((unsigned)number(argv[3], "SECONDS"));
    if (!strcmp(what, "dontneed") && argc == 4)
        return dontneed(number(argv[3], "OFFSET"));
    trouble(0, "pagelife: no such act: %s", what);
}
