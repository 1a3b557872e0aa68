/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bare commands and answers over COM2, a 16550: for a machine without a TPM. */
#include "answer.h"

#define COM2		0x2f8u
#define DATA		(COM2 + 0)
#define IER		(COM2 + 1)
#define FCR		(COM2 + 2)
#define LCR		(COM2 + 3)
#define MCR		(COM2 + 4)
#define LSR		(COM2 + 5)
#define LSR_DATA	0x01u
#define LSR_EMPTY	0x20u
#define LCR_8N1		0x03u
#define LCR_DIVISOR	0x80u
#define MCR_DTR_RTS	0x03u
#define FIFOS_CLEARED	0x07u

static uint8_t in(struct tpm *t, uint16_t port)
{
	return t->hw->in(t->hw->ctx, port);
}

static void out(struct tpm *t, uint16_t port, uint8_t v)
{
	t->hw->out(t->hw->ctx, port, v);
}

int serial_open(struct tpm *t)
{
	if (in(t, LSR) == 0xff)
		return -ENODEV;
	out(t, IER, 0);
	out(t, LCR, LCR_8N1 | LCR_DIVISOR);
	out(t, DATA, 1);			/* 115200 */
	out(t, IER, 0);
	out(t, LCR, LCR_8N1);
	out(t, FCR, FIFOS_CLEARED);
	out(t, MCR, MCR_DTR_RTS);
	return 0;
}

static int await(struct tpm *t, uint8_t bit, uint32_t ms)
{
	struct tpm_wait wait = tpm_wait(t, ms);

	for (;;) {
		bool late = tpm_late(t, &wait);

		if (in(t, LSR) & bit)
			return 0;
		if (late)
			return -ETIMEDOUT;
	}
}

static int receive(struct tpm *t, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		int err = await(t, LSR_DATA, i ? TPM_TIMEOUT_MS : TPM_COMMAND_MS);

		if (err < 0)
			return i ? -EPROTO : err;	/* cut, or nothing */
		t->buffer[i] = in(t, DATA);
	}
	return 0;
}

int serial_transact(struct tpm *t, uint32_t n)
{
	int err, size;

	for (uint32_t i = 0; i < TPM_BUFFER && in(t, LSR) & LSR_DATA; i++)
		in(t, DATA);			/* what nobody asked for */
	for (uint32_t i = 0; i < n; i++) {
		err = await(t, LSR_EMPTY, TPM_TIMEOUT_MS);
		if (err < 0)
			return err;
		out(t, DATA, t->buffer[i]);
	}
	err = receive(t, 0, ANSWER_HEADER);
	if (err < 0)
		return err;
	size = answer_size(t);
	if (size < 0)
		return size;
	err = receive(t, ANSWER_HEADER, (uint32_t)size);
	return err < 0 ? err : size;
}
