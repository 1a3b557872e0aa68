/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks for register patterns in text on standard input, such as QEMU's `info registers`.
 *   textregs SEED
 *     SEED  of the patterns that the guest agent's `regs SEED ...` loads
 * Exit status: 0 a pattern was found, 1 none, 2 trouble.
 */
#include "attack.h"

#include "patterns.h"

int main(int argc, char **argv) {
    if (argc != 2)
        trouble(0, "usage: textregs SEED < TEXT");
    uint64_t seed = number(argv[1], "SEED");
    unsigned gpr = 0, vector = 0, gs = 0, values = 0, digits = 0;
    uint64_t value = 0;
    for (int c; (c = getchar()) != EOF;) {
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            digits = 0;
            continue;
        }
        value = value << 4 | (unsigned)digit;
        if (++digits < 16)
            continue;
        values++;
        for (unsigned i = 0; i < 15; i++)
            gpr += value == pattern64(seed, i);
        for (unsigned i = 0; i < 64; i++)
            vector += value == pattern64(seed, 100 + i);
        gs += value == (pattern64(seed, PATTERN_GS) & PATTERN_GS_MASK);
        digits = 0;
    }
    bool found = gpr + vector + gs > 0;
    printf(
        "{\"tool\":\"textregs\",\"found\":%s,\"gpr\":%u,\"vector_words\":%u,\"gs_base\":%u,\"values\":%u}\n",
        found ? "true" : "false", gpr, vector, gs, values);
    if (!values)
        return TROUBLE;
    return found ? FOUND : NOT_FOUND;
}
