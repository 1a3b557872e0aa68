/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Quoter's own sources in user space, with a TPM (swtpm, its bare commands on a socket) behind a played 16550; this program in
 * RootVisor's part. Obeys one line at a time, numbers in hexadecimal:
 *
 *   boot SOCKET [CMDLINE]     a start of the machine: TPM error, counters' error, TPM code, epoch, 1 if they are new
 *   counter VM IDENTITY CALL  one step of CVM_HOST_COUNTER: errno, the call as it came out
 *   report VM IDENTITY        SIGN: errno, epoch and count that the report tells of the VM
 */
#include "guardian-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/util.h"

#define VMS 4u
#define DIVISOR 0x80

static struct fixture *quoter;
static uint64_t rollback[VMS];
static struct tpm_hw hardware;

/* The line and what is behind it. */
static struct {
    int fd;
    bool divisor;
    uint8_t in[4096], out[4096];
    uint32_t in_size, out_size, out_at;
    uint64_t clock;
} line = {.fd = -1};

static void die(const char *why) {
    fprintf(stderr, "counter-host: %s\n", why);
    exit(1);
}

static uint32_t size_of(const uint8_t *b) {
    return (uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5];
}

static void exchange(void) {
    uint32_t got = 0;

    if (write(line.fd, line.in, line.in_size) != (ssize_t)line.in_size)
        die("the TPM takes no command");
    while (got < 10 || got < size_of(line.out)) {
        ssize_t n = read(line.fd, line.out + got, (got < 10 ? 10 : size_of(line.out)) - got);

        if (n <= 0)
            die("the TPM does not answer");
        got += (uint32_t)n;
    }
    line.in_size = line.out_at = 0;
    line.out_size = got;
}

static uint32_t hw_read(void *ctx, uint32_t offset, uint32_t size) {
    (void)ctx;
    (void)offset;
    (void)size;
    return 0xffffffff;
}

static void hw_write(void *ctx, uint32_t offset, uint32_t size, uint32_t v) {
    (void)ctx;
    (void)offset;
    (void)size;
    (void)v;
}

static uint8_t hw_in(void *ctx, uint16_t port) {
    (void)ctx;
    if (port == 0x2fd)
        return 0x20 | (line.out_at < line.out_size);
    return port == 0x2f8 && line.out_at < line.out_size ? line.out[line.out_at++] : 0;
}

static void hw_out(void *ctx, uint16_t port, uint8_t v) {
    (void)ctx;
    if (port == 0x2fb)
        line.divisor = v & DIVISOR;
    if (port != 0x2f8 || line.divisor)
        return;
    line.in[line.in_size++] = v;
    if (line.in_size >= 10 && line.in_size >= size_of(line.in))
        exchange();
}

/* Time stands still: the TPM answers when it is asked. */
static uint64_t hw_now(void *ctx) {
    (void)ctx;
    return 0;
}

static void played_hw(struct tpm_hw *hw, void *registers, uint64_t tsc_khz) {
    (void)registers;
    *hw = (struct tpm_hw){NULL, hw_read, hw_write, hw_in, hw_out, hw_now, tsc_khz};
    hardware = *hw;
}

static void boot(const char *path, const char *more) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct cvm_g_quoter *q;

    if (quoter)
        fixture_free(quoter);
    memset(rollback, 0, sizeof(rollback));
    quoter = fixture_new();
    quoter->win.tpm_hw = played_hw;
    line.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    line.in_size = line.out_size = line.out_at = 0;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (line.fd < 0 || connect(line.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die("no TPM");
    q = &quoter->mb.quoter;
    *q = (struct cvm_g_quoter){.rootvisor_size = 5000, .guardian_size = 6000, .tsc_khz = 1000000, .rootvisor_version = 1,
                               .rootvisor_svn = 1, .guardian_svn = 1};
    snprintf(q->cmdline, sizeof(q->cmdline), "tpm=com2%s%s", more ? " " : "", more ? more : "");
    if (fixture_call(quoter, CVM_G_QUOTER_INIT))
        die("QUOTER_INIT");
    close(line.fd);
    printf("%x %x %x %x %x\n", q->tpm_error, q->counter_error, q->counter_code, q->counter_epoch, q->counter_new);
}

/* What RootVisor does with CVM_HOST_COUNTER. */
static void counter(unsigned vm, const char *identity, const char *hex) {
    struct cvm_counter_call *q = &quoter->mb.counter;
    char *out = malloc(2 * sizeof(*q) + 1);
    int r;

    if (!out || cvm_hex_decode(hex, strlen(hex), (uint8_t *)q, sizeof(*q)) < 0 ||
        cvm_hex_decode(identity, strlen(identity), q->identity, sizeof(q->identity)) < 0)
        die("bad call");
    q->vm_id = vm + 1;
    r = fixture_call(quoter, CVM_G_COUNTER);
    if (r == 0)
        rollback[vm] = q->rollback;
    printf("%x %s\n", -r, cvm_hex_encode((uint8_t *)q, sizeof(*q), out));
    free(out);
}

int main(void) {
    static char text[16384];

    while (fgets(text, sizeof(text), stdin)) {
        char *word = strtok(text, " \n"), *a = strtok(NULL, " \n"), *b = strtok(NULL, " \n"), *c = strtok(NULL, " \n");

        if (word && a && strcmp(word, "boot") == 0)
            boot(a, b);
        else if (word && c && quoter && strtoul(a, NULL, 16) < VMS && strcmp(word, "counter") == 0)
            counter((unsigned)strtoul(a, NULL, 16), b, c);
        else
            die("bad command");
        fflush(stdout);
    }
    return 0;
}
