/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/run.h"

#include <linux/errno.h>
#include <string.h>

#include "decode/alu.h"
#include "decode/execute.h"

#define PAGE	4096u
#define RCX	1
#define RSI	6
#define RDI	7

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool down(const struct pending *p)
{
	return p->cpu.rflags & FLAG_DF;
}

static const struct span *in_memory(const struct pending *p)
{
	return p->insn.op == OP_INS ? &p->write : &p->read;
}

unsigned run_length(const struct pending *p, const struct guest *g, uint32_t vcpu)
{
	const struct insn *in = &p->insn;
	const struct span *s = in_memory(p);
	bool ins = in->op == OP_INS;
	uint64_t offset = reg_get(&p->cpu, ins ? RDI : RSI, in->address_size, true);
	uint64_t in_page = s->gpa[0] % PAGE, linear, n;
	struct guest_exception x;

	if ((!ins && in->op != OP_OUTS) || !in->rep || p->cpu.rflags & FLAG_TF || s->first != s->size ||
	    guest_is_ram(g, CVM_BOUNCE_GPA + vcpu * CVM_RUN_MAX))
		return 0;
	n = least(low_bytes(p->cpu.gpr[RCX], in->address_size), CVM_RUN_MAX / in->size);
	/* The offset must not wrap, either. */
	if (down(p))
		n = least(n, least(in_page, offset) / in->size + 1);
	else
		n = least(n, least(PAGE - in_page, low_bytes(~0ull, in->address_size) - offset) / in->size);
	if (n < 2)
		return 0;
	if (down(p))
		offset -= (n - 1) * in->size;
	if (guest_linear(&p->cpu, ins ? SEG_ES : in->segment, offset, n * in->size, ins ? ACCESS_WRITE : 0, &linear, &x))
		return 0;
	return n;
}

/* n elements between guest memory and bytes, where they stand in the order of the port. */
static int transfer(const struct pending *p, const struct guest *g, uint64_t n, uint8_t *bytes)
{
	unsigned size = p->insn.size;
	uint64_t lowest = in_memory(p)->gpa[0] - (down(p) ? (n - 1) * size : 0);
	uint8_t *m = guest_bytes(g, lowest, n * size);

	if (!m)
		return -EOPNOTSUPP;
	for (uint64_t i = 0; i < n; i++, bytes += size) {
		uint8_t *e = m + (down(p) ? n - 1 - i : i) * size;

		memcpy(p->insn.op == OP_INS ? e : bytes, p->insn.op == OP_INS ? bytes : e, size);
	}
	return 0;
}

int run_begin(const struct pending *p, const struct guest *g, uint8_t *bytes, struct cvm_g_step *out)
{
	out->size = p->insn.size;
	out->count = p->run;
	if (p->insn.op == OP_INS)
		return 0;
	memset(bytes, 0, CVM_RUN_MAX);
	return transfer(p, g, p->run, bytes);
}

int run_end(struct pending *p, const struct guest *g, uint64_t done, uint8_t *bytes, struct cvm_g_step *out)
{
	int r;

	if (!done || done > p->run)
		return -EINVAL;
	r = p->insn.op == OP_INS ? transfer(p, g, done, bytes) : 0;
	if (r)
		return r;
	insn_retire(p, done);
	p->run = 0;
	p->phase = PHASE_IDLE;
	*out = (struct cvm_g_step){ .kind = CVM_G_STEP_DONE };
	return 0;
}
