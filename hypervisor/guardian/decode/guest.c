/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/guest.h"

#include <linux/errno.h>
#include <string.h>

#include "decode/alu.h"

#define PAGE		4096u
#define EFER_LMA	(1ull << 10)
#define AR_L		(1u << 13)
#define AR_DB		(1u << 14)
#define AR_UNUSABLE	(1u << 16)
#define AR_P		(1u << 7)
#define TYPE_CODE	8u
#define TYPE_EXPAND_DOWN 4u		/* data */
#define TYPE_RW		2u		/* data: writable; code: readable */
#define VECTOR_SS	12
#define VECTOR_GP	13

enum cpu_mode guest_mode(const struct cvm_g_cpu *cpu)
{
	if (cpu->efer & EFER_LMA && cpu->seg_ar[SEG_CS] & AR_L)
		return MODE_64;
	return cpu->seg_ar[SEG_CS] & AR_DB ? MODE_32 : MODE_16;
}

bool guest_is_ram(const struct guest *g, uint64_t gpa)
{
	uint64_t page = gpa & ~(uint64_t)(PAGE - 1);

	if (page >= g->size)
		return false;
	if (!g->nr_ram)
		return true;
	for (uint32_t i = 0; i < g->nr_ram; i++)
		if (page >= g->ram[i].gpa && page - g->ram[i].gpa < g->ram[i].size)
			return true;
	return false;
}

uint8_t *guest_bytes(const struct guest *g, uint64_t gpa, size_t n)
{
	if (gpa % PAGE + n > PAGE || !guest_is_ram(g, gpa))
		return NULL;
	return g->base + gpa;
}

static int segment_fault(enum segment seg, struct guest_exception *x)
{
	*x = (struct guest_exception){ .vector = seg == SEG_SS ? VECTOR_SS : VECTOR_GP, .has_error = true };
	return GUEST_FAULT;
}

static bool canonical(uint64_t linear)
{
	return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

static bool segment_allows(const struct cvm_g_cpu *cpu, enum segment seg, uint64_t offset, unsigned size,
			   unsigned access)
{
	uint32_t ar = cpu->seg_ar[seg], type = ar & 15, limit = cpu->seg_limit[seg];
	uint64_t last = offset + size - 1, top = ar & AR_DB ? UINT32_MAX : UINT16_MAX;

	if (ar & AR_UNUSABLE || !(ar & AR_P))
		return false;
	if (type & TYPE_CODE) {
		if (access & ACCESS_WRITE || (!(access & ACCESS_FETCH) && !(type & TYPE_RW)))
			return false;
	} else if (access & ACCESS_WRITE && !(type & TYPE_RW)) {
		return false;
	}
	if (!(type & TYPE_CODE) && type & TYPE_EXPAND_DOWN)
		return offset > limit && last <= top;
	return last <= limit;
}

int guest_linear(const struct cvm_g_cpu *cpu, enum segment seg, uint64_t offset, unsigned size, unsigned access,
		 uint64_t *linear, struct guest_exception *x)
{
	if (guest_mode(cpu) != MODE_64) {
		offset = (uint32_t)offset;
		if (!segment_allows(cpu, seg, offset, size, access))
			return segment_fault(seg, x);
		*linear = (uint32_t)(cpu->seg_base[seg] + offset);
		return 0;
	}
	*linear = offset + (seg >= SEG_FS ? cpu->seg_base[seg] : 0);
	if (!canonical(*linear) || !canonical(*linear + size - 1))
		return segment_fault(seg, x);
	return 0;
}

/* Bytes of code from offset up to the end of the page or the segment, at most n. */
static int fetch_some(const struct guest *g, const struct cvm_g_cpu *cpu, uint64_t offset, uint8_t *buf, size_t n,
		      size_t *got, struct guest_exception *x)
{
	uint64_t linear, gpa;
	size_t room;
	uint8_t *p;
	int r = guest_linear(cpu, SEG_CS, offset, 1, ACCESS_FETCH, &linear, x);

	if (r)
		return r;
	room = PAGE - linear % PAGE;
	r = guest_translate(g, cpu, linear, ACCESS_FETCH, &gpa, x);
	if (r)
		return r;
	*got = n < room ? n : room;
	p = guest_bytes(g, gpa, *got);
	if (!p)
		return -EOPNOTSUPP;
	memcpy(buf, p, *got);
	return 0;
}

static int refusal(int r, const struct insn *in)
{
	return r == -EOPNOTSUPP ? -(EOPNOTSUPP | in->refused << 16) : r;
}

int guest_fetch(const struct guest *g, const struct cvm_g_cpu *cpu, struct insn *in, struct guest_exception *x)
{
	enum cpu_mode mode = guest_mode(cpu);
	uint8_t buf[INSN_MAX];
	size_t n, more;
	int r = fetch_some(g, cpu, cpu->rip, buf, sizeof(buf), &n, x);

	if (r)
		return r;
	r = insn_parse(buf, n, mode, in);
	if (r != -ENODATA || n == sizeof(buf))
		return refusal(r, in);
	/* Only now the next page: it need not be there for a short instruction. */
	r = fetch_some(g, cpu, cpu->rip + n, buf + n, sizeof(buf) - n, &more, x);
	if (r)
		return r;
	r = insn_parse(buf, n + more, mode, in);
	return refusal(r == -ENODATA ? -EOPNOTSUPP : r, in);
}

uint64_t reg_get(const struct cvm_g_cpu *cpu, unsigned n, unsigned size, bool rex)
{
	if (size == 1 && !rex && n >= 4 && n < 8)
		return cpu->gpr[n - 4] >> 8 & 0xff;
	return low_bytes(cpu->gpr[n & 15], size);
}

void reg_set(struct cvm_g_cpu *cpu, unsigned n, unsigned size, bool rex, uint64_t v)
{
	uint64_t *r = &cpu->gpr[n & 15], mask = low_bytes(~0ull, size);

	v &= mask;
	if (size == 1 && !rex && n >= 4 && n < 8)
		cpu->gpr[n - 4] = (cpu->gpr[n - 4] & ~0xff00ull) | v << 8;
	else if (size >= 4)
		*r = v;
	else
		*r = (*r & ~mask) | v;
}

uint64_t guest_offset(const struct cvm_g_cpu *cpu, const struct insn *in)
{
	uint64_t offset = in->disp;

	if (in->rip_relative)
		offset += cpu->rip + in->length;
	if (in->base != NO_REG)
		offset += cpu->gpr[in->base & 15];
	if (in->index != NO_REG)
		offset += cpu->gpr[in->index & 15] << in->scale;
	if (in->op >= OP_BT && in->op <= OP_BTC && !in->has_imm) {
		/* The bit string may reach far beyond the operand, in both directions. */
		unsigned shift = 64 - 8 * in->size;
		int64_t bit = (int64_t)(cpu->gpr[in->reg & 15] << shift) >> shift;

		offset += (uint64_t)(bit >> (in->size == 8 ? 6 : in->size == 4 ? 5 : 4)) * in->size;
	}
	return low_bytes(offset, in->address_size);
}
