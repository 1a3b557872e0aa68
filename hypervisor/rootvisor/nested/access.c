// SPDX-License-Identifier: LGPL-2.1-or-later
/* VMREAD and VMWRITE of L1: where a field of a VMCS12 lives. */
#include "nested/nested.h"

static bool lives_in_02(const struct vcpu12 *v, u32 idx)
{
	return fields[idx].class == FIELD_GUEST && !v->vm;
}

u64 vmcs12_read(struct pcpu *c, struct vcpu12 *v, u32 idx)
{
	u64 val;

	if (!lives_in_02(v, idx))
		return F12(v, fields[idx].encoding);
	vmcs_load(c, &v->vmcs02);
	val = vmread(fields[idx].encoding);
	vmcs_load(c, &c->vmcs01);
	return val;
}

void vmcs12_write(struct pcpu *c, struct vcpu12 *v, u32 idx, u64 val)
{
	if (!lives_in_02(v, idx)) {
		F12(v, fields[idx].encoding) = val;
		if (fields[idx].class == FIELD_CONTROL)	/* exit controls say what of the host state counts */
			v->stale |= STALE_02 | STALE_CONTROLS | STALE_HOST;
		if (fields[idx].class == FIELD_HOST)
			v->stale |= STALE_HOST;
	} else {
		v->stale |= STALE_GUEST;
		vmcs_load(c, &v->vmcs02);
		vmwrite(fields[idx].encoding, val);
		vmcs_load(c, &c->vmcs01);
	}
	if (fields[idx].class == FIELD_GUEST)
		vmcs_shadow_close();
}

void vmcs12_move_guest(struct pcpu *c, struct vcpu12 *v, bool pull)
{
	vmcs_load(c, &v->vmcs02);
	for (u32 i = 0; i < NR_FIELDS; i++) {
		if (fields[i].class != FIELD_GUEST)
			continue;
		if (pull)
			F12(v, fields[i].encoding) = vmread(fields[i].encoding);
		else
			vmwrite(fields[i].encoding, F12(v, fields[i].encoding));
	}
	vmcs_load(c, &c->vmcs01);
}
