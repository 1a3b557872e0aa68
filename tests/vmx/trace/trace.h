/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hooks of the shoot-down (hypervisor/rootvisor/trace) as bytes on the emulator's port e9h: one OUT each, so that
 * their order is the order of events on all CPUs. Bit 7 tells them from text; bits 6:4 what, bits 3:0 the CPU.
 * And what RootVisor's page tables lead to, as a line on its console.
 */
#pragma once

#include "rv/asm.h"
#include "rv/mem.h"
#include "rv/pcpu.h"
#include "rv/vmcs.h"

enum { TRACE_ENTER_L1, TRACE_ENTER_L2, TRACE_EXIT, TRACE_FLUSH, TRACE_REMOVED_L1, TRACE_REMOVED_L2, TRACE_HANDOVER, TRACE_KICK };

/* What was entered on each CPU since it forgot all translations, which are told apart by VPID and EPT. */
struct trace_user {
	u64 vpid, eptp, vmcs;
};
__attribute__((weak)) struct trace_user trace_users[CVM_MAX_CPUS][64];
__attribute__((weak)) u32 trace_nr_users[CVM_MAX_CPUS];

static inline void trace_vpid(struct pcpu *c)
{
	struct trace_user now = { vmread(VMCS_VPID), vmread(VMCS_EPTP), c->current->pa }, *u = trace_users[c->id];
	u32 i;

	for (i = 0; i < trace_nr_users[c->id]; i++)
		if (u[i].vpid == now.vpid && u[i].eptp == now.eptp) {
			if (u[i].vmcs != now.vmcs)
				rv_panic("VPID %lx of two VMCSs on one EPT", now.vpid);
			return;
		}
	if (i < ARRAY_SIZE(trace_users[0]))
		u[trace_nr_users[c->id]++] = now;
}

static inline void trace_byte(u32 what, const struct pcpu *c)
{
	outb(0xe9, (u8)(0x80 | what << 4 | c->id));
}

/* And stays for a while, not always the same, in which another CPU may get as far as to send an NMI: it comes before the entry then. */
static inline void trace_enter(struct pcpu *c)
{
	trace_vpid(c);
	trace_byte(c->in_l2 ? TRACE_ENTER_L2 : TRACE_ENTER_L1, c);
	for (u64 i = c->stats.exits * 64 % 1021; i; i--)
		cpu_relax();
}

static inline void trace_exit(struct pcpu *c) { trace_byte(TRACE_EXIT, c); }
static inline void trace_flush(struct pcpu *c)
{
	trace_nr_users[c->id] = 0;
	trace_byte(TRACE_FLUSH, c);
}
static inline void trace_removed(u32 world) { trace_byte(TRACE_REMOVED_L1 + world, this_pcpu()); }
static inline void trace_handover(void) { trace_byte(TRACE_HANDOVER, this_pcpu()); }
static inline void trace_kick(struct pcpu *t) { trace_byte(TRACE_KICK, t); }

struct trace_pages {
	u64 start, text, others;	/* leaves: any of the start stage; executable ones of RootVisor's text, and elsewhere */
};

static inline void trace_tables(u64 table, u32 level, struct trace_pages *n)
{
	extern u8 image_start[], image_text[], image_text_end[];
	u64 size = BIT(PAGE_SHIFT + 9 * (level - 1));

	for (u32 i = 0; i < 512; i++) {
		u64 e = ((u64 *)va(table))[i], at = e & 0x000ffffffffff000ull;

		if (!(e & BIT(0)))
			continue;
		if (level > 1 && !(e & BIT(7))) {
			trace_tables(at, level - 1, n);
			continue;
		}
		n->start += at < pa(image_text) && at + size > pa(image_start);
		if (e & BIT(63))
			continue;
		if (at >= pa(image_text) && at + size <= pa(image_text_end))
			n->text++;
		else
			n->others++;
	}
}

static inline void trace_paging(void)
{
	struct trace_pages n = { 0 };

	trace_tables(read_cr3() & PAGE_MASK, 4, &n);
	rv_printf("mapped pages: %lu of the start stage, %lu of RootVisor's text, %lu others executable\n", n.start, n.text, n.others);
}
