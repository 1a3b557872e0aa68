/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root reads and writes RootVisor's and the Guardians' memory: RAM that the firmware's map calls
 * reserved, through /dev/mem. Memory of that kind below 1 MiB (the BIOS) is the control: it can be read.
 *   rvtouch [STEP]
 *     STEP  touches every STEP-th page (256)
 * Exit status: 0 some page above 1 MiB could be read or written, 1 none, 2 trouble.
 */
#include "attack.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define MIB (1ull << 20)

static sigjmp_buf back;

static void on_fault(int number) {
    siglongjmp(back, number);
}

/* Whether the access went through. A write puts back what it read. */
static bool touch(volatile uint64_t *word, bool write) {
    if (sigsetjmp(back, 1))
        return false;
    uint64_t value = *word;
    if (write)
        *word = value;
    return true;
}

struct counts {
    unsigned long pages, unmapped, readable, writable;
};

static void range(int mem, uint64_t start, uint64_t end, uint64_t step, bool write, struct counts *c) {
    for (uint64_t at = start; at + PAGE <= end; at += step * PAGE) {
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, (off_t)at);
        c->pages++;
        if (page == MAP_FAILED) {
            c->unmapped++;
            continue;
        }
        c->readable += touch(page, false);
        c->writable += write && touch(page, true);
        munmap(page, PAGE);
    }
}

int main(int argc, char **argv) {
    uint64_t step = argc > 1 ? number(argv[1], "STEP") : 256, top = 0;
    struct counts low = {0}, high = {0};
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    int mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
    FILE *iomem = fopen("/proc/iomem", "re");
    if (mem < 0 || !iomem)
        trouble(errno, mem < 0 ? "/dev/mem" : "/proc/iomem");
    char line[256];
    unsigned long long start, end, ranges[64][2];
    unsigned n = 0;
    /* RootVisor's share is RAM: it lies below the last byte that the host's own RAM has, or right above. */
    while (fgets(line, sizeof line, iomem)) {
        if (sscanf(line, "%llx-%llx : ", &start, &end) != 2 || line[0] == ' ')
            continue;
        if (strstr(line, "System RAM") && end > top)
            top = end;
        if ((strstr(line, "eserved") || strstr(line, "ACPI")) && n < 64) {
            ranges[n][0] = start;
            ranges[n++][1] = end + 1;
        }
    }
    fclose(iomem);
    for (unsigned i = 0; i < n; i++)
        if (ranges[i][1] <= MIB)
            range(mem, ranges[i][0] & ~(PAGE - 1ull), ranges[i][1], 1, false, &low);
        else if (ranges[i][1] - ranges[i][0] >= MIB && ranges[i][0] < top + 512 * MIB &&
                 ranges[i][0] < 0xe0000000)
            range(mem, ranges[i][0], ranges[i][1], step ? step : 1, true, &high);
    printf("{\"tool\":\"rvtouch\",\"pages\":%lu,\"unmapped\":%lu,\"readable\":%lu,\"writable\":%lu,\"bios_"
           "pages\":%lu,"
           "\"bios_readable\":%lu}\n",
           high.pages, high.unmapped, high.readable, high.writable, low.pages, low.readable);
    if (!low.readable || high.unmapped == high.pages)
        return TROUBLE; /* the attack itself did not work */
    return high.readable || high.writable ? FOUND : NOT_FOUND;
}
