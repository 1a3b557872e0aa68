/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The C side of the entry: the one Guardian of the image, its windows, its canary. */
#include "cvm/layout.h"
#include "guardian.h"

static const struct windows windows = {
	.slots		= (uint8_t *)CVM_G_SLOTS,
	.meta		= (uint8_t *)CVM_G_META,
	.rootvisor	= (const uint8_t *)CVM_G_ROOTVISOR,
	.pristine	= (const uint8_t *)CVM_G_PRISTINE,
	.guest		= (uint8_t *)CVM_G_GUEST,
	.guest_size	= GUEST_SIZE,
	.tpm		= (void *)CVM_G_TPM,
	.tpm_hw		= tpm_hw_init,
};

static struct guardian guardian;

/* FS base points here: the library reads its stack canary at FS:28h. */
struct {
	uint64_t unused[5];
	uint64_t canary;
} guardian_fs;

int guardian_main(uint64_t op, struct cvm_g_mailbox *mb);

int guardian_main(uint64_t op, struct cvm_g_mailbox *mb)
{
	if (guardian.role == ROLE_NONE) {
		int err = entropy(&guardian_fs.canary, sizeof(guardian_fs.canary));

		if (err)
			return err;
	}
	guardian.win = &windows;
	return guardian_call(&guardian, op, mb);
}
