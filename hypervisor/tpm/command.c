/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include "exchange.h"

#define CC_PCR_EVENT		0x13cu
#define CC_STARTUP		0x144u
#define CC_GET_CAPABILITY	0x17au
#define CC_PCR_READ		0x17eu
#define CAP_PCRS		5u
#define RC_INITIALIZE		0x100u
#define RC_RETRY		0x922u
#define RC_YIELDED		0x908u
#define RC_TESTING		0x90au
#define RC_NV_RATE		0x920u
#define RH_NULL			0x40000007u
#define ALG_SHA256		0x000bu
#define ALG_NULL		0x0010u
#define HEADER			10u
#define SELECT_MAX		4u		/* bytes of a PCR bitmap */

uint32_t tpm_hash_size(uint16_t alg)
{
	switch (alg) {
	case 0x0004:			/* SHA-1 */
		return 20;
	case 0x000b:			/* SHA-256 */
	case 0x0012:			/* SM3 */
	case 0x0027:			/* SHA3-256 */
		return 32;
	case 0x000c:			/* SHA-384 */
	case 0x0028:			/* SHA3-384 */
		return 48;
	case 0x000d:			/* SHA-512 */
	case 0x0029:			/* SHA3-512 */
		return 64;
	}
	return 0;
}

struct writer tpm_begin(struct tpm *t, uint16_t tag, uint32_t command)
{
	struct writer w = { .p = t->buffer, .size = TPM_BUFFER };

	put_be(&w, tag, 2);
	put_be(&w, 0, 4);		/* size, by tpm_run() */
	put_be(&w, command, 4);
	return w;
}

void tpm_put_session(struct writer *w, uint32_t type, const uint8_t *nonce, uint32_t size)
{
	put_be(w, RH_NULL, 4);		/* no salt */
	put_be(w, RH_NULL, 4);		/* not bound */
	put_be(w, size, 2);
	put(w, nonce, size);
	put_be(w, 0, 2);
	put_be(w, type, 1);
	put_be(w, ALG_NULL, 2);		/* parameters are not encrypted */
	put_be(w, ALG_SHA256, 2);
}

/* Part 3, 5.4: what a TPM that is busy with itself answers. */
static bool again(uint32_t code)
{
	return code == RC_RETRY || code == RC_YIELDED || code == RC_TESTING || code == RC_NV_RATE;
}

int tpm_run(struct tpm *t, const struct writer *w, uint32_t fine)
{
	struct tpm_wait wait = tpm_wait(t, TPM_COMMAND_MS);
	uint8_t command[TPM_BUFFER];
	struct writer size = { .p = t->buffer + 2, .size = 4 };
	uint32_t code;
	int n, err;

	if (w->failed)
		return -EINVAL;
	put_be(&size, (uint32_t)w->used, 4);
	for (size_t i = 0; i < w->used; i++)
		command[i] = t->buffer[i];
	for (;;) {
		n = tpm_transact(t);
		if (n < 0)
			return n;
		err = tpm_parse_header(t->buffer, (size_t)n, &code);
		if (err < 0)
			return err;
		if (!again(code) || tpm_late(t, &wait))
			break;
		for (size_t i = 0; i < w->used; i++)
			t->buffer[i] = command[i];
	}
	if (code && code != fine) {
		t->code = code;
		return -EIO;
	}
	return n;
}

int tpm_parse_header(const uint8_t *buf, size_t n, uint32_t *code)
{
	struct reader r = { .p = buf, .left = n };
	uint32_t tag = take_be(&r, 2), size = take_be(&r, 4);

	*code = take_be(&r, 4);
	if (r.failed || size != n)
		return -EPROTO;
	if (tag == 0xc4)			/* how a TPM 1.2 refuses */
		return -EOPNOTSUPP;
	if (tag != ST_NO_SESSIONS && tag != ST_SESSIONS)
		return -EPROTO;
	return 0;
}

struct reader tpm_body(const uint8_t *buf, size_t n, uint32_t tag)
{
	struct reader r = { .p = buf, .left = n };
	uint32_t seen = take_be(&r, 2), size = take_be(&r, 4), code = take_be(&r, 4);

	if (seen != tag || size != n || code)
		r.failed = true;
	return r;
}

int tpm_startup(struct tpm *t)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_STARTUP);
	int r;

	put_be(&w, 0, 2);			/* TPM_SU_CLEAR */
	r = tpm_run(t, &w, RC_INITIALIZE);
	return r < 0 ? r : 0;
}

int tpm_parse_banks(const uint8_t *buf, size_t n, uint32_t want, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *count)
{
	struct reader r = tpm_body(buf, n, ST_NO_SESSIONS);
	uint32_t selections;

	*count = 0;
	take_be(&r, 1);				/* more data: there is one property only */
	if (take_be(&r, 4) != CAP_PCRS)
		return -EPROTO;
	selections = take_be(&r, 4);
	for (uint32_t i = 0; i < selections && !r.failed; i++) {
		uint16_t alg = (uint16_t)take_be(&r, 2);
		uint32_t size = take_be(&r, 1), have = 0;
		const uint8_t *select = take(&r, size);

		if (!select || size > SELECT_MAX)
			return -EPROTO;
		for (uint32_t b = 0; b < size; b++)
			have |= (uint32_t)select[b] << 8 * b;
		if (!have)
			continue;		/* implemented, but not in use */
		if (*count == TPM_BANKS_MAX || !tpm_hash_size(alg))
			return -EOPNOTSUPP;
		for (uint32_t j = 0; j < *count; j++)
			if (bank[j].alg == alg)
				return -EPROTO;
		if ((have & want) != want)
			return -EPROTO;
		bank[(*count)++] = (struct tpm_bank) { alg, (uint16_t)tpm_hash_size(alg) };
	}
	return r.failed || r.left || !*count ? -EPROTO : 0;
}

int tpm_banks(struct tpm *t, uint32_t want, struct tpm_bank bank[TPM_BANKS_MAX], uint32_t *n)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_GET_CAPABILITY);
	int r;

	put_be(&w, CAP_PCRS, 4);
	put_be(&w, 0, 4);
	put_be(&w, 1, 4);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_banks(t->buffer, (size_t)r, want, bank, n);
}

int tpm_parse_pcr_read(const uint8_t *buf, size_t n, uint16_t alg, uint32_t pcr, uint8_t *digest)
{
	struct reader r = tpm_body(buf, n, ST_NO_SESSIONS);
	uint32_t size;
	const uint8_t *p;

	take_be(&r, 4);				/* update counter */
	if (take_be(&r, 4) != 1 || take_be(&r, 2) != alg)
		return -EPROTO;
	size = take_be(&r, 1);
	p = take(&r, size);
	/* An empty selection: this bank has no such PCR. */
	if (!p || pcr / 8 >= size || !(p[pcr / 8] & 1u << pcr % 8))
		return -EPROTO;
	if (take_be(&r, 4) != 1 || take_be(&r, 2) != tpm_hash_size(alg))
		return -EPROTO;
	p = take(&r, tpm_hash_size(alg));
	if (!p || r.left)
		return -EPROTO;
	for (uint32_t i = 0; i < tpm_hash_size(alg); i++)
		digest[i] = p[i];
	return 0;
}

int tpm_pcr_read(struct tpm *t, uint16_t alg, uint32_t pcr, uint8_t *digest)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_PCR_READ);
	int r;

	if (pcr >= 24)
		return -EINVAL;
	put_be(&w, 1, 4);
	put_be(&w, alg, 2);
	put_be(&w, 3, 1);
	for (uint32_t b = 0; b < 3; b++)
		put_be(&w, pcr / 8 == b ? 1u << pcr % 8 : 0, 1);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_pcr_read(t->buffer, (size_t)r, alg, pcr, digest);
}

int tpm_parse_pcr_event(const uint8_t *buf, size_t n, struct tpm_digests *out)
{
	struct reader r = tpm_body(buf, n, ST_SESSIONS);
	uint32_t size = take_be(&r, 4), count;

	*out = (struct tpm_digests) { 0 };
	if (r.failed || size > r.left)
		return -EPROTO;
	r.left = size;				/* the authorisation behind it says nothing */
	count = take_be(&r, 4);
	if (r.failed || count > TPM_BANKS_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		uint16_t alg = (uint16_t)take_be(&r, 2);
		const uint8_t *p = take(&r, tpm_hash_size(alg));

		if (!p || !tpm_hash_size(alg))
			return -EPROTO;
		out->d[i].alg = alg;
		for (uint32_t b = 0; b < tpm_hash_size(alg); b++)
			out->d[i].digest[b] = p[b];
	}
	out->n = count;
	return r.left ? -EPROTO : 0;
}

int tpm_pcr_event(struct tpm *t, uint32_t pcr, const void *data, uint32_t size, struct tpm_digests *out)
{
	struct writer w = tpm_begin(t, ST_SESSIONS, CC_PCR_EVENT);
	int r;

	if (size > TPM_EVENT_MAX || pcr >= 24)
		return -EINVAL;
	put_be(&w, pcr, 4);
	put_be(&w, 9, 4);			/* authorisation: empty password */
	put_be(&w, RS_PW, 4);
	put_be(&w, 0, 2);
	put_be(&w, 0, 1);
	put_be(&w, 0, 2);
	put_be(&w, size, 2);
	put(&w, data, size);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_pcr_event(t->buffer, (size_t)r, out);
}
