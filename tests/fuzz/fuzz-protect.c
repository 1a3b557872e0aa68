// SOURCES: hypervisor/rootvisor/vm/protect_check.c
// CFLAGS: -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PROTECT block as a guest could hand it over. What is accepted must keep what RootVisor builds on. */
#include <stdlib.h>
#include <string.h>

#include "cvm/boot.h"
#include "rv/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int protect_check(const struct cvm_protect *p);

static void check(int c) {
    if (!c)
        abort();
}

static u64 end_of(u64 gpa, u64 size) {
    check(size <= 1ull << 36 && gpa < 1ull << 36);
    return (gpa + size + 4095) & ~4095ull;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cvm_protect p = { 0 };

    memcpy(&p, data, size < sizeof(p) ? size : sizeof(p));
    if (size > sizeof(p) && data[sizeof(p)] & 1) {      /* help it over the first checks */
        p.version = CVM_ABI_VERSION;
        p.more_vcpus %= CVM_MAX_CPUS;
        p.nr_ram = 1 + p.nr_ram % CVM_MAX_RAM_RANGES;
        p.nr_components = 1 + p.nr_components % CVM_MAX_COMPONENTS;
        p.comp[0].kind = CVM_COMP_FIRMWARE;
        p.comp[0].gpa = CVM_FW_GPA;
        for (u32 i = 0; i < CVM_MAX_COMPONENTS; i++)
            p.comp[i].reserved = 0;
    }
    if (protect_check(&p) != 0)
        return 0;
    check(p.version == CVM_ABI_VERSION && p.more_vcpus < CVM_MAX_CPUS);
    check(p.nr_ram >= 1 && p.nr_ram <= CVM_MAX_RAM_RANGES);
    check(p.nr_components >= 1 && p.nr_components <= CVM_MAX_COMPONENTS);
    for (u32 i = 0; i < p.nr_ram; i++) {
        check(p.ram[i].size && !((p.ram[i].gpa | p.ram[i].size) & 4095));
        check(end_of(p.ram[i].gpa, p.ram[i].size) <= 1ull << 36);
        check(i == 0 || p.ram[i].gpa >= p.ram[i - 1].gpa + p.ram[i - 1].size);
    }
    for (u32 i = 0; i < p.nr_components; i++) {
        const struct cvm_component *a = &p.comp[i];
        bool inside = false;

        check(a->size && !(a->gpa & 4095) && !a->reserved);
        check(i == 0 ? a->kind == CVM_COMP_FIRMWARE : a->kind > p.comp[i - 1].kind);
        check(a->kind <= CVM_COMP_CMDLINE);
        for (u32 j = 0; j < p.nr_ram; j++)
            inside = inside || (a->gpa >= p.ram[j].gpa && end_of(a->gpa, a->size) <= p.ram[j].gpa + p.ram[j].size);
        check(inside);
        for (u32 j = 0; j < i; j++)
            check(end_of(a->gpa, a->size) <= p.comp[j].gpa || end_of(p.comp[j].gpa, p.comp[j].size) <= a->gpa);
    }
    check(p.comp[0].gpa == CVM_FW_GPA && p.comp[0].size <= CVM_FW_MAX);
    return 0;
}
