/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sealing: what the host may see of a private page. One record for each gfn holds the
 * version and tag of the only ciphertext that will ever be accepted for it, and is
 * cleared when that has been used. The version is the nonce: one counter for all pages,
 * so it never repeats under the key.
 */
#include <string.h>

#include "guardian.h"
#include "nonce.h"

enum record_state {
	RECORD_NONE	= 0,		/* as RootVisor hands the records out */
	RECORD_SEALED	= 1,
};

struct record {
	uint32_t state;
	uint32_t reserved;
	uint64_t version;
	uint8_t  tag[PAGE_TAG_SIZE];
};
_Static_assert(sizeof(struct record) == CVM_G_META_SIZE, "record");

/* Authenticated with the page: a ciphertext fits one VM, one place, one time. */
struct binding {
	char	 label[16];
	uint64_t vm_id;
	uint64_t gfn;
	uint64_t version;
};

static struct binding bind(const struct guardian *g, uint64_t gfn, uint64_t version)
{
	return (struct binding){ "CVMD-PAGE-V1", g->vm_id, gfn, version };
}

static void make_nonce(uint64_t version, uint8_t nonce[12])
{
	memset(nonce, 0, 12);
	memcpy(nonce, &version, sizeof(version));
}

static int find(const struct guardian *g, const struct cvm_g_page *in, uint64_t *gfn, struct record **r,
		uint8_t **page)
{
	uint32_t slot = in->slot;

	*gfn = in->gfn;
	if (*gfn > g->max_gfn || slot >= CVM_MAX_CPUS || in->reserved)
		return -EINVAL;
	*r = (struct record *)g->win->meta + *gfn;
	*page = g->win->slots + (size_t)slot * PAGE_SIZE;
	return 0;
}

int guardian_seal(struct guardian *g, const struct cvm_g_page *in)
{
	struct binding aad;
	struct record *r;
	uint8_t nonce[12], *page;
	uint64_t gfn;
	int err = find(g, in, &gfn, &r, &page);

	if (err)
		return err;
	/* Sealing twice would overwrite the record of a ciphertext that is still out. */
	if (r->state != RECORD_NONE || !nonce_next(&g->version))
		return -EINVAL;
	r->version = g->version;
	make_nonce(r->version, nonce);
	aad = bind(g, gfn, r->version);
	page_encrypt(&g->page_key, nonce, &aad, sizeof(aad), page, r->tag);
	r->state = RECORD_SEALED;
	return 0;
}

int guardian_unseal(struct guardian *g, const struct cvm_g_page *in)
{
	struct binding aad;
	struct record *r;
	uint8_t nonce[12], *page;
	uint64_t gfn;
	int err = find(g, in, &gfn, &r, &page);

	if (err)
		return err;
	if (r->state != RECORD_SEALED)
		return -ENOENT;
	make_nonce(r->version, nonce);
	aad = bind(g, gfn, r->version);
	err = page_decrypt(&g->page_key, nonce, &aad, sizeof(aad), page, r->tag);
	if (err)
		return err;
	*r = (struct record){ .state = RECORD_NONE };
	return 0;
}
