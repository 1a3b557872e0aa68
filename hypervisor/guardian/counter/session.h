/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An HMAC session with a TPM that somebody else carries (TPM 2.0 Library, Part 1, 19.6; unbound, not salted: the key is the
 * authorisation value of the index). Commands are made here, answers come as untrusted bytes. Pure.
 *
 * The session lasts for one write: who holds a command back has one that no later session takes.
 */
#ifndef COUNTER_SESSION_H
#define COUNTER_SESSION_H

#include <stddef.h>

#include "cvm/counter.h"

#define SESSION_NONCE	32u

struct session {
	uint32_t handle;
	uint8_t caller[SESSION_NONCE];		/* nonceCaller of the write, random, used once */
	uint8_t tpm[SESSION_NONCE];		/* nonceTPM */
};

/* TPM2_StartAuthSession: its size; out: at least 128 bytes. nonce: public, but not used before. */
uint32_t session_start(const uint8_t nonce[SESSION_NONCE], uint8_t *out, uint32_t size);

/* Its answer. -EIO: the TPM refused; -EPROTO: no such answer. Nothing in it is authentic yet. */
int session_started(struct session *s, const uint8_t *answer, size_t n);

/* TPM2_NV_Write of the root, authorised with the secret; its size, out: at least 192 bytes. */
uint32_t session_write(const struct session *s, const uint8_t secret[CVM_VAULT_SECRET], const uint8_t root[CVM_COUNTER_HASH],
		       uint8_t *out, uint32_t size);

/* Its answer. 0: the TPM that knows the secret says that it has written; -EIO, -EPROTO as above; -EBADMSG: not authentic. */
int session_written(const struct session *s, const uint8_t secret[CVM_VAULT_SECRET], const uint8_t *answer, size_t n);

#endif
