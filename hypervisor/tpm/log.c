/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <linux/errno.h>

#include "merge.h"

#define SIGNATURE	"Spec ID Event03"	/* 16 bytes with its NUL */
#define SHA1		20u
#define EVENT_MAX	0x10000u		/* bytes of event data that are taken over */

void log_header(struct writer *w, const struct tpm_bank *bank, uint32_t n)
{
	put_le(w, 0, 4);			/* TCG_PCR_EVENT: PCR, type, SHA-1 digest, size */
	put_le(w, EV_NO_ACTION, 4);
	for (uint32_t i = 0; i < SHA1; i++)
		put_le(w, 0, 1);
	put_le(w, 16 + 4 + 4 + 4 + 4 * n + 1, 4);
	put(w, SIGNATURE, 16);
	put_le(w, 0, 4);			/* PC client */
	put_le(w, 0, 1);			/* 2.0, errata 2: as firmware of the profile 1.05 says */
	put_le(w, 2, 1);
	put_le(w, 2, 1);
	put_le(w, 2, 1);			/* UINTN: 64 bits */
	put_le(w, n, 4);
	for (uint32_t i = 0; i < n; i++) {
		put_le(w, bank[i].alg, 2);
		put_le(w, bank[i].size, 2);
	}
	put_le(w, 0, 1);			/* no vendor information */
}

int log_event2(struct writer *w, const struct tpm_bank *bank, uint32_t n, uint32_t pcr, uint32_t type,
	       const struct tpm_digests *d, const void *data, uint32_t size)
{
	put_le(w, pcr, 4);
	put_le(w, type, 4);
	put_le(w, n, 4);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = 0;

		while (j < d->n && d->d[j].alg != bank[i].alg)
			j++;
		if (j == d->n)
			return -EPROTO;
		put_le(w, bank[i].alg, 2);
		put(w, d->d[j].digest, bank[i].size);
	}
	put_le(w, size, 4);
	put(w, data, size);
	return w->failed ? -ENOSPC : 0;
}

int log_open(struct reader *r, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *n)
{
	uint32_t pcr = take_le(r, 4), type = take_le(r, 4), size, vendor;
	struct reader e;
	const uint8_t *p;

	*n = 0;
	take(r, SHA1);
	size = take_le(r, 4);
	e = (struct reader) { .left = size };
	e.p = take(r, size);
	if (r->failed || pcr || type != EV_NO_ACTION)
		return -EINVAL;
	p = take(&e, 16);
	for (uint32_t i = 0; i < 16; i++)
		if (!p || p[i] != (uint8_t)SIGNATURE[i])
			return -EINVAL;
	take(&e, 8);				/* class, version, size of UINTN */
	*n = take_le(&e, 4);
	if (e.failed || !*n || *n > TPM_BANKS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < *n; i++) {
		bank[i].alg = (uint16_t)take_le(&e, 2);
		bank[i].size = (uint16_t)take_le(&e, 2);
		if (!bank[i].size || bank[i].size > TPM_HASH_MAX)
			return -EINVAL;
		for (uint32_t j = 0; j < i; j++)
			if (bank[j].alg == bank[i].alg)
				return -EINVAL;
	}
	vendor = take_le(&e, 1);
	take(&e, vendor);
	return e.failed || e.left ? -EINVAL : 0;
}

struct entry {
	uint32_t pcr, type, size;
	struct tpm_digests d;
	const uint8_t *data;
};

/* 1; 0: the end, or what can be no entry (a log area goes on with zeros or FFh). */
static int next(struct reader *r, const struct tpm_bank *bank, uint32_t n, struct entry *e)
{
	e->pcr = take_le(r, 4);
	e->type = take_le(r, 4);
	e->d.n = take_le(r, 4);
	if (r->failed || e->d.n != n || e->pcr > 0xff)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p;
		uint32_t j = 0;

		e->d.d[i].alg = (uint16_t)take_le(r, 2);
		while (j < n && bank[j].alg != e->d.d[i].alg)
			j++;
		p = j < n ? take(r, bank[j].size) : NULL;
		if (!p)
			return 0;
		for (uint32_t b = 0; b < bank[j].size; b++)
			e->d.d[i].digest[b] = p[b];
	}
	e->size = take_le(r, 4);
	e->data = e->size <= EVENT_MAX ? take(r, e->size) : NULL;
	return !r->failed && e->data;
}

/* Writes ours with the digests of these banks. */
static int add(struct writer *w, const struct tpm_bank *bank, uint32_t n, const uint8_t *ours, size_t size)
{
	struct reader r = { .p = ours, .left = size };
	struct tpm_bank own[TPM_BANKS_MAX];
	struct entry e;
	uint32_t count;
	int err;

	if (log_open(&r, own, &count) < 0)
		return -EINVAL;
	if (!n) {
		log_header(w, own, count);
		bank = own;
		n = count;
	}
	while (r.left) {
		if (!next(&r, own, count, &e))
			return -EINVAL;
		err = log_event2(w, bank, n, e.pcr, e.type, &e.d, e.data, e.size);
		if (err < 0)
			return err;
	}
	return w->failed ? -ENOSPC : 0;
}

int log_merge(const uint8_t *fw, size_t fw_size, const uint8_t *ours, size_t size, uint8_t *out, size_t out_size,
	      uint32_t *merged)
{
	struct reader r = { .p = fw, .left = fw_size };
	struct writer w = { .p = out, .size = out_size };
	struct tpm_bank bank[TPM_BANKS_MAX];
	struct entry e;
	uint32_t n;
	size_t used;
	int err;

	*merged = 0;
	if (fw_size && log_open(&r, bank, &n) == 0) {
		uint32_t count = 0;

		for (used = fw_size - r.left; r.left && next(&r, bank, n, &e); count++)
			used = fw_size - r.left;
		put(&w, fw, used);
		err = add(&w, bank, n, ours, size);
		if (err == 0) {
			*merged = count;
			return (int)w.used;
		}
		if (err == -EINVAL)
			return err;
		w = (struct writer) { .p = out, .size = out_size };
	}
	err = add(&w, NULL, 0, ours, size);
	return err < 0 ? err : (int)w.used;
}
