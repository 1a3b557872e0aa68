/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host with protected VMs, in user space: the Guardian's and the Quoter's own sources, this program in RootVisor's
 * part. Obeys one line at a time:
 *
 *   report VM NONCE      evidence, one line of JSON
 *   put VM BLOB          a sealed key in hexadecimal: 0 or a negative errno
 *   get VM               what cvmboot gets: the key in hexadecimal, or a negative errno
 *   reference VM         reference values that this VM meets
 *   count VM ROLLBACK    this rollback counter is the VM's: hexadecimal, epoch << 32 | count
 *
 * VMs 0 and 1 were started from the same files, VM 2 with one byte of the initrd changed.
 */
#include "guardian-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "attest/evidence.h"
#include "attest/util.h"

#define VMS 3u
#define PART 8192u

static struct fixture *quoter, *vm[VMS];
static struct cvm_report_key key;
static uint64_t counter, rollback[VMS];

static void die(const char *why) {
    fprintf(stderr, "host: %s\n", why);
    exit(1);
}

static void start(unsigned n) {
    struct fixture *f = vm[n] = fixture_new();

    f->mb.init = (struct cvm_g_init){.vm_id = n + 1, .max_gfn = FIXTURE_GUEST_SIZE / PAGE_SIZE - 1};
    if (fixture_call(f, CVM_G_INIT))
        die("INIT");
    for (uint32_t kind = CVM_COMP_FIRMWARE; kind <= CVM_COMP_CMDLINE; kind++) {
        uint64_t gpa = kind == CVM_COMP_FIRMWARE ? CVM_FW_GPA : kind * 0x100000ull;

        fixture_fill(f->guest + gpa, PART, kind);
        if (n == 2 && kind == CVM_COMP_INITRD)
            f->guest[gpa + PART / 2] ^= 1;
        if (fixture_measure(f, kind - 1, kind, gpa, PART))
            die("MEASURE");
    }
    if (fixture_call(f, CVM_G_LAUNCH))
        die("LAUNCH");
}

static void make_report(unsigned n, const uint8_t *nonce, struct cvm_report *ret) {
    struct cvm_report *r = &vm[n]->mb.report;
    uint8_t uuid[16];

    memset(uuid, (int)(0x10 + n), sizeof(uuid));
    memset(r, 0, sizeof(*r));
    memcpy(r->user_data, nonce, sizeof(r->user_data));
    memcpy(r->uuid, uuid, sizeof(uuid));
    r->counter = ++counter;
    r->rollback_epoch = (uint32_t)(rollback[n] >> 32);
    r->rollback = (uint32_t)rollback[n];
    quoter->g.counters.epoch = r->rollback_epoch;
    if (fixture_call(vm[n], CVM_G_REPORT))
        die("REPORT");
    r->vm_id = n + 1;
    r->rootvisor_svn = r->guardian_svn = 1;
    r->tsc_khz = 1;
    memcpy(r->rootvisor_digest, quoter->g.rootvisor_digest, CVM_DIGEST_SIZE);
    memcpy(r->guardian_digest, quoter->g.guardian_digest, CVM_DIGEST_SIZE);
    quoter->mb.report = *r;
    if (fixture_call(quoter, CVM_G_SIGN))
        die("SIGN");
    *ret = quoter->mb.report;
}

static void report(unsigned n, const char *hex) {
    char *evidence;
    struct cvm_report r;
    uint8_t nonce[64];

    if (cvm_hex_decode(hex, strlen(hex), nonce, sizeof(nonce)) < 0)
        die("bad nonce");
    make_report(n, nonce, &r);
    if (cvm_evidence_compose(&r, &key, NULL, &evidence) < 0)
        die("evidence");
    for (char *p = evidence; *p; p++)
        if (*p != '\n')
            putchar(*p);
    putchar('\n');
    free(evidence);
}

static void put(unsigned n, const char *hex) {
    vm[n]->mb.key_blob = (struct cvm_key_blob){.magic = 0};
    if (cvm_hex_decode(hex, strlen(hex), &vm[n]->mb.key_blob, sizeof(struct cvm_key_blob)) < 0)
        die("bad blob");
    printf("%d\n", fixture_call(vm[n], CVM_G_KEY_PUT));
}

static void get(unsigned n) {
    char hex[2 * CVM_KEY_MAX + 1];
    int r = fixture_call(vm[n], CVM_G_KEY_GET);

    if (r)
        printf("%d\n", r);
    else
        puts(cvm_hex_encode(vm[n]->mb.key.bytes, vm[n]->mb.key.size, hex));
}

static void reference(unsigned n) {
    static const char *const kinds[] = {"", "firmware", "kernel", "initrd", "cmdline"};
    const uint8_t nonce[64] = {1};
    char hex[2 * CVM_DIGEST_SIZE + 1];
    struct cvm_report r;

    make_report(n, nonce, &r);
    printf("{\"profile\":\"tag:cvmd.org,2026:reference-values#1\"");
    printf(",\"rootvisor\":[{\"digest\":\"%s\",\"min_svn\":1}]", cvm_hex_encode(r.rootvisor_digest, CVM_DIGEST_SIZE, hex));
    printf(",\"guardian\":[{\"digest\":\"%s\",\"min_svn\":1}]", cvm_hex_encode(r.guardian_digest, CVM_DIGEST_SIZE, hex));
    printf(",\"launch\":[{\"digest\":\"%s\",\"components\":[", cvm_hex_encode(r.launch_digest, CVM_DIGEST_SIZE, hex));
    for (uint32_t i = 0; i < r.nr_measured; i++)
        printf("%s{\"kind\":\"%s\",\"size\":%u,\"digest\":\"%s\"}", i ? "," : "", kinds[r.measured[i].kind], PART,
               cvm_hex_encode(r.measured[i].digest, CVM_DIGEST_SIZE, hex));
    printf("]}]}\n");
}

int main(void) {
    static char line[4096];

    quoter = fixture_new();
    quoter->mb.quoter = (struct cvm_g_quoter){.rootvisor_size = 5000, .guardian_size = 6000};
    if (fixture_call(quoter, CVM_G_QUOTER_INIT))
        die("QUOTER_INIT");
    memcpy(key.point, quoter->mb.quoter.key, sizeof(key.point));
    for (unsigned n = 0; n < VMS; n++)
        start(n);
    while (fgets(line, sizeof(line), stdin)) {
        char *word = strtok(line, " \n"), *number = strtok(NULL, " \n"), *text = strtok(NULL, " \n");
        unsigned n = number ? (unsigned)atoi(number) : VMS;

        if (!word || n >= VMS)
            die("bad command");
        if (strcmp(word, "report") == 0 && text)
            report(n, text);
        else if (strcmp(word, "put") == 0 && text)
            put(n, text);
        else if (strcmp(word, "count") == 0 && text) {
            rollback[n] = strtoull(text, NULL, 16);
            puts("0");
        } else if (strcmp(word, "get") == 0)
            get(n);
        else if (strcmp(word, "reference") == 0)
            reference(n);
        else
            die("bad command");
        fflush(stdout);
    }
    return 0;
}
