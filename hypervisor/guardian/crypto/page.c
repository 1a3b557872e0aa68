/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AES-256-GCM (SP 800-38D) over one page. */
#include <linux/errno.h>
#include <string.h>

#include "crypto/crypto.h"

#define PAGE_BYTES	4096u

void page_key_init(struct page_key *k, const uint8_t key[32])
{
	br_aes_x86ni_ctr_init(&k->ctr, key, 32);
}

static void run(const struct page_key *k, const uint8_t nonce[12], const void *aad, size_t aad_size,
		uint8_t *page, int encrypt, br_gcm_context *gcm)
{
	const br_block_ctr_class **ctr = (const br_block_ctr_class **)(uintptr_t)&k->ctr.vtable;

	br_gcm_init(gcm, ctr, br_ghash_pclmul);
	br_gcm_reset(gcm, nonce, 12);
	br_gcm_aad_inject(gcm, aad, aad_size);
	br_gcm_flip(gcm);
	br_gcm_run(gcm, encrypt, page, PAGE_BYTES);
}

void page_encrypt(const struct page_key *k, const uint8_t nonce[12], const void *aad, size_t aad_size,
		  uint8_t *page, uint8_t tag[PAGE_TAG_SIZE])
{
	br_gcm_context gcm;

	run(k, nonce, aad, aad_size, page, 1, &gcm);
	br_gcm_get_tag(&gcm, tag);
	wipe(&gcm, sizeof(gcm));
}

int page_decrypt(const struct page_key *k, const uint8_t nonce[12], const void *aad, size_t aad_size,
		 uint8_t *page, const uint8_t tag[PAGE_TAG_SIZE])
{
	br_gcm_context gcm;
	int good;

	run(k, nonce, aad, aad_size, page, 0, &gcm);
	good = (int)br_gcm_check_tag(&gcm, tag);
	wipe(&gcm, sizeof(gcm));
	if (good)
		return 0;
	memset(page, 0, PAGE_BYTES);
	return -EBADMSG;
}
