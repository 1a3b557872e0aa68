// SPDX-License-Identifier: LGPL-2.1-or-later
// SOURCES: attest/report.c attest/util.c
// The VM report as untrusted bytes: what decodes must encode to the same bytes.
#include <stdlib.h>
#include <string.h>

#include "attest/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int one(const uint8_t *data, size_t size) {
    uint8_t again[sizeof(struct cvm_report)];
    struct cvm_report rep;
    struct cvm_error e = { "" };

    if (cvm_report_decode(data, size, &rep, &e) < 0) {
        if (!e.text[0])
            abort();
        return 0;
    }
    cvm_report_encode(&rep, again);
    if (size != sizeof(again) || memcmp(again, data, sizeof(again)) != 0)
        abort();
    for (uint32_t i = 0; i < rep.nr_measured; i++)
        if (!cvm_component_name(rep.measured[i].kind) || !rep.measured[i].size)
            abort();
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct cvm_report frame = { .magic = CVM_REPORT_MAGIC, .version = CVM_REPORT_VERSION,
                                             .size = sizeof(struct cvm_report), .vm_id = 1, .nr_measured = 1,
                                             .kex_alg = CVM_KEX_P256, .kex_public = { 4 },
                                             .measured = { { .kind = CVM_COMP_FIRMWARE, .size = 4096 } } };
    uint8_t wire[sizeof(frame)];
    size_t at;

    one(data, size);
    /* And a valid report in which the input overwrites a part, so that the deep checks are reached. */
    if (size < 2)
        return 0;
    cvm_report_encode(&frame, wire);
    at = (data[0] | (size_t)data[1] << 8) % sizeof(wire);
    size -= 2;
    memcpy(wire + at, data + 2, size < sizeof(wire) - at ? size : sizeof(wire) - at);
    one(wire, sizeof(wire));
    return 0;
}
