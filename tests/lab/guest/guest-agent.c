/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1 of the lab's guests. Says "GUEST: up" on the serial console and then obeys one command
 * a line. Every answer is one line that begins with "GUEST: ", its second word the command's name,
 * its third "ok" or "FAIL" (but for measurements, which have no verdict).
 *
 * What must not stand anywhere but in the guest's own memory (the marker) is given disguised, each
 * byte XOR 0x5a in hex, and put together in place.
 *
 *   marker HEX [PAGES]   fills PAGES (64) anonymous pages: marker, page number, pattern
 *   check                reads them all back, and how many ticks that took
 *   where                guest-physical address of the first marker page
 *   regs SEED ROUNDS     loads patterns of SEED into all registers, makes ROUNDS exits, compares
 *   mmio                 reads and writes the I/O APIC with several instruction forms
 *   exits KIND N         KIND pio, cpuid or mmio: ticks of N exits; ins, outs: of N strings of a sector at the data port of an
 *                        IDE channel that has nothing to give
 *   key HEX              compares /cvm/disk.key with these bytes, disguised
 *   port KIND            KIND protected or ordinary: what cvm-guest(1) says here; and that nobody without the right
 *                        to the port reaches the Guardian
 *   disk SHA256          runs /bin/open-disk (cvmlab/guest.py), which opens the LUKS2 disk with that key; its contents' digest
 *   sum [KIB]            a long computation over memory with a known result
 *   load KIND N          KIND cpu, memory or process: ticks of N rounds (load.h)
 *   both ROUNDS          two processes, each bound to a CPU of its own, hand a number to and fro and compute on it
 *   tsc | cpus | cmdline | poweroff
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

#include "cvm/report.h"
#include "load.h"
#include "patterns.h"

#define PAGE 4096u
#define DISGUISE 0x5a
#define IOAPIC 0xfec00000u
#define NO_DEVICE 0xfd000000u /* in the PCI hole, claimed by nothing: every access goes to QEMU */

static int console = 1;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    for (int done = 0; done < n;) {
        ssize_t r = write(console, line + done, (size_t)(n - done));
        if (r < 0 && errno != EINTR)
            return;
        done += r > 0 ? (int)r : 0;
    }
}

/* --- the marker ------------------------------------------------------------------------- */

static unsigned char *marked;
static unsigned marked_pages;
static unsigned marker_length;
static char marker_disguised[128];

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static unsigned char marker_byte(unsigned i) {
    return (
        unsigned char)((hex_digit(marker_disguised[2 * i]) << 4 | hex_digit(marker_disguised[2 * i + 1])) ^
                       DISGUISE);
}

/* Page i: marker at offset 0 and at 2048 + 16 * (i % 64), page number at 512, a pattern at 1024..1535. */
static void marker_command(const char *hex, unsigned pages) {
    size_t digits = strlen(hex);
    if (digits < 16 || digits % 2 || digits >= sizeof marker_disguised || marked) {
        say("GUEST: marker FAIL wants 8..63 bytes in hex, once");
        return;
    }
    for (size_t i = 0; i < digits; i++)
        if (hex_digit(hex[i]) < 0) {
            say("GUEST: marker FAIL not hex");
            return;
        }
    strcpy(marker_disguised, hex);
    marker_length = (unsigned)digits / 2;
    marked = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (marked == MAP_FAILED) {
        say("GUEST: marker FAIL no memory for %u pages", pages);
        marked = NULL;
        return;
    }
    marked_pages = pages;
    for (unsigned p = 0; p < pages; p++) {
        volatile unsigned char *page = marked + (size_t)p * PAGE;
        for (unsigned i = 0; i < marker_length; i++) {
            page[i] = marker_byte(i);
            page[2048 + 16 * (p % 64) + i] = marker_byte(i);
        }
        memcpy((void *)(page + 512), &p, sizeof p);
        for (unsigned i = 0; i < 512; i++)
            page[1024 + i] = (unsigned char)pattern64(p, i);
    }
    say("GUEST: marker ok %u pages", pages);
}

static void check_command(void) {
    if (!marked) {
        say("GUEST: check FAIL no marker was set");
        return;
    }
    uint64_t start = __rdtsc();
    for (unsigned p = 0; p < marked_pages; p++) {
        const volatile unsigned char *page = marked + (size_t)p * PAGE;
        unsigned number, bad = 0;
        memcpy(&number, (const void *)(page + 512), sizeof number);
        for (unsigned i = 0; i < marker_length; i++)
            bad += page[i] != marker_byte(i) || page[2048 + 16 * (p % 64) + i] != marker_byte(i);
        for (unsigned i = 0; i < 512; i++)
            bad += page[1024 + i] != (unsigned char)pattern64(p, i);
        if (bad || number != p) {
            say("GUEST: check FAIL page %u: number %u, %u wrong bytes", p, number, bad);
            return;
        }
    }
    uint64_t ticks = __rdtsc() - start;
    say("GUEST: check ok %u pages, ticks %llu", marked_pages, (unsigned long long)ticks);
}

static void where_command(void) {
    int fd = marked ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    uint64_t entry = 0;
    if (fd < 0 || pread(fd, &entry, sizeof entry, (off_t)((uintptr_t)marked / PAGE * 8)) != sizeof entry ||
        !(entry >> 63))
        say("GUEST: where FAIL no marker, or no pagemap");
    else
        say("GUEST: where ok %#llx", (unsigned long long)((entry & ((1ull << 55) - 1)) * PAGE));
    if (fd >= 0)
        close(fd);
}

/* --- registers -------------------------------------------------------------------------- */

/* GPRs in the order RAX RCX RDX RBX RBP RSI RDI R8..R15, then 16 YMM of 32 bytes. */
struct registers {
    uint64_t gpr[15];
    uint64_t padding;
    unsigned char ymm[16][32];
} __attribute__((aligned(64)));

/* Named by the assembly below, which leaves the compiler no register to address them with. */
struct registers want, got;
uint64_t rounds_left;

/*
 * Loads all of `want`, does four times `rounds_left` OUT to port 0x80 (the POST port, served by
 * QEMU; an immediate port leaves RDX free), stores all to `got`.
 */
#define LOAD_X(n) "movdqu 128+32*" #n "(%%rax), %%xmm" #n "\n"
#define LOAD_Y(n) "vmovdqu 128+32*" #n "(%%rax), %%ymm" #n "\n"
#define KEEP_X(n) "movdqu %%xmm" #n ", 128+32*" #n "(%%rax)\n"
#define KEEP_Y(n) "vmovdqu %%ymm" #n ", 128+32*" #n "(%%rax)\n"
#define ALL(m) m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)

#define REGISTER_LOOP(name, load, keep, end, target)                                                         \
    target __attribute__((noinline)) static void name(void) {                                                \
        __asm__ volatile("sub $128, %%rsp\n" /* the red zone */                                              \
                         "push %%rbx; push %%rbp; push %%r12; push %%r13; push %%r14; push %%r15\n"          \
                         "lea want(%%rip), %%rax\n" ALL(                                                     \
                             load) "mov 8(%%rax), %%rcx; mov 16(%%rax), %%rdx; mov 24(%%rax), %%rbx; mov "   \
                                   "32(%%rax), %%rbp\n"                                                      \
                                   "mov 40(%%rax), %%rsi; mov 48(%%rax), %%rdi; mov 56(%%rax), %%r8; mov "   \
                                   "64(%%rax), %%r9\n"                                                       \
                                   "mov 72(%%rax), %%r10; mov 80(%%rax), %%r11; mov 88(%%rax), %%r12; mov "  \
                                   "96(%%rax), %%r13\n"                                                      \
                                   "mov 104(%%rax), %%r14; mov 112(%%rax), %%r15; mov (%%rax), %%rax\n"      \
                                   "1: out %%al, $0x80; out %%al, $0x80; out %%al, $0x80; out %%al, $0x80\n" \
                                   "decq rounds_left(%%rip)\n"                                               \
                                   "jnz 1b\n"                                                                \
                                   "push %%rax; lea got(%%rip), %%rax; popq (%%rax)\n"                       \
                                   "mov %%rcx, 8(%%rax); mov %%rdx, 16(%%rax); mov %%rbx, 24(%%rax); mov "   \
                                   "%%rbp, 32(%%rax)\n"                                                      \
                                   "mov %%rsi, 40(%%rax); mov %%rdi, 48(%%rax); mov %%r8, 56(%%rax); mov "   \
                                   "%%r9, 64(%%rax)\n"                                                       \
                                   "mov %%r10, 72(%%rax); mov %%r11, 80(%%rax); mov %%r12, 88(%%rax); mov "  \
                                   "%%r13, 96(%%rax)\n"                                                      \
                                   "mov %%r14, 104(%%rax); mov %%r15, 112(%%rax)\n" ALL(keep) end            \
                         "pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx\n"                \
                         "add $128, %%rsp\n"                                                                 \
                         :                                                                                   \
                         :                                                                                   \
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc",      \
                           "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",   \
                           "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                            \
    }

REGISTER_LOOP(loop_sse, LOAD_X, KEEP_X, "", )
REGISTER_LOOP(loop_avx, LOAD_Y, KEEP_Y, "vzeroupper\n", )

static int have_avx(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE) && (c & bit_AVX);
}

static void regs_command(uint64_t seed, uint64_t rounds) {
    if (!rounds) {
        say("GUEST: regs FAIL wants a seed and a number of rounds");
        return;
    }
    if (iopl(3) < 0) {
        say("GUEST: regs FAIL iopl: %s", strerror(errno));
        return;
    }
    int avx = have_avx();
    for (unsigned i = 0; i < 15; i++)
        want.gpr[i] = pattern64(seed, i);
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 4; j++) {
            uint64_t value = j < 2 || avx ? pattern64(seed, 100 + 4 * i + j) : 0;
            memcpy(want.ymm[i] + 8 * j, &value, 8);
        }
    /* The user GS base: IA32_GS_BASE here, IA32_KERNEL_GS_BASE while the kernel runs. Canonical. */
    unsigned long gs = pattern64(seed, PATTERN_GS) & PATTERN_GS_MASK, gs_after = 0;
    syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, gs);
    memset(&got, 0, sizeof got);
    rounds_left = (rounds + 3) / 4;
    say("GUEST: regs running avx=%d", avx);
    if (avx)
        loop_avx();
    else
        loop_sse();
    syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs_after);
    unsigned bad = gs_after != gs;
    for (unsigned i = 0; i < 15; i++)
        bad += want.gpr[i] != got.gpr[i];
    bad += memcmp(want.ymm, got.ymm, sizeof got.ymm) != 0;
    memset(&want, 0, sizeof want);
    memset(&got, 0, sizeof got);
    if (bad)
        say("GUEST: regs FAIL %u registers changed", bad);
    else
        say("GUEST: regs ok %llu rounds", (unsigned long long)rounds);
}

/* --- devices ---------------------------------------------------------------------------- */

static volatile unsigned char *physical(uint64_t address) {
    int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)address);
    int error = errno;
    close(fd);
    errno = error;
    return page == MAP_FAILED ? NULL : page;
}

/* The I/O APIC: index at 0, data at 0x10. Register 0 is the id (bits 24..27 can be written), 1 the version.
 */
static void mmio_command(void) {
    volatile unsigned char *p = physical(IOAPIC);
    if (!p) {
        say("GUEST: mmio FAIL /dev/mem: %s (iomem=relaxed on the command line?)", strerror(errno));
        return;
    }
    uint32_t version, by8 = 0, by16 = 0, zx = 0, id, back, swapped;
    uint64_t wide = 0;
    __asm__ volatile("movl $1, (%1); movl 0x10(%1), %0" : "=&r"(version) : "r"(p) : "memory");
    __asm__ volatile("movb 0x10(%1), %b0" : "+q"(by8) : "r"(p) : "memory");
    __asm__ volatile("movw 0x10(%1), %w0" : "+r"(by16) : "r"(p) : "memory");
    __asm__ volatile("movzbl 0x10(%1), %0" : "=r"(zx) : "r"(p) : "memory");
    /* 8 bytes: two accesses of 4. What drivers never do to a device (PUSH, POP, CALL) the Guardian refuses. */
    __asm__ volatile("movq 0x10(%1), %0" : "=r"(wide) : "r"(p) : "memory");
    /* Writes and read-modify-write on the id. */
    *(volatile uint32_t *)p = 0;
    id = *(volatile uint32_t *)(p + 0x10);
    __asm__ volatile("movl %1, 0x10(%0)" : : "r"(p), "r"(0x05000000u) : "memory");
    back = *(volatile uint32_t *)(p + 0x10);
    __asm__ volatile("orl %1, 0x10(%0)" : : "r"(p), "r"(0x02000000u) : "memory");
    uint32_t ored = *(volatile uint32_t *)(p + 0x10);
    swapped = id;
    __asm__ volatile("xchgl %0, 0x10(%1)" : "+r"(swapped) : "r"(p) : "memory");
    uint32_t end = *(volatile uint32_t *)(p + 0x10);
    /* String move out of the device: four loads of the data register do not advance it, so of one. */
    uint32_t moved = 0;
    *(volatile uint32_t *)p = 1;
    volatile unsigned char *from = p + 0x10;
    uint32_t *to = &moved;
    __asm__ volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
    munmap((void *)p, PAGE);
    int good = (version & 0xff) >= 0x10 && (version & 0xff) <= 0x20 && (version >> 16 & 0xff) == 23 &&
               by8 == (version & 0xff) && by16 == (version & 0xffff) && zx == (version & 0xff) &&
               (uint32_t)wide == version && (back & 0x0f000000) == 0x05000000 &&
               (ored & 0x0f000000) == 0x07000000 && (swapped & 0x0f000000) == 0x07000000 &&
               (end & 0x0f000000) == (id & 0x0f000000) && moved == version;
    say("GUEST: mmio %s version %#x 8:%#x 16:%#x zx:%#x 64:%#llx id %#x write %#x or %#x xchg %#x end %#x "
        "movs %#x",
        good ? "ok" : "FAIL", version, by8, by16, zx, (unsigned long long)wide, id, back, ored, swapped,
        end, moved);
}

#define IDE_DATA 0x170 /* of the second channel */

static void exits_command(const char *kind, uint64_t n) {
    uint64_t start = 0, ticks;
    if (!n) {
        say("GUEST: exits FAIL wants a kind and a number");
        return;
    }
    if (!strcmp(kind, "pio")) {
        if (iopl(3) < 0) {
            say("GUEST: exits FAIL iopl: %s", strerror(errno));
            return;
        }
        outb(0, 0x80);
        start = __rdtsc();
        for (uint64_t i = 0; i < n; i++)
            __asm__ volatile("outb %%al, $0x80" : : "a"(0));
        ticks = __rdtsc() - start;
    } else if (!strcmp(kind, "cpuid")) {
        start = __rdtsc();
        for (uint64_t i = 0; i < n; i++) {
            unsigned a = 0, b, c = 0, d;
            __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        }
        ticks = __rdtsc() - start;
    } else if (!strcmp(kind, "mmio")) {
        volatile unsigned char *p = physical(NO_DEVICE);
        if (!p) {
            say("GUEST: exits FAIL /dev/mem: %s", strerror(errno));
            return;
        }
        (void)*(volatile uint32_t *)p;
        start = __rdtsc();
        for (uint64_t i = 0; i < n; i++)
            (void)*(volatile uint32_t *)p;
        ticks = __rdtsc() - start;
        munmap((void *)p, PAGE);
    } else if (!strcmp(kind, "ins") || !strcmp(kind, "outs")) {
        static uint16_t sector[256] __attribute__((aligned(512)));
        if (iopl(3) < 0) {
            say("GUEST: exits FAIL iopl: %s", strerror(errno));
            return;
        }
        start = __rdtsc();
        for (uint64_t i = 0; i < n; i++) {
            if (kind[0] == 'i')
                insw(IDE_DATA, sector, 256);
            else
                outsw(IDE_DATA, sector, 256);
        }
        ticks = __rdtsc() - start;
    } else {
        say("GUEST: exits FAIL no kind '%s'", kind);
        return;
    }
    say("GUEST: exits %s %llu ticks %llu", kind, (unsigned long long)n, (unsigned long long)ticks);
}

/* --- computation ------------------------------------------------------------------------ */

/* Writes w[i] = a * i + b, permutes in place by reversal, then sums i-weighted: the result has a closed form.
 */
static void sum_command(uint64_t kib) {
    uint64_t n = kib * 1024 / 8;
    uint64_t *w =
        n ? mmap(NULL, n * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (w == MAP_FAILED) {
        say("GUEST: sum FAIL no memory for %llu KiB", (unsigned long long)kib);
        return;
    }
    const uint64_t a = 0x9e3779b97f4a7c15ull, b = 0x1234567ull;
    for (uint64_t i = 0; i < n; i++)
        w[i] = a * i + b;
    for (uint64_t i = 0, j = n - 1; i < j; i++, j--) {
        uint64_t t = w[i];
        w[i] = w[j];
        w[j] = t;
    }
    uint64_t got_sum = 0;
    for (uint64_t i = 0; i < n; i++)
        got_sum += w[i];
    /* The sum of a * i + b over 0..n-1, modulo 2^64; n or n - 1 is even. */
    uint64_t pairs = n % 2 ? n * ((n - 1) / 2) : (n / 2) * (n - 1);
    uint64_t want_sum = a * pairs + b * n;
    munmap(w, n * 8);
    say("GUEST: sum %s %llu KiB %#llx", got_sum == want_sum ? "ok" : "FAIL", (unsigned long long)kib,
        (unsigned long long)got_sum);
}

/* --- the key that cvmboot left ---------------------------------------------------------- */

static void key_command(const char *hex) {
    unsigned char key[256];
    struct stat st;
    size_t n = strlen(hex) / 2, i = 0;
    int fd = open("/cvm/disk.key", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, key, sizeof key);
    if (size < 0 || fstat(fd, &st) < 0) {
        say("GUEST: key FAIL /cvm/disk.key: %s", strerror(errno));
        return;
    }
    close(fd);
    if ((st.st_mode & 0777) != 0400 || st.st_uid) {
        say("GUEST: key FAIL mode %o, owner %u", st.st_mode & 0777u, st.st_uid);
        return;
    }
    while ((size_t)size == n && i < n &&
           key[i] == ((unsigned)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1])) ^ DISGUISE))
        i++;
    say("GUEST: key %s %zd bytes, the first %zu as expected", i == n ? "ok" : "FAIL", size, i);
}

/* --- two CPUs --------------------------------------------------------------------------- */

static int bind_to(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

/* One step of a sequence that none of the two could compute alone without the other's steps. */
static uint64_t both_step(uint64_t x) {
    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull + 1;
}

/* Reads a number, makes a step, hands it on; each time on its own CPU. */
static int both_half(unsigned cpu, int in, int out, uint64_t rounds, uint64_t *last) {
    uint64_t x;
    for (uint64_t i = 0; i < rounds; i++) {
        if (read(in, &x, sizeof x) != sizeof x || sched_getcpu() != (int)cpu)
            return -1;
        x = *last = both_step(x);
        if (write(out, &x, sizeof x) != sizeof x)
            return -1;
    }
    return 0;
}

static void both_command(uint64_t rounds) {
    uint64_t got = 1, want = 1;
    int to[2], fro[2], status = -1;
    pid_t child;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(fro, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        say("GUEST: both FAIL %s", strerror(errno));
        return;
    }
    if (child == 0)
        _exit(bind_to(1) < 0 || both_half(1, to[0], fro[1], rounds, &got) < 0);
    close(to[0]);
    close(fro[1]);
    int r = bind_to(0);
    if (r == 0 && write(to[1], &got, sizeof got) == sizeof got) /* the last number stays unread */
        r = both_half(0, fro[0], to[1], rounds - 1, &got);
    if (r == 0 && read(fro[0], &got, sizeof got) != sizeof got)
        r = -1;
    close(to[1]);
    close(fro[0]);
    waitpid(child, &status, 0);
    for (uint64_t i = 0; i < 2 * rounds - 1; i++)
        want = both_step(want);
    say("GUEST: both %s %llu rounds", r == 0 && status == 0 && got == want ? "ok" : "FAIL",
        (unsigned long long)rounds);
}

/* --- the Guardian's port ------------------------------------------------------------------ */

/* Exit status of cvm-guest, or -1. */
static int cvm_guest(char *const argv[]) {
    int status, null;
    pid_t child = fork();
    if (child == 0) {
        null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        execv("/bin/cvm-guest", argv);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define CVM_GUEST(...) cvm_guest((char *const[]){"cvm-guest", __VA_ARGS__, NULL})

/* A process without CAP_SYS_RAWIO executes the instruction; with `right`, one that asked for the port first. */
static int read_port(int right) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        static struct cvm_port_answer a;
        void *p = &a;
        size_t n = sizeof a;
        if (right && ioperm(CVM_GUEST_PORT, 1, 1))
            _exit(2);
        if (!right && (iopl(0) || setuid(65534))) /* other commands leave iopl(3) behind */
            _exit(2);
        __asm__ volatile("cld; rep insb" : "+D"(p), "+c"(n) : "d"(CVM_GUEST_PORT) : "memory");
        _exit(a.magic == CVM_PORT_MAGIC);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static int load_report(const char *path, struct cvm_report *r) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, r, sizeof *r);
    if (fd >= 0)
        close(fd);
    return n == sizeof *r && r->magic == CVM_REPORT_MAGIC && r->requester == 1;
}

/* The one line that cvm-guest keeps of an extension. */
static int is_logged(const char *path, const char *digest, const char *text) {
    char want[200], have[sizeof want] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC), n = snprintf(want, sizeof want, "2 %s %s\n", digest, text);
    ssize_t r = fd < 0 ? -1 : read(fd, have, sizeof have);
    if (fd >= 0)
        close(fd);
    return r == n && !memcmp(want, have, (size_t)n);
}

static void port_command(const char *kind) {
    /* SHA-384 over 48 zeros and 48 bytes of abh. */
    static const char digest[] = "abababababababababababababababababababababababab"
                                 "abababababababababababababababababababababababab";
    static const unsigned char extended[] = {
        0x73, 0xbb, 0xee, 0x24, 0x6f, 0x69, 0xb6, 0xbf, 0x78, 0x24, 0xb9, 0xe7,
        0x64, 0x37, 0x01, 0xda, 0xd9, 0xed, 0x70, 0xc9, 0x4c, 0x98, 0x80, 0xd0,
        0x33, 0xc0, 0xac, 0x87, 0xb5, 0x04, 0x3d, 0x0d, 0xd7, 0x0c, 0xad, 0x57,
        0x68, 0x82, 0xfa, 0xf2, 0xf6, 0x67, 0x9a, 0x22, 0xed, 0xed, 0xfe, 0xa4,};
    struct cvm_report before, after;
    unsigned char nonce[64] = {0x5a, 0xa5, 0x17};
    int status = CVM_GUEST("status");
    int stranger = read_port(0);

    if (!WIFSIGNALED(stranger) || WTERMSIG(stranger) != SIGSEGV) {
        say("GUEST: port FAIL a process without the right to the port got %#x", stranger);
    } else if (!strcmp(kind, "ordinary")) {
        say("GUEST: port %s status %d, the port gives %#x", status == 3 && read_port(1) == 0 ? "ok" : "FAIL", status,
            read_port(1));
    } else if (status || read_port(1) != 1 << 8) {
        say("GUEST: port FAIL status %d, the port gives %#x", status, read_port(1));
    } else if (CVM_GUEST("report", "--nonce", "5aa517", "-o", "/before") || !load_report("/before", &before)) {
        say("GUEST: port FAIL no report");
    } else if (CVM_GUEST("extend", "2", (char *)digest, "a text", "--log", "/registers") ||
               !is_logged("/registers", digest, "a text") || CVM_GUEST("extend", "4", (char *)digest) != 2 ||
               CVM_GUEST("report", "--nonce", "5aa517", "-o", "/after") || !load_report("/after", &after)) {
        say("GUEST: port FAIL extend");
    } else if (memcmp(before.user_data, nonce, 64) || memcmp(after.user_data, nonce, 64) ||
               after.counter <= before.counter || memcmp(after.rtmr[2], extended, 48) ||
               memcmp(after.rtmr[1], before.rtmr[1], 48) || !memcmp(before.rtmr[2], extended, 48)) {
        say("GUEST: port FAIL the reports say something else");
    } else {
        struct cvm_port_call call = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_REPORT};
        static struct cvm_port_answer answer;
        const void *from = &call;
        void *to = &answer;
        size_t out = sizeof call, in = sizeof answer;
        ioperm(CVM_GUEST_PORT, 1, 1);
        uint64_t start = __rdtsc();
        __asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(out) : "d"(CVM_GUEST_PORT) : "memory");
        __asm__ volatile("rep insb" : "+D"(to), "+c"(in) : "d"(CVM_GUEST_PORT) : "memory");
        uint64_t ticks = __rdtsc() - start;
        say("GUEST: port %s reports %llu and %llu, ticks of one %llu", answer.result ? "FAIL" : "ok",
            (unsigned long long)before.counter, (unsigned long long)after.counter, (unsigned long long)ticks);
    }
}

/* --- its disk -------------------------------------------------------------------------- */

/* One line of what it prints, and its verdict. */
static void disk_command(const char *digest) {
    char text[400];
    size_t n = 0;
    ssize_t r;
    int out[2], status;
    uint64_t start = __rdtsc();
    if (pipe(out) < 0) {
        say("GUEST: disk FAIL pipe: %s", strerror(errno));
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        close(out[0]);
        close(out[1]);
        execl("/bin/open-disk", "open-disk", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (n < sizeof text - 1 && (r = read(out[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)r;
    close(out[0]);
    text[n] = 0;
    uint64_t ticks = __rdtsc() - start;
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = p[1] ? ';' : ' ';
    if (child < 0 || waitpid(child, &status, 0) != child)
        say("GUEST: disk FAIL fork: %s", strerror(errno));
    else
        say("GUEST: disk %s %s, ticks %llu", status == 0 && strstr(text, digest) ? "ok" : "FAIL", text,
            (unsigned long long)ticks);
}

/* --- the console ------------------------------------------------------------------------ */

static int read_line(char *line, size_t size) {
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t r = read(console, &c, 1);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        if (c == '\n' || c == '\r') {
            if (!n)
                continue;
            line[n] = 0;
            return 0;
        }
        if (n < size - 1)
            line[n++] = c;
    }
}

static void print_file(const char *name, const char *path) {
    char text[400];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0) {
        say("GUEST: %s FAIL %s: %s", name, path, strerror(errno));
        return;
    }
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = 0;
    say("GUEST: %s ok %s", name, text);
}

static void obey(char *line) {
    char *save = NULL;
    const char *word = strtok_r(line, " ", &save);
    const char *first = strtok_r(NULL, " ", &save), *second = strtok_r(NULL, " ", &save);
    if (!word)
        return;
    if (!strcmp(word, "marker") && first)
        marker_command(first, second ? (unsigned)strtoul(second, NULL, 0) : 64);
    else if (!strcmp(word, "check"))
        check_command();
    else if (!strcmp(word, "where"))
        where_command();
    else if (!strcmp(word, "regs") && first && second)
        regs_command(strtoull(first, NULL, 0), strtoull(second, NULL, 0));
    else if (!strcmp(word, "mmio"))
        mmio_command();
    else if (!strcmp(word, "exits") && first && second)
        exits_command(first, strtoull(second, NULL, 0));
    else if (!strcmp(word, "key") && first)
        key_command(first);
    else if (!strcmp(word, "both") && first && strtoull(first, NULL, 0))
        both_command(strtoull(first, NULL, 0));
    else if (!strcmp(word, "port") && first)
        port_command(first);
    else if (!strcmp(word, "disk") && first)
        disk_command(first);
    else if (!strcmp(word, "sum"))
        sum_command(first ? strtoull(first, NULL, 0) : 4096);
    else if (!strcmp(word, "load") && first && second) {
        uint64_t ticks = load_run(first, strtoull(second, NULL, 0));
        say("GUEST: load %s %s ticks %llu", first, ticks ? second : "FAIL", (unsigned long long)ticks);
    } else if (!strcmp(word, "tsc"))
        say("GUEST: tsc ok %llu", (unsigned long long)__rdtsc());
    else if (!strcmp(word, "cpus"))
        print_file("cpus", "/sys/devices/system/cpu/online");
    else if (!strcmp(word, "cmdline"))
        print_file("cmdline", "/proc/cmdline");
    else if (!strcmp(word, "poweroff")) {
        say("GUEST: poweroff ok");
        tcdrain(console);
        sync();
        reboot(RB_POWER_OFF);
        say("GUEST: poweroff FAIL %s", strerror(errno));
    } else
        say("GUEST: %s FAIL not a command, or words missing", word);
}

int main(int argc, char **argv) {
    (void)argc;
    load_child(argv);
    mkdir("/proc", 0555);
    mkdir("/sys", 0555);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        console = fd;
    struct termios t;
    if (tcgetattr(console, &t) == 0) {
        cfmakeraw(&t);
        t.c_oflag |= OPOST | ONLCR;
        tcsetattr(console, TCSANOW, &t);
    }
    say("GUEST: up tsc %llu", (unsigned long long)__rdtsc());
    char line[256];
    while (read_line(line, sizeof line) == 0)
        obey(line);
    say("GUEST: end FAIL the console is gone");
    for (;;)
        pause();
}
