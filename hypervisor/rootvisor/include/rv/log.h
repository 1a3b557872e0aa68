/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The security log: a ring of events, numbered without gaps, chained by the Quoter. */
#pragma once

#include "cvm/abi.h"
#include "rv/types.h"

struct pcpu;
struct cvm_log_call;

/* vm = 0, uuid = NULL for the host. */
void log_event(u32 type, u32 reason, u32 vm, const u8 *uuid, u64 arg0, u64 arg1);
/* A call of the host refused, or PROTECT or ENROL of any guest. They may cause these at will: what is above a rate is counted in the
 * next one logged. */
void log_refused(u32 reason, u32 call, s64 err);
extern u64 log_last, log_folded;	/* newest event, the first is 1; newest that the Quoter has chained */
int log_chain(struct pcpu *c, struct cvm_log_call *sign);	/* log_fold() */
/* Has the Quoter chain the events that it has not seen, if these are more than slack; sign: then a head, too, or NULL.
 * It is called before every entry, where an upcall may be made: nothing is overwritten unchained.
 * 0 or the Quoter's negative errno. */
static inline int log_fold(struct pcpu *c, u64 slack, struct cvm_log_call *sign)
{
	return sign || log_last - log_folded > slack ? log_chain(c, sign) : 0;
}
#define LOG_SLACK	256u	/* half the ring */
/* Fills a zeroed page with events from sequence number `first` on (or the oldest held). Returns count. */
u32 log_read(u64 first, struct cvm_event_page *out);
