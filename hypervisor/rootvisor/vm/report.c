// SPDX-License-Identifier: LGPL-2.1-or-later
/* The Quoter, and how a VM report comes about (cvm/report.h). */
#include "cvm/layout.h"
#include "hostboot/handoff.h"
#include "vm/vm.h"

static u64 reports;
u64 platform_features;
struct cvm_g_quoter quoter_says;

/* Without a TPM the host starts too: reports and the log show it. */
static void quoter_start(struct pcpu *c, const char *cmdline)
{
	struct cvm_g_quoter *q = &quoter_says;

	if (guardian_create(c, &quoter, NULL) < 0)
		rv_panic("the pool is too small for the Quoter; boot with a larger pool=");
	for (u64 off = 0; off < rv_boot.file_bytes; off += PAGE_SIZE)
		guardian_map(&quoter, CVM_G_ROOTVISOR + off, rv_boot.image_start + off, EPT_R | EPT_MT_WB | EPT_IPAT);
	for (u64 off = 0; off < rv_boot.guardian.size; off += PAGE_SIZE)
		guardian_map(&quoter, CVM_G_PRISTINE + off, rv_boot.guardian.start + off, EPT_R | EPT_MT_WB | EPT_IPAT);
	guardian_map(&quoter, CVM_G_TPM, CVM_TPM_MMIO, EPT_R | EPT_W | EPT_MT_UC);
	*q = (struct cvm_g_quoter) {
		.rootvisor_size = rv_boot.file_bytes, .guardian_size = rv_boot.guardian.size, .tsc_khz = rv_boot.tsc_khz,
		.rootvisor_version = RV_VERSION, .rootvisor_svn = RV_SVN, 
		.guardian_svn = ((const struct cvm_g_header *)va(rv_boot.guardian.start))->svn };
	memcpy(q->cmdline, cmdline, sizeof(q->cmdline));
	if (guardian_serve(c, &quoter, CVM_G_QUOTER_INIT, q, sizeof(*q)))
		rv_panic("the Quoter cannot make its key");
	guardian_map(&quoter, CVM_G_TPM, 0, 0);		/* the TPM is the host's now */
	invept(1, pa(quoter.ept_root) | 6 | 3 << 3);
	vmcs_load(c, &quoter.vmcs);
	vmwrite(VMCS_PROC_CTLS, vmread(VMCS_PROC_CTLS) | PROC_UNCOND_IO);
	vmcs_load(c, &c->vmcs01);
	platform_features = (q->tpm_error ? 0 : CVM_F_TPM) | (nr_pcpus > 1 ? CVM_F_SMP : 0);
	log_event(CVM_EV_TPM, CVM_R_NONE, 0, NULL, q->tpm_error | (u64)(q->counter_error | q->counter_new << 31) << 32,
		  (u64)q->tpm_transport << 32 | (q->tpm_error ? q->tpm_code : q->counter_code));
}

void vm_init(struct pcpu *c, const char *cmdline, struct host_handoff *handoff)
{
	vms[0].state = CVM_VM_STOPPED;	/* vcpu12_orphan() */
	pv_init_features();
	quoter_start(c, cmdline);
	memcpy(handoff->secret, quoter_says.secret, sizeof(handoff->secret));
	handoff->tpm_log_size = quoter_says.log_size;
	memcpy(handoff->tpm_log, quoter_says.log, sizeof(handoff->tpm_log));
}

/* user_data: copied first, so it may lie in a mailbox, as *out may. */
int vm_report(struct pcpu *c, struct vm *vm, struct vcpu12 *v, u32 requester, const u8 *user_data, void *out, u64 *need_gfn)
{
	struct cvm_report *g = &vm->guardian.mb->report;
	static struct cvm_report r;		/* under the lock; the stack is small */
	int err;

	r = (struct cvm_report) {
		.magic = CVM_REPORT_MAGIC, .version = CVM_REPORT_VERSION, .size = sizeof(r),
		.rootvisor_version = RV_VERSION, .rootvisor_svn = RV_SVN,
		.guardian_svn = quoter_says.guardian_svn,
		.vm_id = vm->id, .platform = platform_features, .uptime_tsc = rdtsc() - rv_boot.tsc_start,
		.tsc_khz = rv_boot.tsc_khz, .counter = ++reports, .requester = requester,
		.rollback_epoch = (u32)(vm->rollback >> 32), .rollback = (u32)vm->rollback };
	memcpy(r.user_data, user_data, sizeof(r.user_data));
	memcpy(r.uuid, vm->params.uuid, sizeof(r.uuid));
	memcpy(g, &r, sizeof(r));
	err = guardian_call(c, &vm->guardian, CVM_G_REPORT, v, need_gfn);
	if (err)
		return err;
	/* Of what it says, the part that is the Guardian's; the Quoter adds and checks the rest. */
	memcpy(r.launch_digest, g->launch_digest,
	       offsetof(struct cvm_report, user_data) - offsetof(struct cvm_report, launch_digest));
	if (guardian_serve(c, &quoter, CVM_G_SIGN, &r, sizeof(r)))
		return -EIO;
	memcpy(out, &r, sizeof(r));
	return 0;
}
