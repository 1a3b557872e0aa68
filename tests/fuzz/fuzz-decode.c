// SOURCES: hypervisor/guardian/decode/alu.c hypervisor/guardian/decode/execute.c hypervisor/guardian/decode/guest.c hypervisor/guardian/decode/insn.c hypervisor/guardian/decode/run.c hypervisor/guardian/decode/stepper.c hypervisor/guardian/decode/walk.c
// CFLAGS: -Ihypervisor/guardian
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile guest: registers, page tables and code are the input. The stepper must stay inside
 * the guest's memory, end after a bounded number of steps, and ask the host for nothing but aligned
 * pieces of what the instruction touches.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decode/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 8u
#define MEMORY (PAGES * 4096u)
#define MAX_STEPS 64u

struct head {
    uint8_t control;
    uint8_t code[15];
    uint16_t rip, tables[3]; /* where CR3 and two registers point */
    uint32_t cr0, cr4;
    uint64_t gpr[16];
    uint64_t rflags;
    uint32_t limit, ar;
    uint64_t access_gpa, answer;
};

static uint8_t *memory;

static void require(int cond) {
    if (!cond)
        abort();
}

/* A run goes to a port, in elements that fit; behind those of OUTS is nothing. */
static void check_run(const struct cvm_g_access *a, const struct cvm_g_step *s, const uint8_t *bytes) {
    if (!s->count)
        return;
    require(bytes && a->kind == CVM_G_PIO && s->count >= 2 && s->count * s->size <= CVM_RUN_MAX);
    for (unsigned i = s->count * s->size; s->kind == CVM_G_STEP_STORE && i < CVM_RUN_MAX; i++)
        require(bytes[i] == 0);
}

static void check_step(const struct cvm_g_access *a, const struct cvm_g_step *s) {
    require(s->kind <= CVM_G_STEP_EXCEPTION);
    if (s->kind == CVM_G_STEP_EXCEPTION)
        require(s->has_error && (s->vector == 12 || s->vector == 13 || s->vector == 14));
    if (s->kind != CVM_G_STEP_LOAD && s->kind != CVM_G_STEP_STORE)
        return;
    require(s->size == 1 || s->size == 2 || s->size == 4);
    if (a->kind == CVM_G_PIO)
        require(s->gpa == a->port);
    else
        require(s->gpa % 4096 + s->size <= 4096);
    if (s->kind == CVM_G_STEP_STORE)
        require(s->data >> (8 * s->size) == 0);
}

static void prepare(const struct head *h, struct cvm_g_cpu *cpu, struct cvm_g_access *a) {
    memset(cpu, 0, sizeof(*cpu));
    memcpy(cpu->gpr, h->gpr, sizeof(cpu->gpr));
    cpu->gpr[6] = h->control & 1 ? h->tables[1] : h->gpr[6];
    cpu->gpr[7] = h->control & 2 ? h->tables[2] : h->gpr[7];
    cpu->rip = h->control & 4 ? h->gpr[0] : h->rip;
    cpu->rflags = h->rflags;
    cpu->cr0 = h->cr0;
    cpu->cr3 = h->tables[0] & ~0x1full;
    cpu->cr4 = h->cr4;
    cpu->efer = (h->control & 8 ? 1ull << 10 : 0) | (h->control & 16 ? 1ull << 11 : 0);
    for (unsigned i = 0; i < 6; i++) {
        cpu->seg_limit[i] = h->control & 32 ? h->limit : UINT32_MAX;
        cpu->seg_ar[i] = h->control & 32 ? h->ar : 0xc093;
        cpu->seg_base[i] = i > 3 ? h->gpr[1] : 0;
    }
    cpu->seg_ar[1] = (h->ar & 0xe060) | 0x9b;
    *a = (struct cvm_g_access){
        .kind = h->control & 64 ? CVM_G_PIO : CVM_G_MMIO,
        .gpa = h->access_gpa,
        .port = h->gpr[2] & 0xffff,
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct cvm_ram_range ram[] = { { 0, 3 * 4096 }, { 4 * 4096, 4 * 4096 } };
    struct guest g = { .size = MEMORY, .ram = ram };
    struct pending p = { .phase = PHASE_IDLE };
    struct cvm_g_access a;
    struct cvm_g_step s;
    struct cvm_g_cpu cpu;
    struct head h;
    uint8_t *bytes;
    unsigned steps = 0;
    int r;

    if (size < sizeof(h))
        return 0;
    if (!memory) {
        memory = aligned_alloc(4096, MEMORY);
        require(memory != NULL);
    }
    memcpy(&h, data, sizeof(h));
    data += sizeof(h);
    size -= sizeof(h);
    /* The rest is repeated over the memory, or there would hardly be a page table. */
    memset(memory, 0, MEMORY);
    for (size_t at = 0; size && at < MEMORY; at += size)
        memcpy(memory + at, data, size < MEMORY - at ? size : MEMORY - at);
    if (h.rip <= MEMORY - sizeof(h.code))
        memcpy(memory + h.rip, h.code, sizeof(h.code));
    g.base = memory;
    g.nr_ram = h.control & 128 ? 2 : 0;
    prepare(&h, &cpu, &a);

    /* Exact, so that the sanitizer sees a touch outside. What the host says that it did of a run may be anything. */
    bytes = h.rip & 1 ? malloc(CVM_RUN_MAX) : NULL;
    require(bytes || !(h.rip & 1));
    r = step_begin(&p, &g, &cpu, &a, bytes, &s);
    while (!r) {
        uint64_t answer = h.answer * ++steps;

        check_step(&a, &s);
        check_run(&a, &s, bytes);
        if (s.kind != CVM_G_STEP_LOAD && s.kind != CVM_G_STEP_STORE)
            break;
        require(steps < MAX_STEPS);
        if (s.count && s.kind == CVM_G_STEP_LOAD)
            memset(bytes, (int) answer, CVM_RUN_MAX);
        if (s.count && h.answer & 1)
            answer = answer % s.count + 1;
        bool possible = !s.count || (answer && answer <= s.count);
        r = step_continue(&p, &g, answer, bytes, &s);
        require(possible || r == -EINVAL);
    }
    free(bytes);
    require(r <= 0);
    if (!r && s.kind == CVM_G_STEP_DONE)
        require(p.phase == PHASE_IDLE && (p.cpu.rip - cpu.rip <= 15 || p.cpu.rip <= UINT32_MAX));
    return 0;
}
