/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cvmd's part of one count (cvmd/counter.c, its journal and its line to the TPM), with a Quoter behind two pipes (counter-host), and
 * killed on the way where the caller says:
 *
 *   count-host TCTI STATE-DIRECTORY VM IDENTITY POINT TO-QUOTER FROM-QUOTER
 *
 * A point is before and behind each question to the Quoter, each command to the TPM, each fsync and rename. At the POINT-th the program
 * kills itself as kill -9 does; 0: never. Prints the errno of the count, the points there were, the count that the Quoter gave.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cvmd/counter.h"
#include "cvmd/inbox.h"
#include "cvmd/manager.h"
#include "cvmd/quote.h"
#include "cvmd/tpm.h"

static unsigned points, kill_at;
static FILE *to_quoter, *from_quoter;
static uint64_t rollback;
static const char *identity;

static void point(void) {
    if (__atomic_add_fetch(&points, 1, __ATOMIC_SEQ_CST) == kill_at)
        raise(SIGKILL);
}

int __real_tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e);
int __wrap_tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e);
int __wrap_rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *call);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_tpm_line_exchange(struct tpm_line *l, uint8_t *buf, size_t *size, size_t max, struct cvm_error *e) {
    int r;

    point();
    r = __real_tpm_line_exchange(l, buf, size, max, e);
    point();
    return r;
}

int __wrap_fsync(int fd) {
    int r;

    point();
    r = __real_fsync(fd);
    point();
    return r;
}

int __wrap_rename(const char *from, const char *to) {
    int r;

    point();
    r = __real_rename(from, to);
    point();
    return r;
}

static void die(const char *why) {
    fprintf(stderr, "count-host: %s\n", why);
    exit(1);
}

/* A question and its answer are one: the pipes outlive this program. */
int __wrap_rootvisor_counter(struct rootvisor *rv, uint32_t id, struct cvm_counter_call *call) {
    static char hex[2 * sizeof(*call) + 1], answer[2 * sizeof(*call) + 64];
    unsigned error;
    int n = 0;

    (void)rv;
    point();
    fprintf(to_quoter, "counter %x %s %s\n", id, identity, cvm_hex_encode((uint8_t *)call, sizeof(*call), hex));
    fflush(to_quoter);
    if (!fgets(answer, sizeof(answer), from_quoter) || sscanf(answer, "%x %n", &error, &n) != 1)
        die("the Quoter does not answer");
    point();
    if (error)
        return -(int)error;
    if (cvm_hex_decode(answer + n, 2 * sizeof(*call), (uint8_t *)call, sizeof(*call)) < 0)
        die("the Quoter's answer is not understood");
    rollback = call->rollback;
    return 0;
}

static void done(void *userdata, int r) {
    printf("%d %u %u\n", -r, points, (unsigned)rollback);
    sd_event_exit(userdata, 0);
}

static uint64_t now(void) {
    return now_usec(CLOCK_MONOTONIC);
}

int main(int argc, char **argv) {
    struct config config = {0};
    struct manager m = {.config = &config};
    struct machine *k;

    if (argc != 8)
        return 2;
    config.state_directory = argv[2];
    identity = argv[4];
    kill_at = (unsigned)atoi(argv[5]);
    to_quoter = fdopen(atoi(argv[6]), "w");
    from_quoter = fdopen(atoi(argv[7]), "r");
    m.rootvisor = (struct rootvisor *)&m; /* counter.c asks it nothing but the above */
    k = machine_new(&m, "counted", "01234567-89ab-4def-8123-456789abcdef");
    if (!to_quoter || !from_quoter || !k || sd_event_new(&m.event) < 0 || inbox_new(m.event, &m.inbox) < 0 ||
        quoter_new(m.inbox, &(struct quoter_config){.tcti = argv[1], .event_log = "", .now = now}, &m.quoter) < 0 ||
        cvm_hex_decode(identity, strlen(identity), k->vm.launch_digest, CVM_DIGEST_SIZE) < 0)
        die("out of memory, or a bad identity");
    setvbuf(from_quoter, NULL, _IONBF, 0);
    k->vm.id = (uint32_t)atoi(argv[3]);
    if (counter_count(k, done, m.event) < 0)
        die("no count is begun");
    return sd_event_loop(m.event) < 0;
}
