// SPDX-License-Identifier: LGPL-2.1-or-later
/* VMCALLs of the host, from any ring, authorised by the secret (cvm/abi.h). */
#include "vm/vm.h"

/* One page each: results are built here, then copied to the caller. */
static u8 buffers[CVM_MAX_CPUS][PAGE_SIZE] __attribute__((aligned(4096)));

static void host_info(struct cvm_host_info *i)
{
	u32 *brand = (u32 *)i->cpu_model;

	*i = (struct cvm_host_info) {
		.abi_version = CVM_ABI_VERSION, .version = RV_VERSION, .svn = RV_SVN, .guardian_svn = quoter_says.guardian_svn,
		.cpus = nr_pcpus, .features = platform_features, .tsc_khz = rv_boot.tsc_khz,
		.uptime_tsc = rdtsc() - rv_boot.tsc_start, .ram_frames = frame_counts.ram,
		.rootvisor_frames = frame_counts.rootvisor, .private_frames = frame_counts.priv,
		.pool_frames_free = pool_free_pages() };
	for (u32 n = 1; n <= CVM_MAX_VMS; n++)
		i->vms += vms[n].state != CVM_VM_FREE;
	memcpy(i->rootvisor_digest, quoter_says.rootvisor_digest, CVM_DIGEST_SIZE);
	memcpy(i->guardian_digest, quoter_says.guardian_digest, CVM_DIGEST_SIZE);
	for (u32 n = 0; n < 3; n++)
		cpuid(0x80000002 + n, 0, brand + 4 * n);
}

/* The sum over all CPUs. */
static void host_stats(struct cvm_stats *s)
{
	for (u32 i = 0; i < nr_pcpus; i++)
		for (u32 n = 0; n < sizeof(*s) / sizeof(u64); n++)
			((u64 *)s)[n] += ((u64 *)&pcpus[i].stats)[n];
}

static void vm_info(const struct vm *vm, struct cvm_vm_info *i)
{
	*i = (struct cvm_vm_info) { .id = vm->id, .state = vm->state, .reason = vm->reason, .vcpus = vm->vcpus,
				    .frames = vm->frames, .stop_arg = vm->stop_arg[0] };
	memcpy(i->uuid, vm->params.uuid, sizeof(i->uuid));
	for (u32 n = 0; n < vm->params.nr_ram; n++)
		i->ram_bytes += vm->params.ram[n].size;
	memcpy(i->launch_digest, vm->launch_digest, CVM_DIGEST_SIZE);
}

static void vm_list(struct cvm_vm_list *l)
{
	for (u32 n = 1; n <= CVM_MAX_VMS; n++)
		if (vms[n].state != CVM_VM_FREE)
			vm_info(&vms[n], &l->vm[l->count++]);
}

static s64 key_put(struct pcpu *c, struct vm *vm, void *blob)
{
	int err = guardian_serve(c, &vm->guardian, CVM_G_KEY_PUT, blob, sizeof(struct cvm_key_blob));

	log_event(err ? CVM_EV_DENIED : CVM_EV_KEY, err ? CVM_R_BAD_KEY : 0, vm->id, vm->params.uuid, 0, (u64)-err);
	return err;
}

/* A VM is counted once: of two with the same measurement the later one has the higher count. */
static s64 counter(struct pcpu *c, struct vm *vm, struct cvm_counter_call *call)
{
	int err;

	if (vm->rollback)
		return -EEXIST;
	call->vm_id = vm->id;
	memcpy(call->identity, vm->launch_digest, CVM_DIGEST_SIZE);
	err = guardian_serve(c, &quoter, CVM_G_COUNTER, call, sizeof(*call));
	vm->rollback = err ? 0 : call->rollback;
	return err;
}

static s64 log_head(struct pcpu *c, u64 tree_size, struct cvm_log_call *call)
{
	if (tree_size)		/* 24 bytes of the root */
		log_event(CVM_EV_ANCHOR, CVM_R_NONE, 0, call->user_data, tree_size, *(u64 *)(call->user_data + 16));
	return log_fold(c, 0, call) ? -EIO : 0;
}

/* size: of the buffer that the call wants. */
static s64 dispatch(struct pcpu *c, u32 nr, u64 arg, u64 la, u64 size, bool user, void *b)
{
	static const struct {
		u16 size, in;		/* of the buffer; of what is read from it */
		bool vm;
	} calls[] = {
		[CVM_HOST_INFO] = { sizeof(struct cvm_host_info) },
		[CVM_HOST_STATS] = { sizeof(struct cvm_stats) },
		[CVM_HOST_VM_LIST] = { sizeof(struct cvm_vm_list) },
		[CVM_HOST_VM_INFO] = { sizeof(struct cvm_vm_info), 0, true },
		[CVM_HOST_VM_STATS] = { sizeof(struct cvm_stats), 0, true },
		[CVM_HOST_VM_REPORT] = { sizeof(struct cvm_report_call), sizeof(((struct cvm_report *)b)->user_data), true },
		[CVM_HOST_VM_DESTROY] = { 0, 0, true },
		[CVM_HOST_EVENTS] = { sizeof(struct cvm_event_page) },
		[CVM_HOST_REPORT_KEY] = { sizeof(struct cvm_report_key) },
		[CVM_HOST_KEY_PUT] = { sizeof(struct cvm_key_blob), sizeof(struct cvm_key_blob), true },
		[CVM_HOST_LOG_HEAD] = { sizeof(struct cvm_log_call), sizeof(((struct cvm_log_call *)b)->user_data) },
		[CVM_HOST_COUNTER] = { sizeof(struct cvm_counter_call), sizeof(struct cvm_counter_call), true },
	};
	struct vm *vm = NULL;
	u64 in;
	s64 r = 0;

	if (nr < CVM_HOST_INFO || nr >= ARRAY_SIZE(calls))
		return -ENOSYS;
	if (size != calls[nr].size)
		return -EINVAL;
	in = calls[nr].in;
	if (calls[nr].vm) {
		vm = vm_by_id((u32)arg);
		if (!vm || arg >> 32)
			return -ENOENT;
	}
	if (in && vm && vm->state != CVM_VM_RUNNING)
		return -EBUSY;
	memset(b, 0, PAGE_SIZE);
	/* What changes something reads from the buffer: that it takes the answer, too, is seen before. */
	if (in && (l1_read(la, b, in, user, NULL) < 0 || l1_write(la, b, size, user, NULL) < 0))
		return -EFAULT;
	switch (nr) {
	case CVM_HOST_INFO:	host_info(b); break;
	case CVM_HOST_STATS:	host_stats(b); break;
	case CVM_HOST_VM_LIST:	vm_list(b); break;
	case CVM_HOST_VM_INFO:	vm_info(vm, b); break;
	case CVM_HOST_VM_STATS:	memcpy(b, &vm->stats, sizeof(vm->stats)); break;
	case CVM_HOST_VM_REPORT: r = vm_report(c, vm, NULL, 0, b, (u8 *)b + in, NULL) ? -EIO : 0; break;
	case CVM_HOST_VM_DESTROY: return (s64)vm_destroy(c, vm);
	case CVM_HOST_EVENTS:	log_fold(c, 0, NULL); r = log_read(arg, b); break;
	case CVM_HOST_REPORT_KEY: memcpy(b, quoter_says.key, sizeof(quoter_says.key)); break;
	case CVM_HOST_KEY_PUT:	r = key_put(c, vm, b); break;
	case CVM_HOST_LOG_HEAD:	r = log_head(c, arg, b); break;
	case CVM_HOST_COUNTER:	r = counter(c, vm, b); break;
	}
	if (r < 0)
		return r;
	return l1_write(la, b, size, user, NULL) < 0 ? -EFAULT : r;
}

void host_call(struct pcpu *c)
{
	bool user = ((vmread(VMCS_GUEST_SS_AR) >> 5) & 3) == 3;
	u64 *r = c->regs.r;
	s64 result;

	if (((u32)r[R_RAX] & CVM_CALL_MAGIC_MASK) != CVM_CALL_MAGIC)
		return guest_inject_exception(6, false, 0);	/* as on a bare CPU */
	if ((r[R_RBX] ^ quoter_says.secret[0]) | (r[R_RCX] ^ quoter_says.secret[1])) {
		result = -EPERM;
		log_refused(CVM_R_BAD_SECRET, (u32)r[R_RAX], result);
	} else {
		result = dispatch(c, (u32)r[R_RAX] & ~CVM_CALL_MAGIC_MASK, r[R_RDX], r[R_RSI], r[R_RDI], user,
				  buffers[c->id]);
		/* -ENOENT and -EBUSY are answers. */
		if (result == -ENOSYS || result == -EINVAL || result == -EFAULT)
			log_refused(CVM_R_BAD_CALL, (u32)r[R_RAX], result);
	}
	r[R_RAX] = (u64)result;
	guest_skip_instruction();
}
