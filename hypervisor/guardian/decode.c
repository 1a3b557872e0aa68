/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions under way, one a vCPU; between the mailbox and decode/. */
#include "guardian.h"

/* A request of CVM_GUEST_PORT travels in the mailbox beside registers and step. */
_Static_assert(offsetof(struct cvm_g_mailbox, report.user_data) >=
	       offsetof(struct cvm_g_mailbox, step) + sizeof(struct cvm_g_step), "mailbox");

static struct guest guest_of(const struct guardian *g)
{
	return (struct guest){
		.base = g->win->guest,
		.size = g->win->guest_size,
		.nr_ram = g->nr_ram,
		.ram = g->ram,
	};
}

static void answer(struct pending *p, const struct cvm_g_step *s, struct cvm_g_mailbox *mb)
{
	mb->step = *s;
	if (s->kind == CVM_G_STEP_DONE)
		mb->cpu = p->cpu;
	/* Nothing of the guest stays behind when the instruction is over. */
	if (p->phase == PHASE_IDLE)
		*p = (struct pending){ .phase = PHASE_IDLE };
}

int guardian_decode(struct guardian *g, struct cvm_g_mailbox *mb)
{
	const struct guest guest = guest_of(g);
	const struct cvm_g_access a = mb->access;
	const struct cvm_g_cpu cpu = mb->cpu;
	uint8_t user_data[64];
	struct cvm_g_step s;
	int err;

	if (!g->launched)
		return -EPERM;
	if (a.vcpu >= CVM_MAX_CPUS)
		return -EINVAL;
	if (a.kind == CVM_G_PIO && a.port == CVM_GUEST_PORT) {
		mb->cpu = cpu;
		err = guardian_port(g, &guest, &mb->cpu, &a, user_data, &s);
		if (!err)
			mb->step = s;
		if (!err && s.kind == CVM_G_STEP_REPORT)
			memcpy(mb->report.user_data, user_data, sizeof(user_data));
		return err;
	}
	err = step_begin(&g->pending[a.vcpu], &guest, &cpu, &a, mb->run, &s);
	if (!err)
		answer(&g->pending[a.vcpu], &s, mb);
	return err;
}

int guardian_continue(struct guardian *g, struct cvm_g_mailbox *mb)
{
	const struct guest guest = guest_of(g);
	uint32_t vcpu = mb->access.vcpu;
	struct cvm_g_step s;
	int err;

	if (!g->launched)
		return -EPERM;
	if (vcpu >= CVM_MAX_CPUS)
		return -EINVAL;
	err = step_continue(&g->pending[vcpu], &guest, mb->data, mb->run, &s);
	if (!err)
		answer(&g->pending[vcpu], &s, mb);
	return err;
}
