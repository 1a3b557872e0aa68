// SOURCES: hypervisor/guardian/anchor.c hypervisor/guardian/call.c hypervisor/guardian/decode.c hypervisor/guardian/init.c hypervisor/guardian/key.c hypervisor/guardian/log.c hypervisor/guardian/measure.c hypervisor/guardian/port.c hypervisor/guardian/quoter.c hypervisor/guardian/report.c hypervisor/guardian/seal.c hypervisor/guardian/counter/counter.c hypervisor/guardian/counter/session.c hypervisor/guardian/counter/tree.c hypervisor/guardian/crypto/ec.c hypervisor/guardian/crypto/hpke.c hypervisor/guardian/crypto/page.c hypervisor/guardian/crypto/rng.c hypervisor/guardian/crypto/sha384.c hypervisor/guardian/decode/alu.c hypervisor/guardian/decode/execute.c hypervisor/guardian/decode/guest.c hypervisor/guardian/decode/insn.c hypervisor/guardian/decode/run.c hypervisor/guardian/decode/stepper.c hypervisor/guardian/decode/walk.c hypervisor/tpm/command.c hypervisor/tpm/crb.c hypervisor/tpm/find.c hypervisor/tpm/log.c hypervisor/tpm/measure.c hypervisor/tpm/serial.c hypervisor/tpm/tis.c hypervisor/tpm/vault.c
// CFLAGS: -Ihypervisor/guardian -Ihypervisor
// LIBS: -lbearssl
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any operations in any order with any mailbox. Windows are exact, so the sanitizer sees a touch
 * outside; and whatever was sealed must come back as it was, or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "guardian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 8u
#define IMAGE 512u

/* Repeatable runs: no true entropy here. */
int entropy(void *buf, size_t size) {
    memset(buf, 0x5a, size);
    return 0;
}

static struct windows win;
/* What the fuzzer knows of the pages sealed last: the plaintext's first byte, and the ciphertext. */
static uint8_t plain[PAGES], cipher[PAGES][PAGE_SIZE];
static bool sealed[PAGES];

static void *need(void *p) {
    if (!p)
        abort();
    return p;
}

static void make_windows(void) {
    win.slots = need(aligned_alloc(PAGE_SIZE, CVM_MAX_CPUS * PAGE_SIZE));
    win.meta = need(aligned_alloc(16, PAGES * CVM_G_META_SIZE));
    win.rootvisor = need(calloc(1, IMAGE));
    win.pristine = need(calloc(1, IMAGE));
    win.guest = need(aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE));
    win.guest_size = PAGES * PAGE_SIZE;
    memset(win.slots, 0, CVM_MAX_CPUS * PAGE_SIZE);
}

/* The Guardian reads as far as RootVisor says: the images are as long as that. */
static void limit_sizes(struct cvm_g_mailbox *mb) {
    mb->quoter.rootvisor_size %= IMAGE + 1;
    mb->quoter.guardian_size %= IMAGE + 1;
}

static void page_operation(struct guardian *g, uint64_t op, struct cvm_g_mailbox *mb, uint8_t tamper) {
    uint64_t gfn = mb->page.gfn % PAGES;
    uint8_t *slot = win.slots + (size_t)(mb->page.slot % CVM_MAX_CPUS) * PAGE_SIZE;
    int r;

    mb->page = (struct cvm_g_page){ .gfn = gfn, .slot = mb->page.slot % CVM_MAX_CPUS };
    if (op == CVM_G_SEAL) {
        memset(slot, tamper, PAGE_SIZE);
        r = guardian_call(g, op, mb);
        if (r == 0) {
            if (sealed[gfn])
                abort();
            sealed[gfn] = true;
            plain[gfn] = tamper;
            memcpy(cipher[gfn], slot, PAGE_SIZE);
        }
        return;
    }
    memcpy(slot, cipher[gfn], PAGE_SIZE);
    slot[tamper * 16] ^= tamper;
    r = guardian_call(g, op, mb);
    if (g->role != ROLE_VM)
        return;
    if ((r == 0) != (sealed[gfn] && !tamper))
        abort();
    if (r == 0) {
        sealed[gfn] = false;
        for (unsigned i = 0; i < PAGE_SIZE; i++)
            if (slot[i] != plain[gfn])
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct guardian g;

    if (!win.slots)
        make_windows();
    memset(&g, 0, sizeof(g));
    g.win = &win;
    memset(win.meta, 0, PAGES * CVM_G_META_SIZE);
    memset(win.guest, 0, win.guest_size);
    memset(sealed, 0, sizeof(sealed));
    /* Each operation: number, a byte, then how much of the mailbox it fills. */
    while (size >= 3) {
        struct cvm_g_mailbox *mb = need(calloc(1, sizeof(*mb)));
        uint64_t op = data[0];
        uint8_t extra = data[1];
        size_t n = data[2] * 4u;

        data += 3;
        size -= 3;
        if (n > size)
            n = size;
        if (n > sizeof(*mb) - 8)
            n = sizeof(*mb) - 8;
        memcpy((uint8_t *)mb + 8, data, n);
        memcpy(win.guest + extra * 64u, data, n < 64 ? n : 64);
        data += n;
        size -= n;
        mb->abi_version = CVM_ABI_VERSION;
        if (op == CVM_G_QUOTER_INIT)
            limit_sizes(mb);
        if (op == CVM_G_SEAL || op == CVM_G_UNSEAL)
            page_operation(&g, op, mb, extra);
        else if (guardian_call(&g, op, mb) > 0)
            abort();
        free(mb);
    }
    return 0;
}
