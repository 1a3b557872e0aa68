/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which TPM is there, and the way to it. */
#include "tpm.h"

#define INTERFACE_ID	0x30u		/* PTP 6.3: bits 3:0 0 FIFO, 1 CRB, 15 TIS 1.3 */
#define DID_VID		0xf00u

struct tpm_wait tpm_wait(const struct tpm *t, uint32_t ms)
{
	uint64_t now = t->hw->now(t->hw->ctx), end = now + ms * t->hw->ticks_per_ms;

	return (struct tpm_wait) { end < t->end ? end : t->end };
}

bool tpm_late(const struct tpm *t, const struct tpm_wait *w)
{
	return t->hw->now(t->hw->ctx) >= w->end;
}

int tpm_find(struct tpm *t, const struct tpm_hw *hw, bool serial, uint32_t ms)
{
	uint32_t id = hw->read(hw->ctx, INTERFACE_ID, 4), vendor = hw->read(hw->ctx, DID_VID, 4);
	bool vendor_good = vendor && vendor != 0xffffffff;

	t->hw = hw;
	t->code = 0;
	t->transport = TPM_NONE;
	t->end = hw->now(hw->ctx) + ms * hw->ticks_per_ms;
	/* By what the registers say, not by ACPI: whoever writes grub.cfg could leave its table out. */
	if ((id & 15) == 1)
		t->transport = TPM_CRB;
	else if (vendor_good && ((id & 15) == 0 || (id & 15) == 15))
		t->transport = TPM_TIS;
	else if (vendor_good)
		return -EOPNOTSUPP;
	else if (serial)
		t->transport = TPM_COM2;
	return t->transport == TPM_NONE ? -ENODEV : 0;
}

int tpm_open(struct tpm *t)
{
	switch (t->transport) {
	case TPM_TIS:
		return tis_open(t);
	case TPM_CRB:
		return crb_open(t);
	case TPM_COM2:
		return serial_open(t);
	case TPM_NONE:
		break;
	}
	return -ENODEV;
}

void tpm_close(struct tpm *t)
{
	if (t->transport == TPM_TIS)
		tis_close(t);
	else if (t->transport == TPM_CRB)
		crb_close(t);
}

int tpm_transact(struct tpm *t)
{
	uint32_t n = (uint32_t)t->buffer[2] << 24 | (uint32_t)t->buffer[3] << 16 | (uint32_t)t->buffer[4] << 8 | t->buffer[5];

	if (n < 10 || n > TPM_BUFFER)
		return -EINVAL;
	switch (t->transport) {
	case TPM_TIS:
		return tis_transact(t, n);
	case TPM_CRB:
		return crb_transact(t, n);
	case TPM_COM2:
		return serial_transact(t, n);
	case TPM_NONE:
		break;
	}
	return -ENODEV;
}
