/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The FIFO interface, locality 0 (PTP 6.5). */
#include "answer.h"

#define ACCESS		0x00u
#define A_VALID		0x80u
#define A_ACTIVE	0x20u		/* written: give up */
#define A_REQUEST	0x02u
#define STS		0x18u
#define S_VALID		0x80u
#define S_READY		0x40u
#define S_GO		0x20u
#define S_DATA		0x10u
#define S_EXPECT	0x08u
#define FIFO		0x24u

int tis_open(struct tpm *t)
{
	int err;

	t->hw->write(t->hw->ctx, ACCESS, 1, A_REQUEST);
	err = tpm_await(t, ACCESS, 1, A_VALID | A_ACTIVE, A_VALID | A_ACTIVE, TPM_TIMEOUT_MS);
	return err;
}

void tis_close(struct tpm *t)
{
	t->hw->write(t->hw->ctx, ACCESS, 1, A_ACTIVE);
}

/* How many bytes may go through the FIFO now, at least 1. */
static int burst(struct tpm *t, uint32_t *n)
{
	struct tpm_wait wait = tpm_wait(t, TPM_TIMEOUT_MS);

	for (;;) {
		bool late = tpm_late(t, &wait);

		*n = t->hw->read(t->hw->ctx, STS, 4) >> 8 & 0xffff;
		if (*n)
			return 0;
		if (late)
			return -ETIMEDOUT;
	}
}

static int check(struct tpm *t, uint32_t mask, uint32_t want)
{
	int err = tpm_await(t, STS, 1, S_VALID, S_VALID, TPM_TIMEOUT_MS);

	if (err < 0)
		return err;
	return (t->hw->read(t->hw->ctx, STS, 1) & mask) == want ? 0 : -EIO;
}

static int send(struct tpm *t, uint32_t n)
{
	uint32_t room = 0;
	int err;

	for (uint32_t i = 0; i < n; i++, room--) {
		if (!room) {
			err = burst(t, &room);
			if (err < 0)
				return err;
		}
		if (i == n - 1) {		/* before the last byte it must want more, after it no more */
			err = check(t, S_EXPECT, S_EXPECT);
			if (err < 0)
				return err;
		}
		t->hw->write(t->hw->ctx, FIFO, 1, t->buffer[i]);
	}
	return check(t, S_EXPECT, 0);
}

/* Bytes [from, to) of the answer. */
static int receive(struct tpm *t, uint32_t from, uint32_t to)
{
	uint32_t there = 0;
	int err;

	for (uint32_t i = from; i < to; i++, there--) {
		if (!there) {
			err = tpm_await(t, STS, 1, S_VALID | S_DATA, S_VALID | S_DATA, TPM_TIMEOUT_MS);
			if (err < 0)
				return -EPROTO;		/* cut */
			err = burst(t, &there);
			if (err < 0)
				return err;
		}
		t->buffer[i] = (uint8_t)t->hw->read(t->hw->ctx, FIFO, 1);
	}
	return 0;
}

static int exchange(struct tpm *t, uint32_t n)
{
	int err, size;

	t->hw->write(t->hw->ctx, STS, 1, S_READY);
	err = tpm_await(t, STS, 1, S_READY, S_READY, TPM_TIMEOUT_MS);
	if (err < 0)
		return err;
	err = send(t, n);
	if (err < 0)
		return err;
	t->hw->write(t->hw->ctx, STS, 1, S_GO);
	err = tpm_await(t, STS, 1, S_VALID | S_DATA, S_VALID | S_DATA, TPM_COMMAND_MS);
	if (err < 0)
		return err;
	err = receive(t, 0, ANSWER_HEADER);
	if (err < 0)
		return err;
	size = answer_size(t);
	if (size < 0)
		return size;
	err = receive(t, ANSWER_HEADER, (uint32_t)size);
	if (err < 0)
		return err;
	err = check(t, S_DATA, 0);
	return err < 0 ? -EPROTO : size;
}

int tis_transact(struct tpm *t, uint32_t n)
{
	int r = exchange(t, n);

	t->hw->write(t->hw->ctx, STS, 1, S_READY);	/* idle again, or aborted */
	return r;
}
