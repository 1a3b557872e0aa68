/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command response buffer interface, locality 0, buffers in the register page (PTP 6.6). */
#include "answer.h"

#define LOC_STATE	0x00u
#define LS_ASSIGNED	0x02u
#define LS_VALID	0x80u
#define LOC_CTRL	0x08u
#define LC_REQUEST	1u
#define LC_RELINQUISH	2u
#define LOC_STS		0x0cu
#define CTRL_REQ	0x40u
#define CR_READY	1u
#define CR_IDLE		2u
#define CTRL_STS	0x44u
#define CS_ERROR	1u
#define CS_IDLE		2u
#define CTRL_CANCEL	0x48u
#define CTRL_START	0x4cu
#define CMD_SIZE	0x58u
#define CMD_LOW		0x5cu
#define CMD_HIGH	0x60u
#define RSP_SIZE	0x64u
#define RSP_LOW		0x68u
#define RSP_HIGH	0x6cu
#define PAGE		0x1000u

static uint32_t rd(struct tpm *t, uint32_t offset)
{
	return t->hw->read(t->hw->ctx, offset, 4);
}

static void wr(struct tpm *t, uint32_t offset, uint32_t v)
{
	t->hw->write(t->hw->ctx, offset, 4, v);
}

/* Offset in the page of a buffer of `size` bytes; 0: it lies elsewhere. */
static uint32_t buffer_at(struct tpm *t, uint32_t low, uint32_t high, uint32_t size)
{
	uint32_t at = rd(t, low) - CVM_TPM_MMIO;

	if (rd(t, high) || at < 0x80 || at >= PAGE || size > PAGE - at)
		return 0;
	return at;
}

int crb_open(struct tpm *t)
{
	int err;

	wr(t, LOC_CTRL, LC_REQUEST);
	err = tpm_await(t, LOC_STATE, 4, LS_VALID | LS_ASSIGNED, LS_VALID | LS_ASSIGNED, TPM_TIMEOUT_MS);
	if (err < 0)
		return err;
	return rd(t, LOC_STS) & 1 ? 0 : -EIO;
}

void crb_close(struct tpm *t)
{
	wr(t, CTRL_REQ, CR_IDLE);
	tpm_await(t, CTRL_REQ, 4, CR_IDLE, 0, TPM_TIMEOUT_MS);
	wr(t, LOC_CTRL, LC_RELINQUISH);
}

static int ready(struct tpm *t)
{
	int err;

	wr(t, CTRL_REQ, CR_READY);
	err = tpm_await(t, CTRL_REQ, 4, CR_READY, 0, TPM_TIMEOUT_MS);
	if (err < 0)
		return err;
	return rd(t, CTRL_STS) & CS_ERROR ? -EIO : 0;
}

int crb_transact(struct tpm *t, uint32_t n)
{
	uint32_t size = rd(t, RSP_SIZE), cmd, rsp;
	int err, got;

	if (size > TPM_BUFFER)
		size = TPM_BUFFER;
	cmd = buffer_at(t, CMD_LOW, CMD_HIGH, n);
	rsp = buffer_at(t, RSP_LOW, RSP_HIGH, size);
	if (!cmd || !rsp || n > rd(t, CMD_SIZE) || size < ANSWER_HEADER)
		return -EOPNOTSUPP;
	err = ready(t);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < n; i++)
		t->hw->write(t->hw->ctx, cmd + i, 1, t->buffer[i]);
	wr(t, CTRL_CANCEL, 0);
	wr(t, CTRL_START, 1);
	err = tpm_await(t, CTRL_START, 4, 1, 0, TPM_COMMAND_MS);
	if (err < 0) {
		wr(t, CTRL_CANCEL, 1);
		return err;
	}
	if (rd(t, CTRL_STS) & CS_ERROR)
		return -EIO;
	for (uint32_t i = 0; i < ANSWER_HEADER; i++)
		t->buffer[i] = (uint8_t)t->hw->read(t->hw->ctx, rsp + i, 1);
	got = answer_size(t);
	if (got < 0 || (uint32_t)got > size)
		return -EPROTO;
	for (uint32_t i = ANSWER_HEADER; i < (uint32_t)got; i++)
		t->buffer[i] = (uint8_t)t->hw->read(t->hw->ctx, rsp + i, 1);
	return got;
}
