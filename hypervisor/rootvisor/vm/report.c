// SPDX-License-Identifier: LGPL-2.1-or-later
/* The Quoter, and how a VM report comes about (cvm/report.h). */
#include "cvm/layout.h"
#include "vm/vm.h"

static u64 reports;
u8 rootvisor_digest[CVM_DIGEST_SIZE], guardian_digest[CVM_DIGEST_SIZE];
struct cvm_report_key report_key;

static void quoter_start(struct pcpu *c)
{
	struct cvm_g_quoter *q;

	if (guardian_create(c, &quoter, NULL) < 0)
		rv_panic("the pool is too small for the Quoter; boot with a larger pool=");
	for (u64 off = 0; off < rv_boot.file_bytes; off += PAGE_SIZE)
		guardian_map(&quoter, CVM_G_ROOTVISOR + off, rv_boot.image_start + off, EPT_R);
	for (u64 off = 0; off < rv_boot.guardian.size; off += PAGE_SIZE)
		guardian_map(&quoter, CVM_G_PRISTINE + off, rv_boot.guardian.start + off, EPT_R);
	q = &quoter.mb->quoter;
	q->rootvisor_size = rv_boot.file_bytes;
	q->guardian_size = rv_boot.guardian.size;
	if (guardian_call(c, &quoter, CVM_G_QUOTER_INIT, NULL, NULL))
		rv_panic("the Quoter cannot make its key");
	memcpy(rootvisor_digest, q->rootvisor_digest, CVM_DIGEST_SIZE);
	memcpy(guardian_digest, q->guardian_digest, CVM_DIGEST_SIZE);
	memcpy(report_key.point, q->key, sizeof(report_key.point));
}

void vm_init(struct pcpu *c)
{
	pv_init_features();
	quoter_start(c);
}

/* call->user_data in, call->report out. */
int vm_report(struct pcpu *c, struct vm *vm, struct vcpu12 *v, u32 requester, struct cvm_report_call *call,
	      u64 *need_gfn)
{
	const struct cvm_g_header *h = va(rv_boot.guardian.start);
	struct cvm_report *r = &quoter.mb->report;
	int err;

	memset(&vm->guardian.mb->report, 0, sizeof(*r));
	memcpy(vm->guardian.mb->report.user_data, call->user_data, sizeof(call->user_data));
	vm->guardian.mb->report.requester = requester;
	vm->guardian.mb->report.counter = ++reports;
	memcpy(vm->guardian.mb->report.uuid, vm->params.uuid, sizeof(r->uuid));
	err = guardian_call(c, &vm->guardian, CVM_G_REPORT, v, need_gfn);
	if (err)
		return err;
	memcpy(r, &vm->guardian.mb->report, sizeof(*r));
	/* What the Guardian cannot know or must not choose; the Quoter checks the rest. */
	r->platform = 0;
	r->requester = requester;
	r->rootvisor_version = RV_VERSION;
	r->rootvisor_svn = RV_SVN;
	r->guardian_svn = h->svn;
	r->vm_id = vm->id;
	r->uptime_tsc = rdtsc() - rv_boot.tsc_start;
	r->tsc_khz = rv_boot.tsc_khz;
	r->counter = reports;
	memcpy(r->rootvisor_digest, rootvisor_digest, CVM_DIGEST_SIZE);
	memcpy(r->guardian_digest, guardian_digest, CVM_DIGEST_SIZE);
	memcpy(r->uuid, vm->params.uuid, sizeof(r->uuid));
	memcpy(r->user_data, call->user_data, sizeof(r->user_data));
	if (guardian_call(c, &quoter, CVM_G_SIGN, NULL, NULL))
		return -EIO;
	memcpy(&call->report, r, sizeof(*r));
	return 0;
}
