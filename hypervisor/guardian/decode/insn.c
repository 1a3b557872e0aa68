/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/insn.h"

#include <linux/errno.h>

#define REX_B	1u
#define REX_X	2u
#define REX_R	4u
#define REX_W	8u

struct cursor {
	const uint8_t *bytes;
	size_t n, pos;
	uint16_t opcode;		/* 0x0f in the upper byte: of two bytes */
	int err;
};

struct prefixes {
	uint8_t rex;			/* 0 if none */
	uint8_t segment;		/* NO_REG if none */
	bool operand, address;
};

static uint8_t next(struct cursor *c)
{
	if (c->pos >= INSN_MAX)
		c->err = -EOPNOTSUPP;
	else if (c->pos >= c->n)
		c->err = -ENODATA;
	if (c->err)
		return 0;
	return c->bytes[c->pos++];
}

/* A little-endian number of `size` bytes, sign-extended. */
static int64_t next_signed(struct cursor *c, unsigned size)
{
	uint64_t v = 0;
	unsigned shift = 64 - 8 * size;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)next(c) << 8 * i;
	return (int64_t)(v << shift) >> shift;
}

/* Prefixes, up to and including the first opcode byte, which is returned. */
static uint8_t parse_prefixes(struct cursor *c, enum cpu_mode mode, struct prefixes *p, struct insn *in)
{
	for (;;) {
		uint8_t b = next(c);

		switch (b) {
		case 0x26: case 0x2e: case 0x36: case 0x3e:
			/* Without meaning in 64-bit mode, even behind FS or GS. */
			if (mode != MODE_64)
				p->segment = b >> 3 & 3;
			break;
		case 0x64: case 0x65:
			p->segment = b - 0x64 + SEG_FS;
			break;
		case 0x66:
			p->operand = true;
			break;
		case 0x67:
			p->address = true;
			break;
		case 0xf0:
			in->lock = true;
			break;
		case 0xf2: case 0xf3:
			in->rep = true;
			break;
		default:
			if (mode != MODE_64 || (b & 0xf0) != 0x40)
				return b;
			p->rex = b;
			continue;
		}
		p->rex = 0;		/* REX counts only directly before the opcode */
		if (c->err)
			return 0;
	}
}

static void sib(struct cursor *c, const struct prefixes *p, uint8_t mod, struct insn *in)
{
	uint8_t b = next(c);
	uint8_t index = (b >> 3 & 7) | (p->rex & REX_X ? 8 : 0);

	in->scale = b >> 6;
	in->index = index == 4 ? NO_REG : index;
	if ((b & 7) == 5 && mod == 0) {
		in->disp = next_signed(c, 4);
		return;
	}
	in->base = (b & 7) | (p->rex & REX_B ? 8 : 0);
}

static void memory_16(struct cursor *c, uint8_t mod, uint8_t rm, struct insn *in)
{
	static const uint8_t base[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const uint8_t index[8] = { 6, 7, 6, 7, NO_REG, NO_REG, NO_REG, NO_REG };

	if (mod == 0 && rm == 6) {
		in->disp = next_signed(c, 2);
		return;
	}
	in->base = base[rm];
	in->index = index[rm];
	if (mod)
		in->disp = next_signed(c, mod == 1 ? 1 : 2);
}

static void memory_32(struct cursor *c, const struct prefixes *p, enum cpu_mode mode, uint8_t mod, uint8_t rm,
		      struct insn *in)
{
	if (mod == 0 && rm == 5) {
		in->disp = next_signed(c, 4);
		in->rip_relative = mode == MODE_64;
		return;
	}
	if (rm == 4)
		sib(c, p, mod, in);
	else
		in->base = rm | (p->rex & REX_B ? 8 : 0);
	if (mod)
		in->disp = next_signed(c, mod == 1 ? 1 : 4);
}

/* ModRM with a memory operand; sets reg too. The three bits of reg are returned. */
static uint8_t modrm(struct cursor *c, const struct prefixes *p, enum cpu_mode mode, struct insn *in)
{
	uint8_t b = next(c), mod = b >> 6, rm = b & 7, reg = b >> 3 & 7;

	in->reg = reg | (p->rex & REX_R ? 8 : 0);
	if (mod == 3) {
		if (!c->err)
			c->err = -EOPNOTSUPP;
		return reg;
	}
	if (in->address_size == 2)
		memory_16(c, mod, rm, in);
	else
		memory_32(c, p, mode, mod, rm, in);
	/* RSP, RBP (BP) as base select SS; R12, R13 do not. */
	in->segment = in->base == 4 || in->base == 5 ? SEG_SS : SEG_DS;
	if (p->segment != NO_REG)
		in->segment = p->segment;
	return reg;
}

static void immediate(struct cursor *c, unsigned size, struct insn *in)
{
	in->has_imm = true;
	in->imm = next_signed(c, size);
}

static void string(const struct prefixes *p, enum insn_op op, struct insn *in)
{
	in->op = op;
	in->segment = p->segment != NO_REG ? p->segment : SEG_DS;
	if ((op == OP_INS || op == OP_OUTS) && in->size == 8)
		in->size = 4;
}

/* Groups whose operation stands in ModRM.reg. Unknown: -EOPNOTSUPP in c->err. */
static void group(struct cursor *c, const struct prefixes *p, enum cpu_mode mode, uint8_t opcode, struct insn *in)
{
	unsigned imm_size = in->size < 4 ? in->size : 4;
	uint8_t n = modrm(c, p, mode, in);

	in->to_memory = true;
	switch (opcode) {
	case 0x80: case 0x81: case 0x83:
		in->op = OP_ALU;
		in->alu = n;
		immediate(c, opcode == 0x83 ? 1 : imm_size, in);
		return;
	case 0xc6: case 0xc7:
		if (n)
			break;
		in->op = OP_MOV;
		immediate(c, imm_size, in);
		return;
	case 0xf6: case 0xf7:
		if (n == 0) {
			in->op = OP_TEST;
			immediate(c, imm_size, in);
			return;
		}
		if (n != 2 && n != 3)
			break;
		in->op = n == 2 ? OP_NOT : OP_NEG;
		return;
	case 0xfe: case 0xff:
		if (n > 1)
			break;
		in->op = n ? OP_DEC : OP_INC;
		return;
	}
	if (!c->err)
		c->err = -EOPNOTSUPP;
}

static void two_byte(struct cursor *c, const struct prefixes *p, enum cpu_mode mode, struct insn *in)
{
	uint8_t opcode = next(c), n;

	c->opcode = 0x0f00 | opcode;
	switch (opcode) {
	case 0xa3: case 0xab: case 0xb3: case 0xbb:
		in->op = OP_BT + (opcode >> 3 & 3);
		break;
	case 0xba:
		n = modrm(c, p, mode, in);
		immediate(c, 1, in);
		if (n < 4 && !c->err)
			c->err = -EOPNOTSUPP;
		in->op = OP_BT + (n & 3);
		in->to_memory = true;
		return;
	case 0xb0: case 0xb1:
		in->op = OP_CMPXCHG;
		break;
	case 0xc0: case 0xc1:
		in->op = OP_XADD;
		break;
	case 0xb6: case 0xb7: case 0xbe: case 0xbf:
		in->op = opcode & 8 ? OP_MOVSX : OP_MOVZX;
		in->memory_size = opcode & 1 ? 2 : 1;
		modrm(c, p, mode, in);
		return;
	case 0xc3:			/* MOVNTI; with a prefix another instruction, or none */
		if ((p->operand || in->rep) && !c->err)
			c->err = -EOPNOTSUPP;
		in->size = p->rex & REX_W ? 8 : 4;
		in->op = OP_MOV;
		break;
	default:
		if (!c->err)
			c->err = -EOPNOTSUPP;
		return;
	}
	if (opcode == 0xb0 || opcode == 0xc0)
		in->size = 1;
	in->to_memory = true;
	modrm(c, p, mode, in);
}

static void moffs(struct cursor *c, const struct prefixes *p, uint8_t opcode, struct insn *in)
{
	in->op = OP_MOV;
	in->to_memory = opcode & 2;
	in->segment = p->segment != NO_REG ? p->segment : SEG_DS;
	in->disp = next_signed(c, in->address_size);
}

static void one_byte(struct cursor *c, const struct prefixes *p, enum cpu_mode mode, uint8_t opcode, struct insn *in)
{
	/* In nearly all of these, bit 0 is "not a byte" and bit 1 is "to the register". */
	if (!(opcode & 1))
		in->size = 1;
	switch (opcode) {
	case 0x63:
		/* MOVSXD; ARPL outside 64-bit mode. To 16 bits vendors differ in what is read. */
		if ((mode != MODE_64 || in->size == 2) && !c->err)
			c->err = -EOPNOTSUPP;
		in->op = OP_MOVSX;
		in->memory_size = 4;
		modrm(c, p, mode, in);
		return;
	case 0x80: case 0x81: case 0x83: case 0xc6: case 0xc7:
	case 0xf6: case 0xf7: case 0xfe: case 0xff:
		group(c, p, mode, opcode, in);
		return;
	case 0x84: case 0x85:
		in->op = OP_TEST;
		in->to_memory = true;
		modrm(c, p, mode, in);
		return;
	case 0x86: case 0x87:
		in->op = OP_XCHG;
		in->to_memory = true;
		modrm(c, p, mode, in);
		return;
	case 0x88: case 0x89: case 0x8a: case 0x8b:
		in->op = OP_MOV;
		in->to_memory = !(opcode & 2);
		modrm(c, p, mode, in);
		return;
	case 0xa0: case 0xa1: case 0xa2: case 0xa3:
		moffs(c, p, opcode, in);
		return;
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:
		string(p, opcode & 2 ? OP_OUTS : OP_INS, in);
		return;
	case 0xa4: case 0xa5:
		string(p, OP_MOVS, in);
		return;
	case 0xaa: case 0xab:
		string(p, OP_STOS, in);
		return;
	case 0xac: case 0xad:
		string(p, OP_LODS, in);
		return;
	}
	if (opcode < 0x40 && (opcode & 7) < 4) {
		in->op = OP_ALU;
		in->alu = opcode >> 3;
		in->to_memory = !(opcode & 2);
		modrm(c, p, mode, in);
		return;
	}
	if (!c->err)
		c->err = -EOPNOTSUPP;
}

/* The CPU takes LOCK only with read-modify-write of memory (SDM vol. 2, LOCK). */
static bool may_lock(const struct insn *in)
{
	if (!in->to_memory)
		return false;
	switch (in->op) {
	case OP_ALU:
		return in->alu != ALU_CMP;
	case OP_XCHG: case OP_CMPXCHG: case OP_XADD: case OP_INC: case OP_DEC:
	case OP_NOT: case OP_NEG: case OP_BTS: case OP_BTR: case OP_BTC:
		return true;
	}
	return false;
}

/* What is not claimed, by kind: SDM vol. 2, tables. Of a group one member may be known. */
static uint8_t kind_of(const struct cursor *c, enum cpu_mode mode)
{
	static const struct { uint16_t first, last; uint8_t kind; } kinds[] = {
		{ 0x06, 0x07, CVM_REFUSED_STACK }, { 0x0e, 0x0e, CVM_REFUSED_STACK }, { 0x16, 0x17, CVM_REFUSED_STACK },
		{ 0x1e, 0x1f, CVM_REFUSED_STACK }, { 0x50, 0x61, CVM_REFUSED_STACK }, { 0x68, 0x68, CVM_REFUSED_STACK },
		{ 0x6a, 0x6a, CVM_REFUSED_STACK }, { 0x8f, 0x8f, CVM_REFUSED_STACK }, { 0x9a, 0x9a, CVM_REFUSED_STACK },
		{ 0x9c, 0x9d, CVM_REFUSED_STACK }, { 0xc2, 0xc3, CVM_REFUSED_STACK }, { 0xc8, 0xcf, CVM_REFUSED_STACK },
		{ 0xe8, 0xe8, CVM_REFUSED_STACK }, { 0xff, 0xff, CVM_REFUSED_STACK },
		{ 0x0fa0, 0x0fa1, CVM_REFUSED_STACK }, { 0x0fa8, 0x0fa9, CVM_REFUSED_STACK },
		{ 0xa6, 0xa7, CVM_REFUSED_COMPARE }, { 0xae, 0xaf, CVM_REFUSED_COMPARE }, { 0xd8, 0xdf, CVM_REFUSED_X87 },
		{ 0x0f10, 0x0f17, CVM_REFUSED_SSE }, { 0x0f28, 0x0f2f, CVM_REFUSED_SSE }, { 0x0f38, 0x0f38, CVM_REFUSED_SSE },
		{ 0x0f3a, 0x0f3a, CVM_REFUSED_SSE }, { 0x0f50, 0x0f77, CVM_REFUSED_SSE },
		{ 0x0f7c, 0x0f7f, CVM_REFUSED_SSE }, { 0x0fc2, 0x0fc2, CVM_REFUSED_SSE }, { 0x0fc4, 0x0fc6, CVM_REFUSED_SSE },
		{ 0x0fd0, 0x0ffe, CVM_REFUSED_SSE }, { 0x0fc7, 0x0fc7, CVM_REFUSED_WIDE } };

	/* VEX, EVEX; outside 64-bit mode LES, LDS, BOUND with a memory operand */
	if ((c->opcode == 0xc4 || c->opcode == 0xc5 || c->opcode == 0x62) &&
	    (mode == MODE_64 || (c->pos < c->n && c->bytes[c->pos] >= 0xc0)))
		return CVM_REFUSED_AVX;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (c->opcode >= kinds[i].first && c->opcode <= kinds[i].last)
			return kinds[i].kind;
	return CVM_REFUSED_OTHER;
}

int insn_parse(const uint8_t *bytes, size_t n, enum cpu_mode mode, struct insn *in)
{
	struct cursor c = { .bytes = bytes, .n = n };
	struct prefixes p = { .segment = NO_REG };
	uint8_t opcode;

	*in = (struct insn){ .base = NO_REG, .index = NO_REG, .segment = SEG_DS };
	opcode = parse_prefixes(&c, mode, &p, in);
	in->rex = p.rex;
	in->size = mode == MODE_16 ? (p.operand ? 4 : 2) : p.operand ? 2 : 4;
	if (p.rex & REX_W)
		in->size = 8;
	in->address_size = mode == MODE_64 ? (p.address ? 4 : 8) : mode == MODE_32 ? (p.address ? 2 : 4)
									: (p.address ? 4 : 2);
	c.opcode = opcode;
	if (opcode == 0x0f)
		two_byte(&c, &p, mode, in);
	else
		one_byte(&c, &p, mode, opcode, in);
	if (c.err == -EOPNOTSUPP)
		in->refused = kind_of(&c, mode);
	if (c.err)
		return c.err;
	if (in->lock && !may_lock(in))
		return -EOPNOTSUPP;
	if (!in->memory_size)
		in->memory_size = in->size;
	in->length = c.pos;
	return 0;
}
