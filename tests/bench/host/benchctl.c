/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs as root on the emulated host: what passed so far, and what some things cost.
 *   benchctl now               one JSON object: TSC, clocks, and RootVisor's counters if there is one
 *   benchctl idle SECONDS      two of them, with nothing but sleep in between (and one VMCALL, the second question)
 *   benchctl tick MICROSECONDS how far the clock goes in one hundredth of a second, 9,000 to 11,000: adjtimex(2)
 *   benchctl pages PID         reads eight bytes of every present page of QEMU's guest RAM: pages, ticks
 * Exit status: 0, or 2 for trouble. RootVisor is asked only if its ACPI table is there.
 */
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>
#include <x86intrin.h>

#include "../../../hypervisor/include/cvm/abi.h"
#include "../../attacks/attack.h"

#define TABLE "/sys/firmware/acpi/tables/CVMD"

static struct cvm_acpi_table table;
static bool rootvisor;

static void call(unsigned nr, uint64_t argument, void *buffer, size_t size) {
    long result;
    memset(buffer, 0, size); /* touched, so present when RootVisor writes to it */
    __asm__ volatile("vmcall"
                     : "=a"(result)
                     : "a"((uint64_t)CVM_CALL(nr)), "b"(table.secret[0]), "c"(table.secret[1]), "d"(argument),
                       "S"(buffer), "D"(size)
                     : "memory");
    if (result < 0)
        trouble((int)-result, "call %#x", nr);
}

static void find_rootvisor(void) {
    int fd = open(TABLE, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return;
    if (fd < 0 || read(fd, &table, sizeof table) != sizeof table)
        trouble(errno, TABLE);
    close(fd);
    rootvisor = true;
}

static uint64_t monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What the kernel idled so far, all CPUs, in USER_HZ. */
static uint64_t idle_ticks(void) {
    unsigned long long user, nice, system, idle, iowait;
    FILE *f = fopen("/proc/stat", "re");
    if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait) != 5)
        trouble(errno, "/proc/stat");
    fclose(f);
    return idle + iowait;
}

struct moment {
    uint64_t tsc, mono, idle;
    struct cvm_host_info info;
    struct cvm_stats host;
    struct cvm_vm_list vms;
    struct cvm_stats vm[CVM_MAX_VMS];
};

static void look_at_vms(struct moment *m) {
    call(CVM_HOST_INFO, 0, &m->info, sizeof m->info);
    call(CVM_HOST_VM_LIST, 0, &m->vms, sizeof m->vms);
    for (unsigned i = 0; i < m->vms.count && i < CVM_MAX_VMS; i++)
        call(CVM_HOST_VM_STATS, m->vms.vm[i].id, &m->vm[i], sizeof m->vm[i]);
}

static void look_at_clocks(struct moment *m) {
    m->mono = monotonic();
    m->tsc = __rdtsc();
}

/* Before an interval: the host's counters last. */
static void look(struct moment *m) {
    m->idle = idle_ticks();
    if (rootvisor) {
        look_at_vms(m);
        call(CVM_HOST_STATS, 0, &m->host, sizeof m->host);
    }
    look_at_clocks(m);
}

/* After one: the host's counters first, so that their own call is all that the interval has of this program. */
static void look_back(struct moment *m) {
    look_at_clocks(m);
    if (rootvisor) {
        call(CVM_HOST_STATS, 0, &m->host, sizeof m->host);
        look_at_vms(m);
    }
    m->idle = idle_ticks();
}

static void print_stats(const struct cvm_stats *s) {
    const char *comma = "";
    printf("{\"exits\":%llu,\"reflected\":%llu,\"upcalls\":%llu,\"sealed\":%llu,\"unsealed\":%llu,\"taken\":%llu,\"by_reason\":{",
           (unsigned long long)s->exits, (unsigned long long)s->reflected, (unsigned long long)s->upcalls,
           (unsigned long long)s->sealed, (unsigned long long)s->unsealed, (unsigned long long)s->taken);
    for (unsigned i = 0; i < CVM_EXIT_REASONS; i++)
        if (s->by_reason[i]) {
            printf("%s\"%u\":%llu", comma, i, (unsigned long long)s->by_reason[i]);
            comma = ",";
        }
    printf("}}");
}

static void print_moment(const struct moment *m) {
    const char *comma = "";
    printf("{\"tsc\":%llu,\"mono_ns\":%llu,\"idle_centis\":%llu", (unsigned long long)m->tsc,
           (unsigned long long)m->mono, (unsigned long long)m->idle);
    if (rootvisor) {
        printf(",\"rootvisor_uptime\":%llu,\"host\":", (unsigned long long)m->info.uptime_tsc);
        print_stats(&m->host);
        printf(",\"vms\":{");
        for (unsigned i = 0; i < m->vms.count && i < CVM_MAX_VMS; i++) {
            printf("%s\"%u\":", comma, m->vms.vm[i].id);
            print_stats(&m->vm[i]);
            comma = ",";
        }
        printf("}");
    }
    printf("}");
}

static void pages(pid_t pid) {
    struct mapping ram = guest_ram(pid);
    size_t n = (ram.end - ram.start) / PAGE, present = 0;
    uint64_t *map = malloc(n * sizeof *map), start, ticks, data;
    int pagemap = proc_open(pid, "pagemap", O_RDONLY), mem = proc_open(pid, "mem", O_RDONLY);
    if (!map || pread(pagemap, map, n * sizeof *map, (off_t)(ram.start / PAGE * sizeof *map)) !=
                    (ssize_t)(n * sizeof *map))
        trouble(errno, "pagemap");
    start = __rdtsc();
    for (size_t i = 0; i < n; i++) {
        if (!(map[i] & PRESENT))
            continue;
        if (pread(mem, &data, sizeof data, (off_t)(ram.start + i * PAGE)) != sizeof data)
            trouble(errno, "page %zu of the guest", i);
        present++;
    }
    ticks = __rdtsc() - start;
    printf("{\"pages\":%zu,\"ticks\":%llu}", present, (unsigned long long)ticks);
}

int main(int argc, char **argv) {
    static struct moment before, after;
    const char *what = argc > 1 ? argv[1] : "";
    find_rootvisor();
    if (!strcmp(what, "now") && argc == 2) {
        look(&before);
        print_moment(&before);
    } else if (!strcmp(what, "idle") && argc == 3) {
        struct timespec time = {.tv_sec = (time_t)number(argv[2], "SECONDS")};
        look(&after); /* pages and code are there the second time */
        look(&before);
        nanosleep(&time, NULL);
        look_back(&after);
        printf("{\"before\":");
        print_moment(&before);
        printf(",\"after\":");
        print_moment(&after);
        printf("}");
    } else if (!strcmp(what, "tick") && argc == 3) {
        struct timex clock = {.modes = ADJ_TICK, .tick = (long)number(argv[2], "MICROSECONDS")};
        if (adjtimex(&clock) < 0)
            trouble(errno, "adjtimex");
    } else if (!strcmp(what, "pages") && argc == 3) {
        pages((pid_t)number(argv[2], "PID"));
    } else {
        trouble(0, "usage: benchctl now | idle SECONDS | tick MICROSECONDS | pages PID");
    }
    printf("\n");
    return 0;
}
