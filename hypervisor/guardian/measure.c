/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measuring the components that PROTECT names. A touch of guest memory may enter the
 * operation again from its start, so it works on a copy of the hash state.
 */
#include <string.h>

#include "guardian.h"

/* Does this part begin a component that may follow those measured? */
static bool starts_well(const struct guardian *g, const struct cvm_g_measure *in)
{
	uint32_t n = g->nr_measured;

	if (g->measuring.open || n >= CVM_MAX_COMPONENTS || in->index != n || !in->total)
		return false;
	if (in->kind < CVM_COMP_FIRMWARE || in->kind > CVM_COMP_CMDLINE)
		return false;
	/* Firmware is first, the others ascend, none comes twice. */
	return n ? in->kind > g->measured[n - 1].kind : in->kind == CVM_COMP_FIRMWARE;
}

static bool continues_well(const struct measuring *m, const struct cvm_g_measure *in)
{
	return m->open && in->index == m->part.index && in->kind == m->part.kind &&
	       in->total == m->part.total && in->gpa == m->next_gpa;
}

int guardian_measure(struct guardian *g, const struct cvm_g_measure *mailbox)
{
	const struct cvm_g_measure in = *mailbox;
	uint64_t done = in.first ? 0 : g->measuring.done;
	br_sha384_context hash;

	if (g->launched)
		return -EPERM;
	if (in.first > 1 || in.last > 1 || in.gpa % PAGE_SIZE || !in.size)
		return -EINVAL;
	if (in.gpa >= g->win->guest_size || in.size > g->win->guest_size - in.gpa)
		return -EINVAL;
	if (in.first ? !starts_well(g, &in) : !continues_well(&g->measuring, &in))
		return -EINVAL;
	if (in.size > in.total - done)
		return -EINVAL;
	if (in.last ? done + in.size != in.total : in.size % CVM_MEASURE_CHUNK || done + in.size == in.total)
		return -EINVAL;

	if (in.first)
		br_sha384_init(&hash);
	else
		hash = g->measuring.hash;
	sha384_chunks(&hash, g->win->guest + in.gpa, in.size);

	/* Behind the last touch of guest memory: commit. */
	g->measuring = (struct measuring){
		.open = !in.last,
		.part = in,
		.next_gpa = in.gpa + in.size,
		.done = done + in.size,
		.hash = hash,
	};
	if (in.last) {
		struct cvm_measured *m = &g->measured[g->nr_measured++];

		*m = (struct cvm_measured){ .kind = in.kind, .size = in.total };
		br_sha384_out(&hash, m->digest);
	}
	return 0;
}

void launch_digest(const struct cvm_measured *m, uint32_t n, uint8_t out[CVM_DIGEST_SIZE])
{
	br_sha384_context hash;

	/* struct cvm_measured is the record that is hashed. */
	br_sha384_init(&hash);
	br_sha384_update(&hash, CVM_LAUNCH_PREFIX, 16);
	br_sha384_update(&hash, m, n * sizeof(*m));
	br_sha384_out(&hash, out);
}

/* The last record, so that the tenant knows how many take part. */
static bool measure_vcpus(struct guardian *g)
{
	uint8_t n[4] = { (uint8_t)(g->more_vcpus + 1) };
	struct cvm_measured *m = &g->measured[g->nr_measured];

	if (!g->more_vcpus)
		return true;
	if (g->nr_measured == CVM_MAX_COMPONENTS)
		return false;
	*m = (struct cvm_measured){ .kind = CVM_COMP_VCPUS, .size = g->more_vcpus + 1 };
	sha384(n, sizeof(n), m->digest);
	g->nr_measured++;
	return true;
}

int guardian_launch(struct guardian *g, struct cvm_g_launch *out)
{
	if (g->launched || g->measuring.open || !g->nr_measured || !measure_vcpus(g))
		return -EPERM;
	launch_digest(g->measured, g->nr_measured, g->launch_digest);
	g->launched = true;
	memcpy(out->digest, g->launch_digest, sizeof(out->digest));
	return 0;
}
