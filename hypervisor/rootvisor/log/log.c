/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rv/rv.h"
#include "vm/vm.h"

#define LOG_SIZE	(2 * LOG_SLACK)
#define A_SECOND	20u		/* refused calls logged for one reason */
#define AT_ONCE		64u

static struct cvm_event ring[LOG_SIZE];
static u8 before[LOG_SIZE][CVM_CHAIN_SIZE];	/* chain value before each, as far as folded */
u64 log_last, log_folded;

/* paid: until when the rate is used up. */
static bool within_rate(u64 *paid, u64 now)
{
	u64 one = rv_boot.tsc_khz * 1000 / A_SECOND;

	if (*paid > now + AT_ONCE * one)
		return false;
	*paid = (*paid > now ? *paid : now) + one;
	return true;
}

void log_event(u32 type, u32 reason, u32 vm, const u8 *uuid, u64 arg0, u64 arg1)
{
	struct cvm_event *e = &ring[++log_last % LOG_SIZE];

	*e = (struct cvm_event) {
		.seq = log_last, .tsc = rdtsc(), .type = type, .reason = reason,
		.cpu = this_pcpu()->id, .vm = vm, .arg = { arg0, arg1 } };
	if (uuid)
		memcpy(e->uuid, uuid, sizeof(e->uuid));
}

void log_refused(u32 reason, u32 call, s64 err)
{
	static u64 calls[CVM_R_MAX], dropped[CVM_R_MAX];

	dropped[reason]++;
	if (!within_rate(&calls[reason], rdtsc()))
		return;
	log_event(CVM_EV_DENIED, reason, 0, NULL, call, (dropped[reason] - 1) << 32 | (u64)-err);
	dropped[reason] = 0;
}

int log_chain(struct pcpu *c, struct cvm_log_call *sign)
{
	struct cvm_g_log *l = &quoter.mb->log;
	int err;

	if (sign)
		memcpy(l->head.user_data, sign->user_data, sizeof(sign->user_data));
	do {
		for (l->count = 0; l->count < CVM_LOG_BATCH && log_folded + l->count < log_last; l->count++)
			l->ev[l->count] = ring[(log_folded + l->count + 1) % LOG_SIZE];
		l->sign = sign && log_folded + l->count == log_last;
		l->head.tsc = rdtsc();
		l->head.tsc_khz = rv_boot.tsc_khz;
		err = guardian_call(c, &quoter, CVM_G_LOG, NULL, NULL);
		for (u32 i = 0; !err && i < l->count; i++)
			memcpy(before[++log_folded % LOG_SIZE], l->before[i], CVM_CHAIN_SIZE);
	} while (!err && log_folded < log_last);
	if (sign)
		sign->head = l->head;
	return err;
}

u32 log_read(u64 first, struct cvm_event_page *out)
{
	u64 oldest = log_last >= LOG_SIZE ? log_last - LOG_SIZE + 1 : 1;

	out->first_seq = oldest;
	out->next_seq = log_last + 1;
	if (first < oldest)
		first = oldest;
	if (first <= log_folded)
		memcpy(out->before, before[first % LOG_SIZE], CVM_CHAIN_SIZE);
	while (first <= log_last && out->count < CVM_EVENTS_PER_PAGE)
		out->ev[out->count++] = ring[first++ % LOG_SIZE];
	return out->count;
}
