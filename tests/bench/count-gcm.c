/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that the Guardian's encryption of one page takes by itself: single-stepped in user space. What a sealing
 * costs in the emulator beyond that is the way to the Guardian and back. Prints the figures as JSON.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/errno.h>

#include "crypto/crypto.h"

#define LIMIT 10000000

static uint8_t page[4096] __attribute__((aligned(4096)));

int entropy(void *buf, size_t size) {
    return getrandom(buf, size, 0) == (ssize_t)size ? 0 : -EIO;
}

/* Encrypts and decrypts once, a signal after each part; `work` 0 sends the signals only. */
static void traced(int work) {
    uint8_t key[32] = { 1 }, nonce[12] = { 2 }, aad[40] = { 3 }, tag[PAGE_TAG_SIZE];
    struct page_key k;

    page_key_init(&k, key);
    page_encrypt(&k, nonce, aad, sizeof(aad), page, tag); /* resolves what is bound lazily */
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(1);
    raise(SIGUSR1);
    if (work)
        page_encrypt(&k, nonce, aad, sizeof(aad), page, tag);
    raise(SIGUSR1);
    if (work && page_decrypt(&k, nonce, aad, sizeof(aad), page, tag))
        _exit(1);
    raise(SIGUSR1);
    _exit(0);
}

/* Steps to the next signal; -1: the process ended or goes on without end. */
static long steps(pid_t pid) {
    int status;

    for (long n = 0; n < LIMIT; n++) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
            return -1;
        if (WSTOPSIG(status) == SIGUSR1)
            return n;
    }
    return -1;
}

static void count(int work, long n[2]) {
    pid_t pid = fork();
    int status;

    if (pid == 0)
        traced(work);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status) || (n[0] = steps(pid)) < 0 ||
        (n[1] = steps(pid)) < 0) {
        fprintf(stderr, "count-gcm: the process cannot be traced, or its decryption failed\n");
        exit(1);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static void figure(const char *name, long value, const char *end) {
    printf("  {\"name\": \"%s\", \"unit\": \"instructions\", \"value\": %ld, \"baseline\": null, \"ratio\": null, "
           "\"target\": null, \"met\": null}%s\n",
           name, value, end);
}

int main(void) {
    long with[2], without[2];

    count(1, with);
    count(0, without);
    printf("{\"figures\": [\n");
    figure("AES-256-GCM by itself, encrypting a page", with[0] - without[0], ",");
    figure("AES-256-GCM by itself, decrypting a page", with[1] - without[1], "");
    printf("]}\n");
    return 0;
}
