/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <linux/errno.h>
#include <string.h>

#include "crypto/crypto.h"
#include "tpm/command.h"
#include "tpm/exchange.h"
#include "tpm/vault.h"

#define CC_NV_WRITE		0x137u
#define ALG_SHA256		0x000bu
#define ATTRIBUTES		0u		/* of the session: it ends with this command */

static struct writer begin(uint8_t *out, uint32_t size, uint32_t tag, uint32_t command)
{
	struct writer w = { .p = out, .size = size };

	put_be(&w, tag, 2);
	put_be(&w, 0, 4);
	put_be(&w, command, 4);
	return w;
}

static uint32_t end(const struct writer *w)
{
	struct writer size = { .p = w->p + 2, .size = 4 };

	if (w->failed)
		return 0;
	put_be(&size, (uint32_t)w->used, 4);
	return (uint32_t)w->used;
}

static void hmac(const uint8_t secret[CVM_VAULT_SECRET], const uint8_t hash[32], const uint8_t newer[SESSION_NONCE],
		 const uint8_t older[SESSION_NONCE], uint8_t attributes, uint8_t out[32])
{
	br_hmac_key_context key;
	br_hmac_context c;

	br_hmac_key_init(&key, &br_sha256_vtable, secret, CVM_VAULT_SECRET);
	br_hmac_init(&c, &key, 0);
	br_hmac_update(&c, hash, 32);
	br_hmac_update(&c, newer, SESSION_NONCE);
	br_hmac_update(&c, older, SESSION_NONCE);
	br_hmac_update(&c, &attributes, 1);
	br_hmac_out(&c, out);
	wipe(&key, sizeof(key));
	wipe(&c, sizeof(c));
}

uint32_t session_start(const uint8_t nonce[SESSION_NONCE], uint8_t *out, uint32_t size)
{
	struct writer w = begin(out, size, ST_NO_SESSIONS, CC_START_AUTH_SESSION);

	tpm_put_session(&w, SE_HMAC, nonce, SESSION_NONCE);
	return end(&w);
}

/* The TPM's word for a failure, in a form that nobody need believe. */
static int refused(const uint8_t *answer, size_t n)
{
	uint32_t code;

	return tpm_parse_header(answer, n, &code) < 0 ? -EPROTO : code ? -EIO : 0;
}

int session_started(struct session *s, const uint8_t *answer, size_t n)
{
	struct reader r = tpm_body(answer, n, ST_NO_SESSIONS);
	uint32_t handle, size;
	const uint8_t *nonce;
	int err = refused(answer, n);

	if (err < 0)
		return err;
	handle = take_be(&r, 4);
	size = take_be(&r, 2);
	nonce = take(&r, SESSION_NONCE);
	if (!nonce || size != SESSION_NONCE || r.left)
		return -EPROTO;
	s->handle = handle;
	memcpy(s->tpm, nonce, SESSION_NONCE);
	return 0;
}

/* The index as it is once it was written: cpHash names it, so the TPM takes the command for this very index alone. */
static void put_name(struct writer *w)
{
	struct tpm_index_public area;
	uint8_t h[32];

	tpm_root_public(&area);
	sha256(area.bytes, area.size, h);
	put_be(w, ALG_SHA256, 2);
	put(w, h, sizeof(h));
}

uint32_t session_write(const struct session *s, const uint8_t secret[CVM_VAULT_SECRET], const uint8_t root[CVM_COUNTER_HASH],
		       uint8_t *out, uint32_t size)
{
	struct writer w = begin(out, size, ST_SESSIONS, CC_NV_WRITE);
	uint8_t said[128], parameters[2 + CVM_COUNTER_HASH + 2], h[32], mac[32];
	struct writer p = { .p = parameters, .size = sizeof(parameters) }, c = { .p = said, .size = sizeof(said) };

	put_be(&p, CVM_COUNTER_HASH, 2);
	put(&p, root, CVM_COUNTER_HASH);
	put_be(&p, 0, 2);			/* offset */
	put_be(&c, CC_NV_WRITE, 4);
	put_name(&c);				/* whose authorisation */
	put_name(&c);				/* which index */
	put(&c, parameters, p.used);
	sha256(said, c.used, h);		/* cpHash */
	hmac(secret, h, s->caller, s->tpm, ATTRIBUTES, mac);

	put_be(&w, CVM_NV_ROOT, 4);
	put_be(&w, CVM_NV_ROOT, 4);
	put_be(&w, 4 + 2 + SESSION_NONCE + 1 + 2 + sizeof(mac), 4);
	put_be(&w, s->handle, 4);
	put_be(&w, SESSION_NONCE, 2);
	put(&w, s->caller, SESSION_NONCE);
	put_be(&w, ATTRIBUTES, 1);
	put_be(&w, sizeof(mac), 2);
	put(&w, mac, sizeof(mac));
	put(&w, parameters, p.used);
	return p.failed || c.failed ? 0 : end(&w);
}

int session_written(const struct session *s, const uint8_t secret[CVM_VAULT_SECRET], const uint8_t *answer, size_t n)
{
	static const uint8_t success[8] = { 0, 0, 0, 0, 0, 0, CC_NV_WRITE >> 8, CC_NV_WRITE & 0xff };
	struct reader r = tpm_body(answer, n, ST_SESSIONS);
	uint8_t h[32], want[32], differ = 0;
	const uint8_t *nonce, *mac;
	uint32_t attributes;
	int err = refused(answer, n);

	if (err < 0)
		return err;
	if (take_be(&r, 4) != 0 || take_be(&r, 2) != SESSION_NONCE)
		return -EPROTO;
	nonce = take(&r, SESSION_NONCE);
	attributes = take_be(&r, 1);
	if (take_be(&r, 2) != sizeof(want))
		return -EPROTO;
	mac = take(&r, sizeof(want));
	if (!nonce || !mac || r.left)
		return -EPROTO;
	sha256(success, sizeof(success), h);	/* rpHash: response code, command code, no parameters */
	hmac(secret, h, nonce, s->caller, (uint8_t)attributes, want);
	for (uint32_t i = 0; i < sizeof(want); i++)
		differ |= mac[i] ^ want[i];
	return differ ? -EBADMSG : 0;
}
