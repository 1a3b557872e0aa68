/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The port by which a process of the guest reaches its Guardian (CVM_GUEST_PORT). The CPU has checked that the caller
 * may use the port; memory is reached through the caller's own page tables, with its rights. A page that is not
 * there yet starts the whole operation anew, so nothing changes before the last touch of guest memory.
 */
#include "decode/alu.h"
#include "guardian.h"

#define RCX	1
#define RSI	6
#define RDI	7
#define VECTOR_GP 13

static int raise(const struct guest_exception *x, struct cvm_g_step *s)
{
	*s = (struct cvm_g_step){ .kind = CVM_G_STEP_EXCEPTION, .data = x->cr2, .vector = x->vector,
				  .has_error = x->has_error, .error_code = x->error_code };
	return 0;
}

/* The bytes at linear .. of one page, or 0 with *p NULL if they are no RAM. */
static int reach(const struct guest *guest, const struct cvm_g_cpu *cpu, enum segment seg, uint64_t offset,
		 unsigned access, uint32_t left, uint8_t **p, uint32_t *n, struct guest_exception *x)
{
	uint64_t linear, gpa;
	int r = guest_linear(cpu, seg, offset, 1, access, &linear, x);

	if (!r)
		r = guest_translate(guest, cpu, linear, access, &gpa, x);
	if (r)
		return r;
	*n = PAGE_SIZE - linear % PAGE_SIZE;
	if (*n > left)
		*n = left;
	*p = guest_bytes(guest, gpa, *n);
	return 0;
}

/* Between guest memory and buf. buf NULL: every page is only reached, and touched. */
static int move(const struct guest *guest, const struct cvm_g_cpu *cpu, enum segment seg, uint64_t offset, uint8_t *buf,
		uint32_t size, bool to_guest, struct guest_exception *x)
{
	uint32_t n;

	for (uint32_t done = 0; done < size; done += n) {
		uint8_t *p;
		int r = reach(guest, cpu, seg, offset + done, to_guest ? ACCESS_WRITE : 0, size - done, &p, &n, x);

		if (r)
			return r;
		if (!p) {
			*x = (struct guest_exception){ .vector = VECTOR_GP, .has_error = true };
			return GUEST_FAULT;
		}
		if (!buf)
			(void)*(volatile uint8_t *)p;
		else if (to_guest)
			memcpy(p, buf + done, n);
		else
			memcpy(buf + done, p, n);
	}
	return 0;
}

static int32_t extend(struct guardian *g, const struct cvm_port_call *c)
{
	struct cvm_rtmr_extend e = { .index = c->index };

	for (uint32_t i = CVM_DIGEST_SIZE; i < sizeof(c->data); i++)
		if (c->data[i])
			return -EINVAL;
	memcpy(e.digest, c->data, sizeof(e.digest));
	return guardian_extend(g, &e);
}

/* A whole call is here. True: RootVisor must make a report. */
static bool begin(struct guardian *g, const struct cvm_port_call *c, uint8_t user_data[64])
{
	struct cvm_port_answer *a = &g->answer;

	*a = (struct cvm_port_answer){ .magic = CVM_PORT_MAGIC, .result = -EINVAL };
	if (c->magic != CVM_PORT_MAGIC || c->reserved)
		return false;
	if (c->call == CVM_GUEST_RTMR_EXTEND) {
		a->result = extend(g, c);
	} else if (c->call == CVM_GUEST_REPORT && !c->index) {
		a->result = -EIO;	/* until it is there */
		memcpy(user_data, c->data, sizeof(c->data));
		return true;
	} else if (c->call != CVM_GUEST_REPORT) {
		a->result = -ENOSYS;
	}
	return false;
}

static bool form_is_good(const struct insn *in, const struct cvm_g_cpu *cpu, const struct cvm_g_access *a)
{
	uint64_t count = cpu->gpr[RCX];

	if (guest_mode(cpu) != MODE_64 || in->address_size != 8 || in->size != 1 || !in->rep || cpu->rflags & FLAG_DF)
		return false;
	if (a->write)
		return in->op == OP_OUTS && count == sizeof(struct cvm_port_call);
	return in->op == OP_INS && count && count <= sizeof(struct cvm_port_answer);
}

int guardian_port(struct guardian *g, const struct guest *guest, struct cvm_g_cpu *cpu, const struct cvm_g_access *a,
		  uint8_t user_data[64], struct cvm_g_step *s)
{
	struct guest_exception x = { .vector = VECTOR_GP, .has_error = true };
	uint32_t count = (uint32_t)cpu->gpr[RCX];
	struct cvm_port_call call;
	struct insn in;
	int r = guest_fetch(guest, cpu, &in, &x);

	if (r == GUEST_FAULT)
		return raise(&x, s);
	if (r)
		return r;
	*s = (struct cvm_g_step){ .kind = CVM_G_STEP_DONE };
	if (!form_is_good(&in, cpu, a))
		return raise(&x, s);
	if (a->write) {
		r = move(guest, cpu, in.segment, cpu->gpr[RSI], (uint8_t *)&call, count, false, &x);
		if (!r && begin(g, &call, user_data))
			s->kind = CVM_G_STEP_REPORT;
	} else {
		if (!g->answer.magic)
			g->answer = (struct cvm_port_answer){ .magic = CVM_PORT_MAGIC, .result = -ENOENT };
		r = move(guest, cpu, SEG_ES, cpu->gpr[RDI], NULL, count, true, &x);
		if (!r)
			r = move(guest, cpu, SEG_ES, cpu->gpr[RDI], (uint8_t *)&g->answer, count, true, &x);
	}
	if (r == GUEST_FAULT)
		return raise(&x, s);
	if (r)
		return r;
	cpu->gpr[a->write ? RSI : RDI] += count;
	cpu->gpr[RCX] = 0;
	cpu->rflags &= ~FLAG_RF;
	cpu->rip += in.length;
	return 0;
}

int guardian_answer(struct guardian *g, const struct cvm_report *r)
{
	if (g->answer.result != -EIO)
		return -EINVAL;
	g->answer.report = *r;
	g->answer.result = 0;
	return 0;
}
