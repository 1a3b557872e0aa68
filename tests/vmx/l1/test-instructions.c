/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each VMX instruction and each VM-instruction error number. SDM vol. 3, chapter 31. */
#include "l1.h"

extern const u8 g_hlt[];

#define ABSENT_FIELD	0x6c18u			/* reserved encoding */

static u64 not_ram(void)
{
	return 0xfee00000;			/* APIC */
}

static u64 rootvisor_page(void)
{
	if (!machine.nr_rootvisor)
		SKIP_TEST("RootVisor's memory is not known");
	return machine.rootvisor[0].start;
}

TEST(outside, "vmx-outside-operation")
{
	u64 d[2] = { 0 }, v;

	EXPECT_EQ(vmclear(0), UD);
	EXPECT_EQ(vmptrld(0), UD);
	EXPECT_EQ(vmptrst(&v), UD);
	EXPECT_EQ(vmread_to(VMCS_GUEST_RIP, &v), UD);
	EXPECT_EQ(vmwrite_to(VMCS_GUEST_RIP, 0), UD);
	EXPECT_EQ(vmlaunch(), UD);
	EXPECT_EQ(vmresume(), UD);
	EXPECT_EQ(vmxoff(), UD);
	EXPECT_EQ(invept(2, d), UD);
	EXPECT_EQ(invvpid(2, d), UD);
	EXPECT_EQ(vmxon(vmx_region()), UD);	/* CR4.VMXE = 0 */
}

static u32 user_vmx(const u8 *code, u64 n)
{
	u8 *text = page_alloc();
	u64 regs[16] = { 0 };

	copy(text, code, n);
	user_trap.code = NO_TRAP;
	user_enter(regs, win_map(0, (u64)text, PTE_P | PTE_U), win_map(1, (u64)page_alloc(), PTE_P | PTE_W | PTE_U) + 4096);
	return user_trap.code;
}

TEST(ring3, "vmx-ring3")
{
	static const u8 on[] = { 0xf3, 0x0f, 0xc7, 0x34, 0x24 };	/* vmxon (%rsp) */
	static const u8 off[] = { 0x0f, 0x01, 0xc4 };
	static const u8 launch[] = { 0x0f, 0x01, 0xc2 };
	static const u8 read[] = { 0x0f, 0x78, 0xc0 };			/* vmread %rax, %rax */
	static const u8 clear[] = { 0x66, 0x0f, 0xc7, 0x34, 0x24 };

	vmx_start();
	EXPECT_EQ(user_vmx(on, sizeof(on)), GP);
	EXPECT_EQ(user_vmx(off, sizeof(off)), GP);
	EXPECT_EQ(user_vmx(launch, sizeof(launch)), GP);
	EXPECT_EQ(user_vmx(read, sizeof(read)), GP);
	EXPECT_EQ(user_vmx(clear, sizeof(clear)), GP);
}

TEST(on, "vmx-vmxon")
{
	u64 page = (u64)page_alloc();

	REQUIRE_EQ(try_write_cr4(read_cr4() | CR4_VMXE), NO_TRAP);
	EXPECT_EQ(vmxon(vmx_region() + 8), FAIL_INVALID);		/* not aligned */
	EXPECT_EQ(vmxon(1ull << 50), FAIL_INVALID);			/* above MAXPHYADDR */
	EXPECT_EQ(vmxon(page), FAIL_INVALID);				/* revision id 0 */
	*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC) | 1u << 31;
	EXPECT_EQ(vmxon(page), FAIL_INVALID);				/* shadow bit */
	EXPECT_EQ(vmxon(rootvisor_page()), FAIL_INVALID);
	*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC);
	REQUIRE_EQ(vmxon(page), 0);
	EXPECT_EQ(vmxon(page), FAIL_INVALID);				/* error 15, but no current VMCS */
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_VMXE), GP);		/* fixed in VMX operation */
	EXPECT(read_cr4() & CR4_VMXE);
	EXPECT_EQ(vmxoff(), 0);
	EXPECT_EQ(vmxoff(), UD);
	EXPECT_EQ(vmxon(page), 0);
	EXPECT_EQ(vmxoff(), 0);
	EXPECT_EQ(try_write_cr4(read_cr4() & ~CR4_VMXE), NO_TRAP);
}

TEST(on_twice, "vmx-error-15-vmxon-in-root")
{
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	EXPECT_EQ(vmxon(vmx_region()), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 15);
	EXPECT_EQ(vmread(VMCS_HOST_CS_SEL), 0x10);	/* VMCS12 is as before */
}

TEST(clear, "vmx-error-2-3-vmclear")
{
	struct l2 g;
	u64 p = ~0ull;

	vmx_start();
	EXPECT_EQ(vmclear(vmx_region() + 4), FAIL_INVALID);
	EXPECT_EQ(vmclear(vmxon_region), FAIL_INVALID);
	l2_init(&g, NULL);
	EXPECT_EQ(vmclear(g.vmcs + 0x10), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 2);
	EXPECT_EQ(vmclear(1ull << 50), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 2);
	EXPECT_EQ(vmclear(rootvisor_page()), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 2);
	EXPECT_EQ(vmclear(not_ram()), FAIL_VALID);	/* RootVisor keeps VMCSs in RAM only */
	EXPECT_EQ(instruction_error(), 2);
	EXPECT_EQ(vmclear(vmxon_region), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 3);
	EXPECT_EQ(vmclear(vmx_region()), 0);		/* never loaded: fine */
	EXPECT_EQ(vmptrst(&p), 0);
	EXPECT_EQ(p, g.vmcs);
	EXPECT_EQ(vmclear(g.vmcs), 0);			/* the current one: none is current then */
	EXPECT_EQ(vmptrst(&p), 0);
	EXPECT_EQ(p, ~0ull);
	EXPECT_EQ(vmread_to(VMCS_GUEST_RIP, &p), FAIL_INVALID);
}

TEST(load, "vmx-error-9-10-11-vmptrld")
{
	u64 page = (u64)page_alloc(), p;
	struct l2 g;

	vmx_start();
	EXPECT_EQ(vmptrld(page + 1), FAIL_INVALID);
	EXPECT_EQ(vmptrst(&p), 0);
	EXPECT_EQ(p, ~0ull);
	l2_init(&g, NULL);
	EXPECT_EQ(vmptrld(page + 0x800), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 9);
	EXPECT_EQ(vmptrld(1ull << 50), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 9);
	EXPECT_EQ(vmptrld(rootvisor_page()), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 9);
	EXPECT_EQ(vmptrld(not_ram()), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 9);
	EXPECT_EQ(vmptrld(vmxon_region), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 10);
	EXPECT_EQ(vmptrld(page), FAIL_VALID);		/* revision 0 */
	EXPECT_EQ(instruction_error(), 11);
	*(u32 *)page = (u32)rdmsr(MSR_VMX_BASIC) | 1u << 31;
	EXPECT_EQ(vmptrld(page), FAIL_VALID);		/* shadow VMCS: not offered */
	EXPECT_EQ(instruction_error(), 11);
	EXPECT_EQ(vmptrst(&p), 0);
	EXPECT_EQ(p, g.vmcs);				/* all that changed nothing */
}

TEST(faults, "vmx-operand-faults")
{
	u64 hole = win_map(3, 0, 0), ro = win_map(4, (u64)page_alloc(), PTE_P), v = 0;
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	last_trap.cr2 = 0;
	EXPECT_EQ(vmptrst((u64 *)hole), PF);
	EXPECT_EQ(last_trap.cr2, hole);
	EXPECT_EQ(last_trap.error, 2);			/* write, not present */
	EXPECT_EQ(vmwrite_mem(VMCS_GUEST_RIP, hole + 8), PF);
	EXPECT_EQ(last_trap.cr2, hole + 8);
	EXPECT_EQ(last_trap.error, 0);
	EXPECT_EQ(vmread_mem(VMCS_GUEST_RIP, ro), PF);
	EXPECT_EQ(last_trap.cr2, ro);
	EXPECT_EQ(last_trap.error, 3);			/* write, present */
	EXPECT_EQ(vmwrite_mem(VMCS_GUEST_RIP, ro), 0);	/* reading it is fine */
	EXPECT_EQ(invept(2, (void *)hole), PF);
	EXPECT_EQ(invvpid(2, (void *)hole), PF);
	/* an operand that straddles a page that is there and one that is not */
	win_map(2, (u64)page_alloc(), PTE_P | PTE_W);
	EXPECT_EQ(vmread_mem(VMCS_GUEST_RIP, hole - 4), PF);
	EXPECT_EQ(last_trap.cr2, hole);
	EXPECT_EQ(invept(2, (void *)(hole - 8)), PF);
	EXPECT_EQ(last_trap.cr2, hole);
	/* not canonical: #GP */
	EXPECT_EQ(vmptrst((u64 *)0x800000000000ull), GP);
	EXPECT_EQ(vmread_mem(VMCS_GUEST_RIP, 0x800000000000ull), GP);
	EXPECT_EQ(vmread_to(VMCS_GUEST_RIP, &v), 0);
}

TEST(rootvisor_operand, "vmx-operand-in-rootvisor")
{
	u64 la = win_map(5, rootvisor_page(), PTE_P | PTE_W), mark = event_mark();
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	EXPECT_EQ(vmptrst((u64 *)la), GP);
	EXPECT_EQ(vmread_mem(VMCS_GUEST_RIP, la), GP);
	EXPECT_EQ(vmwrite_mem(VMCS_GUEST_RIP, la), GP);
	EXPECT_EQ(invept(2, (void *)la), GP);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_HOST_TOUCHES_ROOTVISOR), 4);
}

TEST(read_write, "vmx-error-12-13-vmread-vmwrite")
{
	static const u32 read_only[] = {
		VMCS_GUEST_PHYSICAL_ADDRESS, VMCS_INSTRUCTION_ERROR, VMCS_EXIT_REASON, VMCS_EXIT_INTR_INFO,
		VMCS_EXIT_INTR_ERROR, VMCS_IDT_VECTORING_INFO, VMCS_IDT_VECTORING_ERROR, VMCS_EXIT_INSTR_LEN,
		VMCS_INSTRUCTION_INFO, VMCS_EXIT_QUALIFICATION, VMCS_GUEST_LINEAR_ADDRESS };
	static const u64 absent[] = { ABSENT_FIELD, 0x1000, 0x8000, 0x4ffe, 0x0002, 0x201c, 0x2018, 1ull << 32,
				      1ull << 63 | VMCS_GUEST_RIP, VMCS_GUEST_RIP | 1, VMCS_GUEST_CS_SEL | 1 };
	struct l2 g;
	u64 v;

	vmx_start();
	EXPECT_EQ(vmread_to(VMCS_GUEST_RIP, &v), FAIL_INVALID);
	EXPECT_EQ(vmwrite_to(VMCS_GUEST_RIP, 0), FAIL_INVALID);
	l2_init(&g, NULL);
	for (u32 i = 0; i < ARRAY_SIZE(absent); i++) {
		about("field", absent[i]);
		EXPECT_EQ(vmread_to(absent[i], &v), FAIL_VALID);
		EXPECT_EQ(instruction_error(), 12);
		EXPECT_EQ(vmwrite_to(absent[i], 0), FAIL_VALID);
		EXPECT_EQ(instruction_error(), 12);
	}
	for (u32 i = 0; i < ARRAY_SIZE(read_only); i++) {
		about("field", read_only[i]);
		EXPECT_EQ(vmread_to(read_only[i], &v), 0);
		EXPECT_EQ(vmwrite_to(read_only[i], 0), FAIL_VALID);
		EXPECT_EQ(instruction_error(), 13);
	}
}

static bool may_write(u32 f)
{
	return (f >> 10 & 3) != 1;		/* type 1: exit information */
}

static u64 width_mask(u32 f)
{
	static const u64 mask[] = { 0xffff, ~0ull, 0xffffffff, ~0ull };

	return mask[f >> 13 & 3];
}

/* Every writable field keeps what it is given, at its width, across VMCLEAR too. */
TEST(every_field, "vmx-every-field")
{
	const u64 pattern = 0x1122334455667788ull;
	u32 n = 0;
	struct l2 g;
	u64 v;

	vmx_start();
	l2_init(&g, NULL);
	for (u32 f = 0; f < 0x8000; f += 2) {
		if ((f & 0x1000) || vmread_to(f, &v) || !may_write(f))
			continue;
		about("field", f);
		n++;
		EXPECT_EQ(vmwrite_to(f, pattern ^ (u64)f << 32 ^ f), 0);
	}
	EXPECT(n > 90);
	REQUIRE_EQ(vmclear(g.vmcs), 0);
	REQUIRE_EQ(vmptrld(g.vmcs), 0);
	for (u32 f = 0; f < 0x8000; f += 2) {
		if ((f & 0x1000) || vmread_to(f, &v) || !may_write(f))
			continue;
		u64 want = (pattern ^ (u64)f << 32 ^ f) & width_mask(f);

		about("field", f);
		if ((f & 0x7c00) == 0x4800 && f >= VMCS_GUEST_ES_AR && f <= VMCS_GUEST_TR_AR)
			continue;		/* reserved bits of access rights need not be kept */
		EXPECT_EQ(v, want);
	}
}

TEST(high_half, "vmx-high-half")
{
	struct l2 g;
	u64 v;

	vmx_start();
	l2_init(&g, NULL);
	EXPECT_EQ(vmwrite_to(VMCS_TSC_OFFSET, 0x1111111122222222), 0);
	EXPECT_EQ(vmread_to(VMCS_TSC_OFFSET | 1, &v), 0);
	EXPECT_EQ(v, 0x11111111);
	EXPECT_EQ(vmwrite_to(VMCS_TSC_OFFSET | 1, 0xffffffff33333333), 0);
	EXPECT_EQ(vmread(VMCS_TSC_OFFSET), 0x3333333322222222);
	EXPECT_EQ(vmwrite_to(VMCS_GUEST_PAT | 1, 0x44444444), 0);
	EXPECT_EQ(vmread(VMCS_GUEST_PAT) >> 32, 0x44444444);
	EXPECT_EQ(vmread_to(VMCS_GUEST_PHYSICAL_ADDRESS | 1, &v), 0);
	EXPECT_EQ(vmwrite_to(VMCS_GUEST_PHYSICAL_ADDRESS | 1, 0), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 13);
}

/* Memory operands: every way of addressing that the exit information has bits for. */
TEST(addressing, "vmx-addressing")
{
	u64 *m = page_alloc(), flags, v = 0;
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	m[5] = 0xabcd;
	__asm__ volatile("vmwrite 0x28(%1), %2; pushfq; popq %0" : "=r"(flags) : "r"(m), "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(flags & (RFLAGS_CF | RFLAGS_ZF), 0);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0xabcd);
	m[7] = 0x1357;
	__asm__ volatile("vmwrite 8(%0,%1,8), %2" : : "r"(m), "r"(6ull), "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0x1357);
	m[9] = 0x2468;
	__asm__ volatile("vmwrite (,%0,4), %1" : : "r"((u64)&m[9] / 4), "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0x2468);
	__asm__ volatile("vmwrite (%k0), %1" : : "r"((u64)&m[5] | 0xdead00000000ull), "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0xabcd);	/* 32-bit address size */
	static u64 here = 0x9753;
	__asm__ volatile("vmwrite %0, %1" : : "m"(here), "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0x9753);
	__asm__ volatile("pushq $0x4321; vmwrite (%%rsp), %0; popq %%rax" : : "r"((u64)VMCS_GUEST_RIP) : "cc", "memory", "rax");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0x4321);
	__asm__ volatile("movq %%rsp, %%r14; vmread %1, %%rsp; movq %%rsp, %0; movq %%r14, %%rsp"
			 : "=r"(v) : "r"((u64)VMCS_GUEST_RIP) : "r14", "cc", "memory");
	EXPECT_EQ(v, 0x4321);				/* RSP as destination */
	__asm__ volatile("vmread %%r15, %%r15" : "=r"(flags) : : "r15");
	/* GS-relative */
	__asm__ volatile("wrmsr" : : "c"(MSR_GS_BASE), "a"((u32)(u64)m), "d"((u32)((u64)m >> 32)));
	__asm__ volatile("vmwrite %%gs:0x28, %0" : : "r"((u64)VMCS_GUEST_RIP) : "cc", "memory");
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0xabcd);
	__asm__ volatile("wrmsr" : : "c"(MSR_GS_BASE), "a"(0), "d"(0));
}

TEST(launch, "vmx-error-4-5-26-launch-state")
{
	struct l2 g;

	vmx_start();
	EXPECT_EQ(vmlaunch(), FAIL_INVALID);
	EXPECT_EQ(vmresume(), FAIL_INVALID);
	l2_init(&g, g_hlt);
	EXPECT_EQ(vmresume(), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 5);
	EXPECT_EQ(vmx_go(g.regs, 2), 2);		/* behind MOV SS */
	EXPECT_EQ(instruction_error(), 26);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
	EXPECT_EQ(vmlaunch(), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 4);
	EXPECT_EQ(l2_run(&g), EXIT_HLT);		/* VMRESUME */
	EXPECT_EQ(vmclear(g.vmcs), 0);
	EXPECT_EQ(vmptrld(g.vmcs), 0);
	EXPECT_EQ(vmresume(), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 5);
	g.launched = false;
	EXPECT_EQ(l2_run(&g), EXIT_HLT);
}

TEST(two, "vmx-two-vmcs")
{
	struct l2 a, b;

	vmx_start();
	l2_init(&a, g_hlt);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0xa);
	l2_init(&b, g_hlt);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0xb);
	for (u32 i = 0; i < 3; i++) {
		REQUIRE_EQ(vmptrld(a.vmcs), 0);
		EXPECT_EQ(vmread(VMCS_GUEST_SYSENTER_EIP), 0xa);
		EXPECT_EQ(l2_run(&a), EXIT_HLT);
		REQUIRE_EQ(vmptrld(b.vmcs), 0);
		EXPECT_EQ(vmread(VMCS_GUEST_SYSENTER_EIP), 0xb);
		EXPECT_EQ(l2_run(&b), EXIT_HLT);
	}
}

/* The fields that L1 may reach without an exit belong to their VMCS too. */
TEST(two_registers, "vmx-two-vmcs-registers")
{
	static const u32 field[] = { VMCS_GUEST_RIP, VMCS_GUEST_RSP, VMCS_GUEST_RFLAGS, VMCS_GUEST_INTERRUPTIBILITY,
				     VMCS_GUEST_CS_BASE };
	struct l2 a, b;

	vmx_start();
	l2_init(&a, NULL);
	for (u32 i = 0; i < ARRAY_SIZE(field); i++)
		vmwrite(field[i], 0x100 + i);
	l2_init(&b, NULL);
	for (u32 i = 0; i < ARRAY_SIZE(field); i++)
		vmwrite(field[i], 0x200 + i);
	for (u32 round = 0; round < 3; round++)
		for (u32 which = 1; which <= 2; which++) {
			u64 vmcs = which == 1 ? a.vmcs : b.vmcs;

			if (round == 2)
				EXPECT_EQ(vmclear(vmcs), 0);
			REQUIRE_EQ(vmptrld(vmcs), 0);
			for (u32 i = 0; i < ARRAY_SIZE(field); i++) {
				about("field", field[i]);
				EXPECT_EQ(vmread(field[i]), 0x100 * which + i);
			}
		}
	/* and across VMXOFF */
	about("VMXOFF", 0);
	vmwrite(VMCS_GUEST_RIP, 0x300);
	EXPECT_EQ(vmclear(b.vmcs), 0);
	EXPECT_EQ(vmxoff(), 0);
	EXPECT_EQ(vmxon(vmxon_region), 0);
	EXPECT_EQ(vmptrld(b.vmcs), 0);
	EXPECT_EQ(vmread(VMCS_GUEST_RIP), 0x300);
}

/* More VMCSs than RootVisor has room for: refused, and room again after VMCLEAR. */
TEST(many, "vmx-many-vmcs")
{
	static u64 page[80];
	u32 n = 0, r = 0;

	vmx_start();
	while (n < ARRAY_SIZE(page)) {
		page[n] = vmx_region();
		if (vmclear(page[n]))
			break;
		r = vmptrld(page[n]);
		if (r)
			break;
		n++;
	}
	EXPECT(n >= 16);
	if (n < ARRAY_SIZE(page)) {
		EXPECT_EQ(r, FAIL_VALID);
		EXPECT_EQ(instruction_error(), 9);
	}
	for (u32 i = 0; i < n; i++)
		EXPECT_EQ(vmclear(page[i]), 0);
	EXPECT_EQ(vmptrld(page[0]), 0);
	EXPECT_EQ(vmclear(page[0]), 0);
}

TEST(inv, "vmx-error-28-invept-invvpid")
{
	u64 ok[2] = { 0 }, bad[2] = { 0 };
	struct l2 g;

	vmx_start();
	l2_init(&g, NULL);
	ok[0] = (u64)g.ept | EPTP_BITS;
	EXPECT_EQ(invept(1, ok), 0);
	EXPECT_EQ(invept(2, ok), 0);
	EXPECT_EQ(invept(0, ok), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 28);
	EXPECT_EQ(invept(3, ok), FAIL_VALID);
	EXPECT_EQ(invept(1ull << 32 | 1, ok), FAIL_VALID);
	static const u64 eptp[] = { 0x18, 0x1f, 0x26, 0x5e, 0x81e, 1ull << 52 | 0x1e };
	for (u32 i = 0; i < ARRAY_SIZE(eptp); i++) {
		about("EPTP", eptp[i]);
		bad[0] = eptp[i];
		EXPECT_EQ(invept(1, bad), FAIL_VALID);
		EXPECT_EQ(instruction_error(), 28);
	}
	about(NULL, 0);
	u64 vpid[2] = { 5, 0x1000 };

	for (u64 t = 0; t < 4; t++)
		EXPECT_EQ(invvpid(t, vpid), 0);
	EXPECT_EQ(invvpid(4, vpid), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 28);
	vpid[0] = 0;
	EXPECT_EQ(invvpid(0, vpid), FAIL_VALID);
	EXPECT_EQ(invvpid(1, vpid), FAIL_VALID);
	EXPECT_EQ(invvpid(2, vpid), 0);
	EXPECT_EQ(invvpid(3, vpid), FAIL_VALID);
	vpid[0] = 0x10005;
	EXPECT_EQ(invvpid(1, vpid), FAIL_VALID);
	vpid[0] = 5;
	vpid[1] = 0x800000000000ull;
	EXPECT_EQ(invvpid(0, vpid), FAIL_VALID);
	EXPECT_EQ(instruction_error(), 28);
}
