// SOURCES: hypervisor/guardian/decode/insn.c
// CFLAGS: -Ihypervisor/guardian
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The instruction parser: bounded reads; the same answer however many bytes follow. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum cpu_mode modes[] = { MODE_16, MODE_32, MODE_64 };

    for (unsigned i = 0; i < 3; i++) {
        struct insn in, again;
        int r = insn_parse(data, size, modes[i], &in);

        if (r == 0) {
            if (!in.length || in.length > INSN_MAX || in.length > size)
                abort();
            /* Exactly its own bytes are enough, one less is not. */
            if (insn_parse(data, in.length, modes[i], &again) || memcmp(&in, &again, sizeof(in)))
                abort();
            if (insn_parse(data, in.length - 1u, modes[i], &again) != -ENODATA)
                abort();
        } else if (r != -EOPNOTSUPP && (r != -ENODATA || size >= INSN_MAX)) {
            abort();
        }
    }
    return 0;
}
