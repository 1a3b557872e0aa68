// SOURCES: hypervisor/rootvisor/nested/operand.c hypervisor/rootvisor/nested/fields.c
// CFLAGS: -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instruction information and field encodings, as a host's instruction can make them. */
#include <stdlib.h>
#include <string.h>

#include "nested/fields.h"
#include "nested/operand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int c) {
    if (!c)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct {
        u32 info;
        u64 disp, gpr[16], fs, gs, field;
    } __attribute__((packed)) in = { 0 };
    struct vmx_operand op;
    u64 gpr[16];
    u32 i;

    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    memcpy(gpr, in.gpr, sizeof(gpr));
    if (vmx_decode_operand(in.info, in.disp, gpr, in.fs, in.gs, &op) == 0) {
        check(op.reg < 16 && op.reg2 < 16);
        check(op.is_reg == !!(in.info & BIT(10)));
        if (!op.is_reg && (in.info >> 7 & 7) == 1 && (in.info >> 15 & 7) < 4)
            check(op.la >> 32 == 0);
    }
    fields_init();
    i = field_lookup(in.field);
    if (i != FIELD_NONE) {
        check(i < NR_FIELDS);
        check(fields[i].encoding == (in.field & ~1ull));
    }
    return 0;
}
