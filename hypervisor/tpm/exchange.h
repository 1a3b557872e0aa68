/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command and its answer: what those who make commands share. */
#ifndef TPM_EXCHANGE_H
#define TPM_EXCHANGE_H

#include "bytes.h"
#include "tpm.h"

#define ST_NO_SESSIONS		0x8001u
#define ST_SESSIONS		0x8002u
#define RS_PW			0x40000009u

/* A command in t->buffer, to be written on. */
struct writer tpm_begin(struct tpm *t, uint16_t tag, uint32_t command);

#define CC_START_AUTH_SESSION	0x176u
#define SE_HMAC			0u
#define SE_POLICY		1u

/* What follows the header of TPM2_StartAuthSession: without salt, not bound, with SHA-256. nonce: size bytes. */
void tpm_put_session(struct writer *w, uint32_t type, const uint8_t *nonce, uint32_t size);

/* Sends it; the answer's size, or an error. `fine`: a code that is as good as success. */
int tpm_run(struct tpm *t, const struct writer *w, uint32_t fine);

/* What follows the header of a good answer with that tag; failed: it is none. */
struct reader tpm_body(const uint8_t *buf, size_t n, uint32_t tag);

#endif
