/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports and runtime registers for processes of a protected guest, and the age of its disk. cvm-guest(1). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/io.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cvm/report.h"
#include "mark.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_NOT_PROTECTED 3
#define EXIT_NO_PERMISSION 4
#define EXIT_OLD_DISK 5

#define LOCK "/run/cvm-guest.lock"
#define REGISTER_LOG "/run/cvm-registers.log"
#define KEY "/cvm/disk.key"

static const char usage[] =
    "cvm-guest {status | report | counter | extend | key-size | mark} ...\n\n"
    "Reports and runtime registers, from inside a protected virtual machine.\n\n"
    "  status                          is there a Guardian? 0 if so, 3 if not\n"
    "  report [--nonce HEX|FILE] [-o FILE]\n"
    "                                  a signed report on this machine, 1176 bytes, with these 64 bytes in it\n"
    "                                  (shorter ones end in zeros; 64 random ones if none are given)\n"
    "  counter                         this machine's rollback counter: EPOCH COUNT; 1 if it has none (yet)\n"
    "  extend REGISTER DIGEST [TEXT] [--log FILE]\n"
    "                                  register (0-3) = SHA-384(register || digest, 96 hexadecimal digits), and a line\n"
    "                                  of it in a log (" REGISTER_LOG ") for who verifies a report\n"
    "  key-size [--key FILE]           bytes of the disk's key, without the mark that the broker put behind it\n"
    "                                  (" KEY ")\n"
    "  mark FILE [--key FILE] [--check]\n"
    "                                  FILE, on the disk, must be of the start before this one, as the key says; then it is of\n"
    "                                  this one. --check: it stays as it is\n\n"
    "  -h, --help     this text\n"
    "      --version  version\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not a protected machine, 4 not permitted (CAP_SYS_RAWIO),\n"
    "5 the disk is not as the last start that had its key left it.\n";

__attribute__((format(printf, 2, 3), noreturn)) static void fail(int status, const char *format, ...) {
    va_list args;

    va_start(args, format);
    fputs("cvm-guest: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(status);
}

/* --- the port --------------------------------------------------------------------------- */

/* One instruction each: the Guardian takes and gives a whole block, or nothing. */
static void port_out(const struct cvm_port_call *c) {
    const void *p = c;
    size_t n = sizeof(*c);

    __asm__ volatile("cld; rep outsb" : "+S"(p), "+c"(n) : "d"(CVM_GUEST_PORT) : "memory");
}

static void port_in(struct cvm_port_answer *a) {
    void *p = a;
    size_t n = sizeof(*a);

    __asm__ volatile("cld; rep insb" : "+D"(p), "+c"(n) : "d"(CVM_GUEST_PORT) : "memory");
}

/* Calls of two processes must not mix: the Guardian keeps one answer. */
static int lock(void) {
    int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    /* In an initramfs there may be no /run; then there is nobody else either. */
    if (fd >= 0)
        while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
            ;
    return fd;
}

static void open_port(void) {
    if (ioperm(CVM_GUEST_PORT, 1, 1) < 0)
        fail(errno == EPERM || errno == EACCES ? EXIT_NO_PERMISSION : EXIT_FAILED, "no permission for I/O port %#x: %s%s",
             CVM_GUEST_PORT, strerror(errno), errno == EPERM ? " (it takes CAP_SYS_RAWIO)" : "");
}

/* What a device model answers on a port that it does not know is never this. */
static bool is_answer(const struct cvm_port_answer *a) {
    return a->magic == CVM_PORT_MAGIC;
}

/* On another hypervisor a port without a device swallows and gives ones; nothing is lost by asking. */
static void must_be_protected(void) {
    static struct cvm_port_answer a;

    port_in(&a);
    if (!is_answer(&a))
        fail(EXIT_NOT_PROTECTED, "this machine is not protected: no Guardian answers");
}

/* The lock, to be closed, or -1. */
static int call(const struct cvm_port_call *c, struct cvm_port_answer *a) {
    int fd;

    open_port();
    fd = lock();
    must_be_protected();
    port_out(c);
    port_in(a);
    if (!is_answer(a))
        fail(EXIT_NOT_PROTECTED, "this machine is not protected: no Guardian answers");
    if (a->result < 0)
        fail(EXIT_FAILED, "the Guardian refuses: %s", strerror(-a->result));
    return fd;
}

/* --- arguments -------------------------------------------------------------------------- */

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of a text of hexadecimal digits, or -1. */
static int from_hex(const char *text, size_t digits, uint8_t *out, size_t room) {
    if (!digits || digits % 2 || digits / 2 > room)
        return -1;
    for (size_t i = 0; i < digits; i += 2) {
        int high = digit(text[i]), low = digit(text[i + 1]);

        if (high < 0 || low < 0)
            return -1;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (int)(digits / 2);
}

/* Hexadecimal digits, or a file with such, or one of at most 64 bytes as they are. */
static void take_nonce(const char *argument, uint8_t data[64]) {
    char buf[260];
    size_t digits;
    FILE *f;
    size_t n;

    if (!argument) {
        if (getrandom(data, 64, 0) != 64)
            fail(EXIT_FAILED, "no random numbers: %s", strerror(errno));
        return;
    }
    if (from_hex(argument, strlen(argument), data, 64) > 0)
        return;
    f = fopen(argument, "re");
    if (!f)
        fail(EXIT_USAGE, "'%s' is neither 1 to 64 bytes in hexadecimal nor a file: %s", argument, strerror(errno));
    n = fread(buf, 1, sizeof(buf), f);
    if (ferror(f))
        fail(EXIT_FAILED, "cannot read '%s': %s", argument, strerror(errno));
    fclose(f);
    digits = n;
    while (digits && (buf[digits - 1] == '\n' || buf[digits - 1] == ' '))
        digits--;
    if (from_hex(buf, digits, data, 64) > 0)
        return;
    if (n < 1 || n > 64)
        fail(EXIT_USAGE, "'%s' has %s bytes; a nonce has 1 to 64", argument, n ? "too many" : "no");
    memcpy(data, buf, n);
}

/* --- verbs ------------------------------------------------------------------------------ */

static int do_status(void) {
    open_port();
    must_be_protected();
    puts("protected");
    return 0;
}

static int do_report(const char *nonce, const char *output) {
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_REPORT};
    static struct cvm_port_answer a;
    FILE *f = stdout;

    if (!output && isatty(STDOUT_FILENO))
        fail(EXIT_USAGE, "a report is binary: name a file with -o, or send it elsewhere");
    take_nonce(nonce, c.data);
    close(call(&c, &a));
    if (a.report.magic != CVM_REPORT_MAGIC || memcmp(a.report.user_data, c.data, sizeof(c.data)))
        fail(EXIT_FAILED, "that is the answer to another request");
    if (output)
        f = fopen(output, "we");
    if (!f || fwrite(&a.report, sizeof(a.report), 1, f) != 1 || fflush(f) || (output && fclose(f)))
        fail(EXIT_FAILED, "cannot write '%s': %s", output ? output : "standard output", strerror(errno));
    return 0;
}

/* Of this machine's own Guardian, with no host in between: nobody need check the signature. */
static int do_counter(void) {
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_REPORT};
    static struct cvm_port_answer a;

    take_nonce(NULL, c.data);
    close(call(&c, &a));
    if (a.report.magic != CVM_REPORT_MAGIC || memcmp(a.report.user_data, c.data, sizeof(c.data)))
        fail(EXIT_FAILED, "that is the answer to another request");
    if (!a.report.rollback)
        fail(EXIT_FAILED, "this machine was not counted");
    return printf("%08x %u\n", a.report.rollback_epoch, a.report.rollback) < 0 || fflush(stdout) ? EXIT_FAILED : 0;
}

/* One line, behind what is there; under the lock, so that lines stand as the registers were extended. */
static void write_log(const char *path, const char *reg, const char *digest, const char *text) {
    char line[512];
    int n, fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);

    n = snprintf(line, sizeof(line), "%s %s%s%.300s\n", reg, digest, *text ? " " : "", text);
    if (fd < 0 && errno == ENOENT && strcmp(path, REGISTER_LOG) == 0) {
        /* In an initramfs there may be no /run. */
        fprintf(stderr, "cvm-guest: there is no /run: what register %s was extended with stands in no log\n", reg);
        return;
    }
    if (fd < 0 || write(fd, line, (size_t)n) != n || close(fd) < 0)
        fail(EXIT_FAILED, "the register is extended, but '%s' cannot be written: %s", path, strerror(errno));
}

static int do_extend(const char *reg, const char *digest, const char *text, const char *log) {
    struct cvm_port_call c = {.magic = CVM_PORT_MAGIC, .call = CVM_GUEST_RTMR_EXTEND};
    static struct cvm_port_answer a;
    int fd;

    if (strlen(reg) != 1 || reg[0] < '0' || reg[0] >= '0' + (int)CVM_RTMRS)
        fail(EXIT_USAGE, "'%s' is no register: there are 0 to %u", reg, CVM_RTMRS - 1);
    c.index = (uint32_t)(reg[0] - '0');
    if (from_hex(digest, strlen(digest), c.data, CVM_DIGEST_SIZE) != CVM_DIGEST_SIZE)
        fail(EXIT_USAGE, "a digest has %u hexadecimal digits", 2 * CVM_DIGEST_SIZE);
    if (strpbrk(text, "\r\n"))
        fail(EXIT_USAGE, "the text must be one line");
    fd = call(&c, &a);
    write_log(log, reg, digest, text);
    close(fd);
    return 0;
}

/* --- the disk's age ----------------------------------------------------------------------- */

/* At most @max bytes of a plain file, or fewer; -1: there is none. */
static ssize_t read_plain(const char *path, void *buf, size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    size_t n = 0;
    ssize_t r;

    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        fail(EXIT_FAILED, "cannot open '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        fail(EXIT_FAILED, "'%s' is no plain file", path);
    do
        r = read(fd, (char *)buf + n, max - n);
    while ((r > 0 && (n += (size_t)r) < max) || (r < 0 && errno == EINTR));
    if (r < 0)
        fail(EXIT_FAILED, "cannot read '%s': %s", path, strerror(errno));
    close(fd);
    return (ssize_t)n;
}

static size_t load_mark(const char *path, struct mark *m) {
    uint8_t bytes[CVM_KEY_MAX + 1];
    ssize_t n = read_plain(path, bytes, sizeof(bytes));
    size_t size = n < 0 ? 0 : mark_of_key(bytes, (size_t)n, m);

    explicit_bzero(bytes, sizeof(bytes));
    if (n < 0)
        fail(EXIT_FAILED, "there is no '%s'", path);
    if (!size)
        fail(EXIT_FAILED, "'%s' ends in no disk mark: the broker's resource has none (cvmctl broker add --disk-mark)", path);
    return size;
}

static int do_key_size(const char *key) {
    struct mark m;

    return printf("%zu\n", load_mark(key, &m)) < 0 || fflush(stdout) ? EXIT_FAILED : 0;
}

/* A crash leaves the old mark or the new one, on the disk when this returns. */
static void write_mark(const char *path, const struct mark *m) {
    char text[MARK_TEXT_MAX], scratch[4096], *slash;
    size_t n = mark_format(m->series, m->generation, text);
    int fd;

    if (snprintf(scratch, sizeof(scratch), "%s.new", path) >= (int)sizeof(scratch))
        fail(EXIT_USAGE, "that name is too long");
    unlink(scratch);
    fd = open(scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) < 0 || close(fd) < 0 || rename(scratch, path) < 0)
        fail(EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
    slash = strrchr(scratch, '/');
    if (slash)
        slash[slash == scratch] = 0; /* "/" has no other name */
    fd = open(slash ? scratch : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
        fail(EXIT_FAILED, "cannot bring '%s' to the disk: %s", path, strerror(errno));
}

static int do_mark(const char *path, const char *key, bool check) {
    static const char *const words[] = {
        [MARK_FITS] = "",
        [MARK_FIRST] = "",
        [MARK_ABSENT] = "it has no mark, but a start before this one had its key",
        [MARK_OLDER] = "this disk is older than the last start that had its key",
        [MARK_NEWER] = "it was marked by a start that the broker does not know",
        [MARK_FOREIGN] = "its mark is of another disk, or of another broker",
        [MARK_MALFORMED] = "what it has is no mark",
    };
    char text[MARK_TEXT_MAX], at[64] = "";
    enum mark_state state;
    uint64_t found;
    struct mark m;
    ssize_t n;

    load_mark(key, &m);
    n = read_plain(path, text, sizeof(text));
    state = mark_judge(&m, n < 0 ? NULL : text, n < 0 ? 0 : (size_t)n, &found);
    if (found)
        snprintf(at, sizeof(at), ", marked %llu", (unsigned long long)found);
    if (*words[state] && !m.allow)
        fail(EXIT_OLD_DISK, "'%s': %s (this is start %llu%s)", path, words[state], (unsigned long long)m.generation, at);
    if (*words[state])
        fprintf(stderr, "cvm-guest: warning: '%s': %s (this is start %llu%s); the tenant allows it\n", path, words[state],
                (unsigned long long)m.generation, at);
    if (!check && found != m.generation)
        write_mark(path, &m);
    return 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"nonce", required_argument, NULL, 'n'},
        {"output", required_argument, NULL, 'o'},
        {"log", required_argument, NULL, 'l'},
        {"key", required_argument, NULL, 'k'},
        {"check", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    const char *nonce = NULL, *output = NULL, *log = NULL, *key = NULL, *verb;
    bool check = false;
    int c;

    while ((c = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
        switch (c) {
        case 'n': nonce = optarg; break;
        case 'o': output = optarg; break;
        case 'l': log = optarg; break;
        case 'k': key = optarg; break;
        case 'c': check = true; break;
        case 'h': return fputs(usage, stdout) < 0;
        case 'V': return puts("cvm-guest " CVMD_VERSION) < 0;
        default: return EXIT_USAGE;
        }
    }
    verb = optind < argc ? argv[optind++] : NULL;
    argc -= optind;
    argv += optind;
    if (!verb)
        fail(EXIT_USAGE, "what shall it do? See cvm-guest --help");
    if ((nonce || output) && strcmp(verb, "report"))
        fail(EXIT_USAGE, "--nonce and --output are for 'report'");
    if (log && strcmp(verb, "extend"))
        fail(EXIT_USAGE, "--log is for 'extend'");
    if (key && strcmp(verb, "key-size") && strcmp(verb, "mark"))
        fail(EXIT_USAGE, "--key is for 'key-size' and 'mark'");
    if (check && strcmp(verb, "mark"))
        fail(EXIT_USAGE, "--check is for 'mark'");
    if (strcmp(verb, "status") == 0 && argc == 0)
        return do_status();
    if (strcmp(verb, "report") == 0 && argc == 0)
        return do_report(nonce, output);
    if (strcmp(verb, "counter") == 0 && argc == 0)
        return do_counter();
    if (strcmp(verb, "extend") == 0 && (argc == 2 || argc == 3))
        return do_extend(argv[0], argv[1], argc == 3 ? argv[2] : "", log ? log : REGISTER_LOG);
    if (strcmp(verb, "key-size") == 0 && argc == 0)
        return do_key_size(key ? key : KEY);
    if (strcmp(verb, "mark") == 0 && argc == 1)
        return do_mark(argv[0], key ? key : KEY, check);
    fail(EXIT_USAGE, "see cvm-guest --help");
}
