// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stops at KVM's exit handler, on the CPU where the vCPU's VMCS is current and where the registers that
 * KVM switches lazily still hold what the exit left in them, and notes all of it.
 *   pid       the QEMU process whose exits are wanted
 *   samples   written: how many to take from now on; read: how many are still wanted
 *   state     the samples, JSON
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/vmx.h>

#include "cvmattack.h"

#define SAMPLES 32

static const struct {
	const char *name;
	u32 field;
} vmcs_fields[] = {
	{ "rip", GUEST_RIP }, { "rsp", GUEST_RSP }, { "rflags", GUEST_RFLAGS },
	{ "cr0", GUEST_CR0 }, { "cr3", GUEST_CR3 }, { "cr4", GUEST_CR4 },
	{ "cr0_shadow", CR0_READ_SHADOW }, { "cr4_shadow", CR4_READ_SHADOW },
	{ "es_base", GUEST_ES_BASE }, { "cs_base", GUEST_CS_BASE }, { "ss_base", GUEST_SS_BASE },
	{ "ds_base", GUEST_DS_BASE }, { "fs_base", GUEST_FS_BASE }, { "gs_base", GUEST_GS_BASE },
	{ "ldtr_base", GUEST_LDTR_BASE }, { "tr_base", GUEST_TR_BASE },
	{ "gdtr_base", GUEST_GDTR_BASE }, { "idtr_base", GUEST_IDTR_BASE },
	{ "gdtr_limit", GUEST_GDTR_LIMIT }, { "idtr_limit", GUEST_IDTR_LIMIT },
	{ "cs", GUEST_CS_SELECTOR }, { "ss", GUEST_SS_SELECTOR }, { "ds", GUEST_DS_SELECTOR },
	{ "es", GUEST_ES_SELECTOR }, { "fs", GUEST_FS_SELECTOR }, { "gs", GUEST_GS_SELECTOR },
	{ "tr", GUEST_TR_SELECTOR }, { "ldtr", GUEST_LDTR_SELECTOR },
	{ "cs_ar", GUEST_CS_AR_BYTES }, { "ss_ar", GUEST_SS_AR_BYTES },
	{ "dr7", GUEST_DR7 }, { "pending_debug", GUEST_PENDING_DBG_EXCEPTIONS },
	{ "debugctl", GUEST_IA32_DEBUGCTL }, { "pat", GUEST_IA32_PAT }, { "efer", GUEST_IA32_EFER },
	{ "sysenter_cs", GUEST_SYSENTER_CS }, { "sysenter_esp", GUEST_SYSENTER_ESP },
	{ "sysenter_eip", GUEST_SYSENTER_EIP },
	{ "interruptibility", GUEST_INTERRUPTIBILITY_INFO }, { "activity", GUEST_ACTIVITY_STATE },
	{ "exit_reason", VM_EXIT_REASON }, { "exit_qualification", EXIT_QUALIFICATION },
	{ "guest_linear", GUEST_LINEAR_ADDRESS }, { "guest_physical", GUEST_PHYSICAL_ADDRESS },
	{ "exit_length", VM_EXIT_INSTRUCTION_LEN }, { "instruction_info", VMX_INSTRUCTION_INFO },
	{ "exit_intr", VM_EXIT_INTR_INFO }, { "idt_vectoring", IDT_VECTORING_INFO_FIELD },
};

static const struct {
	const char *name;
	u32 msr;
} msrs[] = {
	{ "STAR", MSR_STAR }, { "LSTAR", MSR_LSTAR }, { "CSTAR", MSR_CSTAR }, { "FMASK", MSR_SYSCALL_MASK },
	{ "KERNEL_GS_BASE", MSR_KERNEL_GS_BASE }, { "TSC_AUX", MSR_TSC_AUX },
	{ "SYSENTER_ESP", MSR_IA32_SYSENTER_ESP }, { "FS_BASE", MSR_FS_BASE },
};

static const char *const gpr_names[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
};

struct sample {
	u64 vmcs[ARRAY_SIZE(vmcs_fields)];
	bool vmcs_missing[ARRAY_SIZE(vmcs_fields)];
	u64 gpr[ARRAY_SIZE(gpr_names)]; /* vcpu->arch.regs */
	u64 msr[ARRAY_SIZE(msrs)];
	u64 kvm_cr[4]; /* vcpu->arch: cr0, cr2, cr3, cr4 */
	u64 cr2, dr[4], dr6;
	u64 vector[16][4]; /* YMM, or XMM and zeros */
	bool vector_valid; /* the CPU holds what the exit left, not yet saved by the scheduler */
};

static struct sample samples[SAMPLES];
static unsigned int taken;
static u32 wanted, wanted_pid;
static DEFINE_RAW_SPINLOCK(lock);

static bool vmread(u32 field, u64 *value)
{
	bool failed;

	asm volatile("vmread %2, %1\n\tsetna %0" : "=q" (failed), "=rm" (*value) : "r" ((u64)field) : "cc");
	return !failed;
}

#define XMM(n) asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*(u64 (*)[2])s->vector[n]))
#define YMM(n) asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (s->vector[n]))
#define ALL(m) do { m(0); m(1); m(2); m(3); m(4); m(5); m(6); m(7); m(8); m(9); m(10); m(11); m(12); m(13); m(14); m(15); } while (0)

static void take(struct sample *s, struct kvm_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vmcs_fields); i++)
		s->vmcs_missing[i] = !vmread(vmcs_fields[i].field, &s->vmcs[i]);
	for (i = 0; i < ARRAY_SIZE(gpr_names); i++)
		s->gpr[i] = vcpu->arch.regs[i];
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (rdmsrl_safe(msrs[i].msr, &s->msr[i]))
			s->msr[i] = 0;
	s->kvm_cr[0] = vcpu->arch.cr0;
	s->kvm_cr[1] = vcpu->arch.cr2;
	s->kvm_cr[2] = vcpu->arch.cr3;
	s->kvm_cr[3] = vcpu->arch.cr4;
	s->cr2 = native_read_cr2();
	get_debugreg(s->dr[0], 0);
	get_debugreg(s->dr[1], 1);
	get_debugreg(s->dr[2], 2);
	get_debugreg(s->dr[3], 3);
	get_debugreg(s->dr6, 6);
	s->vector_valid = !test_thread_flag(TIF_NEED_FPU_LOAD);
	if (boot_cpu_has(X86_FEATURE_AVX))
		ALL(YMM);
	else
		ALL(XMM);
}

/* Preemption is off in a kprobe: the VMCS that is current is this vCPU's. */
static int at_exit(struct kprobe *p, struct pt_regs *regs)
{
	unsigned long flags;

	if (!READ_ONCE(wanted) || (u32)current->tgid != READ_ONCE(wanted_pid))
		return 0;
	raw_spin_lock_irqsave(&lock, flags);
	if (wanted && taken < SAMPLES) {
		take(&samples[taken++], (struct kvm_vcpu *)regs->di);
		wanted--;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "vmx_handle_exit",
	.pre_handler = at_exit,
};

static int samples_set(void *unused, u64 value)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	memset(samples, 0, sizeof(samples));
	taken = 0;
	wanted = min_t(u64, value, SAMPLES);
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int samples_get(void *unused, u64 *value)
{
	*value = READ_ONCE(wanted);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(samples_file, samples_get, samples_set, "%llu\n");

static void show(struct seq_file *m, const struct sample *s)
{
	unsigned int i;

	seq_puts(m, "{\"vmcs\":{");
	for (i = 0; i < ARRAY_SIZE(vmcs_fields); i++)
		if (!s->vmcs_missing[i])
			seq_printf(m, "%s\"%s\":\"%016llx\"", i ? "," : "", vmcs_fields[i].name, s->vmcs[i]);
	seq_puts(m, "},\"kvm\":{");
	for (i = 0; i < ARRAY_SIZE(gpr_names); i++)
		seq_printf(m, "\"%s\":\"%016llx\",", gpr_names[i], s->gpr[i]);
	seq_printf(m, "\"cr0\":\"%016llx\",\"cr2\":\"%016llx\",\"cr3\":\"%016llx\",\"cr4\":\"%016llx\"},\"cpu\":{",
		   s->kvm_cr[0], s->kvm_cr[1], s->kvm_cr[2], s->kvm_cr[3]);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		seq_printf(m, "\"%s\":\"%016llx\",", msrs[i].name, s->msr[i]);
	seq_printf(m, "\"cr2\":\"%016llx\",\"dr6\":\"%016llx\"", s->cr2, s->dr6);
	for (i = 0; i < 4; i++)
		seq_printf(m, ",\"dr%u\":\"%016llx\"", i, s->dr[i]);
	for (i = 0; s->vector_valid && i < 16; i++)
		seq_printf(m, ",\"ymm%u\":[\"%016llx\",\"%016llx\",\"%016llx\",\"%016llx\"]", i, s->vector[i][0],
			   s->vector[i][1], s->vector[i][2], s->vector[i][3]);
	seq_puts(m, "}}");
}

static int state_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	seq_puts(m, "[");
	for (i = 0; i < READ_ONCE(taken); i++) {
		seq_puts(m, i ? ",\n" : "\n");
		show(m, &samples[i]);
	}
	seq_puts(m, "\n]\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

int sample_start(struct dentry *dir)
{
	int r = register_kprobe(&probe);

	if (r < 0) {
		pr_err("cvmattack: no probe on %s: %d\n", probe.symbol_name, r);
		return r;
	}
	debugfs_create_u32("pid", 0600, dir, &wanted_pid);
	debugfs_create_file("samples", 0600, dir, NULL, &samples_file);
	debugfs_create_file("state", 0400, dir, NULL, &state_fops);
	return 0;
}

void sample_stop(void)
{
	unregister_kprobe(&probe);
}
