/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes a second of sealing and unsealing a page, by the Guardian's own sources in user space, on one core,
 * against `openssl speed -evp aes-256-gcm` and against OpenSSL in this process doing all that sealing needs (nonce,
 * associated data, tag). Measured in turns, so that other load on the machine hits all. Prints the figures as JSON, in
 * the form of the files in build/bench.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "guardian.h"

#define ROUNDS 20
#define BATCH 1600 /* pages, a multiple of CVM_MAX_CPUS */
#define TARGET 0.50 /* of OpenSSL: the library is chosen for constant time without an allocator, not for speed */

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "bench-seal: %s\n", what);
        exit(1);
    }
}

int entropy(void *buf, size_t size) {
    return getrandom(buf, size, 0) == (ssize_t)size ? 0 : -EIO;
}

static uint8_t slots[CVM_MAX_CPUS * PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t meta[CVM_MAX_CPUS * CVM_G_META_SIZE] __attribute__((aligned(16)));

struct rates {
    double seal, unseal, openssl;
};

/* One operation on page n, which has slot n. */
static void call(struct guardian *g, enum cvm_g_op op, unsigned n) {
    struct cvm_g_mailbox mb = { .abi_version = CVM_ABI_VERSION, .op = op };

    if (op == CVM_G_INIT)
        mb.init = (struct cvm_g_init){ .vm_id = 1, .max_gfn = CVM_MAX_CPUS - 1 };
    else
        mb.page = (struct cvm_g_page){ .gfn = n, .slot = n };
    check(guardian_call(g, op, &mb) == 0, "an operation failed");
}

/* Adds the seconds that sealing and unsealing one batch takes. */
static void our_batch(struct guardian *g, double *seal, double *unseal) {
    for (unsigned i = 0; i < BATCH; i += CVM_MAX_CPUS) {
        double a = now(), b;

        for (unsigned n = 0; n < CVM_MAX_CPUS; n++)
            call(g, CVM_G_SEAL, n);
        b = now();
        for (unsigned n = 0; n < CVM_MAX_CPUS; n++)
            call(g, CVM_G_UNSEAL, n);
        *seal += b - a;
        *unseal += now() - b;
    }
}

static void openssl_batch(EVP_CIPHER_CTX *c, double *time) {
    static uint8_t page[PAGE_SIZE];
    uint8_t nonce[12] = { 0 }, aad[40] = { 0 }, tag[16];
    double start = now();
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        memcpy(nonce, &i, sizeof(i));
        check(EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce) == 1 && EVP_EncryptUpdate(c, NULL, &n, aad, sizeof(aad)) == 1 &&
                  EVP_EncryptUpdate(c, page, &n, page, PAGE_SIZE) == 1 && EVP_EncryptFinal_ex(c, page, &n) == 1 &&
                  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag) == 1,
              "OpenSSL failed");
    }
    *time += now() - start;
}

static struct rates measure(void) {
    struct windows win = { .slots = slots, .meta = meta, .guest_size = CVM_MAX_CPUS * PAGE_SIZE };
    static struct guardian g;
    double seal = 0, unseal = 0, openssl = 0, bytes = (double)ROUNDS * BATCH * PAGE_SIZE;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t key[32] = { 1 };

    g.win = &win;
    call(&g, CVM_G_INIT, 0);
    check(c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, NULL) == 1, "OpenSSL failed");
    for (unsigned i = 0; i < ROUNDS; i++) {
        our_batch(&g, &seal, &unseal);
        openssl_batch(c, &openssl);
    }
    EVP_CIPHER_CTX_free(c);
    return (struct rates){ bytes / seal, bytes / unseal, bytes / openssl };
}

/* The rate that `openssl speed` prints for blocks of a page, in bytes a second. */
static double openssl_speed(void) {
    FILE *f = popen("openssl speed -mr -evp aes-256-gcm -bytes 4096 -seconds 2 2>/dev/null", "r");
    double rate = 0;
    char line[256], *last;

    check(f != NULL, "cannot start openssl");
    while (fgets(line, sizeof(line), f))
        if (!strncmp(line, "+F:", 3) && (last = strrchr(line, ':')))
            rate = strtod(last + 1, NULL);
    pclose(f);
    check(rate > 0, "openssl speed printed no figure");
    return rate;
}

static void figure(const char *name, double value, double baseline, const char *end) {
    double ratio = value / baseline;

    printf("  {\"name\": \"%s\", \"unit\": \"bytes/s\", \"value\": %.0f, \"baseline\": %.0f, \"ratio\": %.3f, "
           "\"target\": %.2f, \"met\": %s}%s\n",
           name, value, baseline, ratio, TARGET, ratio >= TARGET ? "true" : "false", end);
}

int main(void) {
    struct rates r = measure();
    double speed = openssl_speed();

    printf("{\"figures\": [\n");
    figure("seal-page/openssl-speed", r.seal, speed, ",");
    figure("unseal-page/openssl-speed", r.unseal, speed, ",");
    figure("seal-page/openssl-same-work", r.seal, r.openssl, ",");
    figure("unseal-page/openssl-same-work", r.unseal, r.openssl, "");
    printf("]}\n");
    return 0;
}
