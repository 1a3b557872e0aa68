/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Further vCPUs of a protected VM: PROTECT says how many there are, ENROL makes them, RootVisor says where they start. What the host makes
 * of INIT, SIPI and reset stays in its own VMCS. */
#include "attacks.h"

extern const u8 fw_start[], fw_entry[];

static struct vm1 a, b, other, plain;

static void protect_with(struct vm1 *vm, u32 more)
{
	struct cvm_protect p;

	vm1_create(vm);
	vm1_block(&p);
	p.more_vcpus = more;
	REQUIRE_EQ(vm1_protect(vm, &p), 0);
	vm1_find_id(vm);
}

/* One more VMCS over vm's EPT12, current, not started; full of what the host would like to see in a vCPU. */
static void add_vcpu(struct vm1 *vcpu, const struct vm1 *vm)
{
	*vcpu = *vm;
	l2_init(&vcpu->g, NULL);
	l2_flat(&vcpu->g, CVM_FW_ENTRY);
	vcpu->g.ept = vm->g.ept;
	vmwrite(VMCS_EPTP, (u64)vm->g.ept | EPTP_BITS);
	vcpu->waiting = false;
	for (u32 i = 0; i < 16; i++)
		vcpu->g.regs[i] = 0x4141414141414141ull;
}

/* ENROL from flat code of the host's making. 0: joined, and waits for a command; else the errno that it got. */
static s32 enrol(struct vm1 *vcpu, u32 number)
{
	u32 r;

	vm1_select(vcpu);
	vmwrite(VMCS_GUEST_RIP, STAGE1_GPA);
	vcpu->g.regs[RAX] = CVM_CALL(CVM_GUEST_ENROL);
	vcpu->g.regs[RBX] = number;
	r = vm1_run(vcpu);
	if (r == STAGE1_DONE)
		return (s32)vcpu->stage1;
	if (r == AT_COMMAND)
		return 0;
	about("exit reason", r);
	BROKEN("ENROL ended in an exit that nobody serves");
}

static void start_two(void)
{
	begin();
	protect_with(&a, 1);
	add_vcpu(&b, &a);
	REQUIRE_EQ(enrol(&b, 1), 0);
}

static void expect_refused(struct vm1 *vcpu, u32 number)
{
	u64 mark = event_mark();

	about("number", number);
	EXPECT_EQ(enrol(vcpu, number), -EPERM);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT), 1);
	EXPECT_EQ(vm1_info(&a).vcpus, 1);
}

TEST(entry, "attack-P5-further-vcpu-entry-state")
{
	static const u32 want[] = { 1, 0, 0, 0, FW_STACK, 0, 0, 0, (u32)(CR0_PE | CR0_ET | CR0_NE), 0, 0, 0, 0, 0x400, 2 };
	u32 at = (u32)(FW_GPA + (fw_entry - fw_start));

	start_two();
	for (u32 i = 0; i < ARRAY_SIZE(want); i++) {
		about("register", i);
		EXPECT_EQ(CMD(&b, FW_READ, at + 4 * i), 0);
		EXPECT_EQ(b.answer[0], want[i]);
	}
	/* the control: an ordinary one starts with what the host put there */
	vm1_start_ordinary(&plain);
	add_vcpu(&other, &plain);
	REQUIRE_EQ(vm1_run(&other), AT_COMMAND);
	EXPECT_EQ(CMD(&other, FW_READ, at + 24), 0);
	EXPECT_EQ(other.answer[0], 0x41414141);
}

TEST(eoi, "vcpus-have-an-eoi-word-each")
{
	volatile u32 *word;

	begin();
	word = start_with_eoi(&a, 1);
	add_vcpu(&b, &a);
	REQUIRE_EQ(enrol(&b, 1), 0);
	vm1_place(&a, eoi_code, EOI_CODE);
	for (u32 i = 0; i < 4; i++) {
		struct vm1 *v = i & 1 ? &b : &a;

		word[0] = i == 0 || i == 3;
		word[1] = i == 1 || i == 2;
		v->msr_exits = 0;
		EXPECT_EQ(CMD(v, FW_EXEC), 0);
		EXPECT_EQ(v->msr_exits, i >= 2);		/* the other one's word counts for nothing */
		EXPECT_EQ(word[0], i == 3);
		EXPECT_EQ(word[1], i == 2);
	}
	expect_running(&a);
}

TEST(work, "vcpus-two-share-one-vm")
{
	start_two();
	EXPECT_EQ(vm1_info(&a).vcpus, 2);
	EXPECT_EQ(CMD(&a, FW_FILL, DATA, WORDS, WORD), 0);
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);
	EXPECT_EQ(b.answer[0], 0);
	EXPECT(!frame_has(vm1_frame(&a, DATA >> 12), WORD));
	EXPECT_EQ(CMD(&b, FW_CHECK, DATA, WORDS, WORD), 0);		/* sealed, and back for the other one */
	EXPECT_EQ(b.answer[0], 0);
	for (u32 i = 0; i < 2; i++) {					/* each has an APIC id of its own */
		struct vm1 *v = i ? &b : &a;

		EXPECT_EQ(CMD(v, FW_CPUID, 1), 0);
		EXPECT_EQ(v->answer[1] >> 24, i);
		EXPECT_EQ(CMD(v, FW_CPUID, 0xb), 0);
		EXPECT_EQ(v->answer[3], i);
		EXPECT_EQ(CMD(v, FW_HOLD), 0);
		EXPECT_EQ(v->answer[0], 0);
	}
	EXPECT_EQ(CMD(&b, FW_CALL, CVM_CALL(CVM_GUEST_ENROL), 1, 0), 0);	/* joined is joined */
	EXPECT_EQ((s32)b.answer[0], -EPERM);
	expect_running(&a);
}

/* A vCPU that spins with PAUSE, interrupts masked, gives the host its turn, again and again: the one it waits for may need this CPU. */
TEST(spin, "vcpus-spinning-exits")
{
	start_two();
	EXPECT_EQ(CMD(&b, FW_WRITE, FW_CODE, 0xfceb90f3), 0);		/* 1: pause; jmp 1b */
	EXPECT_EQ(CMD(&b, FW_EXEC), EXIT_PAUSE);
	EXPECT_EQ(vmread(VMCS_EXIT_QUALIFICATION), 0);
	l2_skip();
	EXPECT_EQ(l2_run(&b.g), EXIT_PAUSE);
	EXPECT_EQ(l2_run(&b.g), EXIT_PAUSE);				/* also if the host does nothing about it */
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
	expect_running(&a);
}

/* One stops: the other one, in the middle of an exit, never comes back either; and all frames go home. */
TEST(end, "vcpus-end-together")
{
	static struct cvm_host_info info;

	start_two();
	EXPECT_EQ(CMD(&b, FW_DIE), EXIT_TRIPLE_FAULT);
	expect_stopped(&b, EXIT_TRIPLE_FAULT, CVM_R_TRIPLE_FAULT);
	vm1_select(&a);
	expect_stopped(&a, l2_run(&a.g), CVM_R_TRIPLE_FAULT);
	vm1_destroy(&a);
	host_call(CVM_HOST_INFO, 0, &info, sizeof(info));
	EXPECT_EQ(info.private_frames, 0);
	EXPECT_EQ(info.vms, 0);
}

TEST(rogue, "attack-P5-rogue-vcpu")
{
	static const u32 bad[] = { 0, 2, 15, 16, 31, 32, 33, 0x80000001, 0xffffffff };

	begin();
	protect_with(&a, 1);
	add_vcpu(&b, &a);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refused(&b, bad[i]);
	about(NULL, 0);
	EXPECT_EQ(enrol(&b, 1), 0);					/* the control: the one that was named */
	EXPECT_EQ(vm1_info(&a).vcpus, 2);
	vm1_destroy(&a);
	vmx_stop();
	/* a VM with one vCPU has no room for another */
	begin();
	protect_with(&a, 0);
	add_vcpu(&b, &a);
	expect_refused(&b, 1);
	expect_running(&a);
	EXPECT_EQ(CMD(&a, FW_HOLD), 0);
	EXPECT_EQ(a.answer[0], 0);
}

TEST(twice, "attack-P5-second-vmcs-for-a-vcpu")
{
	u64 mark;

	start_two();
	add_vcpu(&other, &a);
	mark = event_mark();
	EXPECT_EQ(enrol(&other, 1), -EPERM);
	EXPECT_EQ(events_counted(mark, CVM_EV_DENIED, CVM_R_BAD_PROTECT), 1);
	EXPECT_EQ(vm1_info(&a).vcpus, 2);
	EXPECT_EQ(CMD(&b, FW_HOLD), 0);
	EXPECT_EQ(b.answer[0], 0);
	expect_running(&a);
}

/* There is nothing to join before PROTECT is done, after the VM stopped, or with another EPT12; and only unpaged. */
TEST(when, "vcpus-enrol-when-and-where")
{
	struct cvm_protect p;
	u64 frame;

	begin();
	vm1_create(&a);
	add_vcpu(&b, &a);
	EXPECT_EQ(enrol(&b, 1), -EAGAIN);
	vm1_block(&p);
	p.more_vcpus = 1;
	copy(a.ram + BLOCK_GPA, &p, sizeof(p));
	frame = a.hpa[FW_GPA >> 12];
	vm1_select(&a);
	vm1_map(&a, FW_GPA >> 12, 0);
	REQUIRE_EQ(vm1_stage1(&a, BLOCK_GPA, sizeof(p)), EXIT_EPT_VIOLATION);
	EXPECT_EQ(enrol(&b, 1), -EAGAIN);				/* half-way */
	vm1_select(&a);
	vm1_map(&a, FW_GPA >> 12, frame);
	REQUIRE_EQ(vm1_run(&a), AT_COMMAND);
	vm1_find_id(&a);
	vm1_create(&other);						/* of another VM */
	EXPECT_EQ(enrol(&other, 1), -EAGAIN);
	vm1_select(&b);
	l2_real(&b.g, STAGE1_GPA);
	EXPECT_EQ(enrol(&b, 1), -EACCES);
	l2_flat(&b.g, STAGE1_GPA);
	EXPECT_EQ(vm1_info(&a).vcpus, 1);
	EXPECT_EQ(CMD(&a, FW_DIE), EXIT_TRIPLE_FAULT);
	EXPECT_EQ(enrol(&b, 1), -EAGAIN);
}

/* As KVM leaves a vCPU after SIPI with vector 7, its wait for one, and INIT: by its VMCS. */
static void sipi(struct vm1 *vm)
{
	vm1_select(vm);
	vmwrite(VMCS_GUEST_CS_SEL, 0x700);
	vmwrite(VMCS_GUEST_CS_BASE, 0x7000);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_CR0, CR0_ET | CR0_NE);
}

TEST(forged_sipi, "attack-P3-forged-sipi")
{
	start_two();
	vm1_select(&b);
	vmwrite(VMCS_GUEST_ACTIVITY, 3);				/* wait-for-SIPI: no business of the host's */
	vmwrite(VMCS_GUEST_CS_SEL, 0x700);
	vmwrite(VMCS_GUEST_CS_BASE, 0x7000);
	EXPECT_EQ(CMD(&b, FW_HOLD), 0);
	EXPECT_EQ(b.answer[0], 0);
	sipi(&b);
	expect_stopped(&b, l2_run(&b.g), CVM_R_BAD_RESUME);
	vm1_select(&a);
	expect_stopped(&a, l2_run(&a.g), CVM_R_BAD_RESUME);
	/* the control: an ordinary vCPU goes where it is sent */
	vm1_start_ordinary(&plain);
	copy(vm1_frame(&plain, 7), (const u8[]){ 0xe6, PORT_OUT }, 2);
	vm1_select(&plain);
	l2_real(&plain.g, 0x7000);
	EXPECT_EQ(l2_run(&plain.g), EXIT_IO);
	EXPECT_EQ(vmread(VMCS_EXIT_QUALIFICATION) >> 16 & 0xffff, PORT_OUT);
}

/* Answers the guest's IN, and enters it until its next exit. */
static u32 give_word(struct vm1 *vm, u32 word)
{
	vm->g.regs[RAX] = word;
	l2_skip();
	return l2_run(&vm->g);
}

static u32 into_port_access(void)
{
	return give_word(&b, FW_READ);
}

static u32 into_halt(void)
{
	return give_word(&b, FW_HALT);
}

static u32 into_device_access(void)
{
	EXPECT_EQ(give_word(&b, FW_READ), EXIT_IO);
	return give_word(&b, FW_DEVICE);
}

static u32 into_missing_page(void)
{
	vm1_map(&b, DATA >> 12, 0);
	EXPECT_EQ(give_word(&b, FW_READ), EXIT_IO);
	return give_word(&b, DATA);
}

/* INIT as KVM carries it out, while the host serves an exit of that vCPU. */
TEST(reset, "attack-P3-reset-in-the-middle-of-an-exit")
{
	static const struct { const char *what; u32 (*get_there)(void); u32 exit; } at[] = {
		{ "port access", into_port_access, EXIT_IO },
		{ "halt", into_halt, EXIT_HLT },
		{ "device access", into_device_access, EXIT_EPT_VIOLATION },
		{ "missing page", into_missing_page, EXIT_EPT_VIOLATION } };

	for (u32 i = 0; i < ARRAY_SIZE(at); i++) {
		start_two();
		about(at[i].what, 0);
		vm1_select(&b);
		REQUIRE_EQ(at[i].get_there(), at[i].exit);
		vmwrite(VMCS_GUEST_RIP, 0xfff0);
		vmwrite(VMCS_GUEST_CS_SEL, 0xf000);
		vmwrite(VMCS_GUEST_CS_BASE, 0xffff0000);
		vmwrite(VMCS_GUEST_CR0, CR0_ET | CR0_NE);
		expect_stopped(&b, l2_run(&b.g), CVM_R_RESET);
		vm1_select(&a);
		EXPECT_EQ(l2_run(&a.g), EXIT_TRIPLE_FAULT);
		vm1_destroy(&a);
		vmx_stop();
	}
	/* the control: an ordinary vCPU starts anew */
	begin();
	vm1_start_ordinary(&plain);
	vm1_select(&plain);
	EXPECT_EQ(give_word(&plain, FW_HALT), EXIT_HLT);
	l2_real(&plain.g, 0xfff0);
	copy(vm1_frame(&plain, 0xf) + 0xff0, (const u8[]){ 0xe6, PORT_OUT }, 2);
	EXPECT_EQ(l2_run(&plain.g), EXIT_IO);
	EXPECT_EQ(vmread(VMCS_EXIT_QUALIFICATION) >> 16 & 0xffff, PORT_OUT);
}

TEST(count_measured, "attack-P5-measurement-shows-vcpus")
{
	u8 one[CVM_DIGEST_SIZE], two[CVM_DIGEST_SIZE];

	begin();
	protect_with(&a, 0);
	copy(one, vm1_info(&a).launch_digest, sizeof(one));
	protect_with(&other, 1);
	copy(two, vm1_info(&other).launch_digest, sizeof(two));
	EXPECT(compare(one, two, sizeof(one)) != 0);
}

/* ---- each on a CPU of its own ---- */
static struct vm1 vcpus[CPUS_MAX];
static u32 nr;

/* One VM with as many vCPUs as the host has CPUs; no CPU has any of them. */
static void make_vcpus(void)
{
	begin();
	nr = smp_start();
	protect_with(&vcpus[0], nr - 1);
	for (u32 i = 1; i < nr; i++) {
		l2_drop(&vcpus[i - 1].g);
		add_vcpu(&vcpus[i], &vcpus[0]);
		REQUIRE_EQ(enrol(&vcpus[i], i), 0);
	}
	l2_drop(&vcpus[nr - 1].g);
}

/* Each writes a page of its own, which the host has sealed at once, and reads that of the next one. */
static void share(void *arg)
{
	struct vm1 *vm = arg;
	u32 me = cpu_id(), next = (me + 1) % nr;

	smp_vmx_start();
	l2_adopt(&vm->g);
	for (u32 round = 0; round < 10; round++) {
		EXPECT_EQ(CMD(vm, FW_FILL, DATA + 0x1000 * me, WORDS, WORD + 16 * round + me), 0);
		smp_barrier();
		EXPECT(!frame_has(vm1_frame(vm, (DATA >> 12) + me), WORD + 16 * round + me));
		EXPECT_EQ(CMD(vm, FW_CHECK, DATA + 0x1000 * next, WORDS, WORD + 16 * round + next), 0);
		EXPECT_EQ(vm->answer[0], 0);
		smp_barrier();
	}
	l2_drop(&vm->g);
}

TEST(at_once, "smp-vcpus-of-one-vm")
{
	make_vcpus();
	EXPECT_EQ(vm1_info(&vcpus[0]).vcpus, nr);
	smp_all(share, vcpus, sizeof(vcpus[0]));
	expect_running(&vcpus[0]);
}

/* One place, and all CPUs ask for it at once. */
static s32 outcomes[CPUS_MAX];

static void ask(void *arg)
{
	struct vm1 *vm = arg;

	smp_vmx_start();
	l2_adopt(&vm->g);
	smp_barrier();
	outcomes[cpu_id()] = enrol(vm, 1);
	l2_drop(&vm->g);
}

TEST(race_to_enrol, "smp-race-to-enrol")
{
	u32 joined = 0;

	begin();
	nr = smp_start();
	protect_with(&a, 1);
	l2_drop(&a.g);
	for (u32 i = 0; i < nr; i++) {
		add_vcpu(&vcpus[i], &a);
		l2_drop(&vcpus[i].g);
	}
	smp_all(ask, vcpus, sizeof(vcpus[0]));
	for (u32 i = 0; i < nr; i++) {
		joined += outcomes[i] == 0;
		EXPECT(outcomes[i] == 0 || outcomes[i] == -EPERM);
	}
	EXPECT_EQ(joined, 1);
	EXPECT_EQ(vm1_info(&a).vcpus, 2);
}

/* The first vCPU is reset while the others run: none of them goes on. */
static u32 endings[CPUS_MAX];

static void run_to_the_end(void *arg)
{
	struct vm1 *vm = arg;
	u32 r;

	smp_vmx_start();
	l2_adopt(&vm->g);
	do
		r = CMD(vm, FW_CPUID, 0);
	while (!r);
	endings[cpu_id()] = r;
	REQUIRE_EQ(vmclear(vm->g.vmcs), 0);
}

TEST(reset_elsewhere, "smp-reset-while-another-vcpu-runs")
{
	make_vcpus();
	for (u32 i = 1; i < nr; i++) {
		endings[i] = 0;
		smp_give(i, run_to_the_end, &vcpus[i]);
	}
	l2_adopt(&vcpus[0].g);
	vm1_select(&vcpus[0]);
	vmwrite(VMCS_GUEST_RIP, 0xfff0);
	vmwrite(VMCS_GUEST_CS_SEL, 0xf000);
	expect_stopped(&vcpus[0], l2_run(&vcpus[0].g), CVM_R_RESET);
	for (u32 i = 1; i < nr; i++) {
		smp_wait(i);
		EXPECT_EQ(endings[i], EXIT_TRIPLE_FAULT);
	}
	vm1_destroy(&vcpus[0]);
}
