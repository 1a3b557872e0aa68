/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault.h"

#include "exchange.h"

#define CC_NV_UNDEFINE_SPACE	0x122u
#define CC_NV_DEFINE_SPACE	0x12au
#define CC_NV_WRITE		0x137u
#define CC_NV_READ		0x14eu
#define CC_FLUSH_CONTEXT	0x165u
#define CC_NV_READ_PUBLIC	0x169u
#define CC_POLICY_PCR		0x17fu
#define CC_POLICY_RESTART	0x180u
#define CC_POLICY_GET_DIGEST	0x189u
#define RH_OWNER		0x40000001u
#define ALG_SHA256		0x000bu
#define ALG_SHA384		0x000cu
#define SA_CONTINUE		1u
#define NONCE			16u
#define POLICY			32u		/* bytes of its digest */
/* Part 2, 13.4, TPMA_NV */
#define NV_AUTHWRITE		(1u << 2)
#define NV_POLICYWRITE		(1u << 3)
#define NV_AUTHREAD		(1u << 18)
#define NV_POLICYREAD		(1u << 19)
#define NV_NO_DA		(1u << 25)
#define NV_WRITTEN		(1u << 29)

/* Firmware, option ROMs, loader, the loader's commands and files; then PCRs 12 and 13 as only RootVisor's own start leaves them. */
#define SEALED_TO	(1u << 0 | 1u << 2 | 1u << 4 | 1u << 8 | 1u << 9 | 1u << CVM_PCR_KEY | 1u << CVM_PCR_IDENTITY)
#define MUST_MEASURE	(1u << 4 | 1u << 8 | 1u << 9)

#define VAULT_SIZE	(CVM_VAULT_SECRET + 4u)

struct index {
	uint32_t handle, attributes;
	uint16_t size;
	const uint8_t *policy;		/* POLICY bytes, or NULL */
};

/* Which authorisation: a policy session, or a password (size 0: the empty one). */
struct auth {
	uint32_t session;
	const uint8_t *password;
	uint32_t size;
};

static const struct auth owner = { .session = RS_PW };

static void put_auth(struct writer *w, const struct auth *a)
{
	put_be(w, 9 + a->size, 4);
	put_be(w, a->session, 4);
	put_be(w, 0, 2);
	put_be(w, a->session == RS_PW ? 0 : SA_CONTINUE, 1);
	put_be(w, a->size, 2);
	put(w, a->password, a->size);
}

static void put_public(struct writer *w, const struct index *x)
{
	put_be(w, x->handle, 4);
	put_be(w, ALG_SHA256, 2);
	put_be(w, x->attributes, 4);
	put_be(w, x->policy ? POLICY : 0, 2);
	if (x->policy)
		put(w, x->policy, POLICY);
	put_be(w, x->size, 2);
}

static int run_plain(struct tpm *t, const struct writer *w)
{
	int r = tpm_run(t, w, 0);

	return r < 0 ? r : 0;
}

int tpm_parse_handle(const uint8_t *buf, size_t n, uint32_t *handle)
{
	struct reader r = tpm_body(buf, n, ST_NO_SESSIONS);

	*handle = take_be(&r, 4);
	return r.failed ? -EPROTO : 0;		/* the nonce behind it does nothing for a policy */
}

static int start_policy(struct tpm *t, uint32_t *session)
{
	static const uint8_t nonce[NONCE];
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_START_AUTH_SESSION);
	int r;

	tpm_put_session(&w, SE_POLICY, nonce, NONCE);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_handle(t->buffer, (size_t)r, session);
}

static void flush(struct tpm *t, uint32_t session)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_FLUSH_CONTEXT);
	uint32_t code = t->code;

	put_be(&w, session, 4);
	(void)tpm_run(t, &w, 0);		/* then it goes with the next reset */
	t->code = code;
}

/* The session says, from now on: these PCRs have these values. */
static int policy_pcr(struct tpm *t, uint32_t session, uint16_t bank)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_POLICY_RESTART);
	int err;

	put_be(&w, session, 4);
	err = run_plain(t, &w);
	if (err < 0)
		return err;
	w = tpm_begin(t, ST_NO_SESSIONS, CC_POLICY_PCR);
	put_be(&w, session, 4);
	put_be(&w, 0, 2);			/* whatever they are now */
	put_be(&w, 1, 4);
	put_be(&w, bank, 2);
	put_be(&w, 3, 1);
	put_le(&w, SEALED_TO, 3);
	return run_plain(t, &w);
}

int tpm_parse_policy_digest(const uint8_t *buf, size_t n, uint8_t digest[POLICY])
{
	struct reader r = tpm_body(buf, n, ST_NO_SESSIONS);
	uint32_t size = take_be(&r, 2);
	const uint8_t *p = take(&r, POLICY);

	if (!p || size != POLICY || r.left)
		return -EPROTO;
	for (uint32_t i = 0; i < POLICY; i++)
		digest[i] = p[i];
	return 0;
}

static int policy_digest(struct tpm *t, uint32_t session, uint8_t digest[POLICY])
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_POLICY_GET_DIGEST);
	int r;

	put_be(&w, session, 4);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_policy_digest(t->buffer, (size_t)r, digest);
}

int tpm_parse_nv_public(const uint8_t *buf, size_t n, const uint8_t **area, uint32_t *size)
{
	struct reader r = tpm_body(buf, n, ST_NO_SESSIONS);

	*size = take_be(&r, 2);
	*area = take(&r, *size);
	return *area ? 0 : -EPROTO;
}

/* Is the index that is there this very one, and written? Else whoever made it may know what it holds. 1, 0 or an error. */
static int is_ours(struct tpm *t, const struct index *x)
{
	struct writer w = tpm_begin(t, ST_NO_SESSIONS, CC_NV_READ_PUBLIC);
	struct index written = *x;
	uint8_t want[64];
	struct writer good = { .p = want, .size = sizeof(want) };
	const uint8_t *seen;
	uint32_t size;
	int r;

	put_be(&w, x->handle, 4);
	r = tpm_run(t, &w, 0);
	if (r < 0)
		return r == -EIO ? 0 : r;
	r = tpm_parse_nv_public(t->buffer, (size_t)r, &seen, &size);
	if (r < 0)
		return r;
	written.attributes |= NV_WRITTEN;
	put_public(&good, &written);
	if (good.failed || size != good.used)
		return 0;
	for (uint32_t i = 0; i < size; i++)
		if (seen[i] != want[i])
			return 0;
	return 1;
}

int tpm_parse_nv_read(const uint8_t *buf, size_t n, uint8_t *data, uint32_t size)
{
	struct reader r = tpm_body(buf, n, ST_SESSIONS);
	const uint8_t *p;

	take_be(&r, 4);
	if (take_be(&r, 2) != size)
		return -EPROTO;
	p = take(&r, size);
	if (!p)
		return -EPROTO;
	for (uint32_t i = 0; i < size; i++)
		data[i] = p[i];
	return 0;
}

static int nv_read(struct tpm *t, const struct index *x, const struct auth *a, uint8_t *data)
{
	struct writer w = tpm_begin(t, ST_SESSIONS, CC_NV_READ);
	int r;

	put_be(&w, x->handle, 4);
	put_be(&w, x->handle, 4);
	put_auth(&w, a);
	put_be(&w, x->size, 2);
	put_be(&w, 0, 2);
	r = tpm_run(t, &w, 0);
	return r < 0 ? r : tpm_parse_nv_read(t->buffer, (size_t)r, data, x->size);
}

static int nv_write(struct tpm *t, const struct index *x, const struct auth *a, const uint8_t *data)
{
	struct writer w = tpm_begin(t, ST_SESSIONS, CC_NV_WRITE);

	put_be(&w, x->handle, 4);
	put_be(&w, x->handle, 4);
	put_auth(&w, a);
	put_be(&w, x->size, 2);
	put(&w, data, x->size);
	put_be(&w, 0, 2);
	return run_plain(t, &w);
}

static int nv_define(struct tpm *t, const struct index *x, const uint8_t *password, uint32_t size)
{
	struct writer w = tpm_begin(t, ST_SESSIONS, CC_NV_UNDEFINE_SPACE);
	int err;

	put_be(&w, RH_OWNER, 4);
	put_be(&w, x->handle, 4);
	put_auth(&w, &owner);
	err = run_plain(t, &w);
	if (err < 0 && err != -EIO)		/* there was none */
		return err;
	w = tpm_begin(t, ST_SESSIONS, CC_NV_DEFINE_SPACE);
	put_be(&w, RH_OWNER, 4);
	put_auth(&w, &owner);
	put_be(&w, size, 2);
	put(&w, password, size);
	put_be(&w, 14 + (x->policy ? POLICY : 0), 2);
	put_public(&w, x);
	return run_plain(t, &w);
}

static struct index root_index(void)
{
	return (struct index) { CVM_NV_ROOT, NV_AUTHREAD | NV_AUTHWRITE | NV_NO_DA, CVM_COUNTER_HASH, NULL };
}

void tpm_root_public(struct tpm_index_public *out)
{
	struct writer w = { .p = out->bytes, .size = sizeof(out->bytes) };
	struct index x = root_index();

	x.attributes |= NV_WRITTEN;
	put_public(&w, &x);
	out->size = (uint32_t)w.used;
}

static int make(struct tpm *t, struct tpm_vault *v, const struct index *vault, const struct index *root, uint32_t session,
		uint16_t bank)
{
	struct auth policy = { .session = session }, secret = { RS_PW, v->fresh_secret, sizeof(v->fresh_secret) };
	uint8_t data[VAULT_SIZE];
	struct writer w = { .p = data, .size = sizeof(data) };
	int err;

	put(&w, v->fresh_secret, sizeof(v->fresh_secret));
	put_le(&w, v->fresh_epoch, 4);
	for (uint32_t i = 0; i < sizeof(v->root); i++)
		v->root[i] = 0;
	err = nv_define(t, root, v->fresh_secret, sizeof(v->fresh_secret));
	if (err == 0)
		err = nv_write(t, root, &secret, v->root);
	if (err == 0)
		err = nv_define(t, vault, NULL, 0);
	if (err == 0)
		err = policy_pcr(t, session, bank);
	if (err == 0)
		err = nv_write(t, vault, &policy, data);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < sizeof(v->secret); i++)
		v->secret[i] = v->fresh_secret[i];
	v->epoch = v->fresh_epoch;
	v->created = true;
	return 0;
}

/* What is there. -EIO: not ours, or gone. */
static int look(struct tpm *t, struct tpm_vault *v, const struct index *vault, const struct index *root, uint32_t session)
{
	struct auth policy = { .session = session }, secret = { RS_PW, v->secret, sizeof(v->secret) };
	uint8_t data[VAULT_SIZE];
	struct reader r = { .p = data + CVM_VAULT_SECRET, .left = 4 };
	int err = is_ours(t, vault);

	if (err <= 0)
		return err ? err : -EIO;
	err = nv_read(t, vault, &policy, data);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < CVM_VAULT_SECRET; i++)
		v->secret[i] = data[i];
	err = nv_read(t, root, &secret, v->root);
	if (err == 0)
		v->epoch = take_le(&r, 4);
	return err == 0 && !v->epoch ? -EIO : err;
}

static int choose_bank(struct tpm *t, const struct tpm_bank *bank, uint32_t n, uint16_t *alg)
{
	*alg = 0;
	for (uint32_t i = 0; i < n; i++)
		if (bank[i].alg == ALG_SHA256 || (bank[i].alg == ALG_SHA384 && !*alg))
			*alg = bank[i].alg;
	if (!*alg)
		return -EOPNOTSUPP;
	for (uint32_t pcr = 0; pcr < 24; pcr++) {
		uint8_t digest[TPM_HASH_MAX] = { 0 }, any = 0;
		int err = MUST_MEASURE & 1u << pcr ? tpm_pcr_read(t, *alg, pcr, digest) : 1;

		if (err < 0)
			return err;
		for (uint32_t i = 0; i < sizeof(digest); i++)
			any |= digest[i];
		if (!err && !any)
			return -ENODATA;
	}
	return 0;
}

int tpm_vault_open(struct tpm *t, const struct tpm_bank *bank, uint32_t n, struct tpm_vault *v)
{
	uint8_t policy[POLICY];
	const struct index vault = { CVM_NV_VAULT, NV_POLICYREAD | NV_POLICYWRITE | NV_NO_DA, VAULT_SIZE, policy },
			   root = root_index();
	uint32_t session;
	uint16_t alg;
	int err;

	v->epoch = 0;
	v->created = false;
	err = choose_bank(t, bank, n, &alg);
	if (err == 0)
		err = start_policy(t, &session);
	if (err < 0)
		return err;
	err = policy_pcr(t, session, alg);
	if (err == 0)
		err = policy_digest(t, session, policy);
	if (err == 0) {
		err = look(t, v, &vault, &root, session);
		if (err == -EIO)
			err = make(t, v, &vault, &root, session, alg);
	}
	flush(t, session);
	if (err < 0)
		v->epoch = 0;
	return err;
}
