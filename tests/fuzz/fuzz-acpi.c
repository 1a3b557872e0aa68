// SOURCES: hypervisor/start/acpi.c hypervisor/hostboot/acpi.c hypervisor/tpm/log.c
// CFLAGS: -Ihypervisor -Ihypervisor/rootvisor -Ihypervisor/rootvisor/include
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI tables of a firmware: RSDP in the first 36 bytes, memory from 0x1000 on behind it. Checksums
 * are made right, or the fuzzer would never pass them. */
#include <stdlib.h>
#include <string.h>

#include "hostboot/acpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;
static size_t memory_size;

static const u8 *map(void *ctx, u64 pa, u64 size) {
    (void) ctx;
    if (pa < 0x1000 || pa - 0x1000 > memory_size || size > memory_size - (pa - 0x1000))
        return NULL;
    if (size > 36) {
        uint8_t *p = memory + (pa - 0x1000), s = 0;

        p[9] = 0;
        for (u64 i = 0; i < size; i++)
            s = (uint8_t) (s + p[i]);
        p[9] = (uint8_t) -s;
    }
    return memory + (pa - 0x1000);
}

static void fix(uint8_t *p, size_t n, size_t at) {
    uint8_t s = 0;

    p[at] = 0;
    for (size_t i = 0; i < n; i++)
        s = (uint8_t) (s + p[i]);
    p[at] = (uint8_t) -s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct acpi_ops ops = { .map = map };
    /* An event log without entries: header, one bank. */
    static const uint8_t log[65] = "\0\0\0\0\3\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\x21\0\0\0"
        "Spec ID Event03\0" "\0\0\0\0\0\2\2\2\1\0\0\0\x0b\0\x20\0";
    uint8_t rsdp[36], *out = malloc(4096);
    struct acpi_request q = { .rsdp = rsdp, .rsdp_size = 36, .at = 0x100000, .log = log, .log_size = sizeof(log),
        .out = out, .out_size = 4096 };
    struct acpi_result res;
    struct acpi_built built;
    const char *error = NULL;
    int r;

    if (!out)
        abort();
    if (size > sizeof(rsdp)) {
        memcpy(rsdp, data, sizeof(rsdp));
        memcpy(rsdp, "RSD PTR ", 8);
        fix(rsdp, 20, 8);
        fix(rsdp, 36, 32);
        memory_size = size - sizeof(rsdp);
        memory = malloc(memory_size);
        if (!memory)
            abort();
        memcpy(memory, data + sizeof(rsdp), memory_size);
        r = acpi_build(&ops, &q, &built, &error);
        if ((r == 0) != (error == NULL) || built.used > q.out_size)
            abort();
        r = acpi_read(&ops, rsdp, sizeof(rsdp), 0, &res, &error);
        if ((r == 0) != (error == NULL) || res.nr_others > ACPI_CPUS_MAX)
            abort();
        for (u32 i = 0; i < res.nr_others; i++)
            for (u32 k = 0; k < i; k++)
                if (res.others[i] == res.others[k])
                    abort();
        free(memory);
    }
    free(out);
    return 0;
}
