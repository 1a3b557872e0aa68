/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protected.h"

_Static_assert(FW_GPA == CVM_FW_GPA && FW_STACK == CVM_FW_STACK, "firmware.h");
extern const u8 fw_start[], fw_end[], fw_stage1[], fw_stage1_end[], fw_exec_done[];

void vm1_map(struct vm1 *vm, u32 gfn, u64 hpa)
{
	struct { u64 eptp, zero; } d = { (u64)vm->g.ept | EPTP_BITS, 0 };

	vm->hpa[gfn] = hpa;
	ept_map(vm->g.ept, (u64)gfn << 12, hpa, hpa ? EPT_LEAF : 0);
	invept(1, &d);
}

u8 *vm1_frame(struct vm1 *vm, u32 gfn)
{
	return (u8 *)vm->hpa[gfn];
}

void vm1_create(struct vm1 *vm)
{
	zero(vm, sizeof(*vm));
	l2_init(&vm->g, NULL);
	l2_flat(&vm->g, CVM_FW_ENTRY);
	vm->g.ept = page_alloc();
	vmwrite(VMCS_EPTP, (u64)vm->g.ept | EPTP_BITS);
	vm->ram = page_alloc_contig(VM_PAGES, 1);
	for (u32 i = 0; i < VM_PAGES; i++) {
		vm->hpa[i] = (u64)vm->ram + 4096 * i;
		ept_map(vm->g.ept, 4096ull * i, vm->hpa[i], EPT_LEAF);
	}
	copy(vm->ram + CVM_FW_GPA, fw_start, (u64)(fw_end - fw_start));
	copy(vm->ram + STAGE1_GPA, fw_stage1, (u64)(fw_stage1_end - fw_stage1));
}

void vm1_block(struct cvm_protect *p)
{
	zero(p, sizeof(*p));
	p->version = CVM_ABI_VERSION;
	p->uuid[0] = 0xc0;
	p->nr_ram = 1;
	p->ram[0].size = VM_BYTES;
	p->nr_components = 1;
	p->comp[0] = (struct cvm_component){ .kind = CVM_COMP_FIRMWARE, .gpa = CVM_FW_GPA,
					     .size = (u64)(fw_end - fw_start) };
}

void vm1_select(struct vm1 *vm)
{
	REQUIRE_EQ(vmptrld(vm->g.vmcs), 0);
}

u8 string_byte(u32 n)
{
	return (u8)(n * 7 + n / 251 + 3);
}

/* As KVM's emulator does it: INS as many as there are, OUTS one; RIP stays at the instruction, also when ECX becomes 0. */
static void serve_string(struct vm1 *vm, u64 q)
{
	bool in = q & BIT(3);
	u64 *index = &vm->g.regs[in ? RDI : RSI], *left = &vm->g.regs[RCX];
	u32 size = (q & 7) + 1, most = in ? vm->string_most : 1, n = most && most < *left ? most : (u32)*left;

	vm->strings++;
	if (!vm->bounce || *index < CVM_BOUNCE_GPA || n > CVM_RUN_MAX || *index + n * size > CVM_BOUNCE_END ||
	    vm->string_outs + n * size > sizeof(vm->string_out))
		BROKEN("a string exit out of the bounce area");
	for (u32 i = 0; i < n * size; i++) {
		u8 *b = &vm->bounce[*index + i - CVM_BOUNCE_GPA];

		if (in)
			*b = string_byte(vm->string_ins++);
		else
			vm->string_out[vm->string_outs++] = *b;
	}
	*index += n * size;
	*left -= n;
}

static void serve_io(struct vm1 *vm)
{
	u64 q = vmread(VMCS_EXIT_QUALIFICATION);
	u32 port = q >> 16 & 0xffff;

	if (q & BIT(4)) {
		if (!vm->no_string)
			serve_string(vm, q);
		return;
	}
	if (port == PORT_IN) {
		vm->g.regs[RAX] = vm->queue[vm->taken++];
	} else if (port == PORT_OUT) {
		if (vm->answers < ARRAY_SIZE(vm->answer))
			vm->answer[vm->answers++] = (u32)vm->g.regs[RAX];
	} else if (port == PORT_STRING) {	/* an element by itself */
		for (u32 i = 0; i < (q & 7) + 1; i++) {
			u64 shift = 8 * i;

			if (q & BIT(3))
				vm->g.regs[RAX] = (vm->g.regs[RAX] & ~(0xffull << shift)) | (u64)string_byte(vm->string_ins++) << shift;
			else if (vm->string_outs < sizeof(vm->string_out))
				vm->string_out[vm->string_outs++] = (u8)(vm->g.regs[RAX] >> shift);
		}
	} else if (port == PORT_HOLD) {
		vm->holds++;
		if (q & BIT(3))
			vm->g.regs[RAX] = (vm->g.regs[RAX] & ~0xffull) | (vm->hold_in & 0xff);
	}
	l2_skip();
}

static bool serve_fault(struct vm1 *vm)
{
	u64 gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS), rip = vmread(VMCS_GUEST_RIP);
	u64 slot = (rip - CVM_DECOY_GPA) / CVM_DECOY_SLOT;

	vm->faults++;
	if (gpa - CVM_BOUNCE_GPA < CVM_BOUNCE_SIZE && !vm->no_bounce) {
		if (!vm->bounce)
			vm->bounce = page_alloc_contig(CVM_BOUNCE_SIZE / 4096, 1);
		ept_map(vm->g.ept, gpa & PAGE_MASK, (u64)vm->bounce + (gpa & PAGE_MASK) - CVM_BOUNCE_GPA, EPT_LEAF);
		return true;
	}
	if (gpa < VM_BYTES) {
		if (!vm->hpa[gpa >> 12] || vm->faults > 10000)
			return false;
		ept_map(vm->g.ept, gpa & PAGE_MASK, vm->hpa[gpa >> 12], EPT_LEAF);
		return true;
	}
	if (vm->no_mmio || (gpa & PAGE_MASK) != VM_MMIO || rip < CVM_DECOY_GPA || slot >= CVM_DECOY_NOP)
		return false;
	vm->mmio_gpa = gpa;
	vm->mmio_rip = rip;
	if (slot >= CVM_DECOY_STORE8)
		vm->mmio_value = vm->g.regs[RAX];
	else
		vm->g.regs[RAX] = vm->mmio_value;
	l2_skip();
	return true;
}

u32 vm1_run(struct vm1 *vm)
{
	for (;;) {
		u32 reason = l2_run(&vm->g);

		if (vm->at_exit)
			vm->at_exit(vm, reason);
		switch (reason) {
		case EXIT_IO:
			if ((vmread(VMCS_EXIT_QUALIFICATION) >> 16 & 0xffff) == PORT_IN && vm->taken == vm->queued) {
				vm->waiting = true;
				return AT_COMMAND;
			}
			if ((vmread(VMCS_EXIT_QUALIFICATION) >> 16 & 0xffff) == PORT_STAGE1) {
				vm->stage1 = (u32)vm->g.regs[RAX];
				l2_skip();
				return STAGE1_DONE;
			}
			serve_io(vm);
			break;
		case EXIT_HLT:
			vm->hlts++;
			l2_skip();
			break;
		case EXIT_EXT_INTR:
			vm->irqs[vmread(VMCS_EXIT_INTR_INFO) & 0xff]++;
			apic_eoi();
			if (vm->end_at_interrupt)
				return reason;
			break;
		case EXIT_EXCEPTION_NMI:
			if (!nmi_expected || vmread(VMCS_EXIT_INTR_INFO) != (INTR_VALID | INTR_TYPE_NMI << 8 | 2))
				return reason;
			__asm__ volatile("int $2" : : : "memory");	/* the handler counts it, and its IRET unblocks NMIs */
			break;
		case EXIT_INTR_WINDOW:
			if (!vm->windows)
				return reason;
			break;
		case EXIT_EPT_VIOLATION:
			if (!serve_fault(vm))
				return reason;
			break;
		case EXIT_CPUID: {
			u32 r[4] = { LIE, LIE, LIE, LIE };

			if (!vm->lies)
				cpuid((u32)vm->g.regs[RAX], (u32)vm->g.regs[RCX], r);
			vm->g.regs[RAX] = r[0];
			vm->g.regs[RBX] = r[1];
			vm->g.regs[RCX] = r[2];
			vm->g.regs[RDX] = r[3];
			l2_skip();
			break;
		}
		case EXIT_RDMSR:
			if (vm->lies)
				vm->g.regs[RAX] = vm->g.regs[RDX] = LIE;
			/* fallthrough */
		case EXIT_WRMSR:
			vm->msr_exits++;
			l2_skip();
			break;
		default:
			return reason;
		}
	}
}

u32 vm1_command(struct vm1 *vm, u32 n, const u32 *words)
{
	u32 r;

	vm1_select(vm);
	if (!vm->waiting)
		BROKEN("the guest does not wait for a command");
	copy(vm->queue, words, 4 * n);
	vm->queued = n;
	vm->faults = 0;
	vm->taken = vm->answers = 0;
	vm->waiting = false;
	vm->g.regs[RAX] = vm->queue[vm->taken++];
	l2_skip();
	r = vm1_run(vm);
	return r == AT_COMMAND ? 0 : r;
}

void vm1_place(struct vm1 *vm, const u8 *code, u32 n)
{
	u32 rel = (u32)(FW_GPA + (fw_exec_done - fw_start)) - (FW_CODE + 21);
	u8 text[24];

	memset(text, 0x90, sizeof(text));
	copy(text, code, n);
	text[16] = 0xe9;		/* jmp fw_exec_done */
	copy(text + 17, &rel, 4);
	for (u32 i = 0; i < sizeof(text); i += 4) {
		u32 word;

		copy(&word, text + i, 4);
		REQUIRE_EQ(CMD(vm, FW_WRITE, FW_CODE + i, word), 0);
	}
}

u32 vm1_exec(struct vm1 *vm, const u8 *code, u32 n)
{
	vm1_place(vm, code, n);
	return CMD(vm, FW_EXEC);
}

u32 vm1_stage1(struct vm1 *vm, u32 gpa, u32 size)
{
	vm1_select(vm);
	for (u32 i = 0; i < 16; i++)
		vm->g.regs[i] = vm->dirty_entry ? 0x4141414141414141ull : 0;
	vm->g.regs[RAX] = CVM_CALL(CVM_GUEST_PROTECT);
	vm->g.regs[RBX] = gpa;
	vm->g.regs[RCX] = size;
	vmwrite(VMCS_GUEST_RIP, STAGE1_GPA);
	return vm1_run(vm);
}

s32 vm1_protect_at(struct vm1 *vm, u32 gpa, u32 size)
{
	u32 r = vm1_stage1(vm, gpa, size);

	if (r == STAGE1_DONE)
		return (s32)vm->stage1;
	if (r == AT_COMMAND)
		return 0;
	about("exit reason", r);
	BROKEN("PROTECT ended in an exit that nobody serves");
}

s32 vm1_protect(struct vm1 *vm, const struct cvm_protect *p)
{
	copy(vm->ram + BLOCK_GPA, p, sizeof(*p));
	return vm1_protect_at(vm, BLOCK_GPA, sizeof(*p));
}

void vm1_find_id(struct vm1 *vm)
{
	static struct cvm_vm_list l;

	vm->id = 0;
	REQUIRE_EQ(host_call(CVM_HOST_VM_LIST, 0, &l, sizeof(l)), 0);
	for (u32 i = 0; i < l.count; i++)	/* ids only grow */
		if (l.vm[i].id > vm->id)
			vm->id = l.vm[i].id;
	EXPECT(vm->id != 0);
}

void vm1_start_protected(struct vm1 *vm)
{
	struct cvm_protect p;

	vm1_create(vm);
	vm1_block(&p);
	REQUIRE_EQ(vm1_protect(vm, &p), 0);
	vm1_find_id(vm);
}

void vm1_start_ordinary(struct vm1 *vm)
{
	vm1_create(vm);
	REQUIRE_EQ(vm1_run(vm), AT_COMMAND);
}

struct cvm_vm_info vm1_info(struct vm1 *vm)
{
	struct cvm_vm_info *i = page_alloc();

	REQUIRE_EQ(host_call(CVM_HOST_VM_INFO, vm->id, i, sizeof(*i)), 0);
	return *i;
}

static void destroy(u32 id)
{
	for (u32 i = 0; i < 1000; i++) {
		s64 left = host_call(CVM_HOST_VM_DESTROY, id, NULL, 0);

		if (left == 0)
			return;
		if (left < 0) {
			EXPECT_EQ(left, 0);
			return;
		}
	}
	FAIL("the VM is never gone");
}

void vm1_destroy(struct vm1 *vm)
{
	destroy(vm->id);
	vm->id = 0;
}

void destroy_all(void)
{
	static struct cvm_vm_list l;

	if (host_call(CVM_HOST_VM_LIST, 0, &l, sizeof(l)) == 0)
		for (u32 i = 0; i < l.count; i++)
			destroy(l.vm[i].id);
}
