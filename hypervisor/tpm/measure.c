/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure.h"

#include "log.h"

#define BOTH	(1u << CVM_PCR_KEY | 1u << CVM_PCR_IDENTITY)
/* The structures go out as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cvm/tpm.h");

struct run {
	struct tpm *t;
	struct tpm_bank bank[TPM_BANKS_MAX];
	uint32_t n;
	struct writer log;
};

static int extend(struct run *r, uint32_t pcr, uint32_t type, const void *data, uint32_t size)
{
	struct tpm_digests d;
	size_t used = r->log.used;
	int err = tpm_pcr_event(r->t, pcr, data, size, &d);

	if (err == 0)
		err = log_event2(&r->log, r->bank, r->n, pcr, type, &d, data, size);
	if (err < 0)
		r->log.used = used;
	return err;
}

static int extend_image(struct run *r, uint32_t tag, uint32_t version, uint32_t svn, const uint8_t *digest)
{
	struct cvm_tpm_image e = { .head = { tag, sizeof(e) - sizeof(e.head) }, .version = version, .svn = svn };

	for (uint32_t i = 0; i < CVM_DIGEST_SIZE; i++)
		e.digest[i] = digest[i];
	return extend(r, CVM_PCR_IDENTITY, EV_EVENT_TAG, &e, sizeof(e));
}

static int extend_config(struct run *r, const char *text, uint32_t size)
{
	struct {
		struct cvm_tpm_tagged head;
		char text[CVM_TPM_CONFIG_MAX];
	} e = { .head = { CVM_TPM_TAG_CONFIG, size } };

	for (uint32_t i = 0; i < size; i++)
		e.text[i] = text[i];
	return extend(r, CVM_PCR_IDENTITY, EV_EVENT_TAG, &e, sizeof(e.head) + size);
}

static int extend_key(struct run *r, const uint8_t key_id[32])
{
	struct cvm_tpm_key e = { .head = { CVM_TPM_TAG_KEY, sizeof(e) - sizeof(e.head) } };

	for (uint32_t i = 0; i < sizeof(e.key_id); i++)
		e.key_id[i] = key_id[i];
	return extend(r, CVM_PCR_KEY, EV_EVENT_TAG, &e, sizeof(e));
}

static int extend_separators(struct run *r)
{
	static const uint8_t fine[4] = { 0 };
	int err = extend(r, CVM_PCR_KEY, EV_SEPARATOR, fine, sizeof(fine));

	return err < 0 ? err : extend(r, CVM_PCR_IDENTITY, EV_SEPARATOR, fine, sizeof(fine));
}

/* Both PCRs are spoilt, whatever of the rest works. The log, if it was begun, says so. */
static int spoil(struct run *r)
{
	static const uint8_t error[4] = { 0xff, 0xff, 0xff, 0xff };
	int result = 0;

	for (uint32_t pcr = CVM_PCR_KEY; pcr <= CVM_PCR_IDENTITY; pcr++) {
		struct tpm_digests d;
		int err = r->log.used ? extend(r, pcr, EV_SEPARATOR, error, sizeof(error)) :
					tpm_pcr_event(r->t, pcr, error, sizeof(error), &d);

		if (err < 0)
			result = err;
	}
	return result;
}

/* Without it there are no counters, and reports say so; a TPM that is lost altogether fails at the next extend. */
static void open_vault(struct run *r, const struct tpm_facts *f)
{
	if (!f->vault)
		return;
	r->t->code = 0;
	*f->vault_error = tpm_vault_open(r->t, r->bank, r->n, f->vault);
	f->vault->code = r->t->code;
	r->t->code = 0;
}

static int extend_all(struct run *r, const struct tpm_facts *f)
{
	int err = extend_image(r, CVM_TPM_TAG_ROOTVISOR, f->rootvisor_version, f->rootvisor_svn, f->rootvisor_digest);

	if (err == 0)
		err = extend_config(r, f->config, f->config_size);
	if (err == 0)
		err = extend_image(r, CVM_TPM_TAG_GUARDIAN, 0, f->guardian_svn, f->guardian_digest);
	if (err == 0)
		open_vault(r, f);
	if (err == 0)
		err = extend_key(r, f->key_id);
	if (err == 0)
		err = extend_separators(r);
	return err;
}

/* Nobody was here before. Every bank is asked: each may be quoted. */
static int check_fresh(struct run *r)
{
	for (uint32_t b = 0; b < r->n; b++)
		for (uint32_t pcr = CVM_PCR_KEY; pcr <= CVM_PCR_IDENTITY; pcr++) {
			uint8_t digest[TPM_HASH_MAX] = { 0 };
			int err = tpm_pcr_read(r->t, r->bank[b].alg, pcr, digest);

			if (err < 0)
				return err;
			for (uint32_t i = 0; i < TPM_HASH_MAX; i++)
				if (digest[i])
					return -EEXIST;
		}
	return 0;
}

static int measure(struct run *r, const struct tpm_facts *f)
{
	int err = tpm_banks(r->t, BOTH, r->bank, &r->n);

	if (err == 0)
		err = check_fresh(r);
	if (err < 0)
		return err;
	log_header(&r->log, r->bank, r->n);
	return extend_all(r, f);
}

int tpm_measure(struct tpm *t, const struct tpm_facts *f, uint8_t *log, uint32_t size, uint32_t *used)
{
	struct run r = { .t = t, .log = { .p = log, .size = size } };
	int err;

	*used = 0;
	if (f->config_size > CVM_TPM_CONFIG_MAX)
		return -EINVAL;
	err = tpm_open(t);
	if (err < 0)
		return err;
	err = tpm_startup(t);
	if (err == 0) {
		uint32_t code;

		err = measure(&r, f);
		code = t->code;
		if (err < 0 && err != -EEXIST)
			spoil(&r);
		t->code = code;
	}
	tpm_close(t);
	if (!r.log.failed)
		*used = (uint32_t)r.log.used;
	return err;
}

int tpm_spoil(struct tpm *t)
{
	struct run r = { .t = t };
	int err = tpm_open(t);

	if (err < 0)
		return err;
	err = tpm_startup(t);
	if (err == 0)
		err = spoil(&r);
	tpm_close(t);
	return err;
}

bool tpm_wants_serial(const char *text, uint32_t n)
{
	static const char word[] = "tpm=com2";
	const uint32_t size = sizeof(word) - 1;

	for (uint32_t at = 0; at + size <= n; at++) {
		uint32_t i = 0;

		if (at && text[at - 1] != ' ' && text[at - 1] != '\t')
			continue;
		while (i < size && text[at + i] == word[i])
			i++;
		if (i == size && (at + size == n || text[at + size] == ' ' || text[at + size] == '\t'))
			return true;
	}
	return false;
}
