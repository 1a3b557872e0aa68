// SPDX-License-Identifier: LGPL-2.1-or-later
/* Guardian contexts: an EPT, a VMCS and a mailbox each, entered by upcall (cvm/guardian.h). */
#include "vm/vm.h"

#define GUARDIAN_CR0	(CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG | BIT(1) /* MP */)
#define GUARDIAN_CR4	(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_VMXE)
#define BRING_LIMIT	256u		/* guest pages brought in one upcall */

struct guardian quoter;
static u8 mailbox_save[CVM_MAX_CPUS][PAGE_SIZE];
static u32 depth[CVM_MAX_CPUS];

static const struct cvm_g_header *header(void)
{
	return va(rv_boot.guardian.start);
}

void guardian_map(struct guardian *g, u64 gpa, u64 phys, u64 bits)
{
	u64 *e = ept_entry(g->ept_root, gpa, true);

	if (!e)
		rv_panic("the pool is too small for the Guardian; boot with a larger pool=");
	*e = (phys & EPT_ADDR) | bits;
}

void guardian_slot(struct pcpu *c, struct guardian *g, u64 pfn)
{
	g->slot_pt[c->id] = pfn ? pfn << PAGE_SHIFT | EPT_R | EPT_W | EPT_MT_WB | EPT_IPAT : 0;
	invept(1, pa(g->ept_root) | 6 | 3 << 3);	/* this slot only this CPU uses */
}

/* A page of the Guardian's own. False: pool exhausted. */
static bool map_new(struct guardian *g, u64 gpa, u64 perms, const void *src, u64 n, void **out)
{
	u64 *e = ept_entry(g->ept_root, gpa, true);
	void *p = e ? pool_get() : NULL;

	if (!p)
		return false;
	if (n)
		memcpy(p, src, n);
	*e = pa(p) | perms | EPT_MT_WB | EPT_IPAT;
	if (out)
		*out = p;
	return true;
}

static bool map_image(struct guardian *g)
{
	const struct cvm_g_header *h = header();

	for (u64 off = 0; off < h->memory_size; off += PAGE_SIZE) {
		u64 n = off < h->image_size ? h->image_size - off : 0;
		u64 perms = off < h->text_size ? EPT_R | EPT_X :
			    off < h->text_size + h->rodata_size ? EPT_R : EPT_R | EPT_W;

		if (!map_new(g, CVM_G_IMAGE + off, perms, (const u8 *)h + off, n < PAGE_SIZE ? n : PAGE_SIZE, NULL))
			return false;
	}
	return true;
}

/* Records for the gfns of the VM's RAM only; a record page covers 128 gfns. */
static bool map_meta(struct guardian *g, const struct cvm_protect *p)
{
	for (u32 i = 0; i < p->nr_ram; i++) {
		u64 first = (p->ram[i].gpa >> PAGE_SHIFT) * CVM_G_META_SIZE & PAGE_MASK;
		u64 end = ((p->ram[i].gpa + p->ram[i].size) >> PAGE_SHIFT) * CVM_G_META_SIZE;

		for (u64 off = first; off < end; off += PAGE_SIZE) {
			u64 *e = ept_entry(g->ept_root, CVM_G_META + off, true);

			if (!e)
				return false;
			if (!(*e & EPT_RWX) && !map_new(g, CVM_G_META + off, EPT_R | EPT_W, NULL, 0, NULL))
				return false;
		}
	}
	return true;
}

/* One call may last so long: far above any operation, and the host is back before its users give up. */
#define TIME_OUT_S	20u

/* In units of the VMX-preemption timer; exits save what is left of it, or NMIs could start it anew for ever. SDM vol. 3, 26.5.1 and A.6. */
static u64 time_out(void)
{
	u64 ticks = rv_boot.tsc_khz * 1000 * TIME_OUT_S >> (hw_caps.misc & 31);

	return ticks < 0xffffffff ? ticks : 0xffffffff;
}

static void init_vmcs(struct pcpu *c, struct guardian *g)
{
	const struct cvm_g_header *h = header();

	vmcs_load(c, &g->vmcs);
	caps_write_controls(PIN_NMI | PIN_PREEMPTION_TIMER,
			    PROC_HLT | PROC_MWAIT | PROC_RDPMC | PROC_CR3_LOAD | PROC_CR8_LOAD | PROC_CR8_STORE |
			    PROC_MOV_DR | (g->vm ? PROC_UNCOND_IO : 0) | PROC_MONITOR | PROC_SECONDARY,
			    PROC2_EPT | PROC2_VPID | PROC2_WBINVD | PROC2_UNRESTRICTED,
			    EXIT_HOST64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_TIMER,
			    ENTRY_IA32E | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
	VMCS_SET({ VMCS_EXCEPTION_BITMAP, 0xffffffff }, { VMCS_EPTP, pa(g->ept_root) | 6 | 3 << 3 },
		 { VMCS_VPID, (u16)(0xfff2 + (g->vm ? 1 : 0)) }, { VMCS_CR0_MASK, ~0ull }, { VMCS_CR4_MASK, ~0ull },
		 { VMCS_CR0_SHADOW, GUARDIAN_CR0 }, { VMCS_CR4_SHADOW, GUARDIAN_CR4 });
	vmcs_init_flat(&(struct vmcs_flat) {
		.code_ar = 0xa09b, .cr0 = GUARDIAN_CR0, .cr3 = h->page_table, .cr4 = GUARDIAN_CR4,
		.efer = EFER_LME | EFER_LMA | EFER_NXE });
	vmwrite(VMCS_GUEST_FS_BASE, h->fs_base);
}

int guardian_create(struct pcpu *c, struct guardian *g, struct vm *vm)
{
	struct vmcs *prev = c->current;
	void *mb;

	memset(g, 0, sizeof(*g));
	g->vm = vm;
	g->ept_root = pool_get();
	if (!g->ept_root)
		return -ENOMEM;
	if (!map_image(g) || !map_new(g, CVM_G_MAILBOX, EPT_R | EPT_W, NULL, 0, &mb) ||
	    !ept_entry(g->ept_root, CVM_G_SLOTS, true) || (vm && !map_meta(g, &vm->params)) ||
	    vmcs_alloc(&g->vmcs) < 0) {
		guardian_destroy(c, g);
		return -ENOMEM;
	}
	g->mb = mb;
	g->slot_pt = (u64 *)((u64)ept_entry(g->ept_root, CVM_G_SLOTS, false) & PAGE_MASK);
	if (vm)		/* one top-level entry: the guest's own tables, so its window follows EPT02 */
		g->ept_root[(CVM_G_GUEST >> 39) & 511] = vm->ept02[0];
	init_vmcs(c, g);
	vmcs_clear(c, &g->vmcs);
	if (prev)
		vmcs_load(c, prev);
	return 0;
}

static void put_pages(struct guardian *g, u64 from, u64 to)
{
	for (u64 gpa = from; gpa < to; gpa += PAGE_SIZE) {
		u64 *e = ept_entry(g->ept_root, gpa, false);

		if (e && (*e & EPT_RWX)) {
			pool_put(va(*e & EPT_ADDR));
			*e = 0;		/* a page of records that two ranges share is put once */
		}
	}
}

void guardian_destroy(struct pcpu *c, struct guardian *g)
{
	put_pages(g, CVM_G_MAILBOX, CVM_G_MAILBOX + PAGE_SIZE);
	put_pages(g, CVM_G_IMAGE, CVM_G_IMAGE + header()->memory_size);
	for (u32 i = 0; g->vm && i < g->vm->params.nr_ram; i++) {
		const struct cvm_ram_range *r = &g->vm->params.ram[i];

		put_pages(g, CVM_G_META + ((r->gpa >> PAGE_SHIFT) * CVM_G_META_SIZE & PAGE_MASK),
			  CVM_G_META + ((r->gpa + r->size) >> PAGE_SHIFT) * CVM_G_META_SIZE);
	}
	g->ept_root[(CVM_G_GUEST >> 39) & 511] = 0;	/* the guest's tables are not ours to free */
	if (g->vmcs.pa) {
		vmcs_clear(c, &g->vmcs);
		pool_put(va(g->vmcs.pa));
	}
	ept_free(g->ept_root, 4);
	g->dead = true;
}

static int fault(struct guardian *g, u32 reason, u64 detail)
{
	rv_printf("Guardian of VM %u faulted: exit %u, detail %lx, RIP %lx\n", g->vm ? g->vm->id : 0, reason,
		  detail, vmread(VMCS_GUEST_RIP));
	g->dead = true;
	if (g->vm)
		vm_stop(g->vm, CVM_R_GUARDIAN_FAULT, reason, detail);
	return -EIO;
}

/* The Guardian touched a guest page that is not mapped. 0: mapped now. */
static int bring(struct pcpu *c, struct guardian *g, struct vcpu12 *v, u64 gpa, u64 *need_gfn)
{
	u64 gfn = (gpa - CVM_G_GUEST) >> PAGE_SHIFT;
	int err;

	if (gpa < CVM_G_GUEST || !v || !vm_gfn_is_ram(g->vm, gfn))
		return -EIO;
	memcpy(mailbox_save[c->id], g->mb, PAGE_SIZE);
	err = vm_bring_page(c, g->vm, F12(v, VMCS_EPTP), gfn, 0);
	memcpy(g->mb, mailbox_save[c->id], PAGE_SIZE);
	*need_gfn = gfn;
	return err;
}

static int run(struct pcpu *c, struct guardian *g, struct vcpu12 *v, u64 *need_gfn)
{
	const struct cvm_g_header *h = header();
	u32 brought = 0;
	int err;

restart:;
	struct gregs regs = { .r = { [R_RDI] = g->mb->op, [R_RSI] = CVM_G_MAILBOX } };

	vmcs_load(c, &g->vmcs);
	if (!brought && vmread(VMCS_PIN_CTLS) & PIN_PREEMPTION_TIMER)
		vmwrite(VMCS_PREEMPTION_TIMER, time_out());
	vmwrite(VMCS_GUEST_RIP, h->entry);
	vmwrite(VMCS_GUEST_RSP, h->stack_top);
	vmwrite(VMCS_GUEST_RFLAGS, 2);
	for (;;) {
		enum vmx_result r;
		u32 reason;

		c->nmi_arrived = false;		/* an NMI is L1's: it waits until L1 runs */
		r = vmcs_run(c, &g->vmcs, &regs, NULL);
		if (r == VMX_NMI)
			continue;
		if (r == VMX_FAIL)
			return fault(g, 0xffff, vmread(VMCS_INSTRUCTION_ERROR));
		reason = (u32)vmread(VMCS_EXIT_REASON);
		switch (reason) {
		case EXIT_VMCALL:
			return (int)(s64)regs.r[R_RAX];
		case EXIT_EXCEPTION_NMI:
			if (INTR_TYPE(vmread(VMCS_EXIT_INTR_INFO)) != INTR_TYPE_NMI)
				return fault(g, reason, vmread(VMCS_EXIT_INTR_INFO) & 0xff);
			nmi_exit();
			continue;
		case EXIT_EPT_VIOLATION: {
			u64 gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);

			if (++brought > BRING_LIMIT)
				return fault(g, reason, gpa);
			err = bring(c, g, v, gpa, need_gfn);
			if (err == -EIO)
				return fault(g, reason, gpa);
			if (err)
				return err == -EAGAIN ? -EAGAIN : -EIO;
			goto restart;
		}
		default:
			return fault(g, reason, vmread(VMCS_EXIT_QUALIFICATION));
		}
	}
}

int guardian_call(struct pcpu *c, struct guardian *g, u32 op, struct vcpu12 *v, u64 *need_gfn)
{
	struct vmcs *prev = c->current;
	bool outer = depth[c->id]++ == 0;
	u64 xcr0 = 0, gs = 0;
	int err;

	if (g->dead) {
		depth[c->id]--;
		return -EIO;
	}
	g->mb->abi_version = CVM_ABI_VERSION;
	g->mb->op = op;
	c->stats.upcalls++;
	if (g->vm)
		g->vm->stats.upcalls++;
	/* Vector registers of whoever ran are set aside, and what SWAPGS changes, and nothing of the Guardian's stays in them. */
	if (outer) {
		gs = rdmsr(MSR_KERNEL_GS_BASE);
		xcr0 = xgetbv(0);
		xsetbv(0, xcr0_allowed);
		xstate_save(c->host_xsave);
	}
	err = run(c, g, v, need_gfn);
	if (outer) {
		xstate_restore(c->host_xsave);
		xsetbv(0, xcr0);
		wrmsr(MSR_KERNEL_GS_BASE, gs);
	}
	depth[c->id]--;
	vmcs_clear(c, &g->vmcs);		/* the next one may be on another CPU */
	vmcs_load(c, prev);
	return err;
}

int guardian_serve(struct pcpu *c, struct guardian *g, u32 op, void *block, u64 size)
{
	void *mb = &g->mb->init;
	int err;

	memcpy(mb, block, size);
	err = guardian_call(c, g, op, NULL, NULL);
	memcpy(block, mb, size);
	memset(mb, 0, size);
	return err;
}
