/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One TPM 2.0 and how to reach it. TCG PC Client Platform TPM Profile 1.05 (PTP) for the registers, TPM 2.0
 * Library for the commands. Pure but for hw.c: also compiled in user space.
 *
 * Errors everywhere: -ENODEV no TPM; -ETIMEDOUT it did not answer in time; -EIO it answered with an error (tpm.code), or
 * its registers say so; -EPROTO its answer is malformed; -EOPNOTSUPP no TPM 2.0, or an interface that is not known.
 */
#ifndef TPM_H
#define TPM_H

#include <linux/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cvm/tpm.h"

#define TPM_BUFFER		1024u		/* bytes: larger than any command or answer used here */

/* The machine, as the drivers see it. */
struct tpm_hw {
	void *ctx;
	uint32_t (*read)(void *ctx, uint32_t offset, uint32_t size);	/* in the page; size 1 or 4 */
	void (*write)(void *ctx, uint32_t offset, uint32_t size, uint32_t value);
	uint8_t (*in)(void *ctx, uint16_t port);
	void (*out)(void *ctx, uint16_t port, uint8_t value);
	uint64_t (*now)(void *ctx);		/* ticks that never go backwards */
	uint64_t ticks_per_ms;
};

enum tpm_transport {
	TPM_NONE	= 0,
	TPM_TIS		= 1,		/* FIFO interface */
	TPM_CRB		= 2,		/* command response buffer */
	TPM_COM2	= 3,		/* bare commands and answers over the second serial port */
};

struct tpm {
	const struct tpm_hw *hw;
	enum tpm_transport transport;
	uint64_t end;			/* of all work, in ticks */
	uint32_t code;			/* last response code that was an error */
	uint8_t buffer[TPM_BUFFER];	/* command, then answer */
};

/*
 * Looks for a TPM in the register page and, only if there is none and serial is true, at COM2. From now on all work
 * must be done within ms. 0, -ENODEV, -EOPNOTSUPP.
 */
int tpm_find(struct tpm *t, const struct tpm_hw *hw, bool serial, uint32_t ms);

/* Takes and gives up what others might want: the locality. */
int tpm_open(struct tpm *t);
void tpm_close(struct tpm *t);

/* Sends the command in t->buffer and puts the answer there. Its size in bytes (the one in its header, at least 10). */
int tpm_transact(struct tpm *t);

/* Waits until ms from now at the most, and not beyond the end of all work. */
struct tpm_wait {
	uint64_t end;
};
struct tpm_wait tpm_wait(const struct tpm *t, uint32_t ms);
bool tpm_late(const struct tpm *t, const struct tpm_wait *w);

/* PTP 6.5.1.4: TIMEOUT_A..D are at most 2 s. A command may take as long as this. */
#define TPM_TIMEOUT_MS		2000u
#define TPM_COMMAND_MS		5000u

/* The drivers: transact as above; n: of the command. tis.c, crb.c, serial.c. */
int tis_open(struct tpm *t);
void tis_close(struct tpm *t);
int tis_transact(struct tpm *t, uint32_t n);
int crb_open(struct tpm *t);
void crb_close(struct tpm *t);
int crb_transact(struct tpm *t, uint32_t n);
int serial_open(struct tpm *t);
int serial_transact(struct tpm *t, uint32_t n);

/* The machine itself: registers at base, hw.c. */
void tpm_hw_init(struct tpm_hw *hw, void *base, uint64_t tsc_khz);

#endif
