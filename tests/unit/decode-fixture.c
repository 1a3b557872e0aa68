/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "decode-fixture.h"

struct machine *machine_new(enum cpu_mode mode) {
    struct machine *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    m->memory = aligned_alloc(4096, MACHINE_SIZE);
    if (!m->memory)
        abort();
    memset(m->memory, 0, MACHINE_SIZE);
    m->guest = (struct guest){ .base = m->memory, .size = MACHINE_SIZE };
    m->cpu.rip = MACHINE_CODE;
    m->cpu.rflags = 2;
    m->cpu.cr0 = CR0_PE;
    m->cpu.efer = mode == MODE_64 ? EFER_LMA : 0;
    for (unsigned i = 0; i < 6; i++) {
        m->cpu.seg_limit[i] = UINT32_MAX;
        m->cpu.seg_ar[i] = AR_DATA;
    }
    m->cpu.seg_ar[SEG_CS] = mode == MODE_64 ? 0xa09b : mode == MODE_32 ? 0xc09b : 0x809b;
    m->access = (struct cvm_g_access){ .kind = CVM_G_MMIO, .gpa = MACHINE_MMIO };
    return m;
}

void machine_free(struct machine *m) {
    free(m->memory);
    free(m);
}

void machine_code(struct machine *m, const void *bytes, size_t n) {
    memset(m->memory + MACHINE_CODE, 0xcc, 32);
    memcpy(m->memory + MACHINE_CODE, bytes, n);
}

int machine_run(struct machine *m) {
    int r = step_begin(&m->pending, &m->guest, &m->cpu, &m->access, NULL, &m->step);
    uint64_t data = 0x5555555555555555; /* what RootVisor leaves after a store must not matter */
    unsigned n = 0;

    m->loads = m->stores = 0;
    while (!r && (m->step.kind == CVM_G_STEP_LOAD || m->step.kind == CVM_G_STEP_STORE)) {
        struct cvm_g_step *s = &m->step;

        assert_true(s->size == 1 || s->size == 2 || s->size == 4);
        assert_true(s->gpa % 4096 + s->size <= 4096);
        assert_true(n < 32);
        m->trace[n++] = *s;
        if (m->access.kind == CVM_G_PIO || s->gpa >= MACHINE_SIZE) {
            if (s->kind == CVM_G_STEP_LOAD)
                data = 0xa5a5a5a5deadbe00 | n, m->loads++;
            else
                m->stores++;
        } else if (s->kind == CVM_G_STEP_LOAD) {
            data = 0xaaaaaaaaaaaaaaaa; /* the host may leave anything behind the datum */
            memcpy(&data, m->memory + s->gpa, s->size);
            m->loads++;
        } else {
            assert_true(s->size == 8 || s->data >> (8 * s->size) == 0);
            memcpy(m->memory + s->gpa, &s->data, s->size);
            m->stores++;
        }
        r = step_continue(&m->pending, &m->guest, data, NULL, s);
    }
    if (!r && m->step.kind == CVM_G_STEP_DONE) {
        assert_int_equal(step_continue(&m->pending, &m->guest, data, NULL, &m->trace[31]), -22);
        m->cpu = m->pending.cpu;
    }
    return r;
}
