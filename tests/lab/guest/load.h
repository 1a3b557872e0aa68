/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work as a machine has it, for the guests' agent and for the host: ticks of N rounds.
 *   cpu      integer arithmetic in registers
 *   memory   reads and writes all over 8 MiB
 *   process  fork and exec of this program, memory mapped, touched and unmapped, a file written, read and removed,
 *            a pipe, a hundred system calls: what a build does
 * A program that uses it begins main() with load_child(argv).
 */
#ifndef LOAD_H
#define LOAD_H

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define LOAD_CHILD "load-child"
#define LOAD_MEMORY (8u << 20)

static inline void load_child(char **argv) {
    if (argv[0] && !strcmp(argv[0], LOAD_CHILD))
        _exit(7);
}

static inline int load_cpu(uint64_t rounds) {
    uint64_t a = 0x9e3779b97f4a7c15ull, b = 1;
    for (uint64_t i = 0; i < rounds * 100000; i++) {
        a = a * 6364136223846793005ull + b;
        b ^= a >> 29;
    }
    __asm__ volatile("" : : "r"(a), "r"(b));
    return 0;
}

static inline int load_memory(uint64_t rounds) {
    volatile uint64_t *w = mmap(NULL, LOAD_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (w == MAP_FAILED)
        return -1;
    for (uint64_t i = 0; i < rounds; i++)
        for (uint64_t at = i % 8; at < LOAD_MEMORY / 8; at += 8)
            w[(at * 521) % (LOAD_MEMORY / 8)] += at;
    return munmap((void *)w, LOAD_MEMORY);
}

static inline int load_process_once(void) {
    static char page[4096];
    int status, ends[2];
    pid_t child = fork();
    if (!child) {
        char *argv[] = {LOAD_CHILD, NULL}, *envp[] = {NULL};
        execve("/proc/self/exe", argv, envp);
        _exit(1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        return -1;
    char *area = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return -1;
    for (unsigned i = 0; i < 64; i++)
        area[i * 4096] = (char)i;
    if (munmap(area, 64 * 4096))
        return -1;
    int fd = open("/load.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    for (unsigned i = 0; i < 8; i++)
        if (write(fd, page, sizeof page) != sizeof page)
            return -1;
    for (unsigned i = 0; i < 8; i++)
        if (pread(fd, page, sizeof page, (off_t)(i * sizeof page)) != sizeof page)
            return -1;
    if (close(fd) || unlink("/load.tmp") || pipe(ends))
        return -1;
    if (write(ends[1], page, 512) != 512 || read(ends[0], page, 512) != 512 || close(ends[0]) || close(ends[1]))
        return -1;
    for (unsigned i = 0; i < 100; i++)
        syscall(SYS_getppid);
    return 0;
}

/* Ticks, or 0 if it could not be done. */
static inline uint64_t load_run(const char *kind, uint64_t rounds) {
    uint64_t start = __rdtsc();
    int r = -1;
    if (!strcmp(kind, "cpu"))
        r = load_cpu(rounds);
    else if (!strcmp(kind, "memory"))
        r = load_memory(rounds);
    else if (!strcmp(kind, "process"))
        for (r = 0; !r && rounds; rounds--)
            r = load_process_once();
    return r ? 0 : __rdtsc() - start;
}

#endif
