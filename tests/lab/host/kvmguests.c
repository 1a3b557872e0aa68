/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the image of tests/vmx/kvm as a guest of KVM with two vCPUs, and tells what each of its tests came to:
 *   LAB {"guest":"NAME","verdict":"SUCCESS","detail":""}
 * When the guest dies or hangs in a test, that test's verdict is CRASH, and another guest goes on behind it.
 *   kvmguests IMAGE [WORDS]	words for its command line: only=PREFIX
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY (64u << 20)
#define LOGGED_GPA 0x40000000u /* memory with a dirty log */
#define LOGGED_PAGES 256u
#define MMIO_GPA 0xd0000000u
#define GDT_GPA 0x1000u
#define TABLES_GPA 0x2000u
#define BOOT_PARAMS_GPA 0x10000u
#define CMDLINE_GPA 0x11000u
#define LOAD_GPA 0x1000000u
#define COLD_GPA 0x3000000u /* a handler of exceptions in each of these; the guest touches none before it needs it */
#define COLD_STEP 0x10000u
#define COLD_HANDLERS 16u
#define SETUP_SIZE 0x400u
#define ENTRY (LOAD_GPA + 0x200u)
#define VCPUS 2u
#define PATIENCE 40u /* seconds for one test, of the emulated clock */

#define PORT_DEBUG 0xe9u
#define PORT_COM1 0x3f8u
#define PORT_COM1_STATUS 0x3fdu
#define PORT_POWER 0x8900u
#define PORT_BYTES 0x5000u /* in: bytes that count up; out: added to the sum */
#define PORT_SUM 0x5004u   /* in: the sum so far; both start again */
#define PORT_DIRTY 0x500cu /* out: takes the dirty log; in: its next 32 pages */

/* What the guest's process leaves behind, however it ends. */
struct progress {
    int test; /* running, -1 between tests */
    char name[64];
    char detail[120];
    bool done;
};

static struct progress *progress;
static unsigned char *memory, *logged;
static int kvm, vm, vcpus[VCPUS];
static struct kvm_run *runs[VCPUS];
static pthread_mutex_t devices = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what) {
    printf("KVM: FAIL %s: %s\n", what, strerror(errno));
    exit(1);
}

static int checked(int r, const char *what) {
    if (r < 0)
        die(what);
    return r;
}

static void *map(size_t size, int fd, const char *what) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die(what);
    return p;
}

/* ---- what the guest says ---- */
static void verdict(const char *name, const char *word, const char *detail) {
    printf("LAB {\"guest\":\"%s\",\"verdict\":\"%s\",\"detail\":\"", name, word);
    for (const char *p = detail; *p; p++)
        putchar(*p == '"' || *p == '\\' || *p < ' ' ? '\'' : *p);
    printf("\"}\n");
}

static void on_line(const char *line) {
    char name[64], word[16];
    int number;

    if (sscanf(line, "START %d %63s", &number, name) == 2) {
        progress->test = number;
        snprintf(progress->name, sizeof progress->name, "%s", name);
        progress->detail[0] = 0;
        alarm(PATIENCE);
    } else if (sscanf(line, "TEST %63s %15s", name, word) == 2) {
        verdict(name, word, progress->detail);
        progress->test = -1;
    } else if (!strcmp(line, "DONE")) {
        progress->done = true;
    } else if (!strncmp(line, "  ", 2) && !progress->detail[0]) {
        snprintf(progress->detail, sizeof progress->detail, "%.110s", line + 2);
    }
}

static void on_char(char c) {
    static char line[256];
    static size_t n;

    if (c == '\n') {
        line[n] = 0;
        on_line(line);
        n = 0;
    } else if (n < sizeof line - 1) {
        line[n++] = c;
    }
}

/* ---- devices ---- */
static uint32_t sum, next_byte, dirty[LOGGED_PAGES / 32], next_dirty;
static unsigned char mmio[4096];

static uint32_t port_in(unsigned port, unsigned size) {
    uint32_t v = 0;

    switch (port) {
    case PORT_COM1_STATUS:
        return 0x20;
    case PORT_BYTES:
        for (unsigned i = 0; i < size; i++)
            v |= (next_byte++ & 0xff) << 8 * i;
        return v;
    case PORT_SUM:
        v = sum;
        sum = next_byte = 0;
        return v;
    case PORT_DIRTY:
        return dirty[next_dirty++ % (LOGGED_PAGES / 32)];
    default:
        return UINT32_MAX;
    }
}

static void port_out(unsigned port, unsigned size, uint32_t v) {
    switch (port) {
    case PORT_DEBUG:
        on_char((char)v);
        break;
    case PORT_BYTES:
        for (unsigned i = 0; i < size; i++)
            sum = sum * 31 + (v >> 8 * i & 0xff);
        break;
    case PORT_DIRTY: {
        struct kvm_dirty_log log = {.slot = 1, .dirty_bitmap = dirty};
        checked(ioctl(vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
        next_dirty = 0;
        break;
    }
    case PORT_POWER:
        fflush(stdout);
        _exit(0);
    }
}

static void serve(struct kvm_run *run) {
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        for (unsigned i = 0; i < run->io.count; i++) {
            unsigned char *at = (unsigned char *)run + run->io.data_offset + i * run->io.size;
            uint32_t v = 0;

            if (run->io.direction == KVM_EXIT_IO_OUT) {
                memcpy(&v, at, run->io.size);
                port_out(run->io.port, run->io.size, v);
            } else {
                v = port_in(run->io.port, run->io.size);
                memcpy(at, &v, run->io.size);
            }
        }
        break;
    case KVM_EXIT_MMIO: {
        uint64_t at = run->mmio.phys_addr - MMIO_GPA;
        bool there = at < sizeof mmio && run->mmio.len <= sizeof mmio - at;

        if (run->mmio.is_write && there)
            memcpy(mmio + at, run->mmio.data, run->mmio.len);
        else if (!run->mmio.is_write && there)
            memcpy(run->mmio.data, mmio + at, run->mmio.len);
        else if (!run->mmio.is_write)
            memset(run->mmio.data, 0xff, run->mmio.len);
        break;
    }
    default:
        snprintf(progress->detail, sizeof progress->detail, "exit %u of KVM, internal error %u", run->exit_reason,
                 run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run->internal.suberror : 0);
        fflush(stdout);
        _exit(1);
    }
}

__attribute__((noreturn)) static void *run_vcpu(void *arg) {
    unsigned i = (unsigned)(uintptr_t)arg;

    for (;;) {
        if (ioctl(vcpus[i], KVM_RUN, 0) < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            die("KVM_RUN");
        }
        pthread_mutex_lock(&devices);
        serve(runs[i]);
        pthread_mutex_unlock(&devices);
    }
}

/* ---- the machine ---- */
static void set_cpuid(unsigned i) {
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[128];
    } c;

    c.head.nent = 128;
    checked(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &c.head), "KVM_GET_SUPPORTED_CPUID");
    for (unsigned e = 0; e < c.head.nent; e++) {
        struct kvm_cpuid_entry2 *entry = &c.head.entries[e];

        if (entry->function == 1) {
            entry->ebx = (entry->ebx & 0xffffff) | i << 24;
            entry->ecx = (entry->ecx & ~(1u << 5)) | 1u << 31; /* no VMX, whatever KVM has; a hypervisor */
            if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
                entry->ecx |= 1u << 24;
        } else if (entry->function == 0xb) {
            entry->edx = i;
        }
    }
    checked(ioctl(vcpus[i], KVM_SET_CPUID2, &c.head), "KVM_SET_CPUID2");
}

static void put64(uint32_t gpa, uint64_t v) { memcpy(memory + gpa, &v, 8); }

/* The 64-bit boot protocol: flat segments 10h and 18h, 4 GiB mapped as they are. */
static void set_entry(void) {
    struct kvm_segment code = {.selector = 0x10, .limit = UINT32_MAX, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.selector = 0x18, .limit = UINT32_MAX, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    struct kvm_regs regs = {.rip = ENTRY, .rsi = BOOT_PARAMS_GPA, .rflags = 2};
    struct kvm_sregs s;

    put64(GDT_GPA + 0x10, 0x00af9b000000ffff);
    put64(GDT_GPA + 0x18, 0x00cf93000000ffff);
    put64(TABLES_GPA, (TABLES_GPA + 0x1000) | 3);
    for (unsigned i = 0; i < 4; i++)
        put64(TABLES_GPA + 0x1000 + 8 * i, (TABLES_GPA + 0x2000 + 0x1000 * i) | 3);
    for (uint64_t i = 0; i < 2048; i++)
        put64((uint32_t)(TABLES_GPA + 0x2000 + 8 * i), i << 21 | 0x83);
    checked(ioctl(vcpus[0], KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.gdt.base = GDT_GPA;
    s.gdt.limit = 0x1f;
    s.cr0 = 0x80000031;
    s.cr3 = TABLES_GPA;
    s.cr4 = 0x20;
    s.efer = 0x500;
    checked(ioctl(vcpus[0], KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    checked(ioctl(vcpus[0], KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void add_memory(uint32_t slot, uint32_t gpa, unsigned char *at, uint32_t size, uint32_t flags) {
    struct kvm_userspace_memory_region r = {
        .slot = slot, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = (uintptr_t)at, .flags = flags};

    checked(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r), "KVM_SET_USER_MEMORY_REGION");
}

static void load(const char *image, int first, const char *words) {
    uint32_t cmdline = CMDLINE_GPA;
    int fd = checked(open(image, O_RDONLY | O_CLOEXEC), image);

    checked((int)pread(fd, memory + LOAD_GPA, MEMORY - LOAD_GPA, SETUP_SIZE), "read of the image");
    close(fd);
    memcpy(memory + BOOT_PARAMS_GPA + 0x228, &cmdline, 4);
    sprintf((char *)memory + CMDLINE_GPA, "first=%d cpus=%u %.200s", first, VCPUS, words);
}

static void put_handlers(void) {
    static const unsigned char handler[] = {
        0x48, 0x83, 0x04, 0x24, 0x02, /* addq $2, (%rsp): over a DIV */
        0x48, 0xff, 0xc0,             /* incq %rax */
        0x48, 0xcf,                   /* iretq */
    };

    for (unsigned i = 0; i < COLD_HANDLERS; i++)
        memcpy(memory + COLD_GPA + i * COLD_STEP, handler, sizeof handler);
}

static void guest(const char *image, int first, const char *words) {
    pthread_t thread;
    int size;

    kvm = checked(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    vm = checked(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    size = checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    checked(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    checked(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    memory = map(MEMORY, -1, "memory");
    logged = map(LOGGED_PAGES * 4096, -1, "memory");
    add_memory(0, 0, memory, MEMORY, 0);
    add_memory(1, LOGGED_GPA, logged, LOGGED_PAGES * 4096, KVM_MEM_LOG_DIRTY_PAGES);
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i] = checked(ioctl(vm, KVM_CREATE_VCPU, i), "KVM_CREATE_VCPU");
        runs[i] = map((size_t)size, vcpus[i], "vCPU");
        set_cpuid(i);
    }
    load(image, first, words);
    put_handlers();
    set_entry();
    alarm(PATIENCE);
    for (unsigned i = 1; i < VCPUS; i++)
        if (pthread_create(&thread, NULL, run_vcpu, (void *)(uintptr_t)i))
            die("pthread_create");
    run_vcpu((void *)0);
}

int main(int argc, char **argv) {
    int first = 0;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: kvmguests IMAGE [WORDS]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    progress = map(sizeof *progress, -1, "progress");
    for (unsigned tries = 0; tries < 20 && !progress->done; tries++) {
        int status;
        pid_t child = checked(fork(), "fork");

        progress->test = -1;
        if (!child)
            guest(argv[1], first, argc > 2 ? argv[2] : "");
        checked(waitpid(child, &status, 0), "waitpid");
        if (progress->done)
            break;
        if (progress->test < 0) {
            printf("KVM: FAIL the guest ended between tests, status %#x: %s\n", status, progress->detail);
            return 1;
        }
        verdict(progress->name, "CRASH", WIFSIGNALED(status) ? "it hangs" : progress->detail);
        first = progress->test + 1;
    }
    return progress->done ? 0 : 1;
}
