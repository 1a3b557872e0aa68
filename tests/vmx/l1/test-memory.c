/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RootVisor's memory against the host: by the CPU, by page tables, by EPT12. */
#include "l1.h"

extern const u8 g_hlt[], g_read[], g_write[], g_jump[];
static struct l2 g;

static void need_ranges(void)
{
	if (machine.nr_rootvisor < 2)
		BROKEN("the memory map shows no memory of RootVisor");
}

TEST(counts, "memory-map-matches-rootvisor")
{
	static struct cvm_host_info info;
	u64 frames = 0;

	need_ranges();
	REQUIRE_EQ(host_call(CVM_HOST_INFO, 0, &info, sizeof(info)), 0);
	for (u32 i = 0; i < machine.nr_rootvisor; i++)
		frames += (machine.rootvisor[i].end - machine.rootvisor[i].start) / 4096;
	EXPECT_EQ(frames, info.rootvisor_frames);
}

/* First, last and middle pages of all that is RootVisor's, Guardian and pool with it. */
TEST(direct, "memory-host-touches-rootvisor")
{
	u64 v, n = 0, mark;

	need_ranges();
	for (u32 i = 0; i < machine.nr_rootvisor; i++) {
		u64 at[] = { machine.rootvisor[i].start, (machine.rootvisor[i].start + machine.rootvisor[i].end) / 2 & PAGE_MASK,
			     machine.rootvisor[i].end - 4096, machine.rootvisor[i].end - 8 };

		for (u32 j = 0; j < ARRAY_SIZE(at); j++) {
			about("address", at[j]);
			mark = event_mark();
			v = 0;
			EXPECT_EQ(try_read(at[j], &v), GP);
			EXPECT_EQ(v, 0);
			EXPECT_EQ(try_write(at[j], 0x41), GP);
			EXPECT_EQ(try_exec(at[j]), GP);
			EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_HOST_TOUCHES_ROOTVISOR), 3);
			n += 3;
		}
	}
	about(NULL, 0);
	EXPECT(n > 20);
	/* an access that straddles the edge from host memory */
	EXPECT_EQ(try_read(machine.rootvisor[0].start - 4, &v), GP);
	/* and the event says where */
	mark = event_mark();
	EXPECT_EQ(try_read(machine.rootvisor[0].start + 0x18, &v), GP);
	const struct cvm_event *e = event_find(mark, CVM_EV_DENIED, CVM_R_HOST_TOUCHES_ROOTVISOR);

	EXPECT(e != NULL);
	if (e) {
		EXPECT_EQ(e->arg[0], machine.rootvisor[0].start + 0x18);
		EXPECT_EQ(e->vm, 0);
	}
}

/* Page tables of the host that lie in RootVisor's memory. */
TEST(tables, "memory-host-page-table-in-rootvisor")
{
	extern const u8 trap_stubs[];
	u64 *pml4, cr3 = read_cr3(), v;

	need_ranges();
	EXPECT(trap_stubs != NULL);
	pml4 = page_alloc();
	copy(pml4, (void *)(cr3 & PAGE_MASK), 4096);
	pml4[5] = machine.rootvisor[0].start | PTE_P | PTE_W;
	__asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
	EXPECT_EQ(try_read(5ull << 39, &v), GP);
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

/* The upper part of the IDT in RootVisor's memory: #GP cannot be delivered, so #DF comes, not an endless try. */
TEST(idt, "memory-host-idt-in-rootvisor")
{
	struct { u16 limit; u64 base; } __attribute__((packed)) old, new;
	u8 *page = page_alloc();
	u32 code;

	need_ranges();
	__asm__ volatile("sidt %0" : "=m"(old));
	copy(page + 4096 - 10 * 16, (void *)old.base, 10 * 16);		/* vectors 0 to 9 */
	win_map(60, (u64)page, PTE_P | PTE_W);
	win_map(61, machine.rootvisor[0].start, PTE_P | PTE_W);
	new.limit = 4095;
	new.base = WIN + 61 * 4096 - 10 * 16;
	__asm__ volatile("lidt %0" : : "m"(new));
	code = try_wrmsr(0x9b, 0);
	__asm__ volatile("lidt %0" : : "m"(old));
	EXPECT_EQ(code, TRAP(8));
}

static u64 *pt_of(u64 gpa)
{
	return (u64 *)((u64)ept_leaf(g.ept, gpa) & PAGE_MASK);
}

/* L2 through a leaf of EPT12 that names RootVisor's frames: never mapped, an event, L1 goes on. */
TEST(ept_leaf_rv, "attack-P6-ept12-leaf-in-rootvisor")
{
	u64 gpa = 0x3000000000ull, mark;

	need_ranges();
	vmx_start();
	l2_init(&g, g_read);
	g.regs[RSI] = win_map(7, gpa, PTE_P | PTE_W);
	for (u32 i = 0; i < machine.nr_rootvisor; i++) {
		about("frame", machine.rootvisor[i].start);
		mark = event_mark();
		ept_map(g.ept, gpa, machine.rootvisor[i].start, EPT_LEAF);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		g.regs[RAX] = 0;
		EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
		EXPECT_EQ(g.regs[RAX], 0);
		vmwrite(VMCS_GUEST_RIP, (u64)g_write);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
		vmwrite(VMCS_GUEST_RIP, (u64)g_jump);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
		EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_HOST_MAPS_FOREIGN), 3);
	}
	/* the control: the same leaf with a frame of the host */
	about("control", 0);
	u64 *page = page_alloc();

	page[0] = 0x900d;
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], 0x900d);
}

/* A 2 MiB leaf over host frames and RootVisor's: only the host's part appears. */
TEST(ept_large_rv, "attack-P6-ept12-large-leaf-over-rootvisor")
{
	u64 start, region, *pdpt, *pd;

	need_ranges();
	start = machine.rootvisor[1].start;			/* the pool: host frames before it */
	region = start & ~0x1fffffull;
	if (start == region)
		SKIP_TEST("the pool begins at a 2 MiB border");
	vmx_start();
	l2_init(&g, g_read);
	pdpt = page_alloc();
	pd = page_alloc();
	g.ept[1] = (u64)pdpt | EPT_RWX;
	pdpt[0] = (u64)pd | EPT_RWX;
	pd[0] = region | EPT_LEAF | EPT_LARGE;
	/* the host's part first, so that a large leaf would be installed */
	g.regs[RSI] = win_map(7, 1ull << 39, PTE_P | PTE_W);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], *(u64 *)region);
	g.regs[RSI] = win_map(8, (1ull << 39) + (start - region), PTE_P | PTE_W);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	g.regs[RAX] = 0;
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	EXPECT_EQ(g.regs[RAX], 0);
}

/* Tables of EPT12 in RootVisor's memory: not read. */
TEST(ept_table_rv, "attack-P6-ept12-table-in-rootvisor")
{
	need_ranges();
	vmx_start();
	l2_init(&g, g_hlt);
	vmwrite(VMCS_EPTP, machine.rootvisor[1].start | EPTP_BITS);		/* the root itself */
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	vmwrite(VMCS_EPTP, (u64)g.ept | EPTP_BITS);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	g.regs[RSI] = win_map(7, 0x8000000000ull, PTE_P);
	g.ept[1] = machine.rootvisor[0].start | EPT_RWX;			/* a PDPT */
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	u64 *e = pt_of(0x3000000000ull);

	EXPECT(e != NULL);
	u64 *pdpt = (u64 *)(g.ept[0] & EPT_ADDR);

	pdpt[0xc0] = machine.rootvisor[1].start | EPT_RWX;			/* a page directory */
	g.regs[RSI] = win_map(7, 0x3000000000ull, PTE_P);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
}

/* An EPT12 whose tables are one page that points to itself: a walk of four steps, then that page as a leaf. */
TEST(ept_loop, "attack-P6-ept12-loop")
{
	u64 *self = page_alloc();

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < 512; i++)
		self[i] = (u64)self | EPT_RWX;				/* as a leaf: uncached, still valid */
	vmwrite(VMCS_EPTP, (u64)self | EPTP_BITS);
	u32 r = l2_run(&g);						/* L2 runs in its own tables' page */

	EXPECT(r == EXIT_TRIPLE_FAULT || r == EXIT_EPT_VIOLATION || r == EXIT_EPT_MISCONFIG || r == EXIT_EXCEPTION_NMI);
	vmwrite(VMCS_EPTP, (u64)g.ept | EPTP_BITS);
	vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, 0);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

TEST(ept_far, "attack-P6-ept12-beyond-memory")
{
	static const u64 far[] = { 0x4000000000ull, 1ull << 45, 1ull << 46, 1ull << 51 };
	u64 gpa = 0x3000000000ull;

	vmx_start();
	l2_init(&g, g_read);
	g.regs[RSI] = win_map(7, gpa, PTE_P | PTE_W);
	for (u32 i = 0; i < ARRAY_SIZE(far); i++) {
		struct { u64 eptp, zero; } d = { (u64)g.ept | EPTP_BITS, 0 };

		about("frame", far[i]);
		ept_map(g.ept, gpa, far[i], EPT_RWX);
		invept(1, &d);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		u32 r = l2_run(&g);

		/* beyond RAM there may be a device; beyond the CPU's address width there is nothing */
		EXPECT(r == EXIT_HLT || r == EXIT_EPT_VIOLATION || r == EXIT_EPT_MISCONFIG);
		if (far[i] >> 46)
			EXPECT_EQ(r, EXIT_EPT_MISCONFIG);
	}
	/* what is no RAM but the host has it, the firmware's ROM, as a guest may be given */
	about("ROM", 0);
	u64 direct = *(u64 *)0xfffffff0;
	struct { u64 eptp, zero; } d = { (u64)g.ept | EPTP_BITS, 0 };

	ept_map(g.ept, gpa, 0xfffff000, EPT_RWX);
	invept(1, &d);
	g.regs[RSI] += 0xff0;
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], direct);
}

/* Hundreds of EPT12s one after the other: RootVisor's shadow pages come back. */
TEST(ept_churn, "attack-P6-ept12-churn")
{
	static struct cvm_host_info before, after;

	vmx_start();
	l2_init(&g, g_hlt);
	for (u32 i = 0; i < 40; i++) {		/* until every shadow slot was used */
		u64 *root = page_alloc();

		copy(root, g.ept, 4096);
		vmwrite(VMCS_EPTP, (u64)root | EPTP_BITS);
		vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
		EXPECT_EQ(l2_run(&g), EXIT_HLT);
	}
	host_call(CVM_HOST_INFO, 0, &before, sizeof(before));
	for (u32 i = 0; i < 300; i++) {
		u64 *root = page_alloc();

		copy(root, g.ept, 4096);
		vmwrite(VMCS_EPTP, (u64)root | EPTP_BITS);
		vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
		if (l2_run(&g) != EXIT_HLT) {
			FAIL("a shadow EPT could not be made");
			break;
		}
	}
	host_call(CVM_HOST_INFO, 0, &after, sizeof(after));
	EXPECT(before.pool_frames_free - after.pool_frames_free < 64);
}
