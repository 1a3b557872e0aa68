/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Quoter's counters (cvm/counter.h). The root is taken to be what was last asked for: a write that was not confirmed may have
 * happened, and the next one overwrites it. Counts are given out only for what the TPM confirmed.
 */
#include "guardian.h"
#include "counter/tree.h"

static int begin(struct counters *c, struct cvm_counter_call *q)
{
	uint8_t root[CVM_COUNTER_HASH], nonce[SESSION_NONCE];
	struct rng rng;
	int err = tree_root(q->identity, q->count, q->map, q->sibling, root);

	if (err < 0)
		return err;
	if (memcmp(root, c->root, sizeof(root)))
		return -ESTALE;
	if (q->count == 0xffffffff)
		return -EOVERFLOW;
	err = tree_root(q->identity, q->count + 1, q->map, q->sibling, c->next);
	if (err == 0)
		err = rng_init(&rng);
	if (err < 0)
		return err;
	rng_bytes(&rng, nonce, sizeof(nonce));
	rng_bytes(&rng, c->session.caller, sizeof(c->session.caller));
	wipe(&rng, sizeof(rng));
	c->vm_id = q->vm_id;
	c->count = q->count + 1;
	c->expected = CVM_COUNTER_STARTED;
	q->tpm_size = session_start(nonce, q->tpm, sizeof(q->tpm));
	return 0;
}

static int started(struct counters *c, struct cvm_counter_call *q)
{
	int err = session_started(&c->session, q->tpm, q->tpm_size);

	if (err < 0)
		return err;
	memset(q->tpm, 0, sizeof(q->tpm));
	q->tpm_size = session_write(&c->session, c->secret, c->next, q->tpm, sizeof(q->tpm));
	/* From here on the host can have it written. */
	memcpy(c->root, c->next, sizeof(c->root));
	c->expected = CVM_COUNTER_WRITTEN;
	return 0;
}

static int written(struct counters *c, struct cvm_counter_call *q)
{
	int err = session_written(&c->session, c->secret, q->tpm, q->tpm_size);

	if (err < 0)
		return err;
	memset(q->tpm, 0, sizeof(q->tpm));
	q->tpm_size = 0;
	q->rollback = (uint64_t)c->epoch << 32 | c->count;
	return 0;
}

int quoter_counter(struct guardian *g, struct cvm_counter_call *mailbox)
{
	struct cvm_counter_call q = *mailbox;
	struct counters *c = &g->counters;
	uint32_t expected = c->expected;
	int err;

	q.rollback = 0;
	if (!c->epoch)
		return -ENXIO;
	if (q.tpm_size > sizeof(q.tpm) || !q.vm_id)
		return -EINVAL;
	c->expected = CVM_COUNTER_BEGIN;	/* a step that fails ends what was under way */
	if (q.step == CVM_COUNTER_BEGIN)
		err = begin(c, &q);
	else if (q.step != expected || q.vm_id != c->vm_id)
		err = -EINVAL;
	else if (q.step == CVM_COUNTER_STARTED)
		err = started(c, &q);
	else
		err = written(c, &q);
	if (err == 0)
		*mailbox = q;
	return err;
}
