/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vCPU and its memory for tests of the Guardian's decoder. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decode/alu.h"
#include "decode/stepper.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define MACHINE_SIZE (16u << 20)
#define MACHINE_CODE 0x300000u /* where machine_code() puts the instruction */
#define MACHINE_MMIO 0x400000u /* this page faults unless the test says otherwise */

#define EFER_LMA (1ull << 10)
#define CR0_PE 1ull
#define CR0_PG (1ull << 31)
#define AR_CODE 0xa09bu
#define AR_DATA 0xc093u

struct machine {
    uint8_t *memory; /* MACHINE_SIZE bytes, guest-physical 0 */
    struct guest guest;
    struct cvm_g_cpu cpu;
    struct cvm_g_access access;
    struct pending pending;
    struct cvm_g_step step; /* the last */
    unsigned loads, stores; /* served by machine_run() */
    struct cvm_g_step trace[32];
};

/* 64-bit flat ring 0, unpaged for simplicity: linear = physical. */
struct machine *machine_new(enum cpu_mode mode);
void machine_free(struct machine *m);

void machine_code(struct machine *m, const void *bytes, size_t n);

/* DECODE, then serves every step out of the memory itself, until the end. 0 and m->step, or the error. */
int machine_run(struct machine *m);
