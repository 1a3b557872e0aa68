/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nested VMX: what vmx/ calls in nested/ and vm/. */
#pragma once

#include "rv/pcpu.h"

void nested_init(void);				/* after the pool and features, before the first entry */
/* Starts the Quoter and prepares vm/: on the boot CPU, in VMX operation, vmcs01 made, before the first entry. cmdline: RootVisor's,
 * for the TPM; the event log goes into *handoff. */
struct host_handoff;
void vm_init(struct pcpu *c, const char *cmdline, struct host_handoff *handoff);
/* VMX instructions of L1 (exit reasons 19-27, 50, 53). vmcs01 is current. */
void nested_l1_instruction(struct pcpu *c, u32 reason);
/* VMCALL of L1, any ring. vmcs01 is current. Our calls or #UD. */
void host_call(struct pcpu *c);
/* IA32_VMX_* and IA32_FEATURE_CONTROL as L1 sees them. False: not a VMX MSR (0x480-0x491). */
bool nested_cap_msr(u32 msr, u64 *val);
/* EPT violation of L1: the frame is in the table and not in EPT01. Either makes it the host's again
 * (sealed) and returns true (retry the access), or false: not for the host; caller injects #GP. */
bool vm_host_touch(struct pcpu *c, u64 gpa, u64 qualification);
struct vmcs *nested_vmcs(struct pcpu *c);	/* that of the context which is to run: vmcs01 or a VMCS02 */
/* While c->in_l2: an exit of the L2 guest; VMCS02 is current. */
void nested_handle_exit(struct pcpu *c, u32 reason);
void nested_entry_failed(struct pcpu *c);	/* VMfail in VMCS02; in vmcs01 it is the end */
enum vmx_result nested_quick_exit(void);	/* for vmx_enter(), without the lock: exits that come often, of L1 and of guests */
