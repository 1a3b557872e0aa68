/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root asks KVM for all that it knows of a guest's vCPUs. KVM answers only QEMU itself, so this tool
 * makes QEMU ask: it stops QEMU's main thread (ptrace), lets it run the ioctls KVM_GET_REGS, SREGS, FPU,
 * XSAVE, MSRS, DEBUGREGS, XCRS, VCPU_EVENTS, reads the answers, and lets it go on. Pause the VM first.
 *   kvmstate PID SEED      what KVM says, and which of the patterns are in it
 *   kvmstate PID poison    changes all general and vector registers but RAX, RSP, RIP, by KVM_SET_REGS
 *                          and KVM_SET_FPU
 *   kvmstate PID poison-user  the same, but only while the guest is in user mode: where a guest's kernel is poisoned it
 *                          cannot tell of it any more
 *     SEED  of the patterns that the guest agent's `regs SEED ...` loads
 * Exit status: 0 a pattern was found or the registers were set, 1 no pattern found or not in user mode, 2 trouble.
 */
#include "attack.h"

#include <dirent.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "patterns.h"

#define GPRS 15u
#define VECTORS 64u
#define AREA (4 * PAGE)

/* Control registers of system calls, segment bases that VMCS fields do not hold, and others. */
static const uint32_t msrs[] = {0x174,      0x175,      0x176,      0xc0000080, 0xc0000081,
                                0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103};
#define MSRS (sizeof msrs / sizeof msrs[0])

static pid_t pid;
static int mem;
static uint64_t syscall_at, area; /* in QEMU */
static struct user_regs_struct saved;

static void wait_stop(void) {
    int status;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
        trouble(errno, "QEMU's main thread did not stop");
}

/* A `syscall` instruction in QEMU's vDSO. */
static uint64_t find_syscall(void) {
    unsigned char code[4 * PAGE];
    struct mapping m;
    FILE *maps = maps_open(pid);
    while (maps_next(maps, &m))
        if (!strcmp(m.name, "[vdso]"))
            break;
    fclose(maps);
    ssize_t n =
        pread(mem, code, sizeof code < m.end - m.start ? sizeof code : m.end - m.start, (off_t)m.start);
    for (ssize_t i = 0; i + 1 < n; i++)
        if (code[i] == 0x0f && code[i + 1] == 0x05)
            return m.start + (uint64_t)i;
    trouble(0, "no syscall instruction in QEMU's vDSO");
}

static void attach(void) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
        trouble(errno, "ptrace of %d", (int)pid);
    wait_stop();
    if (ptrace(PTRACE_GETREGS, pid, 0, &saved) < 0)
        trouble(errno, "registers of QEMU's main thread");
    /* A call that the stop interrupted: the kernel would restart it, but sees other registers by then. */
    if ((long)saved.orig_rax >= 0 && (long)saved.rax <= -512 && (long)saved.rax >= -516) {
        if ((long)saved.rax == -516) {
            saved.rax = (unsigned long long)-EINTR;
        } else {
            saved.rax = saved.orig_rax;
            saved.rip -= 2;
        }
    }
}

static long remote(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    struct user_regs_struct r = saved;
    r.rax = (unsigned long long)nr;
    r.orig_rax = (unsigned long long)-1;
    r.rdi = a;
    r.rsi = b;
    r.rdx = c;
    r.r10 = d;
    r.r8 = e;
    r.r9 = f;
    r.rip = syscall_at;
    if (ptrace(PTRACE_SETREGS, pid, 0, &r) < 0 || ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0)
        trouble(errno, "a call in QEMU");
    wait_stop();
    if (ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
        trouble(errno, "a call in QEMU");
    return (long)r.rax;
}

static void release(void) {
    saved.orig_rax = (unsigned long long)-1;
    if (ptrace(PTRACE_SETREGS, pid, 0, &saved) < 0 || ptrace(PTRACE_DETACH, pid, 0, 0) < 0)
        trouble(errno, "letting QEMU go on");
}

/* The ioctl on QEMU's descriptor; `data` goes in and comes back. */
static long get(int fd, unsigned long request, void *data, size_t size) {
    if (pwrite(mem, data, size, (off_t)area) != (ssize_t)size)
        trouble(errno, "QEMU's memory");
    long result = remote(SYS_ioctl, (uint64_t)fd, request, area, 0, 0, 0);
    if (pread(mem, data, size, (off_t)area) != (ssize_t)size)
        trouble(errno, "QEMU's memory");
    return result;
}

static bool one_vcpu(const char *name, unsigned *cpu, const char *fd_name, int *fd) {
    char path[300], target[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, fd_name);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = 0;
    *fd = atoi(fd_name);
    return sscanf(target, name, cpu) == 1;
}

struct totals {
    unsigned gpr, vector, gs;
};

static struct totals search(uint64_t seed, const void *data, size_t size) {
    struct totals t = {0};
    const unsigned char *bytes = data;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t w;
        memcpy(&w, bytes + at, 8);
        for (unsigned i = 0; i < GPRS; i++)
            t.gpr += w == pattern64(seed, i);
        for (unsigned i = 0; i < VECTORS; i++)
            t.vector += w == pattern64(seed, 100 + i);
        t.gs += w == (pattern64(seed, PATTERN_GS) & PATTERN_GS_MASK);
    }
    return t;
}

/* RAX is the operand of the port access that the guest stands at: the host may know and, for IN, set it. */
static long poison(int fd) {
    struct kvm_regs regs = {0};
    struct kvm_fpu fpu = {0};
    long result = get(fd, KVM_GET_REGS, &regs, sizeof regs);
    if (result == 0)
        result = get(fd, KVM_GET_FPU, &fpu, sizeof fpu);
    unsigned long long rax = regs.rax, rsp = regs.rsp, rip = regs.rip, rflags = regs.rflags;
    memset(&regs, 0xa5, sizeof regs);
    memset(fpu.xmm, 0xa5, sizeof fpu.xmm);
    regs.rax = rax;
    regs.rsp = rsp;
    regs.rip = rip;
    regs.rflags = rflags;
    if (result == 0)
        result = get(fd, KVM_SET_FPU, &fpu, sizeof fpu);
    return result == 0 ? get(fd, KVM_SET_REGS, &regs, sizeof regs) : result;
}

static bool in_user_mode(int fd) {
    struct kvm_sregs sregs = {0};
    return get(fd, KVM_GET_SREGS, &sregs, sizeof sregs) == 0 && (sregs.cs.selector & 3) == 3;
}

int main(int argc, char **argv) {
    if (argc != 3)
        trouble(0, "usage: kvmstate PID SEED | kvmstate PID poison | kvmstate PID poison-user");
    pid = (pid_t)number(argv[1], "PID");
    bool user_only = !strcmp(argv[2], "poison-user"), poisoning = user_only || !strcmp(argv[2], "poison");
    uint64_t seed = poisoning ? 0 : number(argv[2], "SEED");
    mem = proc_open(pid, "mem", O_RDWR);
    syscall_at = find_syscall();

    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *fds = opendir(path);
    if (!fds)
        trouble(errno, "%s", path);
    attach();
    area = (uint64_t)remote(SYS_mmap, 0, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                            (uint64_t)-1, 0);
    if (area > -4096ull) {
        release();
        trouble((int)-(long)area, "mmap in QEMU");
    }
    struct totals all = {0};
    unsigned vcpus = 0, refused = 0, elsewhere = 0;
    char *details = NULL;
    size_t details_size = 0;
    FILE *list = open_memstream(&details, &details_size);
    if (!list)
        trouble(errno, "a list of vCPUs");
    for (struct dirent *d; (d = readdir(fds));) {
        unsigned cpu;
        int fd;
        if (!one_vcpu("anon_inode:kvm-vcpu:%u", &cpu, d->d_name, &fd))
            continue;
        if (user_only && !in_user_mode(fd)) {
            elsewhere++;
            continue;
        }
        if (poisoning) {
            vcpus++;
            refused += poison(fd) != 0;
            continue;
        }
        static struct {
            struct kvm_regs regs;
            struct kvm_sregs sregs;
            struct kvm_fpu fpu;
            struct kvm_xsave xsave;
            struct kvm_debugregs debug;
            struct kvm_xcrs xcrs;
            struct kvm_vcpu_events events;
            struct {
                struct kvm_msrs head;
                struct kvm_msr_entry entry[MSRS];
            } msr;
        } s;
        memset(&s, 0, sizeof s);
        s.msr.head.nmsrs = MSRS;
        for (unsigned i = 0; i < MSRS; i++)
            s.msr.entry[i].index = msrs[i];
        refused += get(fd, KVM_GET_REGS, &s.regs, sizeof s.regs) < 0;
        refused += get(fd, KVM_GET_SREGS, &s.sregs, sizeof s.sregs) < 0;
        refused += get(fd, KVM_GET_FPU, &s.fpu, sizeof s.fpu) < 0;
        refused += get(fd, KVM_GET_XSAVE, &s.xsave, sizeof s.xsave) < 0;
        refused += get(fd, KVM_GET_DEBUGREGS, &s.debug, sizeof s.debug) < 0;
        refused += get(fd, KVM_GET_XCRS, &s.xcrs, sizeof s.xcrs) < 0;
        refused += get(fd, KVM_GET_VCPU_EVENTS, &s.events, sizeof s.events) < 0;
        refused += get(fd, KVM_GET_MSRS, &s.msr, sizeof s.msr) != MSRS;
        struct totals t = search(seed, &s, sizeof s);
        all.gpr += t.gpr;
        all.vector += t.vector;
        all.gs += t.gs;
        fprintf(
            list,
            "%s{\"cpu\":%u,\"gpr\":%u,\"vector_words\":%u,\"gs_base\":%u,\"rip\":\"%#llx\",\"rsp\":\"%#llx\","
            "\"cr0\":\"%#llx\",\"cr3\":\"%#llx\",\"cr4\":\"%#llx\",\"msrs\":{",
            vcpus++ ? "," : "", cpu, t.gpr, t.vector, t.gs, s.regs.rip, s.regs.rsp, s.sregs.cr0, s.sregs.cr3,
            s.sregs.cr4);
        for (unsigned i = 0; i < MSRS; i++)
            fprintf(list, "%s\"%#x\":\"%#llx\"", i ? "," : "", msrs[i], s.msr.entry[i].data);
        fputs("}}", list);
    }
    remote(SYS_munmap, area, AREA, 0, 0, 0, 0);
    release();
    fclose(list);
    if (poisoning) {
        printf("{\"tool\":\"kvmstate\",\"poisoned\":%u,\"refused_calls\":%u}\n", vcpus, refused);
        if (elsewhere && !refused)
            return NOT_FOUND;
        return vcpus && !refused ? 0 : TROUBLE;
    }
    bool found = all.gpr + all.vector + all.gs > 0;
    printf("{\"tool\":\"kvmstate\",\"found\":%s,\"gpr\":%u,\"vector_words\":%u,\"gs_base\":%u,\"refused_"
           "calls\":%u,"
           "\"vcpus\":[%s]}\n",
           found ? "true" : "false", all.gpr, all.vector, all.gs, refused, details);
    free(details);
    if (!vcpus || refused)
        return TROUBLE;
    return found ? FOUND : NOT_FOUND;
}
