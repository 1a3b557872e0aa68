/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of nested/ and vm/ in the test image rootvisor-nonest: a host without VMX. */
#include "rv/nested.h"
#include "rv/print.h"

#define VECTOR_UD	6

void nested_init(void)
{
	rv_printf("this image has no nested VMX\n");
}

void nested_l1_instruction(struct pcpu *c, u32 reason)
{
	(void)c;
	(void)reason;
	l1_inject_exception(VECTOR_UD, false, 0);
}

void host_call(struct pcpu *c)
{
	(void)c;
	l1_inject_exception(VECTOR_UD, false, 0);
}

bool nested_cap_msr(u32 msr, u64 *val)
{
	(void)msr;
	(void)val;
	return false;
}

bool vm_host_touch(struct pcpu *c, u64 gpa, u64 qualification)
{
	(void)c;
	(void)gpa;
	(void)qualification;
	return false;
}

void nested_run(struct pcpu *c)
{
	rv_panic("CPU %u: in_l2 without nested VMX", c->id);
}

void vm_init(struct pcpu *c)
{
	(void)c;
}
