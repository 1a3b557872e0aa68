/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rv/rv.h"

#define LOG_SIZE	512u
#define LINES_A_SECOND	20u

static struct cvm_event ring[LOG_SIZE];
static u64 last_seq;		/* of the newest event; the first is 1 */
static u64 window_start;
static u32 window_lines, suppressed;

/* The host can cause events at will: it must not drown the console with them. */
static bool may_print(u64 now)
{
	if (now - window_start > rv_boot.tsc_khz * 1000) {
		if (suppressed)
			rv_printf("%u event lines not printed\n", suppressed);
		window_start = now;
		window_lines = suppressed = 0;
	}
	if (window_lines < LINES_A_SECOND) {
		window_lines++;
		return true;
	}
	suppressed++;
	return false;
}

void log_event(u32 type, u32 reason, u32 vm, const u8 *uuid, u64 arg0, u64 arg1)
{
	struct cvm_event *e = &ring[++last_seq % LOG_SIZE];

	*e = (struct cvm_event) {
		.seq = last_seq, .tsc = rdtsc(), .type = type, .reason = reason,
		.cpu = this_pcpu()->id, .vm = vm, .arg = { arg0, arg1 } };
	if (uuid)
		memcpy(e->uuid, uuid, sizeof(e->uuid));
	if (may_print(e->tsc))
		rv_printf("event %lu: type %u reason %u vm %u (%lx, %lx)\n", e->seq, type, reason, vm, arg0, arg1);
}

u32 log_read(u64 first, struct cvm_event_page *out)
{
	u64 oldest = last_seq >= LOG_SIZE ? last_seq - LOG_SIZE + 1 : 1;

	memset(out, 0, sizeof(*out));
	out->first_seq = oldest;
	out->next_seq = last_seq + 1;
	if (first < oldest)
		first = oldest;
	while (first <= last_seq && out->count < CVM_EVENTS_PER_PAGE)
		out->ev[out->count++] = ring[first++ % LOG_SIZE];
	return out->count;
}
