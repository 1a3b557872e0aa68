/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host root reads what KVM holds of a vCPU.
 *   vcpudump PID FILE [TIMES]
 * KVM serves vCPU ioctls only to the process that made the VM. So this stops QEMU's vCPU thread
 * with ptrace, which takes it out of KVM_RUN, and lets it execute KVM_GET_REGS, KVM_GET_SREGS,
 * KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_DEBUGREGS and KVM_GET_MSRS itself, on a page that it is made
 * to map. Everything goes to FILE as it is, TIMES (1) over, a while apart.
 * Status: 0 all was read, 2 not.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH 16384u
#define SYSCALL_INSN 0x050fu

static int fail(const char *what) {
    fprintf(stderr, "vcpudump: %s: %s\n", what, strerror(errno));
    return -1;
}

/* The thread of the first vCPU: libvirt's QEMU names it "CPU 0/KVM"; a QEMU without names has one KVM_RUN caller. */
static pid_t vcpu_thread(const char *pid) {
    char path[300], name[64];
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return fail(path);
    pid_t found = -1;
    const struct dirent *entry;
    while (found < 0 && (entry = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/%s/task/%s/comm", pid, entry->d_name);
        FILE *comm = fopen(path, "re");
        if (!comm)
            continue;
        if (fgets(name, sizeof name, comm) && !strncmp(name, "CPU 0/KVM", 9))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        fclose(comm);
    }
    closedir(tasks);
    if (found < 0) {
        errno = ESRCH;
        fail("no thread CPU 0/KVM (start QEMU with debug-threads=on)");
    }
    return found;
}

static int vcpu_descriptor(const char *pid) {
    char path[300], target[128];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *fds = opendir(path);
    if (!fds)
        return fail(path);
    int found = -1;
    const struct dirent *entry;
    while (found < 0 && (entry = readdir(fds))) {
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = 0;
        if (!strcmp(target, "anon_inode:kvm-vcpu:0"))
            found = atoi(entry->d_name);
    }
    closedir(fds);
    if (found < 0) {
        errno = ENOENT;
        fail("no descriptor of vCPU 0");
    }
    return found;
}

static int wait_stop(pid_t thread) {
    int status;
    do {
        if (waitpid(thread, &status, __WALL) < 0)
            return fail("waitpid");
    } while (!WIFSTOPPED(status) && !WIFEXITED(status) && !WIFSIGNALED(status));
    if (!WIFSTOPPED(status)) {
        errno = ESRCH;
        return fail("the thread ended");
    }
    return 0;
}

/* Lets the stopped thread execute one system call. Its RIP stands behind a SYSCALL instruction. */
static int64_t remote_syscall(pid_t thread, const struct user_regs_struct *at, long nr, uint64_t a, uint64_t b,
                              uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    struct user_regs_struct regs = *at;
    regs.rip = at->rip - 2;
    regs.rax = (uint64_t)nr;
    regs.orig_rax = (uint64_t)-1; /* no restart of the interrupted call */
    regs.rdi = a;
    regs.rsi = b;
    regs.rdx = c;
    regs.r10 = d;
    regs.r8 = e;
    regs.r9 = f;
    if (ptrace(PTRACE_SETREGS, thread, NULL, &regs) < 0)
        return fail("PTRACE_SETREGS");
    if (ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL) < 0 || wait_stop(thread) < 0)
        return fail("PTRACE_SINGLESTEP");
    if (ptrace(PTRACE_GETREGS, thread, NULL, &regs) < 0)
        return fail("PTRACE_GETREGS");
    return (int64_t)regs.rax;
}

static const uint32_t msrs[] = {0x10,       0x174,      0x175,      0x176,      0x277,      0xc0000080, 0xc0000081,
                                0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};

static int dump_once(const char *pid, pid_t thread, int vcpu, FILE *out) {
    unsigned char buffer[SCRATCH];
    struct user_regs_struct saved;
    int r = -1;
    if (ptrace(PTRACE_ATTACH, thread, NULL, NULL) < 0)
        return fail("PTRACE_ATTACH");
    if (wait_stop(thread) < 0)
        return -1;
    /* KVM_RUN was interrupted: RIP is behind SYSCALL. In user code it is not: go to the next system call's end. */
    for (int i = 0;; i++) {
        if (ptrace(PTRACE_GETREGS, thread, NULL, &saved) < 0) {
            fail("PTRACE_GETREGS");
            goto detach;
        }
        errno = 0;
        long word = ptrace(PTRACE_PEEKTEXT, thread, (void *)(saved.rip - 2), NULL);
        if (!errno && (word & 0xffff) == SYSCALL_INSN)
            break;
        /* Twice: at its entry RIP stands there too, but the call is still to come. */
        for (int stop = 0; stop < 2; stop++)
            if (i == 8 || ptrace(PTRACE_SYSCALL, thread, NULL, NULL) < 0 || wait_stop(thread) < 0) {
                fail("the thread was not found at a system call");
                goto detach;
            }
    }
    int64_t page = remote_syscall(thread, &saved, SYS_mmap, 0, SCRATCH, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
    if (page < 0 && page > -4096) {
        errno = (int)-page;
        fail("mmap in QEMU");
        goto detach;
    }
    static const struct {
        unsigned long request;
        size_t size;
        const char *name;
    } reads[] = {{KVM_GET_REGS, sizeof(struct kvm_regs), "KVM_GET_REGS"},
                 {KVM_GET_SREGS, sizeof(struct kvm_sregs), "KVM_GET_SREGS"},
                 {KVM_GET_FPU, sizeof(struct kvm_fpu), "KVM_GET_FPU"},
                 {KVM_GET_XSAVE, sizeof(struct kvm_xsave), "KVM_GET_XSAVE"},
                 {KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs), "KVM_GET_DEBUGREGS"},
                 {KVM_GET_MSRS, sizeof(struct kvm_msrs) + sizeof msrs / sizeof msrs[0] * sizeof(struct kvm_msr_entry),
                  "KVM_GET_MSRS"}};
    struct iovec local = {buffer, 0}, remote = {(void *)page, 0};
    char pid_text[16];
    snprintf(pid_text, sizeof pid_text, "%s", pid);
    pid_t process = (pid_t)strtol(pid_text, NULL, 10);
    r = 0;
    for (unsigned i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        memset(buffer, 0, sizeof buffer);
        struct kvm_msrs *list = (struct kvm_msrs *)buffer;
        if (reads[i].request == KVM_GET_MSRS) {
            list->nmsrs = sizeof msrs / sizeof msrs[0];
            for (unsigned m = 0; m < list->nmsrs; m++)
                list->entries[m].index = msrs[m];
        }
        local.iov_len = remote.iov_len = reads[i].size;
        if (process_vm_writev(process, &local, 1, &remote, 1, 0) != (ssize_t)reads[i].size) {
            r = fail("process_vm_writev");
            break;
        }
        int64_t done = remote_syscall(thread, &saved, SYS_ioctl, (uint64_t)vcpu, reads[i].request, (uint64_t)page, 0,
                                      0, 0);
        if (done < 0) {
            errno = (int)-done;
            r = fail(reads[i].name);
            break;
        }
        if (process_vm_readv(process, &local, 1, &remote, 1, 0) != (ssize_t)reads[i].size ||
            fwrite(buffer, reads[i].size, 1, out) != 1) {
            r = fail(reads[i].name);
            break;
        }
        if (reads[i].request == KVM_GET_REGS) {
            const struct kvm_regs *regs = (const struct kvm_regs *)buffer;
            printf("rip %#llx rsp %#llx rax %#llx rbx %#llx r15 %#llx\n", regs->rip, regs->rsp, regs->rax, regs->rbx,
                   regs->r15);
        }
    }
    remote_syscall(thread, &saved, SYS_munmap, (uint64_t)page, SCRATCH, 0, 0, 0, 0);
    if (ptrace(PTRACE_SETREGS, thread, NULL, &saved) < 0)
        r = fail("PTRACE_SETREGS");
detach:
    if (ptrace(PTRACE_DETACH, thread, NULL, NULL) < 0)
        r = fail("PTRACE_DETACH");
    return r;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: vcpudump PID FILE [TIMES]\n");
        return 2;
    }
    unsigned times = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 0) : 1;
    pid_t thread = vcpu_thread(argv[1]);
    int vcpu = thread < 0 ? -1 : vcpu_descriptor(argv[1]);
    FILE *out = vcpu < 0 ? NULL : fopen(argv[2], "we");
    if (!out)
        return vcpu < 0 ? 2 : (fail(argv[2]), 2);
    for (unsigned i = 0; i < times; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        if (dump_once(argv[1], thread, vcpu, out) < 0)
            return 2;
    }
    if (fclose(out) != 0)
        return fail(argv[2]), 2;
    return 0;
}
