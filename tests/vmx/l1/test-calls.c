/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host calls with hostile arguments (cvm/abi.h). */
#include "l1.h"

static u8 big[8192] __attribute__((aligned(4096)));

static const struct { u32 nr; u64 size; bool vm; } calls[] = {
	{ CVM_HOST_INFO, sizeof(struct cvm_host_info), false },
	{ CVM_HOST_STATS, sizeof(struct cvm_stats), false },
	{ CVM_HOST_VM_LIST, sizeof(struct cvm_vm_list), false },
	{ CVM_HOST_VM_INFO, sizeof(struct cvm_vm_info), true },
	{ CVM_HOST_VM_STATS, sizeof(struct cvm_stats), true },
	{ CVM_HOST_VM_REPORT, sizeof(struct cvm_report_call), true },
	{ CVM_HOST_VM_DESTROY, 0, true },
	{ CVM_HOST_EVENTS, sizeof(struct cvm_event_page), false },
	{ CVM_HOST_REPORT_KEY, sizeof(struct cvm_report_key), false },
	{ CVM_HOST_KEY_PUT, sizeof(struct cvm_key_blob), true },
	{ CVM_HOST_LOG_HEAD, sizeof(struct cvm_log_call), false },
};

TEST(secret, "call-secret")
{
	u64 mark;

	EXPECT(machine.secret[0] || machine.secret[1]);
	if (!machine.secret[0])
		BROKEN("no CVMD table in ACPI");
	mark = event_mark();
	for (u32 i = 0; i < 5; i++) {
		struct call c = { .rax = CVM_CALL(CVM_HOST_INFO), .rbx = machine.secret[0], .rcx = machine.secret[1],
				  .rsi = (u64)big, .rdi = sizeof(struct cvm_host_info) };

		if (i == 0)
			c.rbx ^= 1;
		else if (i == 1)
			c.rcx ^= 1ull << 63;
		else if (i == 2)
			c.rbx = c.rcx = 0;
		else if (i == 3)
			c.rax = CVM_CALL(0xffff), c.rbx = 0;
		else
			c.rbx = machine.secret[1], c.rcx = machine.secret[0];
		zero(big, 256);
		EXPECT_EQ(vmcall(&c), NO_TRAP);
		EXPECT_EQ(c.rax, (u64)-EPERM);
		EXPECT_EQ(big[0], 0);
	}
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_SECRET), 5);
	EXPECT_EQ(host_call(CVM_HOST_INFO, 0, big, sizeof(struct cvm_host_info)), 0);
}

TEST(registers, "call-registers")
{
	struct call c = { .rax = CVM_CALL(CVM_HOST_INFO), .rbx = machine.secret[0], .rcx = machine.secret[1],
			  .rdx = 0x1234, .rsi = (u64)big, .rdi = sizeof(struct cvm_host_info) };

	EXPECT_EQ(vmcall(&c), NO_TRAP);
	EXPECT_EQ(c.rax, 0);
	EXPECT_EQ(c.rbx, machine.secret[0]);
	EXPECT_EQ(c.rcx, machine.secret[1]);
	EXPECT_EQ(c.rdx, 0x1234);
	EXPECT_EQ(c.rsi, (u64)big);
	EXPECT_EQ(c.rdi, sizeof(struct cvm_host_info));
	c.rax = 0x43550000;			/* not our magic: as on a bare CPU */
	EXPECT_EQ(vmcall(&c), UD);
	c.rax = 0;
	EXPECT_EQ(vmcall(&c), UD);
}

TEST(numbers, "call-unknown-number")
{
	static const u32 nr[] = { 0, CVM_HOST_COUNTER + 1, 0x7f, CVM_GUEST_VERSION, CVM_GUEST_PROTECT, CVM_GUEST_STOP, 0xff, 0x100, 0xffff };

	for (u32 i = 0; i < ARRAY_SIZE(nr); i++) {
		about("call", nr[i]);
		EXPECT_EQ(host_call(nr[i], 0, big, 0), -ENOSYS);
		EXPECT_EQ(host_call(nr[i], 0, big, 4096), -ENOSYS);
	}
}

TEST(sizes, "call-wrong-size")
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		u64 bad[] = { calls[i].size + 1, calls[i].size - 1, calls[i].size + 8, ~0ull, 1ull << 32 | calls[i].size, 8192 };

		about("call", calls[i].nr);
		for (u32 j = 0; j < ARRAY_SIZE(bad); j++)
			EXPECT_EQ(host_call(calls[i].nr, 0, big, bad[j]), -EINVAL);
		if (calls[i].size)
			EXPECT_EQ(host_call(calls[i].nr, 0, big, 0), -EINVAL);
	}
}

TEST(ids, "call-no-such-vm")
{
	static const u64 id[] = { 0, 1000000, 0xffffffff, 1ull << 32, ~0ull };

	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		for (u32 j = 0; calls[i].vm && j < ARRAY_SIZE(id); j++) {
			about("call", calls[i].nr);
			EXPECT_EQ(host_call(calls[i].nr, id[j], big, calls[i].size), -ENOENT);
		}
}

TEST(buffers, "call-bad-buffer")
{
	u64 hole = win_map(20, 0, 0), ro = win_map(21, (u64)page_alloc(), PTE_P);
	u64 before_hole = win_map(19, (u64)page_alloc(), PTE_P | PTE_W);
	u64 rv = machine.nr_rootvisor ? win_map(22, machine.rootvisor[0].start, PTE_P | PTE_W) : hole;
	u64 pool = machine.nr_rootvisor > 1 ? win_map(23, machine.rootvisor[1].start, PTE_P | PTE_W) : hole;
	u64 mmio = win_map(24, 0xfee00000, PTE_P | PTE_W), beyond = win_map(25, 1ull << 45, PTE_P | PTE_W);
	u64 edge = before_hole + 4096 - 8;
	u64 mark = event_mark();
	u64 bad[] = { 0x8000000000000000ull, 0x800000000000ull, ~0ull, ~0ull - 100, hole, edge, ro, rv, pool, mmio, beyond };

	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].vm)
			continue;
		for (u32 j = 0; j < ARRAY_SIZE(bad); j++) {
			about("buffer", bad[j]);
			EXPECT_EQ(host_call(calls[i].nr, 1, (void *)bad[j], calls[i].size), -EFAULT);
		}
	}
	about(NULL, 0);
	EXPECT(!event_find(mark, CVM_EV_ANCHOR, CVM_R_NONE));		/* LOG_HEAD of a tree of 1: nothing was done */
	/* a buffer over two pages that are both there, in the wrong physical order */
	u8 *frames = page_alloc_contig(2, 1);

	win_map(26, (u64)frames + 4096, PTE_P | PTE_W);
	win_map(27, (u64)frames, PTE_P | PTE_W);
	u64 la = WIN + 4096 * 26 + 4096 - 100;
	const struct cvm_host_info *info = (void *)la;

	EXPECT_EQ(host_call(CVM_HOST_INFO, 0, (void *)la, sizeof(*info)), 0);
	EXPECT_EQ(info->abi_version, CVM_ABI_VERSION);
	EXPECT(info->cpu_model[0] != 0);
	/* a pointer of zero is an address like others: here it is RAM, and RAM it may be */
	EXPECT_EQ(host_call(CVM_HOST_INFO, 0, (void *)0x500, sizeof(*info)), 0);
}

static s64 call_from_ring3(struct call *c)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xcd, 0x80 };	/* vmcall; int 0x80 */
	u8 *text = page_alloc();
	u64 regs[16] = { [RAX] = c->rax, [RBX] = c->rbx, [RCX] = c->rcx, [RDX] = c->rdx, [RSI] = c->rsi, [RDI] = c->rdi };

	copy(text, code, sizeof(code));
	user_trap.code = NO_TRAP;
	user_enter(regs, win_map(30, (u64)text, PTE_P | PTE_U), win_map(31, (u64)page_alloc(), PTE_P | PTE_W | PTE_U) + 4096);
	if (user_trap.code != TRAP(0x80))
		return -1000 - (s64)user_trap.code;
	return (s64)user_trap.regs[RAX];
}

TEST(ring3, "call-from-ring3")
{
	u64 user = win_map(32, (u64)page_alloc(), PTE_P | PTE_W | PTE_U);
	u64 user_ro = win_map(33, (u64)page_alloc(), PTE_P | PTE_U);
	u64 kernel = win_map(34, (u64)page_alloc(), PTE_P | PTE_W);
	struct call c = { .rax = CVM_CALL(CVM_HOST_INFO), .rbx = machine.secret[0], .rcx = machine.secret[1],
			  .rsi = user, .rdi = sizeof(struct cvm_host_info) };

	EXPECT_EQ(call_from_ring3(&c), 0);
	EXPECT_EQ(((struct cvm_host_info *)user)->abi_version, CVM_ABI_VERSION);
	c.rsi = kernel;
	EXPECT_EQ(call_from_ring3(&c), -EFAULT);		/* a supervisor page */
	c.rsi = user_ro;
	EXPECT_EQ(call_from_ring3(&c), -EFAULT);
	c.rsi = (u64)big;
	EXPECT_EQ(call_from_ring3(&c), -EFAULT);
	c.rsi = user;
	c.rbx ^= 2;
	EXPECT_EQ(call_from_ring3(&c), -EPERM);
	c.rax = 1;
	EXPECT_EQ(call_from_ring3(&c), -1000 - (s64)UD);
}

/* Numbers without gaps; the oldest are said to be gone when they are. */
TEST(events, "call-events")
{
	static struct cvm_event_page p;
	u64 mark = event_mark(), v;

	for (u32 i = 0; i < 70; i++)
		try_wrmsr(0x9b, i);
	EXPECT_EQ(host_call(CVM_HOST_EVENTS, mark, &p, sizeof(p)), CVM_EVENTS_PER_PAGE);
	EXPECT_EQ(p.count, CVM_EVENTS_PER_PAGE);
	EXPECT_EQ(p.next_seq, mark + 70);
	for (u32 i = 0; i < p.count && i < CVM_EVENTS_PER_PAGE; i++) {
		EXPECT_EQ(p.ev[i].seq, mark + i);
		EXPECT_EQ(p.ev[i].type, CVM_EV_DENIED);
		EXPECT_EQ(p.ev[i].reason, CVM_R_BAD_MSR);
		EXPECT_EQ(p.ev[i].arg[0], 0x9b);
		EXPECT_EQ(p.ev[i].arg[1], i);
	}
	EXPECT_EQ(host_call(CVM_HOST_EVENTS, mark + 62, &p, sizeof(p)), 8);
	EXPECT_EQ(p.count, 8);
	EXPECT_EQ(host_call(CVM_HOST_EVENTS, mark + 70, &p, sizeof(p)), 0);
	EXPECT_EQ(host_call(CVM_HOST_EVENTS, ~0ull, &p, sizeof(p)), 0);
	EXPECT(host_call(CVM_HOST_EVENTS, 0, &p, sizeof(p)) > 0);
	EXPECT_EQ(p.ev[0].seq, p.first_seq);
	for (u32 i = 0; i < 600; i++)
		try_wrmsr(0x9b, i);
	EXPECT_EQ(host_call(CVM_HOST_EVENTS, mark, &p, sizeof(p)), CVM_EVENTS_PER_PAGE);
	EXPECT(p.first_seq > mark);
	EXPECT_EQ(p.ev[0].seq, p.first_seq);
	EXPECT_EQ(try_rdmsr(MSR_VMX_BASIC, &v), NO_TRAP);
}

TEST(info, "call-host-info")
{
	static struct cvm_host_info i;
	static struct cvm_stats s, t;
	u64 x = 0, y = 0;

	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &i, sizeof(i)), 0);
	EXPECT_EQ(i.abi_version, CVM_ABI_VERSION);
	EXPECT(i.cpus >= 1 && i.tsc_khz > 0 && i.uptime_tsc > 0 && i.ram_frames > i.rootvisor_frames);
	for (u32 n = 0; n < CVM_DIGEST_SIZE; n++) {
		x |= i.rootvisor_digest[n];
		y |= i.guardian_digest[n];
	}
	EXPECT(x && y);
	EXPECT(compare(i.rootvisor_digest, i.guardian_digest, CVM_DIGEST_SIZE) != 0);
	REQUIRE_EQ(host_call(CVM_HOST_STATS, 0, &s, sizeof(s)), 0);
	REQUIRE_EQ(host_call(CVM_HOST_STATS, 0, &t, sizeof(t)), 0);
	EXPECT_EQ(t.exits, s.exits + 1);
	EXPECT_EQ(t.by_reason[EXIT_VMCALL], s.by_reason[EXIT_VMCALL] + 1);
}
