/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tenant's key on its way to the guest. The host carries a blob that it cannot read; whatever the
 * key is bound to comes from the reports that were made here, never from the host. A report is
 * answered once: its counter, which RootVisor never gives twice, is forgotten with the first key that fits.
 */
#include <string.h>

#include "guardian.h"

void key_expect(struct guardian *g, const struct cvm_report *r)
{
	struct cvm_key_binding *b = &g->asked[g->asked_next];

	if (!r->counter)
		return;		/* 0 means none */
	g->asked_next = (g->asked_next + 1) % KEY_REPORTS;
	memset(b, 0, sizeof(*b));
	memcpy(b->label, CVM_KEY_LABEL, sizeof(CVM_KEY_LABEL));
	memcpy(b->uuid, r->uuid, sizeof(b->uuid));
	memcpy(b->launch_digest, g->launch_digest, sizeof(b->launch_digest));
	memcpy(b->user_data, r->user_data, sizeof(b->user_data));
	b->counter = r->counter;
	b->rollback = (uint64_t)r->rollback_epoch << 32 | r->rollback;
}

static struct cvm_key_binding *find(struct guardian *g, uint64_t counter)
{
	for (uint32_t i = 0; i < KEY_REPORTS; i++)
		if (counter && g->asked[i].counter == counter)
			return &g->asked[i];
	return NULL;
}

static bool whole(const struct cvm_key_blob *b)
{
	static const uint8_t zero[sizeof(b->zero)];

	return b->magic == CVM_KEY_MAGIC && b->version == CVM_KEY_VERSION && b->size == sizeof(*b) &&
	       !b->reserved && !memcmp(b->zero, zero, sizeof(zero));
}

static bool key_is_good(const struct cvm_key *k)
{
	if (!k->size || k->size > CVM_KEY_MAX || k->reserved)
		return false;
	for (uint32_t i = k->size; i < CVM_KEY_MAX; i++)
		if (k->bytes[i])
			return false;
	return true;
}

int guardian_key_put(struct guardian *g, const struct cvm_key_blob *mailbox)
{
	const struct cvm_key_blob in = *mailbox;
	struct cvm_key_binding *b;
	struct cvm_key key;
	int err;

	if (!g->launched)
		return -EPERM;
	if (!whole(&in))
		return -EINVAL;
	b = find(g, in.counter);
	if (!b)
		return -ESTALE;
	if (in.rollback != b->rollback)
		return -EBADMSG;
	memcpy(&key, in.text, sizeof(key));
	err = hpke_open(&g->key, HPKE_AES_256_GCM, in.enc, b, sizeof(*b), &in, offsetof(struct cvm_key_blob, enc),
			(uint8_t *)&key, sizeof(key), in.tag);
	if (!err && !key_is_good(&key))
		err = -EBADMSG;		/* the tenant itself sealed nonsense */
	if (!err) {
		g->guest_key = key;
		memset(b, 0, sizeof(*b));
	}
	wipe(&key, sizeof(key));
	return err;
}

int guardian_key_get(struct guardian *g, struct cvm_key *out)
{
	if (!g->guest_key.size)
		return -ENOENT;
	*out = g->guest_key;
	wipe(&g->guest_key, sizeof(g->guest_key));
	return 0;
}
