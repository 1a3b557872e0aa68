/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of instructions that can touch MMIO (SDM vol. 2, chapter 2 and appendix A). */
#ifndef INSN_H
#define INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cvm/abi.h"

#define INSN_MAX	15u		/* bytes */

enum insn_op {
	OP_MOV,
	OP_MOVZX,
	OP_MOVSX,
	OP_ALU,			/* enum alu_op in insn.alu */
	OP_TEST,
	OP_XCHG,
	OP_CMPXCHG,
	OP_XADD,
	OP_INC,
	OP_DEC,
	OP_NOT,
	OP_NEG,
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	OP_MOVS,
	OP_STOS,
	OP_LODS,
	OP_INS,
	OP_OUTS,
};

/* In the order of the opcodes. */
enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* Order of struct cvm_g_cpu. */
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

enum cpu_mode { MODE_16 = 2, MODE_32 = 4, MODE_64 = 8 };

#define NO_REG	0xffu

struct insn {
	uint8_t op;			/* enum insn_op */
	uint8_t refused;		/* on -EOPNOTSUPP: enum cvm_refused */
	uint8_t alu;			/* enum alu_op */
	uint8_t length;			/* bytes */
	uint8_t size;			/* of the register operand, bytes */
	uint8_t memory_size;		/* of the memory operand, bytes */
	uint8_t address_size;		/* bytes */
	bool	rex;			/* a REX prefix: registers 4-7 of size 1 are SPL.. not AH.. */
	bool	lock;
	bool	rep;
	bool	to_memory;		/* memory is the destination */
	bool	has_imm;		/* the other operand is imm, else reg */
	uint8_t reg;
	/* the memory operand; string operations have theirs by definition */
	uint8_t segment;		/* enum segment; of a string: the source's */
	uint8_t base, index, scale;	/* NO_REG if absent; scale is a shift count */
	bool	rip_relative;
	int64_t disp;
	int64_t imm;			/* sign-extended */
};

/*
 * Parses one instruction out of n bytes.
 *   -ENODATA     it goes on behind the n bytes
 *   -EOPNOTSUPP  longer than 15 bytes, no memory operand, or none of those known here; in->refused says
 *                which kind
 */
int insn_parse(const uint8_t *bytes, size_t n, enum cpu_mode mode, struct insn *in);

static inline bool insn_is_string(const struct insn *in)
{
	return in->op >= OP_MOVS;
}

#endif
