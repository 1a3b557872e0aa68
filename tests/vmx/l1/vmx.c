/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMX instructions and simple L2 guests. */
#include "l1.h"

u64 vmxon_region;
#define MADE_MAX 512u
static u64 made[MADE_MAX];
static u32 nr_made;
static bool on;

static u32 outcome(u64 flags)
{
	if (last_trap.code)
		return last_trap.code;
	return flags & RFLAGS_CF ? FAIL_INVALID : flags & RFLAGS_ZF ? FAIL_VALID : 0;
}

/* One VMX instruction; its RFLAGS, or a trap. All arithmetic flags are set before it, so that flags that it
 * leaves alone show as a failure. */
#define VMX(insn, ...) ({ \
	u64 flags_ = 0; \
	last_trap.code = NO_TRAP; \
	__asm__ volatile("1: " insn "\n pushfq\n popq %0\n 2:\n" EX(1b, 2b) : "+r"(flags_) : __VA_ARGS__ : "memory", "cc"); \
	outcome(flags_); })

u32 vmxon(u64 pa) { return VMX("vmxon %1", "m"(pa)); }
u32 vmxoff(void) { return VMX("vmxoff", "i"(0)); }
u32 vmclear(u64 pa) { return VMX("vmclear %1", "m"(pa)); }
u32 vmptrld(u64 pa) { return VMX("vmptrld %1", "m"(pa)); }
u32 vmptrst(u64 *pa) { return VMX("vmptrst (%1)", "r"(pa)); }
u32 vmread_mem(u64 field, u64 la) { return VMX("vmread %1, (%2)", "r"(field), "r"(la)); }
u32 vmwrite_to(u64 field, u64 v) { return VMX("vmwrite %2, %1", "r"(field), "r"(v)); }
u32 vmwrite_mem(u64 field, u64 la) { return VMX("vmwrite (%2), %1", "r"(field), "r"(la)); }
u32 invept(u64 type, const void *d) { return VMX("invept (%2), %1", "r"(type), "r"(d)); }
u32 invvpid(u64 type, const void *d) { return VMX("invvpid (%2), %1", "r"(type), "r"(d)); }

u32 vmread_to(u64 field, u64 *v)
{
	u64 flags = 0, x = 0;

	last_trap.code = NO_TRAP;
	__asm__ volatile("1: vmread %2, %1\n pushfq\n popq %0\n 2:\n" EX(1b, 2b)
			 : "+r"(flags), "+r"(x) : "r"(field) : "memory", "cc");
	*v = x;
	return outcome(flags);
}

static u64 no_regs[16];
static u32 failed_entry(u32 how)
{
	u32 r;

	last_trap.code = NO_TRAP;
	r = vmx_go(no_regs, how);
	return r == 3 && last_trap.code ? last_trap.code : r;
}
u32 vmlaunch(void) { return failed_entry(0); }
u32 vmresume(void) { return failed_entry(1); }

u64 vmread(u64 field)
{
	u64 v;

	if (vmread_to(field, &v)) {
		about("field", field);
		BROKEN("VMREAD failed");
	}
	return v;
}

void vmwrite(u64 field, u64 v)
{
	if (vmwrite_to(field, v)) {
		about("field", field);
		BROKEN("VMWRITE failed");
	}
}

u32 instruction_error(void)
{
	return (u32)vmread(VMCS_INSTRUCTION_ERROR);
}

/* ---- environment ---- */
u64 vmx_region(void)
{
	u32 *p = page_alloc();

	*p = (u32)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	return (u64)p;
}

void vmx_start(void)
{
	REQUIRE_EQ(try_write_cr4(read_cr4() | CR4_VMXE), NO_TRAP);
	vmxon_region = vmx_region();
	REQUIRE_EQ(vmxon(vmxon_region), 0);
	on = true;
	u64 all[2] = { 0 };

	REQUIRE_EQ(invept(2, all), 0);	/* the tables of earlier tests lay where this test's will lie */
}

void vmx_stop(void)
{
	if (!(read_cr4() & CR4_VMXE))
		return;
	if (on)
		for (u32 i = 0; i < nr_made; i++)
			vmclear(made[i]);
	vmxoff();				/* #UD if not in VMX operation */
	on = false;
	try_write_cr4(read_cr4() & ~CR4_VMXE);
}

void l2_forget(void)
{
	nr_made = 0;
}

u64 *ept_leaf(u64 *root, u64 gpa)
{
	u64 *t = root;

	for (u32 shift = 39; shift > 12; shift -= 9) {
		u64 *e = &t[gpa >> shift & 511];

		if (!*e)
			*e = (u64)page_alloc() | EPT_RWX;
		t = (u64 *)(*e & EPT_ADDR);
	}
	return &t[gpa >> 12 & 511];
}

void ept_map(u64 *root, u64 gpa, u64 hpa, u64 bits)
{
	*ept_leaf(root, gpa) = bits ? hpa | bits : 0;
}

u64 *ept_identity(void)
{
	u64 *root = page_alloc(), *pdpt = page_alloc();

	root[0] = (u64)pdpt | EPT_RWX;
	for (u64 i = 0; i < 4; i++) {
		u64 *pd = page_alloc();

		pdpt[i] = (u64)pd | EPT_RWX;
		for (u64 j = 0; j < 512; j++)
			pd[j] = i << 30 | j << 21 | EPT_LEAF | EPT_LARGE;
	}
	return root;
}

static u32 adjust(u64 want, u32 msr)
{
	u64 cap = rdmsr(msr);

	return (u32)((want | (u32)cap) & cap >> 32);
}

static void host_state(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r;
	u16 tr;
	u64 *gdt;

	vmwrite(VMCS_HOST_CR0, read_cr0());
	vmwrite(VMCS_HOST_CR3, read_cr3());
	vmwrite(VMCS_HOST_CR4, read_cr4());
	vmwrite(VMCS_HOST_CS_SEL, 0x10);
	for (u32 f = VMCS_HOST_ES_SEL; f <= VMCS_HOST_GS_SEL; f += 2)
		if (f != VMCS_HOST_CS_SEL)
			vmwrite(f, 0x18);
	__asm__ volatile("str %0" : "=r"(tr));
	vmwrite(VMCS_HOST_TR_SEL, tr);
	__asm__ volatile("sgdt %0" : "=m"(r));
	gdt = (u64 *)r.base;
	vmwrite(VMCS_HOST_GDTR_BASE, r.base);
	vmwrite(VMCS_HOST_TR_BASE, (gdt[tr / 8] >> 16 & 0xffffff) | (gdt[tr / 8] >> 56 & 0xff) << 24);
	__asm__ volatile("sidt %0" : "=m"(r));
	vmwrite(VMCS_HOST_IDTR_BASE, r.base);
	vmwrite(VMCS_HOST_FS_BASE, 0);
	vmwrite(VMCS_HOST_GS_BASE, 0);
	vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_HOST_RIP, (u64)vmx_exit);
	vmwrite(VMCS_HOST_RSP, cpu_id() ? smp_exit_stack(cpu_id()) : (u64)exit_stack_top);
}

static void controls(const struct l2 *g)
{
	vmwrite(VMCS_PIN_CTLS, adjust(PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI, MSR_VMX_TRUE_PIN));
	vmwrite(VMCS_PROC_CTLS, adjust(PROC_HLT | PROC_UNCOND_IO | PROC_SECONDARY, MSR_VMX_TRUE_PROC));
	vmwrite(VMCS_PROC2_CTLS, adjust(PROC2_EPT | PROC2_UNRESTRICTED | PROC2_RDTSCP, MSR_VMX_PROC2));
	vmwrite(VMCS_EXIT_CTLS, adjust(EXIT_HOST64 | EXIT_ACK_INTR | EXIT_SAVE_DEBUG | EXIT_SAVE_EFER | EXIT_LOAD_EFER |
				       EXIT_SAVE_PAT | EXIT_LOAD_PAT, MSR_VMX_TRUE_EXIT));
	vmwrite(VMCS_ENTRY_CTLS, adjust(ENTRY_IA32E | ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER | ENTRY_LOAD_PAT,
					MSR_VMX_TRUE_ENTRY));
	static const u16 zeroes[] = { VMCS_EXCEPTION_BITMAP, VMCS_PF_MASK, VMCS_PF_MATCH, VMCS_CR3_TARGET_COUNT,
		VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_INTR_INFO,
		VMCS_CR0_MASK, VMCS_CR4_MASK, VMCS_CR0_SHADOW, VMCS_CR4_SHADOW, VMCS_TSC_OFFSET };
	for (u32 i = 0; i < ARRAY_SIZE(zeroes); i++)
		vmwrite(zeroes[i], 0);
	vmwrite(VMCS_EPTP, (u64)g->ept | EPTP_BITS);
}

static void segment(u32 i, u64 sel, u64 base, u64 limit, u64 ar)
{
	vmwrite(VMCS_GUEST_ES_SEL + 2 * i, sel);
	vmwrite(VMCS_GUEST_ES_BASE + 2 * i, base);
	vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, limit);
	vmwrite(VMCS_GUEST_ES_AR + 2 * i, ar);
}

static void guest_state(u64 rip)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) r;

	vmwrite(VMCS_GUEST_CR0, read_cr0());
	vmwrite(VMCS_GUEST_CR3, read_cr3());
	vmwrite(VMCS_GUEST_CR4, read_cr4());
	vmwrite(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
	vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	vmwrite(VMCS_GUEST_DR7, 0x400);
	for (u32 i = 0; i < 6; i++)
		segment(i, i == 1 ? 0x10 : 0x18, 0, 0xffffffff, i == 1 ? 0xa09b : 0xc093);
	segment(6, 0, 0, 0, 0x10000);
	segment(7, 0x30, vmread(VMCS_HOST_TR_BASE), 103, 0x8b);
	__asm__ volatile("sgdt %0" : "=m"(r));
	vmwrite(VMCS_GUEST_GDTR_BASE, r.base);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, r.limit);
	__asm__ volatile("sidt %0" : "=m"(r));
	vmwrite(VMCS_GUEST_IDTR_BASE, r.base);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, r.limit);
	vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, 0);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	vmwrite(VMCS_LINK_POINTER, ~0ull);
	vmwrite(VMCS_GUEST_RSP, (u64)page_alloc() + 4096);
	vmwrite(VMCS_GUEST_RIP, rip);
	vmwrite(VMCS_GUEST_RFLAGS, 2);
}

void l2_init(struct l2 *g, const void *rip)
{
	zero(g, sizeof(*g));
	g->vmcs = vmx_region();
	g->ept = ept_identity();
	if (nr_made == MADE_MAX)
		BROKEN("too many VMCSs in one test");
	made[nr_made++] = g->vmcs;
	REQUIRE_EQ(vmclear(g->vmcs), 0);
	REQUIRE_EQ(vmptrld(g->vmcs), 0);
	host_state();
	controls(g);
	guest_state((u64)rip);
}

void l2_flat(struct l2 *g, u64 rip)
{
	(void)g;
	vmwrite(VMCS_ENTRY_CTLS, vmread(VMCS_ENTRY_CTLS) & ~ENTRY_IA32E);
	vmwrite(VMCS_GUEST_CR0, CR0_PE | CR0_ET | CR0_NE);
	vmwrite(VMCS_GUEST_CR3, 0);
	vmwrite(VMCS_GUEST_CR4, CR4_VMXE);
	vmwrite(VMCS_GUEST_EFER, 0);
	for (u32 i = 0; i < 6; i++)
		segment(i, i == 1 ? 8 : 0x10, 0, 0xffffffff, i == 1 ? 0xc09b : 0xc093);
	segment(7, 0, 0, 0xffff, 0x8b);
	vmwrite(VMCS_GUEST_GDTR_BASE, 0);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, 0);
	vmwrite(VMCS_GUEST_IDTR_BASE, 0);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
	vmwrite(VMCS_GUEST_RSP, CVM_FW_STACK);
	vmwrite(VMCS_GUEST_RIP, rip);
}

void l2_real(struct l2 *g, u64 rip)
{
	l2_flat(g, rip);
	vmwrite(VMCS_GUEST_CR0, CR0_ET | CR0_NE);
	for (u32 i = 0; i < 6; i++)
		segment(i, 0, 0, 0xffff, i == 1 ? 0x9b : 0x93);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0x3ff);
	vmwrite(VMCS_GUEST_RSP, 0xff0);
}

void l2_adopt(struct l2 *g)
{
	REQUIRE_EQ(vmptrld(g->vmcs), 0);
	host_state();
}

void l2_drop(struct l2 *g)
{
	REQUIRE_EQ(vmclear(g->vmcs), 0);
	g->launched = false;
}

u32 l2_run(struct l2 *g)
{
	last_trap.code = NO_TRAP;
	g->how = vmx_go(g->regs, g->launched);
	g->trap = last_trap;
	if (g->how)
		return VM_FAILED;
	u32 reason = (u32)vmread(VMCS_EXIT_REASON);

	if (!(reason & EXIT_REASON_FAILED))
		g->launched = true;
	return reason;
}

void l2_skip(void)
{
	vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSTR_LEN));
}
