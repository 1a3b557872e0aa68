/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the instructions compute (SDM vol. 2). */
#include "decode/execute.h"

#include "decode/alu.h"

#define RAX	0
#define RCX	1
#define RSI	6
#define RDI	7

/* The operand that is not memory. */
static uint64_t other(const struct pending *p)
{
	const struct insn *in = &p->insn;

	if (in->has_imm)
		return low_bytes(in->imm, in->size);
	return reg_get(&p->cpu, in->reg, in->size, in->rex);
}

static uint64_t extend(const struct insn *in, uint64_t v)
{
	unsigned shift = 64 - 8 * in->memory_size;

	return in->op == OP_MOVSX ? (uint64_t)((int64_t)(v << shift) >> shift) : v;
}

static uint64_t bit_operation(struct pending *p, uint64_t v)
{
	const struct insn *in = &p->insn;
	uint64_t bit = 1ull << (other(p) & (8u * in->size - 1));

	p->cpu.rflags = (p->cpu.rflags & ~FLAG_CF) | (v & bit ? FLAG_CF : 0);
	switch (in->op) {
	case OP_BTS:
		return v | bit;
	case OP_BTR:
		return v & ~bit;
	case OP_BTC:
		return v ^ bit;
	}
	return v;
}

static uint64_t unary(struct pending *p, uint64_t v)
{
	const struct insn *in = &p->insn;
	uint64_t carry = p->cpu.rflags & FLAG_CF, r;

	if (in->op == OP_NOT)
		return low_bytes(~v, in->size);
	if (in->op == OP_NEG)
		return alu(ALU_SUB, 0, v, in->size, &p->cpu.rflags);
	r = alu(in->op == OP_INC ? ALU_ADD : ALU_SUB, v, 1, in->size, &p->cpu.rflags);
	p->cpu.rflags = (p->cpu.rflags & ~FLAG_CF) | carry;
	return r;
}

static void compare_exchange(struct pending *p, uint64_t v)
{
	const struct insn *in = &p->insn;

	alu(ALU_CMP, reg_get(&p->cpu, RAX, in->size, true), v, in->size, &p->cpu.rflags);
	if (p->cpu.rflags & FLAG_ZF) {
		p->value = other(p);
		return;
	}
	reg_set(&p->cpu, RAX, in->size, true, v);
	p->write.size = 0;		/* the CPU would write back what it has read */
}

void insn_execute(struct pending *p)
{
	const struct insn *in = &p->insn;
	struct cvm_g_cpu *cpu = &p->cpu;
	uint64_t v = p->value;

	switch (in->op) {
	case OP_MOV:
	case OP_MOVZX:
	case OP_MOVSX:
		if (in->to_memory)
			p->value = other(p);
		else
			reg_set(cpu, in->reg, in->size, in->rex, extend(in, v));
		break;
	case OP_ALU:
		if (in->to_memory) {
			p->value = alu(in->alu, v, other(p), in->size, &cpu->rflags);
		} else {
			v = alu(in->alu, other(p), v, in->size, &cpu->rflags);
			if (in->alu != ALU_CMP)
				reg_set(cpu, in->reg, in->size, in->rex, v);
		}
		break;
	case OP_TEST:
		alu(ALU_AND, v, other(p), in->size, &cpu->rflags);
		break;
	case OP_XCHG:
		p->value = other(p);
		reg_set(cpu, in->reg, in->size, in->rex, v);
		break;
	case OP_CMPXCHG:
		compare_exchange(p, v);
		break;
	case OP_XADD:
		p->value = alu(ALU_ADD, v, other(p), in->size, &cpu->rflags);
		reg_set(cpu, in->reg, in->size, in->rex, v);
		break;
	case OP_INC:
	case OP_DEC:
	case OP_NOT:
	case OP_NEG:
		p->value = unary(p, v);
		break;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		p->value = bit_operation(p, v);
		break;
	case OP_STOS:
		p->value = reg_get(cpu, RAX, in->size, true);
		break;
	case OP_LODS:
		reg_set(cpu, RAX, in->size, true, v);
		break;
	default:			/* MOVS, INS, OUTS: the value goes on as it is */
		break;
	}
}

static void advance_index(struct pending *p, unsigned reg, uint64_t n)
{
	const struct insn *in = &p->insn;
	uint64_t step = n * (p->cpu.rflags & FLAG_DF ? -(uint64_t)in->size : in->size);

	reg_set(&p->cpu, reg, in->address_size, true, reg_get(&p->cpu, reg, in->address_size, true) + step);
}

void insn_retire(struct pending *p, uint64_t n)
{
	const struct insn *in = &p->insn;
	struct cvm_g_cpu *cpu = &p->cpu;

	if (insn_is_string(in)) {
		if (in->op != OP_STOS && in->op != OP_INS)
			advance_index(p, RSI, n);
		if (in->op != OP_LODS && in->op != OP_OUTS)
			advance_index(p, RDI, n);
		if (in->rep) {
			uint64_t left = low_bytes(cpu->gpr[RCX] - n, in->address_size);

			reg_set(cpu, RCX, in->address_size, true, left);
			if (left)
				return;		/* RIP stays: the guest comes again for the next */
		}
	}
	cpu->rflags &= ~FLAG_RF;
	cpu->rip += in->length;
	if (guest_mode(cpu) != MODE_64)
		cpu->rip = (uint32_t)cpu->rip;
}
