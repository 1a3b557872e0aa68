// SOURCES: hypervisor/guardian/anchor.c hypervisor/guardian/call.c hypervisor/guardian/decode.c hypervisor/guardian/init.c hypervisor/guardian/key.c hypervisor/guardian/log.c hypervisor/guardian/measure.c hypervisor/guardian/port.c hypervisor/guardian/quoter.c hypervisor/guardian/report.c hypervisor/guardian/seal.c hypervisor/guardian/counter/counter.c hypervisor/guardian/counter/session.c hypervisor/guardian/counter/tree.c hypervisor/guardian/crypto/ec.c hypervisor/guardian/crypto/hpke.c hypervisor/guardian/crypto/page.c hypervisor/guardian/crypto/rng.c hypervisor/guardian/crypto/sha384.c hypervisor/guardian/decode/alu.c hypervisor/guardian/decode/execute.c hypervisor/guardian/decode/guest.c hypervisor/guardian/decode/insn.c hypervisor/guardian/decode/run.c hypervisor/guardian/decode/stepper.c hypervisor/guardian/decode/walk.c hypervisor/tpm/command.c hypervisor/tpm/crb.c hypervisor/tpm/find.c hypervisor/tpm/log.c hypervisor/tpm/measure.c hypervisor/tpm/serial.c hypervisor/tpm/tis.c hypervisor/tpm/vault.c
// CFLAGS: -Ihypervisor/guardian -Ihypervisor
// LIBS: -lbearssl
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process of the guest at CVM_GUEST_PORT: any registers, page tables, code and buffer. Memory is exact, so the sanitizer sees a touch
 * outside; an instruction that faults must leave registers and the runtime registers as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "decode/alu.h"
#include "guardian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 16u

int entropy(void *buf, size_t size) {
    memset(buf, 0x5a, size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t code[] = {0xf3, 0x6e, 0xf3, 0x6c};
    static struct guardian g;
    static struct cvm_g_mailbox mb;
    static struct windows win;
    static uint8_t rtmr[sizeof(g.rtmr)];

    if (!win.guest) {
        win.guest = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
        win.guest_size = PAGES * PAGE_SIZE;
    }
    if (!win.guest || size < 16)
        return 0;
    memset(&g, 0, sizeof(g));
    memset(&mb, 0, sizeof(mb));
    memset(win.guest, 0, win.guest_size);
    g.win = &win;
    g.role = ROLE_VM;
    g.launched = true;
    /* Where things lie, then two steps; what follows fills memory from the start. */
    for (unsigned step = 0; step < 2; step++) {
        struct cvm_g_cpu *c = &mb.cpu, before;
        const uint8_t *p = data + 8 * step;
        int r;

        memset(&mb, 0, sizeof(mb));
        memcpy(win.guest, data + 16, size - 16 < win.guest_size ? size - 16 : win.guest_size);
        c->efer = 0xd00;
        c->cr0 = p[0] & 1 ? 0x80010001 : 1;
        c->cr4 = 0x20;
        c->rflags = 2 | (p[0] & 2 ? FLAG_DF : 0);
        c->seg_ar[1] = p[0] & 4 ? 0xa0fb : 0xa09b;
        c->seg_ar[2] = p[0] & 4 ? 0xc0f3 : 0xc093;
        c->rip = p[1] * 256u;
        c->gpr[1] = p[0] & 8 ? sizeof(struct cvm_port_call) : p[2] | (uint64_t)p[3] << 8;
        c->gpr[2] = CVM_GUEST_PORT;
        c->gpr[6] = c->gpr[7] = (uint64_t)p[4] * 256 + p[5] + ((uint64_t)p[6] << 40);
        if (c->rip + 2 <= win.guest_size && !(c->cr0 >> 31) && p[7] & 1)
            memcpy(win.guest + c->rip, code + (p[7] & 2), 2);
        mb.access = (struct cvm_g_access){.kind = CVM_G_PIO, .write = !(p[7] & 2), .port = CVM_GUEST_PORT};
        mb.abi_version = CVM_ABI_VERSION;
        before = *c;
        memcpy(rtmr, g.rtmr, sizeof(rtmr));
        r = guardian_call(&g, CVM_G_DECODE, &mb);
        if (r > 0)
            abort();
        if ((r < 0 || mb.step.kind == CVM_G_STEP_EXCEPTION) &&
            (memcmp(&before, c, sizeof(before)) || memcmp(rtmr, g.rtmr, sizeof(rtmr))))
            abort();
        if (r == 0 && mb.step.kind != CVM_G_STEP_EXCEPTION && mb.step.kind != CVM_G_STEP_DONE && mb.step.kind != CVM_G_STEP_REPORT)
            abort();
    }
    return 0;
}
