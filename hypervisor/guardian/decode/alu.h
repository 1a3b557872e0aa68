/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ALU_H
#define ALU_H

#include "decode/insn.h"

#define FLAG_CF	(1ull << 0)
#define FLAG_PF	(1ull << 2)
#define FLAG_AF	(1ull << 4)
#define FLAG_ZF	(1ull << 6)
#define FLAG_SF	(1ull << 7)
#define FLAG_TF	(1ull << 8)
#define FLAG_DF	(1ull << 10)
#define FLAG_OF	(1ull << 11)
#define FLAG_RF	(1ull << 16)
#define FLAG_VM	(1ull << 17)
#define FLAG_AC	(1ull << 18)

/* The lowest `size` bytes (1, 2, 4, 8) of v. */
static inline uint64_t low_bytes(uint64_t v, unsigned size)
{
	return size >= 8 ? v : v & ((1ull << 8 * size) - 1);
}

/*
 * a op b on operands of `size` bytes; sets CF, PF, AF, ZF, SF, OF of *rflags as the CPU does
 * (AF = 0 where the SDM leaves it undefined). ALU_CMP returns a - b.
 */
uint64_t alu(enum alu_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags);

#endif
