/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ordinary L2 guests: exits, what they report, event injection. SDM vol. 3, chapters 25, 26 and 28. */
#include "l1.h"

extern const u8 g_hlt[], g_cpuid[], g_io[], g_msr[], g_rdmsr[], g_vmcall[], g_host_call[], g_read[], g_write[], g_jump[], g_sti[],
	g_catch[], g_ud[], g_xsetbv[], g_invd[], g_cr[], g_dr[], g_rdtscp[], g_vmfunc[], g_vmx[], g_swap[], g_real[], g_real_end[];

static struct l2 g;

static void start(const void *rip)
{
	vmx_start();
	l2_init(&g, rip);
}

static u64 qualification(void) { return vmread(VMCS_EXIT_QUALIFICATION); }

TEST(cpuid_hlt, "exit-cpuid-hlt")
{
	start(g_cpuid);
	EXPECT_EQ(l2_run(&g), EXIT_CPUID);
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 2);
	EXPECT_EQ(qualification(), 0);
	EXPECT_EQ((u32)g.regs[RAX], 0x4cf00d);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)g_cpuid + 5);
	EXPECT_EQ(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 1);
	EXPECT_EQ(vmread(VMCS_GUEST_ACTIVITY), 0);
}

TEST(registers, "exit-registers")
{
	start(g_swap);
	for (u32 i = 0; i < 16; i++)
		g.regs[i] = 0x1111111111111111ull * i;
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	for (u32 i = 0; i < 16; i++)
		if (i != RSP) {
			about("register", i);
			EXPECT_EQ(g.regs[i], 0x1111111111111111ull * i + 1);
		}
}

/* What an exit loads into L1, whatever L1 had there before. */
TEST(host_load, "exit-host-state")
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r;
	u64 flags, dr7;

	start(g_hlt);
	vmwrite(VMCS_HOST_SYSENTER_CS, 0x77);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0x7777);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0x77777);
	vmwrite(VMCS_HOST_GS_BASE, 0x123456000ull);
	vmwrite(VMCS_HOST_FS_BASE, 0x654321000ull);
	u64 pat = rdmsr(MSR_PAT);

	vmwrite(VMCS_HOST_PAT, 0x0007040600070400ull);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(rdmsr(MSR_SYSENTER_CS), 0x77);
	EXPECT_EQ(rdmsr(MSR_SYSENTER_ESP), 0x7777);
	EXPECT_EQ(rdmsr(MSR_SYSENTER_EIP), 0x77777);
	EXPECT_EQ(rdmsr(MSR_GS_BASE), 0x123456000ull);
	EXPECT_EQ(rdmsr(MSR_FS_BASE), 0x654321000ull);
	EXPECT_EQ(rdmsr(MSR_PAT), 0x0007040600070400ull);
	EXPECT_EQ(try_wrmsr(MSR_PAT, pat), NO_TRAP);
	__asm__ volatile("sgdt %0" : "=m"(r));
	EXPECT_EQ(r.limit, 0xffff);
	EXPECT_EQ(r.base, vmread(VMCS_HOST_GDTR_BASE));
	__asm__ volatile("sidt %0" : "=m"(r));
	EXPECT_EQ(r.limit, 0xffff);
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	EXPECT_EQ(flags & RFLAGS_IF, 0);
	__asm__ volatile("movq %%dr7, %0" : "=r"(dr7));
	EXPECT_EQ(dr7, 0x400);
	EXPECT_EQ(read_cr3(), vmread(VMCS_HOST_CR3));
	EXPECT(read_cr4() & CR4_VMXE);
}

/* And at each of many exits, when nothing but the reason and the length is new to L1; an interrupt shows only in its own. */
TEST(host_load_again, "exit-host-state-each-time")
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r;
	u64 flags, dr7, cr4;
	u16 sel[5];

	start(g_hlt);
	cr4 = read_cr4();
	vmwrite(VMCS_CR0_MASK, BIT(31));
	vmwrite(VMCS_CR0_SHADOW, vmread(VMCS_GUEST_CR0));
	APIC(0xf0) = 0x1ff;
	APIC(0x80) = 0;
	for (u32 i = 0; i < 8; i++) {
		bool event = i == 4;

		about("round", i);
		vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
		vmwrite(VMCS_GUEST_RFLAGS, 2 | (event ? RFLAGS_IF : 0));
		if (event)
			APIC(0x300) = 0x51 | 1 << 18;
		if (i & 1)
			__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs" : : "r"(0));
		if (i & 2)
			__asm__ volatile("movl %0, %%gs" : : "r"(0));
		EXPECT_EQ(try_wrmsr(MSR_FS_BASE, 0x1000), NO_TRAP);
		EXPECT_EQ(try_wrmsr(MSR_GS_BASE, 0x1000), NO_TRAP);
		EXPECT_EQ(try_wrmsr(MSR_SYSENTER_CS, 1), NO_TRAP);
		EXPECT_EQ(try_wrmsr(MSR_SYSENTER_ESP, 1), NO_TRAP);
		EXPECT_EQ(try_wrmsr(MSR_SYSENTER_EIP, 1), NO_TRAP);
		EXPECT_EQ(try_wrmsr(MSR_PAT, 0x0007040600070400ull), NO_TRAP);
		EXPECT_EQ(try_write_cr4(cr4 ^ BIT(2)), NO_TRAP);		/* TSD */
		__asm__ volatile("sgdt %0" : "=m"(r));
		r.limit = 0x7f;
		__asm__ volatile("lgdt %0" : : "m"(r));
		__asm__ volatile("sidt %0" : "=m"(r));
		r.limit = 0xfff;
		__asm__ volatile("lidt %0" : : "m"(r));
		__asm__ volatile("movq %0, %%dr7" : : "r"(0x700ull));
		EXPECT_EQ(l2_run(&g), event ? EXIT_EXT_INTR : EXIT_HLT);
		__asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3; movw %%ss, %4"
				 : "=m"(sel[0]), "=m"(sel[1]), "=m"(sel[2]), "=m"(sel[3]), "=m"(sel[4]));
		for (u32 j = 0; j < ARRAY_SIZE(sel); j++)
			EXPECT_EQ(sel[j], 0x18);
		EXPECT_EQ(rdmsr(MSR_FS_BASE) | rdmsr(MSR_GS_BASE), 0);
		EXPECT_EQ(rdmsr(MSR_SYSENTER_CS) | rdmsr(MSR_SYSENTER_ESP) | rdmsr(MSR_SYSENTER_EIP), 0);
		EXPECT_EQ(rdmsr(MSR_PAT), vmread(VMCS_HOST_PAT));
		EXPECT_EQ(read_cr4(), cr4);
		__asm__ volatile("sgdt %0" : "=m"(r));
		EXPECT_EQ(r.limit, 0xffff);
		__asm__ volatile("sidt %0" : "=m"(r));
		EXPECT_EQ(r.limit, 0xffff);
		__asm__ volatile("movq %%dr7, %0" : "=r"(dr7));
		EXPECT_EQ(dr7, 0x400);
		__asm__ volatile("pushfq; popq %0" : "=r"(flags));
		EXPECT_EQ(flags & RFLAGS_IF, 0);
		EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, event ? INTR_VALID : 0);
		EXPECT_EQ(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
		EXPECT_EQ(qualification(), 0);
		if (event)
			APIC(0xb0) = 0;
		else
			EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 1);
		EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)g_hlt);
	}
}

TEST(io, "exit-port-io")
{
	start(g_io);
	EXPECT_EQ(l2_run(&g), EXIT_IO);
	EXPECT_EQ(qualification(), 0x80 << 16 | BIT(6));		/* OUT imm8, 1 byte */
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 2);
	EXPECT_EQ(g.regs[RAX] & 0xff, 0x5a);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_IO);
	EXPECT_EQ(qualification(), 0x1f4 << 16 | BIT(3) | 3);		/* IN DX, 4 bytes */
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 1);
	l2_skip();
	g.regs[RCX] = 1;
	EXPECT_EQ(l2_run(&g), EXIT_IO);
	EXPECT_EQ(qualification(), 0x1f4 << 16 | BIT(5) | BIT(4) | 1);	/* REP OUTSW */
	EXPECT_EQ(vmread(VMCS_GUEST_LINEAR_ADDRESS), g.regs[RSI]);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

/* A port that a guest reached without an exit could be the one that resets the machine, past all that wipes memory (../reset-wipes). */
TEST(io_exits, "entry-error-7-ports-must-exit")
{
	u64 proc;

	start(g_io);
	EXPECT(rdmsr(MSR_VMX_PROC) & rdmsr(MSR_VMX_TRUE_PROC) & PROC_UNCOND_IO);
	proc = vmread(VMCS_PROC_CTLS);
	vmwrite(VMCS_PROC_CTLS, proc & ~(u64)PROC_UNCOND_IO);
	EXPECT_EQ(l2_run(&g), VM_FAILED);				/* not EXIT_HLT, behind three accesses */
	EXPECT_EQ(g.how, FAIL_VALID);
	EXPECT_EQ(instruction_error(), 7);
	vmwrite(VMCS_PROC_CTLS, proc);
	EXPECT_EQ(l2_run(&g), EXIT_IO);
}

TEST(msr, "exit-msr")
{
	u8 *bitmap;

	start(g_msr);
	EXPECT_EQ(l2_run(&g), EXIT_RDMSR);				/* no bitmap: every access */
	EXPECT_EQ((u32)g.regs[RCX], MSR_EFER);
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 2);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_WRMSR);
	EXPECT_EQ((u32)g.regs[RCX], MSR_PAT);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	/* A bitmap that lets everything through: RootVisor still keeps what it must. */
	bitmap = page_alloc();
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_MSR_BITMAPS);
	vmwrite(VMCS_MSR_BITMAP, (u64)bitmap);
	vmwrite(VMCS_GUEST_RIP, (u64)g_msr);
	EXPECT_EQ(l2_run(&g), EXIT_RDMSR);
	/* A bitmap that lies in RootVisor's memory is not read: all accesses exit. */
	if (machine.nr_rootvisor) {
		vmwrite(VMCS_MSR_BITMAP, machine.rootvisor[0].start);
		vmwrite(VMCS_GUEST_RIP, (u64)g_msr);
		EXPECT_EQ(l2_run(&g), EXIT_RDMSR);
	}
}

/* What a bitmap let through exits again when there is none any more. */
TEST(msr_bitmap_gone, "exit-msr-bitmap-taken-away")
{
	u64 proc;

	start(g_rdmsr);
	proc = vmread(VMCS_PROC_CTLS);
	vmwrite(VMCS_MSR_BITMAP, (u64)page_alloc());
	for (u32 i = 0; i < 4; i++) {
		about("round", i);
		vmwrite(VMCS_PROC_CTLS, i & 1 ? proc : proc | PROC_MSR_BITMAPS);
		vmwrite(VMCS_GUEST_RIP, (u64)g_rdmsr);
		g.regs[RCX] = MSR_FS_BASE;
		EXPECT_EQ(l2_run(&g), i & 1 ? EXIT_RDMSR : EXIT_HLT);
	}
}

TEST(plain_vmcall, "exit-vmcall")
{
	start(g_vmcall);
	EXPECT_EQ(l2_run(&g), EXIT_VMCALL);
	EXPECT_EQ((u32)g.regs[RAX], 0x77);
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 3);
}

TEST(guest_calls, "exit-guest-calls")
{
	static const struct { u32 nr; s32 result; } calls[] = {
		{ CVM_GUEST_VERSION, CVM_ABI_VERSION }, { CVM_GUEST_LAUNCH_INFO, -EPERM }, { CVM_GUEST_REPORT, -EPERM },
		{ CVM_GUEST_RTMR_EXTEND, -EPERM }, { CVM_GUEST_STOP, -EPERM }, { CVM_GUEST_KEY_GET, -EPERM }, { CVM_GUEST_ENROL, -EAGAIN }, { 0x88, -ENOSYS }, { 0xffff, -ENOSYS },
		{ CVM_HOST_INFO, -ENOSYS }, { CVM_HOST_VM_DESTROY, -ENOSYS },	/* host calls: not for guests */
	};

	start(g_host_call);
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		about("call", calls[i].nr);
		vmwrite(VMCS_GUEST_RIP, (u64)g_host_call);
		g.regs[RAX] = CVM_CALL(calls[i].nr);
		g.regs[RBX] = machine.secret[0];
		g.regs[RCX] = machine.secret[1];
		EXPECT_EQ(l2_run(&g), EXIT_HLT);
		EXPECT_EQ((s32)g.regs[RAX], calls[i].result);
	}
}

TEST(ept_violation, "exit-ept-violation")
{
	u64 *page = page_alloc(), gpa = 0x3000000000ull;		/* 192 GiB: nothing is mapped there */

	start(g_read);
	/* L2's own page tables: one page of L2-linear space leads to gpa */
	g.regs[RSI] = win_map(7, gpa, PTE_P | PTE_W);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), gpa);
	EXPECT_EQ(vmread(VMCS_GUEST_LINEAR_ADDRESS), g.regs[RSI]);
	EXPECT_EQ(qualification() & 0x1bf, EPT_R | BIT(7) | BIT(8));	/* a read; nothing allowed */
	page[0] = 0x600d;
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF & ~EPT_W);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], 0x600d);
	/* a write to a page that is read-only */
	vmwrite(VMCS_GUEST_RIP, (u64)g_write);
	g.regs[RAX] = 0xbad;
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	EXPECT_EQ(qualification() & 0x1bf, EPT_W | EPT_R << 3 | EPT_X << 3 | BIT(7) | BIT(8));
	EXPECT_EQ(page[0], 0x600d);
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(page[0], 0xbad);
	/* no execution */
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF & ~EPT_X);
	struct { u64 eptp, zero; } d = { (u64)g.ept | EPTP_BITS, 0 };

	EXPECT_EQ(invept(1, &d), 0);
	vmwrite(VMCS_GUEST_RIP, (u64)g_jump);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	EXPECT_EQ(qualification() & 0x1bf, EPT_X | EPT_R << 3 | EPT_W << 3 | BIT(7) | BIT(8));
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), g.regs[RSI]);
}

TEST(ept_misconfig, "exit-ept-misconfiguration")
{
	static const u64 bad[] = { EPT_W, EPT_W | EPT_X, EPT_X, EPT_RWX | 2ull << 3, EPT_RWX | 3ull << 3, EPT_RWX | 7ull << 3,
				   EPT_RWX | EPT_MT_WB | 1ull << 50 };
	u64 gpa = 0x3000001000ull;

	start(g_read);
	g.regs[RSI] = win_map(8, gpa, PTE_P | PTE_W);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		about("entry", bad[i]);
		ept_map(g.ept, gpa, 0, bad[i]);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_MISCONFIG);
		EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS), gpa);
	}
	about("entry that leads to a table", 0);
	u64 *e = (u64 *)((u64)ept_leaf(g.ept, 0x3040000000ull) & PAGE_MASK);

	g.regs[RSI] = win_map(8, 0x3040000000ull, PTE_P | PTE_W);
	for (u32 bit = 3; bit <= 7; bit++) {	/* reserved in an entry above the page directory */
		g.ept[0] |= 0;
		u64 *pdpt = (u64 *)(g.ept[0] & EPT_ADDR);

		pdpt[0xc1] = (pdpt[0xc1] & ~0xf8ull) | BIT(bit);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_MISCONFIG);
	}
	EXPECT(e != NULL);
}

/* L1 unmaps and invalidates: L2 must not reach the page any more; and INVEPT of another EPTP does no harm. */
/* What RootVisor shows in the shadow VMCS after an access to a device is not read there once it was written elsewhere. */
TEST(written_fields, "exit-fields-written-then-read")
{
	static const u16 fields[] = {
		VMCS_GUEST_CS_AR, VMCS_GUEST_SS_AR, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_SEL, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CR0,
		VMCS_GUEST_CR3, VMCS_GUEST_CR4, VMCS_GUEST_DS_SEL, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_AR, VMCS_GUEST_DS_BASE,
		VMCS_GUEST_ES_SEL, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_AR, VMCS_GUEST_ES_BASE, VMCS_GUEST_RSP };
	u64 gpa = 0x3000001000ull;

	start(g_read);
	g.regs[RSI] = win_map(8, gpa, PTE_P | PTE_W);
	ept_map(g.ept, gpa, 0, EPT_W);
	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 old;

		about("field", fields[i]);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_MISCONFIG);
		old = vmread(fields[i]);
		vmwrite(fields[i], old ^ BIT(4));
		EXPECT_EQ(vmread(fields[i]), old ^ BIT(4));
		vmwrite(fields[i], old);
		EXPECT_EQ(vmread(fields[i]), old);
	}
}

TEST(ept_unmap, "exit-ept-unmap")
{
	u64 *page = page_alloc(), gpa = 0x3000002000ull;
	struct { u64 eptp, zero; } d = { 0, 0 };

	start(g_read);
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
	g.regs[RSI] = win_map(9, gpa, PTE_P | PTE_W);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	for (u64 type = 1; type <= 2; type++) {
		ept_map(g.ept, gpa, 0, 0);
		d.eptp = (u64)g.ept | EPTP_BITS;
		EXPECT_EQ(invept(type, &d), 0);
		vmwrite(VMCS_GUEST_RIP, (u64)g_read);
		EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
		ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
		EXPECT_EQ(l2_run(&g), EXIT_HLT);
	}
	u64 *other = page_alloc();

	other[0] = 0x2;
	ept_map(g.ept, gpa, (u64)other, EPT_LEAF);
	d.eptp = (u64)g.ept | EPTP_BITS;
	EXPECT_EQ(invept(1, &d), 0);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], 2);			/* the new frame, not the old */
}

TEST(large, "exit-ept-large-page-split")
{
	u64 *pdpt, *pd, *small, gpa = 0x40000000;
	u64 *big = page_alloc_contig(512, 512);
	struct { u64 eptp, zero; } d = { 0, 0 };

	start(g_read);
	pdpt = (u64 *)(g.ept[0] & EPT_ADDR);
	pd = (u64 *)(pdpt[1] & EPT_ADDR);
	pd[0] = (u64)big | EPT_LEAF | EPT_LARGE;
	big[512 * 5] = 0x5;
	g.regs[RSI] = gpa + 5 * 4096;
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], 5);
	small = page_alloc();
	small[0] = 0x55;
	u64 *pt = page_alloc();

	for (u64 i = 0; i < 512; i++)
		pt[i] = ((u64)big + i * 4096) | EPT_LEAF;
	pt[5] = (u64)small | EPT_LEAF;
	pd[0] = (u64)pt | EPT_RWX;
	d.eptp = (u64)g.ept | EPTP_BITS;
	EXPECT_EQ(invept(1, &d), 0);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.regs[RAX], 0x55);
	/* and back to a large page, with bits that must be zero: misconfiguration */
	pd[0] = ((u64)big + 4096) | EPT_LEAF | EPT_LARGE;
	EXPECT_EQ(invept(1, &d), 0);
	vmwrite(VMCS_GUEST_RIP, (u64)g_read);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_MISCONFIG);
}

TEST(exception, "exit-exception")
{
	start(g_ud);
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(6));
	EXPECT_EQ(l2_run(&g), EXIT_EXCEPTION_NMI);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HW_EXC << 8 | 6);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)g_ud);
	/* #PF, with its error code and address */
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(14));
	vmwrite(VMCS_GUEST_RIP, (u64)g_write);
	g.regs[RSI] = win_map(10, 0, 0);
	EXPECT_EQ(l2_run(&g), EXIT_EXCEPTION_NMI);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 14);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_ERROR), 2);
	EXPECT_EQ(qualification(), g.regs[RSI]);
	/* masked by the #PF error-code filter */
	vmwrite(VMCS_PF_MASK, 2);
	vmwrite(VMCS_PF_MATCH, 0);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
	EXPECT_EQ(l2_run(&g), EXIT_TRIPLE_FAULT);	/* nobody takes it in the guest */
}

TEST(misc_exits, "exit-others")
{
	start(g_xsetbv);
	vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_OSXSAVE);
	EXPECT_EQ(l2_run(&g), EXIT_XSETBV);
	EXPECT_EQ(vmread(VMCS_EXIT_INSTR_LEN), 3);
	vmwrite(VMCS_GUEST_RIP, (u64)g_invd);
	EXPECT_EQ(l2_run(&g), EXIT_INVD);
	u64 proc = vmread(VMCS_PROC_CTLS);

	vmwrite(VMCS_PROC_CTLS, proc | PROC_CR3_STORE | PROC_CR3_LOAD | PROC_CR8_LOAD | PROC_MOV_DR | PROC_RDTSC);
	vmwrite(VMCS_GUEST_RIP, (u64)g_cr);
	EXPECT_EQ(l2_run(&g), EXIT_CR_ACCESS);
	EXPECT_EQ(qualification(), 3 | 1 << 4);		/* MOV from CR3 to RAX */
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_CR_ACCESS);
	EXPECT_EQ(qualification(), 3);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_CR_ACCESS);
	EXPECT_EQ(qualification(), 8);
	vmwrite(VMCS_GUEST_RIP, (u64)g_dr);
	EXPECT_EQ(l2_run(&g), EXIT_MOV_DR);
	EXPECT_EQ(qualification(), RBX << 8);
	vmwrite(VMCS_GUEST_RIP, (u64)g_rdtscp);
	EXPECT_EQ(l2_run(&g), EXIT_RDTSCP);
	/* without these controls: no exit */
	vmwrite(VMCS_PROC_CTLS, proc);
	vmwrite(VMCS_GUEST_RIP, (u64)g_dr);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	vmwrite(VMCS_GUEST_RIP, (u64)g_rdtscp);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

TEST(nested_vmx, "exit-vmx-in-l2")
{
	static const u32 order[] = { EXIT_VMCLEAR, EXIT_VMLAUNCH, EXIT_VMPTRLD, EXIT_VMPTRST, EXIT_VMREAD, EXIT_VMRESUME,
				     EXIT_VMWRITE, EXIT_VMXOFF, EXIT_VMXON, EXIT_INVEPT, EXIT_INVVPID };

	start(g_vmx);
	g.regs[RSI] = (u64)page_alloc();
	for (u32 i = 0; i < ARRAY_SIZE(order); i++) {
		about("instruction", i);
		EXPECT_EQ(l2_run(&g), order[i]);
		l2_skip();
	}
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

/* VMFUNC is not offered: #UD in the guest, no way to another EPT. */
TEST(vmfunc, "exit-vmfunc")
{
	start(g_vmfunc);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.trap.code, UD);
}

TEST(inject_exception, "inject-exception")
{
	start(g_catch);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_ERROR_CODE | INTR_TYPE_HW_EXC << 8 | 13);
	vmwrite(VMCS_ENTRY_ERROR_CODE, 0x1234);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(g.trap.code, GP);
	EXPECT_EQ(g.trap.error, 0x1234);
	EXPECT_EQ(vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID, 0);	/* an exit clears it */
}

TEST(inject_interrupt, "inject-interrupt")
{
	u64 before = external_interrupts();

	start(g_hlt);
	vmwrite(VMCS_GUEST_RFLAGS, 2 | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 0x41);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(external_interrupts(), before + 1);
	/* not while IF = 0: an invalid guest state */
	vmwrite(VMCS_GUEST_RFLAGS, 2);
	vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 0x41);
	EXPECT_EQ(l2_run(&g), EXIT_REASON_FAILED | EXIT_ENTRY_GUEST_STATE);
	EXPECT(vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID);		/* a failed entry does not */
	EXPECT_EQ(external_interrupts(), before + 1);
}

/* The delivery of an injected event faults in EPT: it comes back as IDT-vectoring information. */
TEST(inject_vectoring, "inject-idt-vectoring")
{
	u64 gpa = 0x3000003000ull, *page = page_alloc();
	struct { u16 limit; u64 base; } __attribute__((packed)) r;

	start(g_hlt);
	__asm__ volatile("sidt %0" : "=m"(r));
	copy(page, (void *)r.base, 4096);
	vmwrite(VMCS_GUEST_IDTR_BASE, win_map(11, gpa, PTE_P | PTE_W));
	vmwrite(VMCS_GUEST_RFLAGS, 2 | RFLAGS_IF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 0x42);
	EXPECT_EQ(l2_run(&g), EXIT_EPT_VIOLATION);
	EXPECT_EQ(vmread(VMCS_GUEST_PHYSICAL_ADDRESS) & PAGE_MASK, gpa);
	EXPECT_EQ(vmread(VMCS_IDT_VECTORING_INFO) & 0x800007ff, INTR_VALID | 0x42);
	/* as KVM does: map, inject again */
	ept_map(g.ept, gpa, (u64)page, EPT_LEAF);
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | 0x42);
	u64 before = external_interrupts();

	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(external_interrupts(), before + 1);
}

TEST(window, "exit-interrupt-window")
{
	start(g_sti);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_INTR_WINDOW);
	EXPECT_EQ(l2_run(&g), EXIT_INTR_WINDOW);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)g_sti + 4);		/* one instruction behind STI */
	EXPECT(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) & ~PROC_INTR_WINDOW);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	/* NMI window: with virtual NMIs, at once while they are not blocked */
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_NMI_WINDOW);
	vmwrite(VMCS_GUEST_RIP, (u64)g_sti);
	EXPECT_EQ(l2_run(&g), EXIT_NMI_WINDOW);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), (u64)g_sti);
}

/* An external interrupt of the host: acknowledged, its vector in the exit, not delivered to anyone. */
TEST(ext_intr, "exit-external-interrupt")
{
	u64 before = external_interrupts();

	start(g_hlt);
	APIC(0xf0) = 0x1ff;
	APIC(0x80) = 0;
	vmwrite(VMCS_GUEST_RFLAGS, 2 | RFLAGS_IF);	/* need not be: but the emulator looks again only then */
	APIC(0x300) = 0x51 | 1 << 18;		/* to self; pending, for IF = 0 */
	EXPECT_EQ(l2_run(&g), EXIT_EXT_INTR);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | 0x51);
	EXPECT_EQ(external_interrupts(), before);
	APIC(0xb0) = 0;
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	/* without acknowledge: still pending, L1 takes it through its IDT */
	vmwrite(VMCS_EXIT_CTLS, vmread(VMCS_EXIT_CTLS) & ~EXIT_ACK_INTR);
	APIC(0x300) = 0x52 | 1 << 18;
	vmwrite(VMCS_GUEST_RIP, (u64)g_hlt);
	EXPECT_EQ(l2_run(&g), EXIT_EXT_INTR);
	EXPECT_EQ(vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
	__asm__ volatile("sti; nop; nop; cli");
	EXPECT_EQ(external_interrupts(), before + 1);
}

TEST(real_mode, "exit-real-mode")
{
	u8 *low = page_alloc();

	start(NULL);
	copy(low, g_real, (u64)(g_real_end - g_real));
	g.ept = page_alloc();
	ept_map(g.ept, 0x1000, (u64)low, EPT_LEAF);
	vmwrite(VMCS_EPTP, (u64)g.ept | EPTP_BITS);
	l2_real(&g, 0x1000);
	EXPECT_EQ(l2_run(&g), EXIT_IO);
	EXPECT_EQ(g.regs[RAX] & 0xffff, 0x1234);
	EXPECT_EQ(vmread(VMCS_GUEST_DS_SEL), 0x1234);
	EXPECT_EQ(vmread(VMCS_GUEST_DS_BASE), 0x12340);
	EXPECT_EQ(vmread(VMCS_GUEST_CR0) & (CR0_PE | BIT(31)), 0);
	l2_skip();
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(vmread(VMCS_ENTRY_CTLS) & ENTRY_IA32E, 0);
}
