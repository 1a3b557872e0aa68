// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: hypervisor/guardian/counter/counter.c hypervisor/guardian/counter/session.c hypervisor/guardian/counter/tree.c hypervisor/guardian/crypto/ec.c hypervisor/guardian/crypto/rng.c hypervisor/tpm/command.c hypervisor/tpm/crb.c hypervisor/tpm/find.c hypervisor/tpm/serial.c hypervisor/tpm/tis.c hypervisor/tpm/vault.c cvmd/counter-leaves.c attest/util.c
// CFLAGS: -Ihypervisor -Ihypervisor/guardian
// LIBS: -lbearssl -lcrypto
// What the host says to the Quoter about counters, what a TPM answers, and the file of leaves. First byte: 0 the steps of a count, 1 the
// answers of a TPM before the host runs, else the file. The Quoter never counts without the TPM's word, which no input has.
#include <stdlib.h>
#include <string.h>

#include "counter/tree.h"
#include "cvmd/counter-leaves.h"
#include "guardian.h"
#include "tpm/vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int entropy(void *buf, size_t size) {
    memset(buf, 7, size);
    return 0;
}

static void steps(const uint8_t *data, size_t size) {
    static struct guardian g;
    struct cvm_counter_call c = {.step = 0};

    memset(&g.counters, 0, sizeof(g.counters));
    g.counters.epoch = 1;
    while (size >= 4) {
        size_t n = data[1] | (size_t)data[2] << 8;

        c.vm_id = 1 + data[3] % 2;
        c.step = data[0] % 5;
        data += 4;
        size -= 4;
        if (n > size)
            n = size;
        /* A valid first step is worth having: the tree is empty. */
        c.count = 0;
        c.map = 0;
        memset(c.sibling, 0, sizeof(c.sibling));
        if (n > 16) {
            memcpy(&c.count, data, 4);
            memcpy(&c.map, data + 4, 8);
            memcpy(c.sibling, data + 12, n - 12 < sizeof(c.sibling) ? n - 12 : sizeof(c.sibling));
        }
        c.tpm_size = (uint32_t)n;
        memset(c.tpm, 0, sizeof(c.tpm));
        memcpy(c.tpm, data, n < sizeof(c.tpm) ? n : sizeof(c.tpm));
        data += n;
        size -= n;
        if (quoter_counter(&g, &c) > 0 || c.rollback)
            abort();
    }
}

static void answers(const uint8_t *data, size_t size) {
    uint8_t out[36];
    const uint8_t *area;
    uint32_t v;

    tpm_parse_handle(data, size, &v);
    tpm_parse_policy_digest(data, size, out);
    if (tpm_parse_nv_public(data, size, &area, &v) == 0 && (area < data || v > size || area + v > data + size))
        abort();
    tpm_parse_nv_read(data, size, out, sizeof(out));
}

static void leaves(const uint8_t *data, size_t size) {
    struct cvm_counter_call c = {.step = 0};
    struct counter_leaves *l;
    uint8_t root[32], first[32];

    if (counter_leaves_parse((const char *)data, size, &l, NULL) < 0)
        return;
    /* Whichever leaf is asked, the root is one. */
    for (size_t i = 0; i < l->nr; i++) {
        if (counter_leaves_path(l, l->nr_begun, l->leaf[i].identity, &c) < 0)
            break;
        if (tree_root(l->leaf[i].identity, c.count, c.map, c.sibling, root) < 0 || (i && memcmp(root, first, 32)))
            abort();
        memcpy(first, root, 32);
    }
    counter_leaves_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    if (data[0] == 0)
        steps(data + 1, size - 1);
    else if (data[0] == 1)
        answers(data + 1, size - 1);
    else
        leaves(data + 1, size - 1);
    return 0;
}
