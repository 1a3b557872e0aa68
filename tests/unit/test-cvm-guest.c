/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvm-guest without a guest: its port instructions fault in user space, and a played Guardian answers them from the signal's
 * handler. What it says, its exit statuses, and that its log gives the registers.
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
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
