/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/stepper.h"

#include <linux/errno.h>
#include <string.h>

#include "decode/alu.h"
#include "decode/execute.h"
#include "decode/run.h"

#define PAGE	4096u
#define RCX	1
#define RDX	2
#define RSI	6
#define RDI	7

static uint64_t page_of(uint64_t a)
{
	return a & ~(uint64_t)(PAGE - 1);
}

/* Translates an operand before anything is accessed: a fault must leave no trace. */
static int make_span(const struct guest *g, const struct cvm_g_cpu *cpu, const struct cvm_g_access *a,
		     enum segment seg, uint64_t offset, unsigned size, unsigned access, struct span *s,
		     struct guest_exception *x)
{
	uint64_t linear, next;
	unsigned pages;
	int r = guest_linear(cpu, seg, offset, size, access, &linear, x);

	if (r)
		return r;
	*s = (struct span){ .size = size, .first = size };
	pages = linear % PAGE + size > PAGE ? 2 : 1;
	if (pages == 2)
		s->first = PAGE - linear % PAGE;
	next = page_of(linear) + PAGE;
	if (guest_mode(cpu) != MODE_64)
		next = (uint32_t)next;
	for (unsigned i = 0; i < pages; i++) {
		r = guest_translate(g, cpu, i ? next : linear, access, &s->gpa[i], x);
		if (r)
			return r;
		s->mmio[i] = !guest_is_ram(g, s->gpa[i]) ||
			     (a->kind == CVM_G_MMIO && page_of(s->gpa[i]) == page_of(a->gpa));
		/* A port and MMIO in one instruction: there are no steps for that. */
		if (s->mmio[i] && a->kind == CVM_G_PIO)
			return -EOPNOTSUPP;
	}
	return 0;
}

static struct span port_span(unsigned size, uint32_t port)
{
	return (struct span){ .size = size, .first = size, .port = true, .mmio = { true }, .gpa = { port } };
}

/* Which of the two a memory operand is, and how the page tables are asked. */
static void uses(const struct insn *in, bool *read, bool *write)
{
	*read = true;
	*write = in->to_memory;
	switch (in->op) {
	case OP_MOV:
		*read = !in->to_memory;
		break;
	case OP_ALU:
		*write = in->to_memory && in->alu != ALU_CMP;
		break;
	case OP_TEST:
	case OP_BT:
		*write = false;
		break;
	}
}

static int string_spans(struct pending *p, const struct guest *g, const struct cvm_g_access *a,
			struct guest_exception *x)
{
	const struct insn *in = &p->insn;
	const struct cvm_g_cpu *cpu = &p->cpu;
	uint64_t source = reg_get(cpu, RSI, in->address_size, true);
	uint64_t target = reg_get(cpu, RDI, in->address_size, true);
	int r = 0;

	if (in->op == OP_MOVS || in->op == OP_LODS || in->op == OP_OUTS)
		r = make_span(g, cpu, a, in->segment, source, in->size, 0, &p->read, x);
	if (!r && (in->op == OP_MOVS || in->op == OP_STOS || in->op == OP_INS))
		r = make_span(g, cpu, a, SEG_ES, target, in->size, ACCESS_WRITE, &p->write, x);
	if (r)
		return r;
	if (in->op == OP_INS)
		p->read = port_span(in->size, a->port);
	else if (in->op == OP_OUTS)
		p->write = port_span(in->size, a->port);
	return 0;
}

static int memory_spans(struct pending *p, const struct guest *g, const struct cvm_g_access *a,
			struct guest_exception *x)
{
	const struct insn *in = &p->insn;
	bool read, write;
	struct span s;
	int r;

	uses(in, &read, &write);
	r = make_span(g, &p->cpu, a, in->segment, guest_offset(&p->cpu, in), in->memory_size,
		      write ? ACCESS_WRITE : 0, &s, x);
	if (r)
		return r;
	if (read)
		p->read = s;
	if (write)
		p->write = s;
	return 0;
}

static bool touches(const struct span *s, uint64_t gpa)
{
	if (!s->size || s->port)
		return false;
	return page_of(s->gpa[0]) == page_of(gpa) || (s->first < s->size && page_of(s->gpa[1]) == page_of(gpa));
}

/* Touches the operand's RAM, so that a page which is not there is brought before the host has made
 * the first access: that cannot be taken back. */
static int touch_ram(const struct guest *g, const struct span *s)
{
	for (unsigned i = 0; i < (s->first < s->size ? 2u : 1u); i++) {
		const volatile uint8_t *p;

		if (!s->size || s->port || s->mmio[i])
			continue;
		p = guest_bytes(g, s->gpa[i], 1);
		if (!p)
			return -EOPNOTSUPP;
		(void)*p;
	}
	return 0;
}

/* Is this the instruction that the exit was about? */
static bool explains(const struct pending *p, const struct cvm_g_access *a)
{
	bool io = p->insn.op == OP_INS || p->insn.op == OP_OUTS;

	if (a->kind == CVM_G_PIO)
		return io && a->port == (p->cpu.gpr[RDX] & 0xffff);
	return !io && (touches(&p->read, a->gpa) || touches(&p->write, a->gpa));
}

static bool nothing_to_do(const struct pending *p)
{
	return p->insn.rep && insn_is_string(&p->insn) && !low_bytes(p->cpu.gpr[RCX], p->insn.address_size);
}

struct piece {
	uint64_t gpa;
	unsigned size;
	bool mmio;
};

/* The piece at p->pos: a power of two, at most 4 bytes, inside one page. */
static struct piece piece_of(const struct span *s, unsigned pos)
{
	bool second = pos >= s->first;
	unsigned left = (second ? s->size : s->first) - pos;

	return (struct piece){
		.gpa = s->port ? s->gpa[0] : s->gpa[second] + pos - (second ? s->first : 0),
		.size = left >= 4 ? 4 : left >= 2 ? 2 : 1,
		.mmio = s->mmio[second],
	};
}

/* data: the answer to the LOAD that is due, or NULL at the start. */
static int read_all(struct pending *p, const struct guest *g, const uint64_t *data, struct cvm_g_step *out)
{
	while (p->pos < p->read.size) {
		struct piece c = piece_of(&p->read, p->pos);
		uint64_t v = 0;

		if (!c.mmio) {
			const uint8_t *m = guest_bytes(g, c.gpa, c.size);

			if (!m)
				return -EOPNOTSUPP;
			memcpy(&v, m, c.size);
		} else if (data) {
			v = low_bytes(*data, c.size);
			data = NULL;
		} else {
			*out = (struct cvm_g_step){ .kind = CVM_G_STEP_LOAD, .size = c.size, .gpa = c.gpa };
			return 0;
		}
		p->value |= v << 8 * p->pos;
		p->pos += c.size;
	}
	insn_execute(p);
	p->phase = PHASE_WRITE;
	p->pos = 0;
	return 0;
}

static int write_all(struct pending *p, const struct guest *g, struct cvm_g_step *out)
{
	while (p->pos < p->write.size) {
		struct piece c = piece_of(&p->write, p->pos);
		uint64_t v = low_bytes(p->value >> 8 * p->pos, c.size);
		uint8_t *m;

		if (c.mmio) {
			*out = (struct cvm_g_step){
				.kind = CVM_G_STEP_STORE, .size = c.size, .gpa = c.gpa, .data = v };
			return 0;
		}
		m = guest_bytes(g, c.gpa, c.size);
		if (!m)
			return -EOPNOTSUPP;
		memcpy(m, &v, c.size);
		p->pos += c.size;
	}
	insn_retire(p, 1);
	p->phase = PHASE_IDLE;
	*out = (struct cvm_g_step){ .kind = CVM_G_STEP_DONE };
	return 0;
}

static int run(struct pending *p, const struct guest *g, const uint64_t *data, struct cvm_g_step *out)
{
	if (p->phase == PHASE_READ) {
		int r = read_all(p, g, data, out);

		if (r || p->phase == PHASE_READ)
			return r;
	}
	return write_all(p, g, out);
}

static int exception(const struct guest_exception *x, struct cvm_g_step *out)
{
	*out = (struct cvm_g_step){
		.kind = CVM_G_STEP_EXCEPTION,
		.data = x->cr2,
		.vector = x->vector,
		.has_error = x->has_error,
		.error_code = x->error_code,
	};
	return 0;
}

int step_begin(struct pending *pending, const struct guest *g, const struct cvm_g_cpu *cpu,
	       const struct cvm_g_access *a, uint8_t *bytes, struct cvm_g_step *out)
{
	struct pending p = { .phase = PHASE_READ, .cpu = *cpu };
	struct guest_exception x;
	int r;

	if (a->kind != CVM_G_MMIO && a->kind != CVM_G_PIO)
		return -EINVAL;
	r = guest_fetch(g, cpu, &p.insn, &x);
	/* A CPU may exit for a port before it looks at RCX. With RCX = 0 there is no access, nor a fault of one. */
	if (!r && a->kind == CVM_G_PIO && explains(&p, a) && nothing_to_do(&p)) {
		insn_retire(&p, 0);
		p.phase = PHASE_IDLE;
		*pending = p;
		*out = (struct cvm_g_step){ .kind = CVM_G_STEP_DONE };
		return 0;
	}
	if (!r)
		r = insn_is_string(&p.insn) ? string_spans(&p, g, a, &x) : memory_spans(&p, g, a, &x);
	if (r == GUEST_FAULT) {
		p.phase = PHASE_IDLE;
		*pending = p;
		return exception(&x, out);
	}
	if (r)
		return r;
	if (!explains(&p, a) || nothing_to_do(&p))
		return -EOPNOTSUPP;
	r = touch_ram(g, &p.write);
	if (!r && bytes && a->kind == CVM_G_PIO)
		p.run = run_length(&p, g, a->vcpu);
	if (!r)
		r = run(&p, g, NULL, out);
	if (!r && p.run)
		r = run_begin(&p, g, bytes, out);
	if (!r)
		*pending = p;
	return r;
}

int step_continue(struct pending *pending, const struct guest *g, uint64_t data, uint8_t *bytes,
		  struct cvm_g_step *out)
{
	struct pending p = *pending;
	int r;

	if (p.phase == PHASE_IDLE)
		return -EINVAL;
	if (p.phase == PHASE_WRITE && !p.run)
		p.pos += piece_of(&p.write, p.pos).size;
	r = p.run ? run_end(&p, g, data, bytes, out) : run(&p, g, &data, out);
	if (!r)
		*pending = p;
	return r;
}
