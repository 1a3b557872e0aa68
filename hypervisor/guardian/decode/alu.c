/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic and its flags (SDM vol. 1, 3.4.3.1). */
#include "decode/alu.h"

#define ARITHMETIC	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, uint64_t sign, uint64_t *flags)
{
	uint64_t r = a + b + carry;

	if (((a & b) | ((a | b) & ~r)) & sign)
		*flags |= FLAG_CF;
	if ((a ^ r) & (b ^ r) & sign)
		*flags |= FLAG_OF;
	*flags |= (a ^ b ^ r) & FLAG_AF;
	return r;
}

static uint64_t sub(uint64_t a, uint64_t b, uint64_t borrow, uint64_t sign, uint64_t *flags)
{
	uint64_t r = a - b - borrow;

	if (((~a & b) | ((~a | b) & r)) & sign)
		*flags |= FLAG_CF;
	if ((a ^ b) & (a ^ r) & sign)
		*flags |= FLAG_OF;
	*flags |= (a ^ b ^ r) & FLAG_AF;
	return r;
}

uint64_t alu(enum alu_op op, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags)
{
	uint64_t sign = 1ull << (8 * size - 1), carry = *rflags & FLAG_CF, flags = 0, r = 0;

	switch (op) {
	case ALU_ADD:
		r = add(a, b, 0, sign, &flags);
		break;
	case ALU_ADC:
		r = add(a, b, carry, sign, &flags);
		break;
	case ALU_SUB:
	case ALU_CMP:
		r = sub(a, b, 0, sign, &flags);
		break;
	case ALU_SBB:
		r = sub(a, b, carry, sign, &flags);
		break;
	case ALU_OR:
		r = a | b;
		break;
	case ALU_AND:
		r = a & b;
		break;
	case ALU_XOR:
		r = a ^ b;
		break;
	}
	r = low_bytes(r, size);
	if (!r)
		flags |= FLAG_ZF;
	if (r & sign)
		flags |= FLAG_SF;
	if (!__builtin_parity((unsigned)(r & 0xff)))
		flags |= FLAG_PF;
	*rflags = (*rflags & ~ARITHMETIC) | flags;
	return r;
}
