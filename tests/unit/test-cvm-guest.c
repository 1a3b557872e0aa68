/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvm-guest without a guest: its port instructions fault in user space, and a played Guardian answers them from the signal's
 * handler. What it says, its exit statuses, that its log gives the registers, and which disks it takes for the newest.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "attest/register-log.h"

#include <openssl/evp.h>

static char directory[64];

/* The port is played, and the lock is nobody else's. */
#define ioperm(from, num, on) 0
#define open(path, ...) open(strcmp(path, LOCK) ? path : "/dev/null", __VA_ARGS__)
#undef fail /* cmocka's is a macro */
#define fail guest_fail
#define main guest_main
int guest_main(int argc, char **argv);
#include "../../guest/cvm-guest.c"
#undef main
#undef fail
#undef open
#undef ioperm

/* Seen by all processes of the test. */
static struct {
    bool absent;
    uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
    struct cvm_port_answer answer;
} *guardian;

static void take_call(const struct cvm_port_call *c) {
    uint8_t both[2 * CVM_DIGEST_SIZE];

    guardian->answer = (struct cvm_port_answer){.magic = CVM_PORT_MAGIC};
    if (c->magic != CVM_PORT_MAGIC)
        abort();
    if (c->call == CVM_GUEST_RTMR_EXTEND) {
        memcpy(both, guardian->rtmr[c->index], CVM_DIGEST_SIZE);
        memcpy(both + CVM_DIGEST_SIZE, c->data, CVM_DIGEST_SIZE);
        EVP_Digest(both, sizeof(both), guardian->rtmr[c->index], NULL, EVP_sha384(), NULL);
        return;
    }
    guardian->answer.report.magic = CVM_REPORT_MAGIC;
    memcpy(guardian->answer.report.user_data, c->data, sizeof(c->data));
    memcpy(guardian->answer.report.rtmr, guardian->rtmr, sizeof(guardian->rtmr));
}

/* REP OUTSB or REP INSB at CPL 3 without the right to the port: #GP. Done here, and on behind it. */
static void on_fault(int number, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)r[REG_RIP];

    (void)number, (void)info;
    if (code[0] != 0xf3 || (code[1] != 0x6e && code[1] != 0x6c) || (r[REG_RDX] & 0xffff) != CVM_GUEST_PORT)
        _exit(99);
    if (code[1] == 0x6e)
        take_call((const void *)r[REG_RSI]);
    else if (guardian->absent)
        memset((void *)r[REG_RDI], 0xff, (size_t)r[REG_RCX]);
    else
        memcpy((void *)r[REG_RDI], &guardian->answer, sizeof(guardian->answer));
    r[REG_RCX] = 0;
    r[REG_RIP] += 2;
}

/* Runs cvm-guest; its exit status. */
static int run(const char *const *words) {
    char *argv[8] = {(char *)"cvm-guest"};
    int argc = 1, status;
    pid_t child;

    for (; *words; words++)
        argv[argc++] = (char *)*words;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        const struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr) || sigaction(SIGSEGV, &act, NULL) < 0)
            _exit(98);
        optind = 0;
        exit(guest_main(argc, argv));
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

#define A "abababababababababababababababababababababababab" \
          "abababababababababababababababababababababababab"
#define B "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_register_log(void **state) {
    char path[96], absent[128];
    uint8_t rtmr[CVM_RTMRS][CVM_DIGEST_SIZE];
    struct cvm_error e = {""};
    void *text = NULL;
    unsigned lines = 0;
    size_t size = 0;

    (void)state;
    assert_int_equal(strlen(A), 96);
    snprintf(path, sizeof(path), "%s/registers", directory);
    snprintf(absent, sizeof(absent), "%s/none/registers", directory);
    assert_int_equal(RUN("extend", "2", A, "a text", "--log", path), 0);
    assert_int_equal(RUN("extend", "--log", path, "0", B), 0);
    assert_int_equal(RUN("extend", "2", B, "", "--log", path), 0);
    assert_int_equal(cvm_read_file(path, 4096, &text, &size, &e), 0);
    assert_string_equal(text, "2 " A " a text\n0 " B "\n2 " B "\n");
    /* It gives the registers that the Guardian has. */
    assert_int_equal(cvm_register_log_replay(text, size, rtmr, &lines, &e), 0);
    assert_int_equal(lines, 3);
    assert_memory_equal(rtmr, guardian->rtmr, sizeof(rtmr));
    /* Nothing is extended, and nothing written, for what cannot be a line. */
    assert_int_equal(RUN("extend", "4", A, "--log", path), 2);
    assert_int_equal(RUN("extend", "1", "abab", "--log", path), 2);
    assert_int_equal(RUN("extend", "1", A, "two\nlines", "--log", path), 2);
    assert_int_equal(RUN("extend", "1", A, "too", "many", "--log", path), 2);
    assert_memory_equal(rtmr, guardian->rtmr, sizeof(rtmr));
    /* A log that cannot be written is told: from then on it fits no report. */
    assert_int_equal(RUN("extend", "1", A, "--log", absent), 1);
    assert_memory_not_equal(rtmr, guardian->rtmr, sizeof(rtmr));
    free(text);
}

static void test_report(void **state) {
    char path[96];
    void *r = NULL;
    struct cvm_error e = {""};
    size_t size = 0;

    (void)state;
    snprintf(path, sizeof(path), "%s/report", directory);
    assert_int_equal(RUN("status"), 0);
    assert_int_equal(RUN("report", "--nonce", "5aa517", "-o", path), 0);
    assert_int_equal(cvm_read_file(path, 4096, &r, &size, &e), 0);
    assert_int_equal(size, sizeof(struct cvm_report));
    assert_memory_equal(((struct cvm_report *)r)->user_data, "\x5a\xa5\x17\0", 4);
    assert_memory_equal(((struct cvm_report *)r)->rtmr, guardian->rtmr, sizeof(guardian->rtmr));
    free(r);
    assert_int_equal(RUN("counter"), 1); /* it was not counted */
    assert_int_equal(RUN("report", "--log", path), 2);
    assert_int_equal(RUN("nonsense"), 2);
}

/* Another hypervisor: the port has no device, and gives ones. */
static void test_not_protected(void **state) {
    char path[96];

    (void)state;
    snprintf(path, sizeof(path), "%s/elsewhere", directory);
    guardian->absent = true;
    assert_int_equal(RUN("status"), 3);
    assert_int_equal(RUN("extend", "1", A, "--log", path), 3);
    assert_int_equal(access(path, F_OK), -1);
    guardian->absent = false;
}

/* --- the disk's age ---------------------------------------------------------------------- */

#define KEY_SIZE 32u
#define SERIES "00112233445566778899aabbccddeeff"
#define LINE(series, generation) "cvm-disk-mark 1 " series " " generation "\n"

/* A key file as a broker makes it. */
static void make_key(uint64_t generation, uint32_t flags, uint8_t bytes[KEY_SIZE + sizeof(struct cvm_disk_mark)]) {
    struct cvm_disk_mark m = {.generation = generation, .flags = flags};

    memset(bytes, 0x5e, KEY_SIZE);
    memcpy(m.magic, CVM_DISK_MARK_MAGIC, sizeof(m.magic));
    for (unsigned i = 0; i < sizeof(m.series); i++)
        m.series[i] = (uint8_t)(i * 0x11);
    memcpy(bytes + KEY_SIZE, &m, sizeof(m));
}

static enum mark_state judge(uint64_t generation, const char *text, uint64_t *found) {
    uint8_t bytes[KEY_SIZE + sizeof(struct cvm_disk_mark)];
    struct mark m = {.generation = 0};

    make_key(generation, 0, bytes);
    assert_int_equal(mark_of_key(bytes, sizeof(bytes), &m), KEY_SIZE);
    assert_false(m.allow);
    return mark_judge(&m, text, text ? strlen(text) : 0, found);
}

static void test_mark_judged(void **state) {
    static const char *const malformed[] = {
        "", "\n", "7", "generation 7\n", LINE(SERIES, "0"), LINE(SERIES, ""), LINE(SERIES, "07"), LINE(SERIES, "+7"), LINE(SERIES, "-7"), LINE(SERIES, " 7"),
        LINE(SERIES, "7 "), LINE(SERIES, "7\n"), LINE(SERIES, "0x7"), LINE(SERIES, "7.0"), LINE(SERIES, "18446744073709551623") /* 7, modulo 2^64 */,
        LINE(SERIES, "99999999999999999999999999"), "cvm-disk-mark 2 " SERIES " 7\n", "cvm-disk-mark 1 " SERIES " 7", "cvm-disk-mark 1  " SERIES " 7\n",
        LINE("00112233445566778899AABBCCDDEEFF", "7"), LINE("00112233445566778899aabbccddeef", "7"), LINE("00112233445566778899aabbccddeeffa", "7"),
    };
    uint64_t found;

    (void)state;
    assert_int_equal(judge(1, NULL, &found), MARK_FIRST);
    assert_int_equal(judge(2, NULL, &found), MARK_ABSENT);
    assert_int_equal(judge(8, LINE(SERIES, "7"), &found), MARK_FITS);
    assert_int_equal(found, 7);
    assert_int_equal(judge(7, LINE(SERIES, "7"), &found), MARK_FITS);
    assert_int_equal(judge(9, LINE(SERIES, "7"), &found), MARK_OLDER);
    assert_int_equal(judge(6, LINE(SERIES, "7"), &found), MARK_NEWER);
    assert_int_equal(judge(1, LINE(SERIES, "7"), &found), MARK_NEWER);
    assert_int_equal(judge(1, LINE(SERIES, "18446744073709551615"), &found), MARK_NEWER);
    assert_int_equal(judge(8, LINE("00112233445566778899aabbccddeefe", "7"), &found), MARK_FOREIGN);
    assert_int_equal(judge(1, LINE("00112233445566778899aabbccddeefe", "1"), &found), MARK_FOREIGN);
    for (unsigned i = 0; i < ELEMENTSOF(malformed); i++)
        assert_int_equal(judge(8, malformed[i], &found), MARK_MALFORMED);
}

/* Each bit of a mark and of what stands behind a key, and each length: no other is taken for it. */
static void test_mark_bits(void **state) {
    const char good[] = LINE(SERIES, "7");
    uint8_t bytes[KEY_SIZE + sizeof(struct cvm_disk_mark)];
    const size_t magic = KEY_SIZE, generation = KEY_SIZE + offsetof(struct cvm_disk_mark, generation), flags = generation + 8;
    char text[sizeof(good)];
    uint64_t found;
    struct mark m = {.generation = 0}, other;

    (void)state;
    make_key(8, 0, bytes);
    assert_int_equal(mark_of_key(bytes, sizeof(bytes), &m), KEY_SIZE);
    assert_int_equal(mark_judge(&m, good, sizeof(good) - 1, &found), MARK_FITS);
    for (size_t bit = 0; bit < 8 * (sizeof(good) - 1); bit++) {
        enum mark_state got;

        memcpy(text, good, sizeof(good));
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        got = mark_judge(&m, text, sizeof(good) - 1, &found);
        assert_true(got == MARK_MALFORMED || got == MARK_FOREIGN || got == MARK_OLDER || got == MARK_NEWER);
    }
    for (size_t n = 0; n < sizeof(good) - 1; n++)
        assert_int_equal(mark_judge(&m, good, n, &found), MARK_MALFORMED);
    for (size_t n = 0; n < sizeof(bytes); n++)
        assert_int_equal(mark_of_key(bytes, n, &other), 0);
    for (size_t bit = 8 * magic; bit < 8 * sizeof(bytes); bit++) {
        const size_t at = bit / 8;
        size_t size;

        bytes[at] ^= (uint8_t)(1 << bit % 8);
        size = mark_of_key(bytes, sizeof(bytes), &other);
        if (at < magic + 8 || (at >= flags && bit != 8 * flags) || bit == 8 * generation + 3) /* 8 becomes 0 */
            assert_int_equal(size, 0);
        else if (bit == 8 * flags)
            assert_true(size == KEY_SIZE && other.allow);
        else
            assert_true(size == KEY_SIZE && mark_judge(&other, good, sizeof(good) - 1, &found) != MARK_FITS);
        bytes[at] ^= (uint8_t)(1 << bit % 8);
    }
}

static char key_file[96], mark_file[96];

static void give_key(uint64_t generation, uint32_t flags) {
    uint8_t bytes[KEY_SIZE + sizeof(struct cvm_disk_mark)];
    struct cvm_error e;

    make_key(generation, flags, bytes);
    assert_int_equal(cvm_write_file(key_file, bytes, sizeof(bytes), &e), 0);
}

static void assert_marked(const char *line) {
    struct cvm_error e;
    void *text = NULL;
    size_t size;

    assert_int_equal(cvm_read_file(mark_file, 4096, &text, &size, &e), 0);
    assert_string_equal(text, line);
    free(text);
}

static void write_mark_file(const char *text) {
    struct cvm_error e;

    assert_int_equal(cvm_write_file(mark_file, text, strlen(text), &e), 0);
}

#define MARK(...) RUN("mark", mark_file, "--key", key_file, ##__VA_ARGS__)

static void test_mark(void **state) {
    char scratch[104], link[96];
    struct cvm_error e;

    (void)state;
    snprintf(key_file, sizeof(key_file), "%s/key", directory);
    snprintf(mark_file, sizeof(mark_file), "%s/mark", directory);
    snprintf(scratch, sizeof(scratch), "%s.new", mark_file);
    snprintf(link, sizeof(link), "%s/link", directory);
    assert_int_equal(MARK(), 1); /* no key */
    give_key(1, 0);
    assert_int_equal(RUN("key-size", "--key", key_file), 0);
    assert_int_equal(MARK("--check"), 0);
    assert_int_equal(access(mark_file, F_OK), -1);
    assert_int_equal(MARK(), 0);
    assert_marked(LINE(SERIES, "1"));
    assert_int_equal(MARK(), 0); /* the same start again */
    /* What a crash left beside it is in nobody's way. */
    assert_int_equal(cvm_write_file(scratch, "half", 4, &e), 0);
    give_key(2, 0);
    assert_int_equal(MARK("--check"), 0);
    assert_marked(LINE(SERIES, "1"));
    assert_int_equal(MARK(), 0);
    assert_marked(LINE(SERIES, "2"));
    assert_int_equal(access(scratch, F_OK), -1);
    /* The older disk, for the start after; and it stays as it was. */
    give_key(3, 0);
    write_mark_file(LINE(SERIES, "1"));
    assert_int_equal(MARK(), 5);
    assert_int_equal(MARK("--check"), 5);
    assert_marked(LINE(SERIES, "1"));
    write_mark_file("nonsense");
    assert_int_equal(MARK(), 5);
    assert_int_equal(unlink(mark_file), 0);
    assert_int_equal(MARK(), 5);
    assert_int_equal(access(mark_file, F_OK), -1);
    /* Control: the tenant allows it. It is marked from then on. */
    give_key(3, CVM_DISK_MARK_ALLOW);
    write_mark_file(LINE(SERIES, "1"));
    assert_int_equal(MARK("--check"), 0);
    assert_marked(LINE(SERIES, "1"));
    assert_int_equal(MARK(), 0);
    assert_marked(LINE(SERIES, "3"));
    give_key(4, 0);
    assert_int_equal(MARK(), 0);
    /* What is no file, a key without a mark, wrong words. */
    assert_int_equal(RUN("mark", directory, "--key", key_file), 1);
    assert_int_equal(symlink(mark_file, link), 0);
    assert_int_equal(RUN("mark", link, "--key", key_file), 1);
    assert_int_equal(cvm_write_file(key_file, "a key of 32 bytes, or about that", 32, &e), 0);
    assert_int_equal(MARK(), 1);
    assert_int_equal(RUN("key-size", "--key", key_file), 1);
    assert_int_equal(RUN("mark"), 2);
    assert_int_equal(RUN("status", "--key", key_file), 2);
    assert_int_equal(RUN("key-size", "--check"), 2);
}

static int setup(void **state) {
    (void)state;
    strcpy(directory, "/tmp/test-cvm-guest.XXXXXX");
    guardian = mmap(NULL, sizeof(*guardian), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (guardian == MAP_FAILED || !mkdtemp(directory))
        return -1;
    guardian->answer.magic = CVM_PORT_MAGIC;
    return 0;
}

static int teardown(void **state) {
    char command[96];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_log),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_not_protected),
        cmocka_unit_test(test_mark_judged),
        cmocka_unit_test(test_mark_bits),
        cmocka_unit_test(test_mark),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
