/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The smallest KVM user: a real-mode guest of one page that exits by port I/O, CPUID and MMIO,
 * touches memory, and says what it saw. Prints instructions (TSC ticks of the emulator) for one exit.
 *   kvmtest [ROUNDS] [move]	move: from CPU to CPU, after every 50 exits to user space
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define GUEST_MEM 0x100000u
#define CODE 0x1000u
#define MMIO_BASE 0xc0000u /* outside the memory slot: real mode reaches it as C000:0000 */
#define SLOT_SIZE 0x80000u

/*
 * Guest code, real mode, DS = 0. CX = rounds at entry of each part, DX = port.
 *   part 1: out dx, al, rounds times; then out to port 0x11
 *   part 2: cpuid, rounds times; then out to port 0x12
 *   part 3: mov [es:0], al with ES = C000, rounds times; then out to port 0x13
 *   part 4: sums 256 words at 0x2000 that the host wrote; ax = sum; out to port 0x14
 */
static const unsigned char guest_code[] = {
    /* part 1 */
    0x8b, 0x0e, 0x00, 0x30, /* mov cx, [0x3000] */
    0xba, 0x10, 0x00,       /* mov dx, 0x10 */
    0xb0, 0x5a,             /* mov al, 0x5a */
    0xee,                   /* 1: out dx, al */
    0xe2, 0xfd,             /* loop 1b */
    0xe6, 0x11,             /* out 0x11, al */
    /* part 2 */
    0x8b, 0x3e, 0x00, 0x30, /* mov di, [0x3000] */
    0x66, 0x31, 0xc0,       /* 2: xor eax, eax */
    0x66, 0x31, 0xc9,       /* xor ecx, ecx */
    0x0f, 0xa2,             /* cpuid */
    0x4f,                   /* dec di */
    0x75, 0xf5,             /* jnz 2b */
    0xe6, 0x12,             /* out 0x12, al */
    /* part 3 */
    0xb8, 0x00, 0xc0,       /* mov ax, 0xc000 */
    0x8e, 0xc0,             /* mov es, ax */
    0x8b, 0x0e, 0x00, 0x30, /* mov cx, [0x3000] */
    0x26, 0xa2, 0x00, 0x00, /* 3: mov es:[0], al */
    0xe2, 0xfa,             /* loop 3b */
    0xe6, 0x13,             /* out 0x13, al */
    /* part 4 */
    0xbe, 0x00, 0x20, /* mov si, 0x2000 */
    0xb9, 0x00, 0x01, /* mov cx, 256 */
    0x31, 0xc0,       /* xor ax, ax */
    0x03, 0x04,       /* 4: add ax, [si] */
    0x46, 0x46,       /* inc si; inc si */
    0xe2, 0xfa,       /* loop 4b */
    0xe7, 0x14,       /* out 0x14, ax */
    0xf4,             /* hlt */
};

static void die(const char *what) {
    printf("KVM: FAIL %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct kvm_run *vcpu;
static int vcpu_fd;
static bool moving;
static unsigned moves;

/* The vCPU's thread is this one: KVM takes the VMCS along. */
static void move(void) {
    static unsigned exits;
    unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    if (++exits % 50)
        return;
    CPU_ZERO(&set);
    CPU_SET(++moves % cpus, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        die("sched_setaffinity");
}

/* Runs until an exit that is not `port` OUT or MMIO write of the loop; counts the loop's exits. */
static unsigned run_to(uint16_t end_port, uint16_t *value) {
    unsigned loops = 0;
    for (;;) {
        if (moving)
            move();
        if (ioctl(vcpu_fd, KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                continue;
            die("KVM_RUN");
        }
        if (vcpu->exit_reason == KVM_EXIT_IO && vcpu->io.direction == KVM_EXIT_IO_OUT) {
            const unsigned char *data = (const unsigned char *)vcpu + vcpu->io.data_offset;
            if (vcpu->io.port == end_port) {
                uint16_t v = data[0];
                if (vcpu->io.size == 2)
                    v |= (uint16_t)(data[1] << 8);
                if (value)
                    *value = v;
                return loops;
            }
            if (vcpu->io.port == 0x10 && data[0] == 0x5a) {
                loops++;
                continue;
            }
        }
        if (vcpu->exit_reason == KVM_EXIT_MMIO && vcpu->mmio.is_write && vcpu->mmio.phys_addr == MMIO_BASE) {
            loops++;
            continue;
        }
        printf("KVM: FAIL unexpected exit %u (want port %#x)", vcpu->exit_reason, end_port);
        if (vcpu->exit_reason == KVM_EXIT_FAIL_ENTRY)
            printf(" hardware entry failure reason %#llx",
                   (unsigned long long)vcpu->fail_entry.hardware_entry_failure_reason);
        if (vcpu->exit_reason == KVM_EXIT_INTERNAL_ERROR)
            printf(" suberror %u data %#llx", vcpu->internal.suberror,
                   (unsigned long long)vcpu->internal.data[0]);
        printf("\n");
        exit(1);
    }
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1000;
    if (rounds == 0 || rounds > 60000) {
        fprintf(stderr, "usage: kvmtest [1..60000] [move]\n");
        return 2;
    }
    moving = argc > 2 && !strcmp(argv[2], "move");
    setvbuf(stdout, NULL, _IOLBF, 0);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        die("/dev/kvm");
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0)
        die("KVM_CREATE_VM");
    unsigned char *mem = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        die("mmap");
    memcpy(mem + CODE, guest_code, sizeof guest_code);
    mem[0x3000] = (unsigned char)rounds;
    mem[0x3001] = (unsigned char)(rounds >> 8);
    uint16_t want_sum = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint16_t word = (uint16_t)(i * 31 + 7);
        memcpy(mem + 0x2000 + 2 * i, &word, 2);
        want_sum = (uint16_t)(want_sum + word);
    }
    struct kvm_userspace_memory_region region = {
        .slot = 0, .guest_phys_addr = 0, .memory_size = SLOT_SIZE, .userspace_addr = (uintptr_t)mem};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        die("KVM_SET_USER_MEMORY_REGION");
    vcpu_fd = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu_fd < 0)
        die("KVM_CREATE_VCPU");
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < 0)
        die("KVM_GET_VCPU_MMAP_SIZE");
    vcpu = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
    if (vcpu == MAP_FAILED)
        die("mmap of the vCPU");
    struct kvm_sregs sregs;
    if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
        die("KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
        die("KVM_SET_SREGS");
    struct kvm_regs regs = {.rip = CODE, .rflags = 2, .rsp = 0x7000};
    if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
        die("KVM_SET_REGS");

    static const struct {
        uint16_t port;
        const char *name;
        int counted;
    } parts[] = {{0x11, "pio", 1}, {0x12, "cpuid", 0}, {0x13, "mmio", 1}};
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t start = __rdtsc();
        unsigned loops = run_to(parts[i].port, NULL);
        uint64_t ticks = __rdtsc() - start;
        if (parts[i].counted && loops != rounds) {
            printf("KVM: FAIL %s: %u exits instead of %u\n", parts[i].name, loops, rounds);
            return 1;
        }
        printf("KVM: exits %s %u ticks %llu each %llu\n", parts[i].name, rounds, (unsigned long long)ticks,
               (unsigned long long)(ticks / rounds));
    }
    uint16_t sum = 0;
    run_to(0x14, &sum);
    if (sum != want_sum) {
        printf("KVM: FAIL the guest summed %#x instead of %#x\n", sum, want_sum);
        return 1;
    }
    if (ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0)
        die("KVM_GET_REGS");
    if ((regs.rax & 0xffff) != want_sum) {
        printf("KVM: FAIL KVM_GET_REGS says ax=%#llx instead of %#x\n", regs.rax & 0xffff, want_sum);
        return 1;
    }
    if (moving)
        printf("KVM: moved %u times\n", moves);
    printf("KVM: ok\n");
    return 0;
}
