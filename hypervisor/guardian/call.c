/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operation is whose. */
#include "guardian.h"

static int vm_call(struct guardian *g, uint64_t op, struct cvm_g_mailbox *mb)
{
	switch (op) {
	case CVM_G_INIT:
		return guardian_init(g, &mb->init);
	case CVM_G_MEASURE:
		return guardian_measure(g, &mb->measure);
	case CVM_G_LAUNCH:
		return guardian_launch(g, &mb->launch);
	case CVM_G_SEAL:
		return guardian_seal(g, &mb->page);
	case CVM_G_UNSEAL:
		return guardian_unseal(g, &mb->page);
	case CVM_G_DECODE:
		return guardian_decode(g, mb);
	case CVM_G_CONTINUE:
		return guardian_continue(g, mb);
	case CVM_G_REPORT:
		return guardian_report(g, &mb->report);
	case CVM_G_EXTEND:
		return guardian_extend(g, &mb->extend);
	case CVM_G_KEY_PUT:
		return guardian_key_put(g, &mb->key_blob);
	case CVM_G_KEY_GET:
		return guardian_key_get(g, &mb->key);
	case CVM_G_ANSWER:
		return guardian_answer(g, &mb->report);
	}
	return -ENOSYS;
}

static int quoter_call(struct guardian *g, uint64_t op, struct cvm_g_mailbox *mb)
{
	switch (op) {
	case CVM_G_QUOTER_INIT:
		return quoter_init(g, &mb->quoter);
	case CVM_G_SIGN:
		return quoter_sign(g, &mb->report);
	case CVM_G_LOG:
		return quoter_log(g, &mb->log);
	case CVM_G_COUNTER:
		return quoter_counter(g, &mb->counter);
	}
	return -ENOSYS;
}

int guardian_call(struct guardian *g, uint64_t op, struct cvm_g_mailbox *mb)
{
	bool quoter = op >= CVM_G_QUOTER_INIT && op <= CVM_G_COUNTER;
	bool init = op == CVM_G_INIT || op == CVM_G_QUOTER_INIT;

	if (mb->abi_version != CVM_ABI_VERSION)
		return -EINVAL;
	if (!quoter && (op < CVM_G_INIT || op > CVM_G_ANSWER))
		return -ENOSYS;
	/* The first operation fixes the role for good; it comes once. */
	if (init != (g->role == ROLE_NONE))
		return -EPERM;
	if (!init && quoter != (g->role == ROLE_QUOTER))
		return -EPERM;
	return quoter ? quoter_call(g, op, mb) : vm_call(g, op, mb);
}
